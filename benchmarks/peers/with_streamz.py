"""streamz: sources that are emitted into, and a method for each operator.

Without a loop ``emit`` returns when all nodes have been called, which is its fastest way. ``latest`` needs a loop, and
wakes it for each event. It has nothing for keys, and keeps nothing on disk.
"""

import asyncio

from streamz import Stream
from turns import Line, main, side_by_side
from work import Down, Up, Work, between, decide, first, middle, uncrossed


def there(book: object) -> bool:
    return book is not None


def two_nodes(work: Work) -> Line:
    source = Stream()
    source.map(uncrossed).filter(there).map(middle).sink(work.signal)
    return Line([source.emit])


def latest(work: Work) -> Line:
    source = Stream(asynchronous=True)
    newest = source.map(uncrossed).filter(there).latest()
    newest.map(middle).sink(work.signal)

    async def settle() -> None:
        for _ in range(4):  # the newest is taken in the first turns; the other wake-ups find nothing
            await asyncio.sleep(0)

    return Line([source.emit], settle)


def pair(work: Work) -> Line:
    left, right = Stream(), Stream()
    both = left.map(uncrossed).filter(there).zip(right.map(uncrossed).filter(there))
    both.starmap(between).sink(work.signal)
    return Line([left.emit, right.emit])


def two(work: Work) -> Line:
    source = Stream()
    source.map(first).sink(work.second)
    return Line([source.emit])


def chain(length: int):
    def build(work: Work) -> Line:
        source = node = Stream()
        *inner, last = work.chain(length)
        for function in inner:
            node = node.map(function)

        node.sink(last)
        return Line([source.emit])

    return build


def fan(work: Work) -> Line:
    source = Stream()
    begin = source.map(first)
    head, *others = [begin.map(function) for function in work.middles()]
    head.zip(*others).starmap(work.last).sink(lambda _: None)
    return Line([source.emit])


def routing(work: Work) -> Line:
    source = Stream()
    decided = source.map(decide)
    decided.filter(lambda branch: isinstance(branch, Up)).sink(work.up)
    decided.filter(lambda branch: isinstance(branch, Down)).sink(work.down)
    return Line([source.emit])


SHAPES = {
    "two nodes, every event": two_nodes,
    "two nodes, sequential": two_nodes,
    "two nodes, latest under load": latest,
    "two sources, when_all, two nodes": pair,
    "10 reactors": side_by_side(two_nodes, 10),
    "100 reactors": side_by_side(two_nodes, 100),
    "1000 reactors": side_by_side(two_nodes, 1000),
    "two nodes": two,
    "chain of 10": chain(10),
    "chain of 100": chain(100),
    "fan 1-10-1": fan,
    "routing to one of two": routing,
}

WITHOUT = {
    "two nodes, 1000 keys": "no operator for keys",
    "two nodes, state kept on disk": "nothing is kept",
    "two nodes, each event on disk first": "nothing is kept",
}

if __name__ == "__main__":
    main(["streamz"], SHAPES, WITHOUT)
