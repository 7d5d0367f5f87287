"""Where the boxes and links of a picture lie: columns from left to right, links between them.

No link runs through a box, and nothing overlaps, by construction: in a column every vertex has its own strip of height,
which it alone crosses horizontally, and between two columns there is nothing but links.
"""

import itertools
from collections.abc import Mapping, Sequence

import msgspec

from penstock.graphs.ranks import Ranked, Vertex, rank

#: Distances, in pixels: around the picture, between columns, between boxes, between bends, between links at one box.
MARGIN = 16.0
GAP = 26.0
APART = 18.0
CLOSE = 10.0
PORTS = 11.0
#: Times that the heights are improved.
PASSES = 24
#: How much a bend is drawn to the height of its neighbours, compared to a box: long links become straight.
STRAIGHT = 8.0


class Rectangle(msgspec.Struct, frozen=True):
    """A part of the picture."""

    x: float
    y: float
    width: float
    height: float


class Way(msgspec.Struct, frozen=True):
    """Where a link runs, in the direction of its arrow: pairs of points that a straight line joins, curves between."""

    points: tuple[tuple[float, float], ...]
    #: Where its label stands; without width for none.
    label: Rectangle


class Layout(msgspec.Struct, frozen=True):
    """Where everything lies."""

    width: float
    height: float
    boxes: Mapping[str, Rectangle]
    #: By number of the link.
    ways: tuple[Way, ...]


def lay_out(
    boxes: Mapping[str, tuple[float, float]],
    links: Sequence[tuple[str, str]],
    labels: Sequence[tuple[float, float]],
) -> Layout:
    """Place boxes and links.

    Args:
        boxes: Width and height, by name.
        links: From box to box.
        labels: Width and height of the label of each link; zeros for none.
    """
    ranked = rank(boxes, links, labels)
    settle(ranked.ranks)
    lefts, widths = columns(ranked.ranks)
    rectangles = {
        vertex.name: Rectangle(
            lefts[vertex.rank] + (widths[vertex.rank] - vertex.width) / 2,
            vertex.y - vertex.height / 2,
            vertex.width,
            vertex.height,
        )
        for vertices in ranked.ranks
        for vertex in vertices
        if vertex.name
    }
    heights = [vertex.y + vertex.height / 2 for vertices in ranked.ranks for vertex in vertices]
    return Layout(
        lefts[-1] + widths[-1] + MARGIN if lefts else 2 * MARGIN,
        max(heights, default=MARGIN) + MARGIN,
        rectangles,
        tuple(ways(ranked, links, rectangles, lefts, widths)),
    )


def columns(ranks: Sequence[Sequence[Vertex]]) -> tuple[list[float], list[float]]:
    """Return where each column begins, and its width."""
    widths = [max((vertex.width for vertex in vertices), default=0.0) for vertices in ranks]
    lefts = [MARGIN + sum(widths[:index]) + GAP * index for index in range(len(widths))]
    return lefts, widths


# -- heights --------------------------------------------------------------------------------------------------


def settle(ranks: Sequence[Sequence[Vertex]]) -> None:
    """Give each vertex its height: near its neighbours, in its order, without overlap."""
    for vertices in ranks:
        spread(vertices, [0.0] * len(vertices))

    for turn in range(PASSES):
        for vertices in ranks if turn % 2 == 0 else reversed(ranks):
            spread(vertices, [_middle(vertex, turn) for vertex in vertices])

    top = min((vertex.y - vertex.height / 2 for vertices in ranks for vertex in vertices), default=0.0)
    for vertices in ranks:
        for vertex in vertices:
            vertex.y += MARGIN - top


def _middle(vertex: Vertex, turn: int) -> float:
    """Return the height that a vertex would like: that of its neighbours on one side, or in the end on both."""
    both = turn >= PASSES - 2
    neighbours = [*vertex.above, *vertex.below] if both else vertex.above if turn % 2 == 0 else vertex.below
    return sum(each.y for each in neighbours) / len(neighbours) if neighbours else vertex.y


def spread(vertices: Sequence[Vertex], wishes: Sequence[float]) -> None:
    """Place a column as near to the wishes as order and distances allow (least squares, by pooling neighbours)."""
    offsets = [0.0]
    for one, other in itertools.pairwise(vertices):
        offsets.append(offsets[-1] + distance(one, other))

    pools: list[tuple[float, float, int]] = []  # mean, weight, how many
    for vertex, wish, offset in zip(vertices, wishes, offsets, strict=False):
        pool = (wish - offset, 1.0 if vertex.name else STRAIGHT, 1)
        while pools and pools[-1][0] >= pool[0]:
            mean, weight, count = pools.pop()
            total = weight + pool[1]
            pool = ((mean * weight + pool[0] * pool[1]) / total, total, count + pool[2])

        pools.append(pool)

    means = [mean for mean, _, count in pools for _ in range(count)]
    for vertex, mean, offset in zip(vertices, means, offsets, strict=False):
        vertex.y = mean + offset


def distance(one: Vertex, other: Vertex) -> float:
    """Return how far apart the middles of two neighbours in a column are at least."""
    return (one.height + other.height) / 2 + (APART if one.name and other.name else CLOSE)


# -- links ----------------------------------------------------------------------------------------------------


def ways(
    ranked: Ranked,
    links: Sequence[tuple[str, str]],
    boxes: Mapping[str, Rectangle],
    lefts: Sequence[float],
    widths: Sequence[float],
) -> list[Way]:
    """Return where the links run."""
    leaving, coming = ports(ranked.chains)
    found: list[Way] = []
    for number, chain in enumerate(ranked.chains):
        first, *bends, last = chain
        points = [(boxes[first.name].x + first.width, leaving[number]), (_right(first, lefts, widths), leaving[number])]
        for bend in bends:
            if not widths[bend.rank]:
                continue  # nothing stands in this column: one curve goes through it

            points += [(lefts[bend.rank], bend.y), (_right(bend, lefts, widths), bend.y)]

        points += [(lefts[last.rank], coming[number]), (boxes[last.name].x, coming[number])]
        label = bends[-1]
        middle = lefts[label.rank] + widths[label.rank] / 2
        place = Rectangle(middle - label.width / 2, label.y - label.height / 2, label.width, label.height)
        forward = links[number][0] == first.name
        found.append(Way(tuple(points if forward else reversed(points)), place))

    return found


def _right(vertex: Vertex, lefts: Sequence[float], widths: Sequence[float]) -> float:
    return lefts[vertex.rank] + widths[vertex.rank]


def ports(chains: Sequence[Sequence[Vertex]]) -> tuple[dict[int, float], dict[int, float]]:
    """Return the heights at which links leave and reach their boxes, by number of the link."""
    leaving: dict[Vertex, list[int]] = {}
    coming: dict[Vertex, list[int]] = {}
    for number, chain in enumerate(chains):
        leaving.setdefault(chain[0], []).append(number)
        coming.setdefault(chain[-1], []).append(number)

    return (
        {n: y for box, numbers in leaving.items() for n, y in _row(box, sorted(numbers, key=lambda n: chains[n][1].y))},
        {n: y for box, numbers in coming.items() for n, y in _row(box, sorted(numbers, key=lambda n: chains[n][-2].y))},
    )


def _row(box: Vertex, numbers: Sequence[int]) -> list[tuple[int, float]]:
    """Return where links touch one side of a box, in their order."""
    step = min(PORTS, (box.height - 8) / len(numbers))
    first = box.y - step * (len(numbers) - 1) / 2
    return [(number, first + index * step) for index, number in enumerate(numbers)]
