"""A clock that moves only when the test says so."""

import asyncio
import contextvars
import heapq
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import cast

from anyio.lowlevel import checkpoint

from penstock.runtime.clock import Activity
from penstock.runtime.durations import Duration, seconds
from penstock.runtime.errors import AppError

#: Two instants closer than this, in seconds, are the same: sums of floats must not decide whether a timer fires.
TOLERANCE = 1e-9
#: Turns given to a loop that does not show what is ready to run.
BLIND_TURNS = 50
#: The last turns of a settling that does not end, over which the busy tasks are noted.
LAST_TURNS = 10


class VirtualAlarm:
    """A wake-up that waits for virtual time."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake: Callable[[], None] | None = wake
        # as a timer of the loop does: the callback sees the context in which it was set
        self._context = contextvars.copy_context()

    @property
    def cancelled(self) -> bool:
        """Whether the wake-up is forgotten, or has happened."""
        return self._wake is None

    @property
    def name(self) -> str:
        """The name of what is called, for messages."""
        return str(getattr(self._wake, "__qualname__", self._wake))

    def cancel(self) -> None:
        """Forget the wake-up."""
        self._wake = None

    def hand_over(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let the loop make the wake-up at its next turn."""
        loop.call_soon(self._ring, context=self._context)

    def _ring(self) -> None:
        wake, self._wake = self._wake, None
        if wake is not None:
            wake()


class VirtualClock:
    """A deterministic ``Clock`` for tests: days pass in milliseconds.

    Time stands still until ``advance``. It then goes from deadline to deadline, and at each waits until everything has
    come to rest: nothing is ready to run on the loop, and nothing that has left the loop (worker threads, the store's
    writer) is still away.

    Args:
        start: Wall-clock time at the beginning, aware; ``monotonic()`` begins at 0.0.
        turns: How many turns of the loop one settling may take before it counts as endless.

    Attributes:
        activity: Counts what is away from the loop; the app, store and threads under test share it.
    """

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC), *, turns: int = 100_000) -> None:
        self.activity: Activity = Activity()
        self._wall = self._aware(start)  # the wall-clock time at monotonic zero
        self._monotonic = 0.0
        self._turns = turns
        self._alarms: list[tuple[float, int, VirtualAlarm]] = []
        self._sequence = 0
        self._holder: asyncio.Task[object] | None = None

    # -- the clock -----------------------------------------------------------------------------------------

    def now(self) -> datetime:
        """Return the virtual wall-clock time."""
        return self._wall + timedelta(seconds=self._monotonic)

    def monotonic(self) -> float:
        """Return the virtual seconds since the clock was made."""
        return self._monotonic

    def call_at(self, deadline: float, wake: Callable[[], None]) -> VirtualAlarm:
        """Call ``wake`` when virtual time reaches ``deadline``; at the next turn of the loop, when that is past."""
        alarm = VirtualAlarm(wake)
        if deadline <= self._monotonic:
            alarm.hand_over(asyncio.get_running_loop())
        else:
            self._sequence += 1
            heapq.heappush(self._alarms, (deadline, self._sequence, alarm))

        return alarm

    # -- for tests -----------------------------------------------------------------------------------------

    async def advance(self, duration: Duration) -> None:
        """Let virtual time pass, deadline by deadline, and everything come to rest at each and at the end.

        Args:
            duration: Seconds, or a text such as ``"1d"``. With zero, things come to rest and time stands.

        Raises:
            AppError: Something never comes to rest, or another task moves the clock.
            DefinitionError: The duration is negative, or none.
        """
        span = seconds(duration, name="advance", zero=True)
        await self.settle()
        end = self._monotonic + span
        while (deadline := self.next_alarm()) is not None and deadline <= end + TOLERANCE:
            self._monotonic = deadline
            self._hand_over_due()
            await self.settle()

        self._monotonic = max(self._monotonic, end)

    async def settle(self) -> None:
        """Wait until everything has come to rest, without moving time.

        Raises:
            AppError: Something never comes to rest, or another task moves the clock.
        """
        if self._holder is not None:
            raise AppError(f"two tasks move the clock at once; the other one is {self._holder.get_name()!r}")

        self._holder = asyncio.current_task()
        try:
            await self._come_to_rest()
        finally:
            self._holder = None

    def next_alarm(self) -> float | None:
        """Return the earliest deadline that somebody waits for, on the scale of ``monotonic()``."""
        while self._alarms and self._alarms[0][2].cancelled:
            heapq.heappop(self._alarms)

        return self._alarms[0][0] if self._alarms else None

    def set_wall(self, now: datetime) -> None:
        """Set the wall-clock time, as an administrator would; ``monotonic()`` and deadlines stay."""
        self._wall = self._aware(now) - timedelta(seconds=self._monotonic)

    def jump_wall(self, seconds: float) -> None:
        """Move the wall-clock time by some seconds, forward or back; ``monotonic()`` and deadlines stay."""
        self._wall += timedelta(seconds=seconds)

    # -- inside --------------------------------------------------------------------------------------------

    @staticmethod
    def _aware(now: datetime) -> datetime:
        if now.tzinfo is None:
            raise ValueError(f"a wall-clock time needs a time zone: {now.isoformat()}")

        return now.astimezone(UTC)

    def _hand_over_due(self) -> None:
        loop = asyncio.get_running_loop()
        while self._alarms and self._alarms[0][0] <= self._monotonic:
            heapq.heappop(self._alarms)[2].hand_over(loop)

    async def _come_to_rest(self) -> None:
        loop = asyncio.get_running_loop()
        busy = set[str]()
        for turn in range(self._turns):
            await self.activity.wait_idle()
            await checkpoint()
            if self.activity.count == 0 and not is_busy(loop, turn):
                return

            if turn >= self._turns - LAST_TURNS:
                busy.update(describe(ready(loop) or ()))

        raise AppError(f"the loop did not come to rest in {self._turns} turns; busy: {', '.join(sorted(busy))}")


def ready(loop: asyncio.AbstractEventLoop) -> Iterable[asyncio.Handle] | None:
    """Return what the loop is about to run; None when the loop does not show it (uvloop)."""
    handles: Iterable[asyncio.Handle] | None = getattr(loop, "_ready", None)
    return handles


def is_busy(loop: asyncio.AbstractEventLoop, turn: int) -> bool:
    """Tell whether something is ready to run, or may be."""
    handles = ready(loop)
    return turn < BLIND_TURNS if handles is None else any(True for _ in handles)


def describe(handles: Iterable[asyncio.Handle]) -> Iterable[str]:
    """Name the tasks, or else the callbacks, behind what is ready to run."""
    for handle in tuple(handles):
        callback: object = getattr(handle, "_callback", None)
        owner: object = getattr(callback, "__self__", None)
        if isinstance(owner, asyncio.Task):
            task = cast("asyncio.Task[object]", owner)
            yield f"task {task.get_name()!r} ({getattr(task.get_coro(), '__qualname__', 'a coroutine')})"
        elif isinstance(owner, VirtualAlarm):
            yield f"alarm {owner.name}"
        else:
            yield f"callback {getattr(callback, '__qualname__', callback)}"
