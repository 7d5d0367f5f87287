"""Where events come from: the one thing to implement for a new kind of source.

A source is an object with a name and one coroutine, ``run``. All it may do to the app goes through the intake that it
is given: hand over events with their positions, wait for room, tell whether it is connected, wait for time, work in a
thread. ``penstock.testing.contract`` tests that a source keeps its side.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Protocol, TypeVar, runtime_checkable

from typing_extensions import ParamSpec

from penstock.runtime.errors import AppError
from penstock.runtime.foreign import value_text
from penstock.runtime.scheduler import Scheduler
from penstock.runtime.texts import is_text

P = ParamSpec("P")
T = TypeVar("T")

#: A place in a source or in one of its partitions: a Kafka offset, a line number, a cursor.
Position = int | str


class Placed(Protocol):
    """An event of a batch that a source has read, with its place."""

    @property
    def value(self) -> object:
        """The event."""
        ...

    @property
    def offset(self) -> Position:
        """Its position."""
        ...


class Intake(Protocol):
    """The accumulator as its source sees it."""

    def accept(self, payload: object, position: Position | None = None, partition: str = "") -> bool:
        """Process one event at once, and remember where it was.

        A payload that is not of the accumulator's event type is converted: bytes and text are read as JSON, mappings
        become structs. What cannot be converted becomes a dead letter.

        Args:
            payload: The event.
            position: The event's own place; a restart goes on behind it.
            partition: The part of the source that ``position`` counts in.

        Returns:
            False when the intake is saturated: the event was taken, and the source awaits ``ready`` before the next.
        """
        ...

    def accept_all(
        self, events: Iterator[Placed], decode: Callable[[object], object] | None = None, partition: str = ""
    ) -> int:
        """Process events of one partition, as ``accept`` does, until there is none left or the intake is saturated.

        Args:
            events: What is left of a batch; give the same iterator again after ``ready``.
            decode: Reads those that are bytes; what it cannot read is left to ``reader``.
            partition: The part of the source that their positions count in.

        Returns:
            How many it has taken. While that is not 0, there may be more: the source awaits ``ready`` and calls again.
        """
        ...

    def ready(self) -> Awaitable[None]:
        """Wait until more can be taken; at once when that is now, but other work on the loop has its turn."""
        ...

    def connecting(self) -> None:
        """Say that the system behind the source is being reached; without this the source is live from its start."""

    def live(self) -> None:
        """Say that the system behind the source is reached, and events come when there are any."""

    def lost(self, error: BaseException) -> None:
        """Say that the system is out of reach for now; for a source that tries again by itself and does not raise."""

    def dropped(self, events: int = 1) -> None:
        """Count events that the source had to drop, because they came faster than they were taken."""

    @property
    def scheduler(self) -> Scheduler:
        """What waits for the app's time: ``await intake.scheduler.sleep(1.0)`` to look, or to try, again later."""
        ...

    @property
    def full(self) -> bool:
        """Whether there is no room, so that ``ready`` waits for it, and not only for the turn of others."""
        ...

    @property
    def wants_records(self) -> bool:
        """Whether the function asks for a key, headers and the like: then hand over a whole ``Record``."""
        ...

    @property
    def reader(self) -> Callable[[object], object]:
        """What makes events of what is handed over, as ``accept`` does: for a source that hands over events instead."""
        ...

    @property
    def stored(self) -> Mapping[str, Position]:
        """The positions that are committed to the store, by partition."""
        ...

    def skip(self, position: Position, partition: str = "") -> None:
        """Say that nothing is to be taken up to a position: a restart goes on behind it."""

    def report(self, *, lag: int, rate: float) -> None:
        """Tell how many events wait in the source, and how many it gives in a second, for metrics and health."""

    def in_thread(self, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Awaitable[T]:
        """Call what blocks (a file, a driver) in a thread of the app, and return what it returns."""
        ...


@runtime_checkable
class Source(Protocol):
    """Reads events from somewhere and gives them to an intake.

    It may have besides: ``restart``, a ``RestartPolicy`` for when it raised; and what ``record.Reading`` names, to make
    events of what it hands over in a way of its own.
    """

    @property
    def name(self) -> str:
        """The name for messages; accumulators that share one source object belong to one checkpoint unit."""
        ...

    async def run(self, intake: Intake, positions: Mapping[str, Position]) -> None:
        """Read events until the end of the source, or for ever.

        Called again, with the newest positions, after it raised; its supervisor backs off meanwhile.

        Args:
            intake: Takes the events, in their order within a partition.
            positions: The last position that was taken, by partition; empty the first time. Reading goes on *behind*
                these: state and effects of what lies before are kept.

        Raises:
            SourceUnavailable: The system behind the source cannot be reached.
        """


def check_place(accumulator: str, position: object, partition: object) -> None:
    """Refuse a place that the store could not keep.

    Raises:
        AppError: The position is neither a whole number of 64 bits nor text, or the partition is no text that every
            database keeps.
    """
    if not (is_number(position) or is_text(position)):
        wrong, what = position, "position= is an int of 64 bits or a str that is valid Unicode without NUL"
    elif not is_text(partition):
        wrong, what = partition, "partition= is a str that is valid Unicode without NUL"
    else:
        return

    raise AppError(f"the source of accumulator {accumulator!r} gave {value_text(wrong)}: {what}")


def is_number(value: object) -> bool:
    """Tell whether a value is a whole number that the store can keep."""
    return type(value) is int and -(2**63) < value < 2**63
