"""A state accumulator at work: a value comes in, the oldest goes, and the whole window goes out."""

from collections.abc import Callable, Iterable, Sequence
from typing import cast

from typing_extensions import override

from penstock.accumulators.buffer import Buffer
from penstock.accumulators.live import UNREAD, LiveAccumulator
from penstock.accumulators.source import Position, check_place
from penstock.accumulators.state import StateAccumulator


class WindowAccumulator(LiveAccumulator):
    """A live state accumulator."""

    events: int
    filtered: int

    __slots__ = ("_buffer", "_size")

    @override
    def _blank(self) -> None:
        super()._blank()
        self._size = cast("StateAccumulator[object]", self.definition).size
        self._buffer: Buffer[object] = Buffer(self.definition.input_codec)

    @override
    def accept(self, payload: object, position: Position | None = None, partition: str = "") -> bool:
        if position is not None:
            check_place(self.name, position, partition)

        self._count()
        try:
            value = self._convert(payload)
        except BaseException as error:  # noqa: BLE001 (converting runs user code)
            self._refuse(UNREAD, error, payload, position, partition)
            return not self.gate.shut

        if position is not None:
            self.positions[partition] = position

        self._write(value, None)
        return not self.gate.shut

    @override
    def _take_given(self, event: object, data: bytes | None) -> None:
        self._count()
        self._write(event, data)

    def _write(self, value: object, data: bytes | None) -> None:
        if self._size == 0:
            self.filtered += 1
            return

        self._buffer.append(value, data)
        self._cut_down()
        self._emit(self.window)

    def _cut_down(self) -> None:
        """Forget the oldest values, if there are too many."""
        if self._size is not None and (more := len(self._buffer) - self._size) > 0:
            self._note()
            self._buffer.take(more)

    @property
    @override
    def window(self) -> tuple[object, ...]:
        return tuple(self._buffer.values)

    @property
    @override
    def held(self) -> int:
        return len(self._buffer)

    @property
    @override
    def most(self) -> int | None:
        return self._size

    # -- checkpoint ----------------------------------------------------------------------------------------

    @override
    def write_rows(
        self, append: Callable[[int, bytes], None], trim: Callable[[int], None]
    ) -> Sequence[tuple[object, Exception]]:
        return self._buffer.write(append, trim)

    @override
    def committed(self, row: int) -> None:
        super().committed(row)
        self._buffer.committed()

    @override
    def _restore_rows(self, rows: Iterable[tuple[int, bytes]]) -> None:
        self._buffer.restore(rows)
        self._cut_down()  # it may have been larger
