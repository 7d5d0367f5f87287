"""What a script of a peer does with the records of a topic: the work of the bare client, and then its answer.

It reads a topic from its beginning, once, and ends with its process: how a library stops is not measured.
"""

import json
import os
import sys
import time
import zlib
from collections.abc import Callable
from typing import IO

import msgspec
from talk import own_output, versions

#: Marks an event that was produced while the script was waiting for it; its bid says when.
NOW = 1e12


class Book(msgspec.Struct, frozen=True):
    """What comes in."""

    symbol: str
    bid: float
    ask: float
    number: int
    venue: str


def middle(book: Book) -> float:
    """First node."""
    return (book.bid + book.ask) / 2


def decide(middle: float) -> bool:
    """Second node."""
    return middle > 100.0


class Seen:
    """Handles records, keeps the newest of each symbol, and says what that took."""

    def __init__(self, count: int, warm: int, out: IO[str]) -> None:
        self.count = 0
        self.latest: dict[str, Book] = {}
        self.delays: list[float] = []
        self._out, self._until, self._warm = out, count, warm
        self._next = 1
        self._decode = msgspec.json.Decoder(Book).decode

    def take(self, data: bytes) -> None:
        """Handle a record."""
        book = self._decode(data)
        if book.ask > book.bid:
            self.count = count = self.count + 1
            self.latest[book.symbol] = book
            if book.ask == NOW:
                self.delays.append(time.perf_counter() - book.bid)

            decide(middle(book))
            if count == self._next:
                self._reached(count)

    def _reached(self, count: int) -> None:
        if count == self._until:
            self._end()

        if count == 1:
            self._begun = time.process_time(), time.perf_counter()

        if count == self._warm:
            print(json.dumps({"ready": True}), file=self._out)

        self._next = self._warm if count < self._warm else self._until

    def _end(self) -> None:
        cpu, wall = self._begun
        share = self.count / (self.count - 1)  # the clock starts with the first
        answer = {
            "cpu": (time.process_time() - cpu) * share,
            "wall": (time.perf_counter() - wall) * share,
            "digest": digest(self.latest),
            "delays": self.delays,
        }
        print(json.dumps(answer), file=self._out)
        os._exit(0)


def digest(latest: dict[str, Book]) -> int:
    """Return a number for the newest of all symbols."""
    return zlib.crc32(msgspec.json.encode([latest[symbol] for symbol in sorted(latest)]))


def main(packages: list[str], read: Callable[[str, str, Seen], object]) -> None:
    """Answer: ``read`` hands each record of a topic to ``Seen.take``, from the beginning, and does not return."""
    out = own_output()
    for line in sys.stdin:
        question = json.loads(line)
        if question["do"] == "about":
            print(json.dumps({"versions": versions(packages)}), file=out)
            continue

        read(question["brokers"], question["topic"], Seen(question["count"], question["warm"], out))
        raise RuntimeError("it stopped before it had read everything")
