"""Which boxes of a picture stand in which column, and in which order: the first half of a layered layout.

Boxes have even ranks; a link that spans ranks gets a bend in each rank between, so that from here on every link joins
neighbours. The bend before the target carries the link's label. Links against the order (of a graph with a cycle) are
turned round. Then the order in each rank is improved by sweeps: each vertex goes where its neighbours are on average,
as long as that makes links cross less.
"""

import bisect
import itertools
from collections.abc import Mapping, Sequence

import msgspec

#: Sweeps over all ranks, there and back.
SWEEPS = 12


class Vertex:
    """A box, or the bend of a link. Compared by identity."""

    __slots__ = ("above", "below", "height", "link", "name", "place", "rank", "width", "y")

    def __init__(self, rank: int, width: float, height: float, *, name: str = "", link: int = -1) -> None:
        self.rank: int = rank
        self.width: float = width
        self.height: float = height
        #: Name of the box; empty for a bend.
        self.name: str = name
        #: Number of the link that a bend belongs to.
        self.link: int = link
        self.place: int = 0
        self.y: float = 0.0
        self.above: list[Vertex] = []
        self.below: list[Vertex] = []


class Ranked(msgspec.Struct, frozen=True, kw_only=True):
    """The vertices in their columns."""

    ranks: tuple[list[Vertex], ...]
    #: By number of the link, its vertices from box to box; turned round for a link against the order.
    chains: tuple[tuple[Vertex, ...], ...]


def rank(
    boxes: Mapping[str, tuple[float, float]],
    links: Sequence[tuple[str, str]],
    labels: Sequence[tuple[float, float]],
) -> Ranked:
    """Put boxes into columns.

    Args:
        boxes: Width and height, by name.
        links: From box to box.
        labels: Width and height of the label of each link; zeros for none.
    """
    forward = turned(list(boxes), links)
    columns = columns_of(list(boxes), forward)
    vertices = {name: Vertex(columns[name], *size, name=name) for name, size in boxes.items()}
    ranks: list[list[Vertex]] = [[] for _ in range(max(columns.values(), default=-1) + 1)]
    for vertex in vertices.values():
        ranks[vertex.rank].append(vertex)

    chains: list[tuple[Vertex, ...]] = []
    for number, (source, target) in enumerate(forward):
        first, last = vertices[source], vertices[target]
        size = labels[number]
        bends = [Vertex(each, 0.0, 0.0, link=number) for each in range(first.rank + 1, last.rank - 1)]
        bends.append(Vertex(last.rank - 1, *size, link=number))
        for bend in bends:
            ranks[bend.rank].append(bend)

        chain = (first, *bends, last)
        for one, other in itertools.pairwise(chain):
            one.below.append(other)
            other.above.append(one)

        chains.append(chain)

    untangle(ranks)
    return Ranked(ranks=tuple(ranks), chains=tuple(chains))


def turned(names: Sequence[str], links: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the links, those that close a cycle turned round."""
    after: dict[str, list[str]] = {name: [] for name in names}
    for source, target in links:
        after[source].append(target)

    order: dict[str, int] = {}
    for name in names:
        for each in finished(name, after, order):
            order[each] = len(order)

    # what is finished later comes first
    return [(s, t) if order[s] > order[t] else (t, s) for s, t in links]


def finished(start: str, after: Mapping[str, Sequence[str]], known: Mapping[str, int]) -> list[str]:
    """Return what can be reached from a box and is not known, each after all that follows it, cycles apart."""
    if start in known:
        return []

    found: list[str] = []
    seen = {start}
    path = [(start, iter(after[start]))]
    while path:
        name, rest = path[-1]
        step = next((each for each in rest if each not in seen and each not in known), None)
        if step is None:
            found.append(name)
            path.pop()
        else:
            seen.add(step)
            path.append((step, iter(after[step])))

    return found


def columns_of(names: Sequence[str], links: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Return the rank of each box: as far left as it can be; boxes that nothing leads to as far right as they can."""
    above: dict[str, list[str]] = {name: [] for name in names}
    below: dict[str, list[str]] = {name: [] for name in names}
    for source, target in links:
        above[target].append(source)
        below[source].append(target)

    columns: dict[str, int] = {}
    waits = {name: len(above[name]) for name in names}
    ready = [name for name in names if not waits[name]]
    for name in ready:
        columns[name] = max((columns[each] + 2 for each in above[name]), default=0)
        for each in below[name]:
            waits[each] -= 1
            if not waits[each]:
                ready.append(each)

    loose = [name for name in names if not above[name] and below[name]]
    return columns | {name: min(columns[each] for each in below[name]) - 2 for name in loose}


def untangle(ranks: Sequence[list[Vertex]]) -> None:
    """Order each rank so that few links cross."""
    for vertices in ranks:
        number(vertices)

    best = [list(vertices) for vertices in ranks]
    fewest = crossings(ranks)
    for sweep in range(SWEEPS):
        there = sweep % 2 == 0
        for vertices in ranks if there else reversed(ranks):
            vertices.sort(key=lambda vertex: _wish(vertex, there=there))
            number(vertices)

        count = crossings(ranks)
        if count < fewest:
            fewest, best = count, [list(vertices) for vertices in ranks]

    for vertices, order in zip(ranks, best, strict=True):
        vertices[:] = order
        number(vertices)


def number(vertices: Sequence[Vertex]) -> None:
    """Note where each vertex stands."""
    for place, vertex in enumerate(vertices):
        vertex.place = place


def _wish(vertex: Vertex, *, there: bool) -> float:
    neighbours = vertex.above if there else vertex.below
    return sum(each.place for each in neighbours) / len(neighbours) if neighbours else float(vertex.place)


def crossings(ranks: Sequence[Sequence[Vertex]]) -> int:
    """Return how many links cross."""
    count = 0
    for vertices in ranks:
        passed: list[int] = []
        for vertex in vertices:
            ends = sorted(each.place for each in vertex.below)
            count += sum(len(passed) - bisect.bisect_right(passed, end) for end in ends)
            for end in ends:
                bisect.insort(passed, end)

    return count
