"""An intake for tests of a source: it writes down what it is given, and can be made to wait."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import TypeVar

import msgspec
from anyio.lowlevel import checkpoint
from typing_extensions import ParamSpec

from penstock.accumulators.many import accept_each
from penstock.accumulators.signal import Signal
from penstock.accumulators.source import Placed, Position, check_place
from penstock.runtime.scheduler import Scheduler
from penstock.runtime.threads import Threads

P = ParamSpec("P")
T = TypeVar("T")


class Taken(msgspec.Struct, frozen=True):
    """One event that was handed over."""

    payload: object
    position: Position | None
    partition: str


class RecordingIntake:
    """An ``Intake`` that takes everything, says when it has enough, and notices a source that does not listen.

    Args:
        scheduler: What the source waits for time with.
        threads: Where it does what blocks.
        burst: After so many events the intake is saturated, and says so until ``ready`` has returned.
        limit: After so many events ``ready`` does not return any more: a source that keeps to the contract gives no
            more than these.
        wants_records: Whether it asks for whole records, as a function does that takes a key or headers.

    Attributes:
        taken: What was handed over, in order.
        overrun: How many events came although ``ready`` should have been awaited before.
        dropped_events: How many the source said that it dropped.
        health: What the source said of its connection, in order.
        errors: Why it was out of reach.
        reports: The lags and rates that it reported.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        threads: Threads,
        *,
        burst: int | None = None,
        limit: int | None = None,
        wants_records: bool = False,
    ) -> None:
        self.scheduler: Scheduler = scheduler
        self.taken: list[Taken] = []
        self.overrun: int = 0
        self.dropped_events: int = 0
        self.health: list[str] = []
        self.errors: list[BaseException] = []
        self.reports: list[tuple[int, float]] = []
        self.wants_records: bool = wants_records
        self._threads = threads
        self._skipped: dict[str, Position] = {}
        self._burst, self._limit = burst, limit
        self._saturated = False
        self._changed = Signal()

    @property
    def payloads(self) -> list[object]:
        """The events alone."""
        return [taken.payload for taken in self.taken]

    @property
    def positions(self) -> Mapping[str, Position]:
        """The last position of each partition, as the store would keep it."""
        taken = {taken.partition: taken.position for taken in self.taken if taken.position is not None}
        return taken | self._skipped

    @staticmethod
    def reader(payload: object) -> object:
        """Take a payload as it is."""
        return payload

    #: All that was taken is as good as committed.
    stored = positions

    def accept(self, payload: object, position: Position | None = None, partition: str = "") -> bool:
        """Write an event down.

        Raises:
            AppError: The position, or the partition, is none that the store could keep.
        """
        if position is not None:
            check_place("under test", position, partition)

        self.overrun += self._saturated
        self.taken.append(Taken(payload, position, partition))
        full_burst = self._burst is not None and len(self.taken) % self._burst == 0
        self._saturated = self._saturated or full_burst or self.full
        self.tell()
        return not self._saturated

    def accept_all(
        self, events: Iterator[Placed], decode: Callable[[object], object] | None = None, partition: str = ""
    ) -> int:
        """Write events down, until there is none left or the intake is saturated; return how many.

        Raises:
            AppError: As ``accept``.
        """
        return accept_each(self.accept, events, decode, partition)

    async def ready(self) -> None:
        """Give others their turn; for ever when the limit is reached."""
        await checkpoint()
        while self.full:
            await self._changed.wait()

        self._saturated = False

    async def until(self, condition: Callable[[], bool]) -> None:
        """Return when something is so; it is looked at whenever something was told to the intake."""
        while not condition():
            await self._changed.wait()

    def tell(self) -> None:
        """Let those look who wait."""
        self._changed.tell()

    @property
    def full(self) -> bool:
        """Whether the limit is reached."""
        return self._limit is not None and len(self.taken) >= self._limit

    def skip(self, position: Position, partition: str = "") -> None:
        """Remember the position as one behind which reading goes on."""
        self._skipped[partition] = position

    def report(self, *, lag: int, rate: float) -> None:
        """Write it down."""
        self.reports.append((lag, rate))

    def connecting(self) -> None:
        """Write it down."""
        self.health.append("connecting")

    def live(self) -> None:
        """Write it down."""
        self.health.append("live")

    def lost(self, error: BaseException) -> None:
        """Write it down."""
        self.health.append("disconnected")
        self.errors.append(error)
        self.tell()

    def dropped(self, events: int = 1) -> None:
        """Count them."""
        self.dropped_events += events

    def in_thread(self, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Awaitable[T]:
        """Call it in a thread."""
        return self._threads.run(fn, *args, **kwargs)
