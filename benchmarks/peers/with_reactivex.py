"""reactivex: subjects, and a pipe of operators; everything runs inside ``on_next``, on no scheduler.

Its operator for the newest value under load is ``sample``: the sampler is triggered after each step, so that it waits
for no timer. It keeps nothing on disk.
"""

import reactivex as rx
from reactivex import operators as ops
from reactivex.subject import Subject
from turns import Line, main, side_by_side
from work import Down, Up, Work, between, decide, first, middle, uncrossed


def there(book: object) -> bool:
    return book is not None


def two_nodes(work: Work) -> Line:
    source = Subject()
    source.pipe(ops.map(uncrossed), ops.filter(there), ops.map(middle)).subscribe(work.signal)
    return Line([source.on_next])


def latest(work: Work) -> Line:
    source, sampler = Subject(), Subject()
    kept = source.pipe(ops.map(uncrossed), ops.filter(there), ops.sample(sampler), ops.map(middle))
    kept.subscribe(work.signal)

    async def settle() -> None:
        sampler.on_next(None)

    return Line([source.on_next], settle)


def keys(work: Work) -> Line:
    source = Subject()
    source.pipe(
        ops.map(uncrossed),
        ops.filter(there),
        ops.group_by(lambda book: book.symbol),
        ops.flat_map(lambda group: group.pipe(ops.map(middle))),
    ).subscribe(work.signal)
    return Line([source.on_next])


def pair(work: Work) -> Line:
    left, right = Subject(), Subject()
    sides = [side.pipe(ops.map(uncrossed), ops.filter(there)) for side in (left, right)]
    rx.zip(*sides).pipe(ops.starmap(between)).subscribe(work.signal)
    return Line([left.on_next, right.on_next])


def two(work: Work) -> Line:
    source = Subject()
    source.pipe(ops.map(first)).subscribe(work.second)
    return Line([source.on_next])


def chain(length: int):
    def build(work: Work) -> Line:
        source = Subject()
        *inner, last = work.chain(length)
        source.pipe(*map(ops.map, inner)).subscribe(last)
        return Line([source.on_next])

    return build


def fan(work: Work) -> Line:
    source = Subject()
    begin = source.pipe(ops.map(first), ops.share())
    rx.zip(*(begin.pipe(ops.map(function)) for function in work.middles())).subscribe(lambda each: work.last(*each))
    return Line([source.on_next])


def routing(work: Work) -> Line:
    source = Subject()
    decided = source.pipe(ops.map(decide), ops.share())
    decided.pipe(ops.filter(lambda branch: isinstance(branch, Up))).subscribe(work.up)
    decided.pipe(ops.filter(lambda branch: isinstance(branch, Down))).subscribe(work.down)
    return Line([source.on_next])


SHAPES = {
    "two nodes, every event": two_nodes,
    "two nodes, sequential": two_nodes,
    "two nodes, latest under load": latest,
    "two nodes, 1000 keys": keys,
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
    "two nodes, state kept on disk": "nothing is kept",
    "two nodes, each event on disk first": "nothing is kept",
}

if __name__ == "__main__":
    main(["reactivex"], SHAPES, WITHOUT)
