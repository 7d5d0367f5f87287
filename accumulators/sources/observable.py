"""Events from an Observable of reactivex, whichever thread it emits on."""

import asyncio
import importlib
import threading
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from penstock.accumulators.source import Intake, Position
from penstock.runtime.errors import ChannelFull, DefinitionError
from penstock.runtime.foreign import value_text

if TYPE_CHECKING:
    from penstock.runtime.rx import Observable

Drop = Literal["drop_oldest", "reject"]


class FromObservable:
    """Gives what an Observable emits; *not replayable*.

        @ps.stream_accumulator(ps.FromObservable(prices, capacity=10_000))
        def ticks(event: Price) -> Price: ...

    It is subscribed to when the app starts, on the app's scheduler, and again after an error. It may emit on any
    thread: events wait in a bounded buffer until the event loop takes them. An Observable cannot be made to wait, so
    what does not fit is dropped and counted; when nothing may be lost, push from where the events come from.

    Args:
        observable: What to subscribe to.
        capacity: Events that may wait.
        overflow: Beyond that, ``"drop_oldest"`` drops and counts the oldest one; with ``"reject"`` the source fails
            with ``ChannelFull``, and the Observable is subscribed to again after a pause.
        name: The name for messages.

    Raises:
        DefinitionError: It cannot be subscribed to, or an option cannot be.
    """

    def __init__(
        self,
        observable: "Observable[object]",
        *,
        capacity: int = 1024,
        overflow: Drop = "drop_oldest",
        name: str = "observable",
    ) -> None:
        # Loaded here: `import penstock` does without the library, and in `run` it would hold the loop.
        importlib.import_module("penstock.runtime.rx")
        problems: list[str] = []
        if not callable(getattr(observable, "subscribe", None)):
            problems.append(f"FromObservable({value_text(observable)}): give an Observable of reactivex")

        if capacity < 1:
            problems.append(f"FromObservable: capacity={capacity!r} must be at least 1")

        if overflow not in {"drop_oldest", "reject"}:
            problems.append(
                f"FromObservable: overflow={overflow!r} is none of 'drop_oldest', 'reject': an Observable cannot wait"
            )

        if problems:
            raise DefinitionError(*problems)

        self.name: str = name
        self._observable = observable
        self._capacity = capacity
        self._overflow: Drop = overflow

    async def run(self, intake: Intake, positions: Mapping[str, Position]) -> None:  # noqa: ARG002 (it has none)
        """Subscribe, and give what is emitted until the Observable completes.

        Raises:
            ChannelFull: Too much waits, and that is an error.
            Exception: What the Observable ended with.
        """
        from penstock.runtime.rx import subscribe  # noqa: PLC0415 - loaded where the source was declared

        waiting = Waiting(self.name, self._capacity, self._overflow)
        subscription = subscribe(
            self._observable,
            waiting.put,
            fail=waiting.fail,
            complete=waiting.complete,
            scheduler=intake.scheduler,
        )
        try:
            while await waiting.more():
                if dropped := waiting.dropped():
                    intake.dropped(dropped)

                if not intake.accept(waiting.take()):
                    await intake.ready()
        finally:
            subscription.dispose()


class Waiting:
    """The events between the thread that emits and the loop that takes them."""

    def __init__(self, name: str, capacity: int, overflow: Drop) -> None:
        self._name, self._capacity, self._overflow = name, capacity, overflow
        self._loop = asyncio.get_running_loop()
        # held for a few steps by either side: the bound must hold whichever thread emits
        self._lock = threading.Lock()
        self._events: deque[object] = deque()
        self._dropped = 0
        self._over = False
        self._error: Exception | None = None
        self._woken: asyncio.Future[None] | None = None

    # -- any thread ----------------------------------------------------------------------------------------

    def put(self, event: object) -> None:
        """Take an event."""
        with self._lock:
            if self._over:
                return

            if len(self._events) >= self._capacity:
                self._make_room()

            if not self._over:
                self._events.append(event)

        self._wake()

    def fail(self, error: Exception) -> None:
        """End with an error, after what waits."""
        with self._lock:
            self._over, self._error = True, self._error or error

        self._wake()

    def complete(self) -> None:
        """End after what waits."""
        with self._lock:
            self._over = True

        self._wake()

    def _make_room(self) -> None:
        if self._overflow == "reject":
            self._over, self._error = True, ChannelFull(self._name, self._capacity)
        else:
            self._events.popleft()
            self._dropped += 1

    def _wake(self) -> None:
        """Wake the loop, once for all that came since it slept."""
        with self._lock:
            woken, self._woken = self._woken, None

        if woken is not None:
            try:
                self._loop.call_soon_threadsafe(settle, woken)
            except RuntimeError:  # the loop is closed: nobody takes anything any more
                return

    # -- the loop ------------------------------------------------------------------------------------------

    async def more(self) -> bool:
        """Wait for an event; False when no more comes.

        Raises:
            Exception: What the Observable ended with, after all its events.
        """
        while True:
            with self._lock:
                if self._events:
                    return True

                if self._over:
                    break

                self._woken = woken = self._loop.create_future()

            await woken

        if self._error is not None:
            raise self._error

        return False

    def take(self) -> object:
        """Return the oldest event."""
        with self._lock:
            return self._events.popleft()

    def dropped(self) -> int:
        """Return how many events were dropped since this was asked."""
        with self._lock:
            dropped, self._dropped = self._dropped, 0

        return dropped


def settle(woken: asyncio.Future[None]) -> None:
    """Wake whoever waits, if that is still so."""
    if not woken.done():
        woken.set_result(None)
