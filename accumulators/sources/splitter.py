"""Bytes to lines."""

from collections.abc import Iterator

from penstock.runtime.errors import SourceError

#: Bytes in a line, at most, unless a source says otherwise.
LONGEST = 1 << 20


class Splitter:
    """Cuts what is read into lines, which may come in pieces. Empty lines are no events, and are passed over.

    Args:
        source: Name of the source, for errors.
        longest: Bytes in a line, at most.
        offset: Where the first byte stands.

    Attributes:
        offset: Where the next line begins.
    """

    def __init__(self, source: str, longest: int, offset: int = 0) -> None:
        self._source, self._longest = source, longest
        self._begun: list[bytes] = []
        self._waiting = 0
        self.offset: int = offset

    @property
    def end(self) -> int:
        """Where the bytes end that were read."""
        return self.offset + self._waiting

    def feed(self, chunk: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield what became complete: the offset behind the line, and the line without its end.

        Raises:
            SourceError: A line is too long.
        """
        *complete, rest = chunk.split(b"\n")
        for part in complete:
            line = self._take(part)
            self.offset += len(line) + 1
            if line := line.removesuffix(b"\r"):
                yield self.offset, line

        self._begun.append(rest)
        self._waiting += len(rest)
        self._check(self._waiting)

    def last(self) -> Iterator[tuple[int, bytes]]:
        """Yield the line without an end, after which nothing comes."""
        line = self._take(b"")
        self.offset += len(line)
        if line := line.removesuffix(b"\r"):
            yield self.offset, line

    def _take(self, part: bytes) -> bytes:
        self._check(self._waiting + len(part))
        line = b"".join((*self._begun, part))
        self._begun.clear()
        self._waiting = 0
        return line

    def _check(self, size: int) -> None:
        if size > self._longest:
            raise SourceError(
                f"source {self._source!r}: the line at byte {self.offset} is longer than {self._longest} bytes;"
                " raise longest= if such lines are right"
            )
