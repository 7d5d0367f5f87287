"""The work that every engine does: events, functions, and the shapes in which they are joined.

The function at the end of a shape records what it returns, so what was measured can be checked.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

#: Events after which a shape repeats itself.
CYCLE = 1000
#: Every so many-th book is crossed, and dropped.
CROSSED = 50
WIDTH = 10
#: Events that wait for the disk at the same time.
IN_FLIGHT = 1000

Function = Callable[..., float]


class Book(msgspec.Struct, frozen=True):
    """What comes in from a market."""

    symbol: str
    bid: float
    ask: float


class Up(msgspec.Struct, frozen=True):
    """One branch."""

    by: float


class Down(msgspec.Struct, frozen=True):
    """The other branch."""

    by: float


def uncrossed(event: Book) -> Book | None:
    """Drop crossed books: the function at the source."""
    return event if event.ask > event.bid else None


def middle(orderbook: Book) -> float:
    """First node."""
    return (orderbook.bid + orderbook.ask) / 2


def between(orderbook: Book, other: Book) -> float:
    """First node after two sources."""
    return (orderbook.bid + other.ask) / 2


def first(x: float) -> float:
    """First node of the graphs without a source."""
    return x + 1


def decide(x: float) -> Up | Down:
    """Node that chooses a branch."""
    return Up(x) if x > 0 else Down(x)


class Work:
    """The functions that record, and what they have recorded."""

    def __init__(self) -> None:
        self.out: list[float] = []
        append = self.out.append

        def signal(middle: float) -> float:
            value = middle * 2
            append(value)
            return value

        def second(first: float) -> float:
            value = first * 2
            append(value)
            return value

        def up(decide: Up) -> float:
            append(decide.by)
            return decide.by

        def down(decide: Down) -> float:
            append(-decide.by)
            return -decide.by

        def last(  # noqa: PLR0917 - an argument for each of the ten nodes
            m0: float, m1: float, m2: float, m3: float, m4: float,
            m5: float, m6: float, m7: float, m8: float, m9: float,
        ) -> float:  # fmt: skip
            value = m0 + m1 + m2 + m3 + m4 + m5 + m6 + m7 + m8 + m9
            append(value)
            return value

        self.signal: Function = signal
        self.second: Function = second
        self.up: Function = up
        self.down: Function = down
        self.last: Function = last
        self.append = append

    def chain(self, length: int) -> list[Function]:
        """Return functions ``n1``, ``n2``, …, each of which takes what the one before is called; the last records."""
        lines = [f"def n{i}(n{i - 1}: float) -> float: return n{i - 1} + 1" for i in range(1, length)]
        before = f"n{length - 1}"
        lines += [f"def n{length}({before}: float) -> float:", f"  append({before} + 1)", f"  return {before} + 1"]
        names: dict[str, Function] = {"append": self.append}  # type: ignore[dict-item]  # the text needs it by name
        exec("\n".join(lines), names)  # noqa: S102 - functions of this file, made in numbers
        return [names[f"n{i}"] for i in range(1, length + 1)]

    def middles(self) -> list[Function]:
        """Return the ten functions ``m0``, ``m1``, … between the first and the last of a fan."""
        names: dict[str, Function] = {}
        exec("\n".join(f"def m{i}(first: float) -> float: return first + {i}" for i in range(WIDTH)), names)  # noqa: S102
        return [names[f"m{i}"] for i in range(WIDTH)]


BOOKS: list[object] = [
    Book(f"S{number}", 100.0 + number, 101.0 + number if number % CROSSED else 99.0) for number in range(CYCLE)
]
#: None is crossed: what should become of the other of a pair is not the same in all engines.
PAIRS: list[object] = [Book(f"S{number}", 100.0 + number, 101.0 + number) for number in range(CYCLE)]
NUMBERS: list[object] = [float(number if number % 3 else -number) for number in range(1, CYCLE + 1)]


@dataclass(frozen=True)
class Shape:
    """Events, what must come out, and how many sources there are: events go to each in turn."""

    name: str
    events: Sequence[object]
    sources: int = 1
    #: Only the newest must come out, as a slow graph cannot keep up.
    newest: bool = False
    #: Measured by the clock: it waits for a disk.
    waits: bool = False
    #: What comes out in another order is as good.
    ordered: bool = True

    def digest(self, out: Sequence[float]) -> int:
        """Return a number for what came out; it is the same in all processes of one Python."""
        if self.newest:
            return hash(tuple(out[-1:]))

        return hash(tuple(out if self.ordered else sorted(out)))


STREAMS = {
    shape.name: shape
    for shape in (
        Shape("two nodes, every event", BOOKS),
        Shape("two nodes, sequential", BOOKS),
        Shape("two nodes, latest under load", BOOKS, newest=True),
        Shape("two nodes, 1000 keys", BOOKS, ordered=False),
        Shape("two sources, when_all, two nodes", PAIRS, 2, ordered=False),
        Shape("10 reactors", BOOKS, 10, ordered=False),
        Shape("100 reactors", BOOKS, 100, ordered=False),
        Shape("1000 reactors", BOOKS, 1000, ordered=False),
        Shape("two nodes, state kept on disk", BOOKS),
        Shape("two nodes, each event on disk first", PAIRS, waits=True, ordered=False),
    )
}
GRAPHS = {
    shape.name: shape
    for shape in (
        Shape("two nodes", NUMBERS),
        Shape("chain of 10", NUMBERS),
        Shape("chain of 100", NUMBERS),
        Shape("fan 1-10-1", NUMBERS, ordered=False),
        Shape("routing to one of two", NUMBERS, ordered=False),
    )
}
SHAPES = STREAMS | GRAPHS
