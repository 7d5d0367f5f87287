"""Records as they came: whole batches of them, without an object around each that nobody asked for.

The consumer unpacks every record into an object of eleven fields, in three calls of Python; for a small record that is
more work than to read it and to decide what follows from it. But it keeps what was fetched until somebody asks, and
reads it lazily. So each fetch is prepared on its way in: the consumer, which checks sums, leaves out what was aborted,
and knows its position, finds in every batch one piece only, and that piece reads the records when somebody asks.

None of this is promised by the consumer, so nothing depends on it: where a name is missing, records come one by one,
with the same fields, and slower; ``tests/kafka/test_batches.py`` tells.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from itertools import dropwhile
from typing import Protocol, cast

from typing_extensions import override


class Fetched(Protocol):
    """A record as it was read."""

    offset: int
    #: Milliseconds since 1970; -1 for none.
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


class Records(Protocol):
    """Records of one partition that were read together."""

    #: The offset behind the last of them.
    end: int

    def __iter__(self) -> Iterator[Fetched]:
        """Begin at the first."""
        ...


class Batch(Protocol):
    """A batch of records, as it is in the log."""

    #: The offset behind its last record.
    next_offset: int

    def __iter__(self) -> Iterator[Fetched]:
        """Begin at its first record."""
        ...

    def __next__(self) -> Fetched:
        """Return the next record: the mark, in a batch that marks the end of a transaction."""
        ...


class Batches(Protocol):
    """The batches of one fetch."""

    has_next: Callable[[], bool]
    next_batch: Callable[[], Batch]


class Piece:
    """The records of a batch, in the place of one; they are read when they are asked for, once.

    Attributes:
        end: The offset behind its last record.
        offset: What the consumer takes for the offset of the one.
    """

    __slots__ = ("_batch", "_position", "end", "offset")

    def __init__(self, batch: Batch, position: int | None) -> None:
        self._batch, self._position = batch, position
        self.end: int = batch.next_offset
        self.offset: int = self.end - 1

    def __iter__(self) -> Iterator[Fetched]:
        begin = self._position
        return iter(self._batch) if begin is None else dropwhile(lambda record: record.offset < begin, self._batch)


class Single:
    """Records that came one by one."""

    __slots__ = ("_records", "end")

    def __init__(self, records: Sequence[Fetched]) -> None:
        self._records = records
        self.end: int = records[-1].offset + 1

    def __iter__(self) -> Iterator[Fetched]:
        return iter(self._records)


class Whole:
    """A batch that has one piece; in everything else it is the batch itself.

    Args:
        batch: The batch.
        position: Where reading goes on, if it may begin before: a compressed one is given as a whole.
    """

    __slots__ = ("_batch", "_position")

    def __init__(self, batch: Batch, position: int | None) -> None:
        self._batch, self._position = batch, position

    def __getattr__(self, name: str) -> object:
        return getattr(self._batch, name)

    def __iter__(self) -> Iterator[Piece]:
        yield Piece(self._batch, self._position)

    def __next__(self) -> Fetched:
        return next(self._batch)


class Wholes:
    """The batches of one fetch, each in one piece."""

    __slots__ = ("_batches", "_position", "has_next")

    def __init__(self, batches: Batches, position: int) -> None:
        self._batches = batches
        self._position: int | None = position
        self.has_next: Callable[[], bool] = batches.has_next

    def next_batch(self) -> Whole:
        """Return the next batch; only the first may begin before the position."""
        position, self._position = self._position, None
        return Whole(self._batches.next_batch(), position)


class Fetches(OrderedDict[object, object]):
    """What was fetched and not asked for yet, by partition; prepared on its way in."""

    @override
    def __setitem__(self, place: object, fetched: object) -> None:
        prepare(getattr(fetched, "_partition_records", None))
        super().__setitem__(place, fetched)


def by_batches(consumer: object) -> None:
    """Let a consumer that has started give whole batches, if it can."""
    fetcher = getattr(consumer, "_fetcher", None)
    if isinstance(getattr(fetcher, "_records", None), OrderedDict):
        setattr(fetcher, "_records", Fetches())  # noqa: B010 - it has no public name


def prepare(unread: object) -> None:
    """Let a fetch be unpacked by batches; nothing for an error, and nothing where it cannot be."""
    batches, position = getattr(unread, "_records", None), getattr(unread, "next_fetch_offset", None)
    if hasattr(batches, "next_batch") and isinstance(position, int) and hasattr(unread, "_consumer_record"):
        setattr(unread, "_records", Wholes(cast("Batches", batches), position))  # noqa: B010 - it has no public name
        setattr(unread, "_consumer_record", as_it_is)  # noqa: B010 - as above


def as_it_is(_place: object, piece: Piece) -> Piece:
    """Make nothing else of a piece."""
    return piece


def pieces(found: Sequence[object]) -> Sequence[Records]:
    """Return what a consumer gave of one partition, whichever way it gives it."""
    if found and not isinstance(found[0], Piece):
        return [Single(cast("Sequence[Fetched]", found))]

    return cast("Sequence[Records]", found)
