"""What a source sees of the app: the intake of one accumulator, for one run of the source."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from typing_extensions import ParamSpec

from penstock.accumulators.live import LiveAccumulator
from penstock.accumulators.many import Accept, AcceptAll
from penstock.accumulators.source import Position
from penstock.runtime.foreign import error_text
from penstock.runtime.scheduler import Scheduler
from penstock.runtime.threads import Threads

P = ParamSpec("P")
T = TypeVar("T")


class Feed:
    """An ``Intake``.

    Attributes:
        accept: The accumulator's own method: events go there without a step in between.
        accept_all: The same for many.
        scheduler: The app's.
    """

    __slots__ = ("_accumulator", "_threads", "accept", "accept_all", "scheduler")

    def __init__(self, accumulator: LiveAccumulator, scheduler: Scheduler, threads: Threads) -> None:
        self._accumulator = accumulator
        self._threads = threads
        self.scheduler: Scheduler = scheduler
        self.accept: Accept = accumulator.accept
        self.accept_all: AcceptAll = accumulator.accept_all

    async def ready(self) -> None:
        """Wait until more can be taken."""
        await self._accumulator.ready()

    async def finish(self) -> None:
        """Be told that the source has ended."""

    def connecting(self) -> None:
        """Note that the system behind the source is being reached; the last error stays until it is."""
        self._accumulator.health = "connecting"

    def live(self) -> None:
        """Note that events come when there are any."""
        self._accumulator.health, self._accumulator.error = "live", None

    def lost(self, error: BaseException) -> None:
        """Note that the system behind the source is out of reach."""
        self._accumulator.health, self._accumulator.error = "disconnected", error_text(error)

    def dropped(self, events: int = 1) -> None:
        """Count events that never reached the accumulator."""
        self._accumulator.overflowed += events
        self._accumulator.keeper.drop(self._accumulator.name, "overflow")

    @property
    def full(self) -> bool:
        """Whether there is no room."""
        return self._accumulator.full

    @property
    def wants_records(self) -> bool:
        """Whether the function asks for more than the event."""
        return self._accumulator.definition.extras is not None

    @property
    def reader(self) -> Callable[[object], object]:
        """What makes events of what is handed over."""
        return self._accumulator.reader

    @property
    def stored(self) -> Mapping[str, Position]:
        """The positions that are committed."""
        return self._accumulator.stored

    def skip(self, position: Position, partition: str = "") -> None:
        """Note a position without an event."""
        self._accumulator.skip(position, partition)

    def report(self, *, lag: int, rate: float) -> None:
        """Note how far behind the source is."""
        self._accumulator.lag, self._accumulator.rate = lag, rate

    def in_thread(self, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Awaitable[T]:
        """Call what blocks in a thread of the app."""
        return self._threads.run(fn, *args, **kwargs)
