"""The bridge to reactivex: its operators on our clock, its Observables in and out; the only file that imports it.

Nothing of ours is transported by it: it has no back-pressure. Loading the library takes a tenth of a second, so the
files that need this one import it where they use it.
"""

import asyncio
import inspect
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import TypeVar, cast

from reactivex import Observable, abc, typing
from reactivex.disposable import Disposable
from reactivex.scheduler.periodicscheduler import PeriodicScheduler
from reactivex.subject import Subject
from typing_extensions import override

from penstock.runtime.scheduler import Scheduler, Timer

__all__ = ["Observable", "OnScheduler", "Operator", "Stages", "names_of", "observable_of", "subscribe"]

T = TypeVar("T")
State = TypeVar("State")

#: An operator, as ``reactivex.operators`` makes them.
Operator = Callable[[Observable[object]], Observable[object]]
Fail = Callable[[Exception], None]


class OnScheduler(PeriodicScheduler):
    """The scheduler of an app as reactivex sees it. May be called on any thread; actions run on the event loop.

    Args:
        scheduler: The app's.
        fail: Told what an action raised: it is user code, and other timers are not its business.
    """

    def __init__(self, scheduler: Scheduler, fail: Fail) -> None:
        super().__init__()
        self._scheduler = scheduler
        self._fail = fail
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        #: The action that runs now, and those that come after it.
        self._soon: deque[Planned] = deque()

    @property
    @override
    def now(self) -> datetime:
        return self._scheduler.clock.now()

    @override
    def schedule(self, action: abc.ScheduledAction[State], state: State | None = None) -> abc.DisposableBase:
        # at once, or after the action that runs now: what needs no time belongs to the value that caused it
        planned = Planned(lambda: self._act(planned, action, state))
        self._on_loop(lambda: self._bounce(planned))
        return Disposable(lambda: self._on_loop(planned.cancel))

    @override
    def schedule_relative(
        self, duetime: typing.RelativeTime, action: abc.ScheduledAction[State], state: State | None = None
    ) -> abc.DisposableBase:
        planned = Planned(lambda: self._act(planned, action, state))
        delay = max(0.0, self.to_seconds(duetime))
        # counted from now, also when another thread asks and the loop is late
        deadline = self._scheduler.clock.monotonic() + delay
        self._on_loop(lambda: planned.set(self._scheduler, deadline))
        return Disposable(lambda: self._on_loop(planned.cancel))

    @override
    def schedule_absolute(
        self, duetime: typing.AbsoluteTime, action: abc.ScheduledAction[State], state: State | None = None
    ) -> abc.DisposableBase:
        return self.schedule_relative(self.to_datetime(duetime) - self.now, action, state)

    def _on_loop(self, step: Callable[[], None]) -> None:
        if threading.get_ident() == self._thread:
            step()
        else:
            try:
                self._loop.call_soon_threadsafe(step)
            except RuntimeError:  # the loop is closed: no time passes any more
                return

    def _bounce(self, planned: "Planned") -> None:
        self._soon.append(planned)
        if len(self._soon) == 1:
            while self._soon:
                try:
                    self._soon[0].run()
                finally:
                    self._soon.popleft()

    def _act(self, planned: "Planned", action: abc.ScheduledAction[State], state: State | None) -> None:
        try:
            planned.inner = self.invoke_action(action, state=state)
        except Exception as error:  # noqa: BLE001 (operators call user code, and not all of them catch what it raises)
            self._fail(error)


class Planned:
    """One action on its way; what it planned itself is cancelled with it."""

    def __init__(self, act: Callable[[], None]) -> None:
        self._act = act
        self._timer: Timer | None = None
        self._cancelled = False
        self.inner: abc.DisposableBase | None = None

    def set(self, scheduler: Scheduler, deadline: float) -> None:
        """Wait for the deadline, unless it was cancelled before."""
        if not self._cancelled:
            self._timer = scheduler.at(deadline, self._act)

    def run(self) -> None:
        """Act, unless it was cancelled."""
        if not self._cancelled:
            self._act()

    def cancel(self) -> None:
        """Forget the action."""
        self._cancelled = True
        if self._timer is not None:
            self._timer.cancel()

        if self.inner is not None:
            self.inner.dispose()


class Stages:
    """Operators in a row, which values are pushed into.

    Args:
        operators: As ``reactivex.operators`` makes them.
        scheduler: The app's: what ``debounce``, ``buffer_with_time`` and the like wait for.
        emit: Takes what comes out: during ``push``, or later, when an operator waited for time.
        fail: Told what an operator raised; nothing comes out after that.
    """

    def __init__(
        self, operators: Sequence[Operator], *, scheduler: Scheduler, emit: Callable[[object], None], fail: Fail
    ) -> None:
        self._inlet: Subject[object] = Subject()
        self._subscription = subscribe(
            self._inlet.pipe(*operators), emit, fail=fail, complete=nothing, scheduler=scheduler
        )

    def push(self, value: object) -> None:
        """Put a value in.

        Raises:
            Exception: An operator raised, and did not pass it on to ``fail``.
        """
        self._inlet.on_next(value)

    def close(self) -> None:
        """Forget what the operators hold, and let nothing come out any more."""
        self._subscription.dispose()


def subscribe(
    observable: Observable[T],
    take: Callable[[T], None],
    *,
    fail: Fail,
    complete: Callable[[], None],
    scheduler: Scheduler,
) -> abc.DisposableBase:
    """Subscribe to an Observable on the scheduler of an app; on the event loop."""
    return observable.subscribe(take, fail, complete, scheduler=OnScheduler(scheduler, fail))


def observable_of(
    begin: Callable[[Callable[[T], None], Callable[[], None]], Callable[[], None]],
) -> "Observable[T]":
    """Return an Observable; ``begin(take, complete)`` is called for each subscription, and returns what ends it."""

    def start(observer: abc.ObserverBase[T], scheduler: abc.SchedulerBase | None = None) -> abc.DisposableBase:  # noqa: ARG001
        return Disposable(begin(observer.on_next, observer.on_completed))

    return Observable(start)


def names_of(operator: object) -> Iterator[str]:
    """Yield the names of the operators that an operator consists of; with its module for one that is not reactivex's.

    reactivex makes operators as closures, which do not tell their names: they are read from what is closed over.
    """
    if not inspect.isfunction(operator):
        yield f"{type(operator).__module__}.{type(operator).__qualname__}"
        return

    closed = inspect.getclosurevars(operator).nonlocals
    inner: object = closed.get("fun")
    if operator.__module__ == "reactivex.internal.curry" and callable(inner):
        yield str(getattr(inner, "__name__", inner)).strip("_")
    elif operator.__module__ == "reactivex.pipe" and "operators" in closed:
        for part in cast("Sequence[object]", closed["operators"]):
            yield from names_of(part)
    else:
        yield f"{operator.__module__}.{operator.__qualname__}"


def nothing() -> None:
    """Do nothing at the end: an inlet has none."""
