"""No library: the same functions, called one after the other. The limit of everything in Python.

On disk it is the driver of SQLite alone: a thousand rows to a commit, with ``synchronous`` at FULL.
"""

import sqlite3
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec
from turns import Line, Spent, main, measured, side_by_side
from work import IN_FLIGHT, Up, Work, between, decide, first, middle, uncrossed


def two_nodes(work: Work) -> Line:
    signal = work.signal

    def push(event):
        book = uncrossed(event)
        if book is not None:
            signal(middle(book))

    return Line([push])


def latest(work: Work) -> Line:
    signal, newest = work.signal, [None]

    def push(event):
        book = uncrossed(event)
        if book is not None:
            newest[0] = book

    async def settle() -> None:
        signal(middle(newest[0]))

    return Line([push], settle)


def pair(work: Work) -> Line:
    signal, waiting = work.signal, []

    def left(event):
        waiting.append(uncrossed(event))

    def right(event):
        signal(between(waiting.pop(), uncrossed(event)))

    return Line([left, right])


def on_disk(work: Work) -> Line:
    folder = tempfile.TemporaryDirectory()
    connection = sqlite3.connect(Path(folder.name, "events.db"), isolation_level=None)
    connection.execute("pragma journal_mode=wal")
    connection.execute("pragma synchronous=full")
    connection.execute("create table events (number integer primary key, event blob)")
    encode, push = msgspec.json.encode, two_nodes(work).sources[0]

    def batch(events: Sequence[object]) -> Spent:
        with measured() as spent:
            for begin in range(0, len(events), IN_FLIGHT):
                part = events[begin : begin + IN_FLIGHT]
                connection.execute("begin immediate")
                connection.executemany("insert into events (event) values (?)", [(encode(each),) for each in part])
                connection.execute("commit")
                for event in part:
                    push(event)

        return spent

    def close() -> None:
        connection.close()
        folder.cleanup()

    return Line(batch=batch, close=close, least=10 * IN_FLIGHT)


def two(work: Work) -> Line:
    second = work.second
    return Line([lambda x: second(first(x))])


def chain(length: int):
    def build(work: Work) -> Line:
        names = {f"f{i}": function for i, function in enumerate(work.chain(length), 1)}
        calls = "".join(f"    n{i} = f{i}(n{i - 1})\n" for i in range(1, length + 1))
        exec(f"def push(n0):\n{calls}", names)  # noqa: S102 - as somebody would write it, made in numbers
        return Line([names["push"]])

    return build


def fan(work: Work) -> Line:
    names = {**{f"m{i}": function for i, function in enumerate(work.middles())}, "first": first, "last": work.last}
    calls = ", ".join(f"m{i}(value)" for i in range(10))
    exec(f"def push(x):\n    value = first(x)\n    last({calls})", names)  # noqa: S102 - the same
    return Line([names["push"]])


def routing(work: Work) -> Line:
    up, down = work.up, work.down

    def push(x):
        decided = decide(x)
        return up(decided) if isinstance(decided, Up) else down(decided)

    return Line([push])


SHAPES = {
    "two nodes, every event": two_nodes,
    "two nodes, sequential": two_nodes,
    "two nodes, latest under load": latest,
    "two nodes, 1000 keys": two_nodes,
    "two sources, when_all, two nodes": pair,
    "10 reactors": side_by_side(two_nodes, 10),
    "100 reactors": side_by_side(two_nodes, 100),
    "1000 reactors": side_by_side(two_nodes, 1000),
    "two nodes, state kept on disk": two_nodes,
    "two nodes, each event on disk first": on_disk,
    "two nodes": two,
    "chain of 10": chain(10),
    "chain of 100": chain(100),
    "fan 1-10-1": fan,
    "routing to one of two": routing,
}

if __name__ == "__main__":
    main(["msgspec"], SHAPES)
