"""Lines of a file: read once, or followed while others write on.

A position is the byte behind a line, and a checksum of how the file begins. So a file that was exchanged (rotated,
truncated, written anew) is noticed, also when that happened while nobody looked; a copy of the file is the same file.
"""

import os
import zlib
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from io import FileIO
from pathlib import Path
from typing import Literal

from penstock.accumulators.source import Intake, Position
from penstock.accumulators.sources.places import single
from penstock.accumulators.sources.splitter import LONGEST, Splitter
from penstock.runtime.durations import Duration, seconds
from penstock.runtime.errors import DefinitionError, PositionLost, SourceUnavailable
from penstock.runtime.foreign import storable

OnRotate = Literal["error", "follow"]
#: ``moved``: the file is whole, and no longer at its path. ``rewritten``: what is left in it cannot be trusted.
Change = Literal["moved", "rewritten"] | None

#: Bytes that are read at once.
CHUNK = 1 << 18
#: Bytes at the beginning of a file by which it is known again.
HEAD = 1024


class Lines:
    """Gives the lines of a file, as bytes without their ends; replayable. Empty lines are passed over.

        @ps.stream_accumulator(ps.Lines("quotes.jsonl"))
        def quotes(event: Quote) -> Quote: ...

    A line is decoded as the accumulator says: as JSON, unless it takes ``str`` or ``bytes``. At the end of the file the
    source ends, after a last line that has no end of line, too. With ``follow=True`` it waits for more instead, and a
    line is given when its end is there.

    Args:
        path: The file.
        follow: Go on while others write on, as ``tail -F`` does.
        interval: When to look again at the end of a followed file; seconds, or text such as ``"5s"``.
        on_rotate: What to do when the file is another one than it was: ``"error"`` stops with ``PositionLost``;
            ``"follow"`` reads what is left of the old one, if it was followed, and then the new one from its start.
            What was added to the old one before a rotation *while the app was down* is not found.
        longest: Bytes in a line, at most.
        name: The name for messages; the path when omitted.

    Raises:
        DefinitionError: An option that cannot be.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        follow: bool = False,
        interval: Duration = 0.5,
        on_rotate: OnRotate = "error",
        longest: int = LONGEST,
        name: str | None = None,
    ) -> None:
        if on_rotate not in {"error", "follow"}:
            raise DefinitionError(f"Lines({str(path)!r}): on_rotate={on_rotate!r} is none of 'error', 'follow'")

        if longest < 1:
            raise DefinitionError(f"Lines({str(path)!r}): longest={longest!r} must be at least 1")

        self.name: str = name or storable(os.fspath(path))
        self.path: Path = Path(path)
        self._follow = follow
        self._interval = seconds(interval, name="Lines(interval=…)")
        self._on_rotate = on_rotate
        self._longest = longest

    async def run(self, intake: Intake, positions: Mapping[str, Position]) -> None:
        """Give the lines behind the position.

        Raises:
            SourceUnavailable: The file cannot be read.
            PositionLost: It is another file than it was.
            SourceError: A line is too long.
        """
        position = single(self.name, positions)
        while True:
            file = await intake.in_thread(self._open, position)
            try:
                if not await self._read(intake, file):
                    return
            finally:
                file.close()

            position = None

    def _open(self, position: Position | None) -> "Reader":
        """Open the file where reading goes on; in a thread."""
        try:
            reader = Reader(self.path)
        except OSError as error:
            raise SourceUnavailable(self.name, f"{error.strerror}: {self.path}") from error

        with ExitStack() as failed:
            failed.callback(reader.close)
            if not reader.seek(*place_of(self.name, position)):
                if self._on_rotate == "error":
                    raise self._rotated(position or 0)

                reader.seek(0, 0)

            failed.pop_all()

        return reader

    async def _read(self, intake: Intake, file: "Reader") -> bool:
        """Read to the end; return whether another file stands at the path now."""
        splitter = Splitter(self.name, self._longest, file.offset)
        change: Change = None
        while change != "rewritten":
            while chunk := await intake.in_thread(file.read):
                await give(intake, file, splitter.feed(chunk))

            if change == "moved" or not self._follow:
                await give(intake, file, splitter.last())
                break

            await intake.scheduler.sleep(self._interval)
            change = await intake.in_thread(file.change, splitter.end)

        if change and self._on_rotate == "error":
            raise self._rotated(file.position(splitter.offset))

        return change is not None

    def _rotated(self, position: Position) -> PositionLost:
        reason = (
            "it is another file now, or was truncated; on_rotate='follow' reads the new one from its start, and so does"
            " an accumulator of another name"
        )
        return PositionLost(self.name, position, reason)


async def give(intake: Intake, file: "Reader", lines: Iterable[tuple[int, bytes]]) -> None:
    """Hand over lines with their positions."""
    for offset, line in lines:
        if not intake.accept(line, position=file.position(offset)):
            await intake.ready()


class Reader:
    """An open file. Its methods block, but for ``position`` and ``close``.

    Attributes:
        offset: Where reading began.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = FileIO(path)
        self._head = b""
        self.offset: int = 0

    def seek(self, offset: int, checksum: int) -> bool:
        """Go on at an offset; tell whether the file begins as it did when that was its position."""
        head = self._file.read(HEAD) or b""
        if os.fstat(self._file.fileno()).st_size < offset or zlib.crc32(head[: min(offset, HEAD)]) != checksum:
            self._file.seek(0)
            return False

        self._file.seek(offset)
        self._head, self.offset = head[: min(offset, HEAD)], offset
        return True

    def read(self) -> bytes:
        """Return what comes next; nothing at the end."""
        chunk = self._file.read(CHUNK) or b""
        if len(self._head) < HEAD:
            self._head += chunk[: HEAD - len(self._head)]

        return chunk

    def change(self, end: int) -> Change:
        """Tell whether the file is not what was read of it any more, or the path leads to another one."""
        own = os.fstat(self._file.fileno())
        if own.st_size < end or not self._begins_as_read():
            return "rewritten"

        try:
            there = self._path.stat()
        except FileNotFoundError:
            return None  # between two steps of a rotation: what is there was read

        return "moved" if (own.st_dev, own.st_ino) != (there.st_dev, there.st_ino) else None

    def _begins_as_read(self) -> bool:
        back = self._file.tell()
        self._file.seek(0)
        head = self._file.read(len(self._head))
        self._file.seek(back)
        return head == self._head

    def position(self, offset: int) -> str:
        """Return the position behind a line."""
        return f"{offset}-{zlib.crc32(self._head[: min(offset, HEAD)]):08x}"

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def place_of(source: str, position: Position | None) -> tuple[int, int]:
    """Return the offset of a position, and the checksum of the beginning of the file.

    Raises:
        PositionLost: Another kind of source wrote it.
    """
    if position is None:
        return 0, 0

    offset, _, checksum = str(position).partition("-")
    try:
        return int(offset), int(checksum, 16)
    except ValueError as error:
        raise PositionLost(source, position, "it was written by another kind of source") from error
