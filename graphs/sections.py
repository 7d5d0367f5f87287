"""What may run concurrently: the ordered nodes of a graph cut into sections, and each section into strands.

Two ``async def`` nodes are independent when neither needs the other. Chains of such independence make the async nodes
fall into groups, and the groups are totally ordered: every node of one comes before every node of the next. (Were z
below one member of a group and above another, walking from the first to the second by steps of independence would meet
a pair that z orders.) A group of one is awaited in-line. A larger one becomes a section whose strands run concurrently;
the plain nodes between its members go into the strands. All other plain nodes run in-line, as early as they can.

Sets of nodes are bit masks over their places in the order: graphs of a thousand nodes are arranged in milliseconds.
"""

from collections.abc import Iterator, Mapping, Sequence

import msgspec


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """Strands that run concurrently, each node after node; a section of one strand runs in-line."""

    strands: tuple[tuple[str, ...], ...]
    #: By node, the producers in other strands whose end it has to await.
    waits: Mapping[str, tuple[str, ...]]

    @property
    def is_inline(self) -> bool:
        """Whether there is nothing to run concurrently."""
        return len(self.strands) == 1

    @property
    def awaited(self) -> frozenset[str]:
        """The nodes whose end is awaited by another strand."""
        return frozenset(name for names in self.waits.values() for name in names)


def arrange(producers: Mapping[str, Sequence[str]], asyncs: frozenset[str]) -> list[Section]:
    """Return the sections, in order.

    Args:
        producers: By node, in an order in which producers come first.
        asyncs: The nodes that are ``async def``.
    """
    order = list(producers)
    if not asyncs:
        return [Section(strands=(tuple(order),), waits={})] if order else []

    above = ancestors(producers)
    groups = independent(above, sum(1 << index for index, name in enumerate(order) if name in asyncs))
    plain: list[list[str]] = [[] for _ in range(len(groups) + 1)]  # those that run before group n
    members: list[list[str]] = [[] for _ in groups]
    for index, name in enumerate(order):
        last = max((g for g, group in enumerate(groups) if (above[index] | 1 << index) & group), default=-1)
        between = last >= 0 and any(above[m] >> index & 1 for m in bits(groups[last]))
        (members[last] if between or name in asyncs else plain[last + 1]).append(name)

    return list(_sections(plain, members, producers))


def _sections(
    plain: Sequence[list[str]], members: Sequence[list[str]], producers: Mapping[str, Sequence[str]]
) -> Iterator[Section]:
    """Yield the sections, neighbours that run in-line joined into one."""
    inline = list(plain[0])
    for names, after in zip(members, plain[1:], strict=True):
        section = weave(names, producers)
        if section.is_inline:
            inline += names
        else:
            yield from _inline(inline)
            yield section
            inline = []

        inline += after

    yield from _inline(inline)


def _inline(names: list[str]) -> Iterator[Section]:
    if names:
        yield Section(strands=(tuple(names),), waits={})


def ancestors(producers: Mapping[str, Sequence[str]]) -> list[int]:
    """Return by place which nodes a node needs, directly or not."""
    place = {name: index for index, name in enumerate(producers)}
    above: list[int] = []
    for sources in producers.values():
        mask = 0
        for source in sources:
            mask |= above[place[source]] | 1 << place[source]

        above.append(mask)

    return above


def independent(above: Sequence[int], asyncs: int) -> list[int]:
    """Return the groups of async nodes, in order."""
    below = [0] * len(above)
    for index in bits(asyncs):
        for other in bits(above[index] & asyncs):
            below[other] |= 1 << index

    groups: list[int] = []
    left = asyncs
    while left:
        group = frontier = left & -left
        while frontier:
            index = (frontier & -frontier).bit_length() - 1
            fresh = left & ~(above[index] | below[index] | group)
            group |= fresh
            frontier = (frontier | fresh) & ~(1 << index)

        groups.append(group)
        left &= ~group

    return groups


def bits(mask: int) -> Iterator[int]:
    """Yield the places in a set, ascending."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


def weave(names: Sequence[str], producers: Mapping[str, Sequence[str]]) -> Section:
    """Lay nodes into strands: each goes on where one of its producers ended, or begins a strand."""
    strands: list[list[str]] = []
    strand_of: dict[str, list[str]] = {}
    waits: dict[str, tuple[str, ...]] = {}
    for name in names:
        inside = [source for source in producers[name] if source in strand_of]
        strand = next((strand_of[source] for source in inside if strand_of[source][-1] == source), None)
        if strand is None:
            strand = list[str]()
            strands.append(strand)

        others = tuple(source for source in inside if strand_of[source] is not strand)
        if others:
            waits[name] = others

        strand.append(name)
        strand_of[name] = strand

    return Section(strands=tuple(map(tuple, strands)), waits=waits)
