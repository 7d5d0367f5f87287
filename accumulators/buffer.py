"""Values in order that the store keeps as rows: a batch that fills, the window of a state accumulator.

They are appended on the right and taken from the left. A cut writes the rows that the store does not have yet, and
deletes those that were taken; a value that comes and goes between two cuts is never written. So what is stored grows
with what comes in, however long the whole is and however often it is stored.
"""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from penstock.runtime.codec import Codec

T = TypeVar("T")


class Row(Generic[T]):
    """A value that the store may not have yet."""

    __slots__ = ("data", "left_out", "number", "value")

    def __init__(self, number: int, value: T, data: bytes | None) -> None:
        self.number: int = number
        self.value: T = value
        #: The value as it is stored, once that is known.
        self.data: bytes | None = data
        #: Whether it cannot be stored; that was told.
        self.left_out: bool = False


class Buffer(Generic[T]):
    """Numbered values, and what of them is stored.

    Attributes:
        values: What is in it, the oldest first; for reading alone.
    """

    __slots__ = ("_codec", "_new", "_next", "_numbers", "_stored", "_trimmed", "_written", "values")

    def __init__(self, codec: Codec[T]) -> None:
        self._codec = codec
        self.values: deque[T] = deque()
        self._numbers: deque[int] = deque()
        self._new: deque[Row[T]] = deque()
        self._next = 1
        #: The newest row that the store holds, and the newest one that is deleted from it.
        self._stored = self._trimmed = 0
        #: The same two as they are when the cut that is on its way is committed.
        self._written = (0, 0)

    def __len__(self) -> int:
        return len(self.values)

    def append(self, value: T, data: bytes | None = None) -> None:
        """Put a value at the end.

        Args:
            value: The value; it must not be changed.
            data: What the codec makes of it, when that is known.
        """
        number = self._next
        self._next = number + 1
        self.values.append(value)
        self._numbers.append(number)
        self._new.append(Row(number, value, data))

    def take(self, count: int) -> None:
        """Take values from the beginning."""
        for _ in range(count):
            self.values.popleft()
            self._numbers.popleft()

        self._forget(self.first - 1)

    def remove(self, index: int) -> None:
        """Take one value from wherever it is.

        A row of it in the store stays there until those before it are taken: after a crash the value is back.
        """
        number = self._numbers[index]
        del self.values[index], self._numbers[index]
        self._new = deque(row for row in self._new if row.number != number)

    @property
    def first(self) -> int:
        """The number of the oldest value, or of the next one when there is none."""
        return self._numbers[0] if self._numbers else self._next

    def _forget(self, number: int) -> None:
        """Write no more rows up to this one: they are stored, or gone."""
        new = self._new
        while new and new[0].number <= number:
            new.popleft()

    # -- checkpoint ----------------------------------------------------------------------------------------

    def write(self, append: Callable[[int, bytes], None], trim: Callable[[int], None]) -> list[tuple[T, Exception]]:
        """Put what the store lacks into a cut; again into the next one, unless ``committed`` is called in between.

        Args:
            append: Takes the number of a row and what it holds.
            trim: Takes the number up to which rows are to be deleted.

        Returns:
            Values that cannot be stored, each once.
        """
        gone = self.first - 1
        if self._trimmed < min(gone, self._stored):
            trim(gone)

        left_out: list[tuple[T, Exception]] = []
        for row in self._new:
            if row.data is None and not row.left_out:
                try:
                    row.data = self._codec.encode(row.value)
                except Exception as error:  # noqa: BLE001 (comparing and encoding run user code)
                    row.left_out = True
                    left_out.append((row.value, error))

            if row.data is not None:
                append(row.number, row.data)

        self._written = (self._next - 1, gone)
        return left_out

    def committed(self) -> None:
        """Be told that what was written last is committed."""
        self._stored, gone = self._written
        self._trimmed = max(self._trimmed, gone)
        self._forget(self._stored)

    def restore(self, rows: Iterable[tuple[int, bytes]]) -> None:
        """Put back what the store holds; for a new buffer.

        Raises:
            StateIncompatible: A value was written for another type.
        """
        for number, data in rows:
            self.values.append(self._codec.decode(data))
            self._numbers.append(number)

        if self._numbers:
            self._trimmed, self._stored = self._numbers[0] - 1, self._numbers[-1]
            self._next = self._stored + 1
