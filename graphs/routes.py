"""Routing: the variants of a value, and the conditions under which a node runs."""

from collections.abc import Iterable

import msgspec

#: Stands beside the numbers of the variants for an input that has no value yet.
ABSENT = -1


class Variant(msgspec.Struct, frozen=True, kw_only=True):
    """A member of a union whose values can be told from those of the other members."""

    #: Unique within the union.
    label: str
    #: What a value of it is an instance of.
    classes: tuple[type, ...]


class Guard(msgspec.Struct, frozen=True):
    """The condition of a node: these inputs are present, and these values are one of these variants."""

    present: frozenset[str] = frozenset()
    #: Pairs of a router's name and the numbers of the variants that satisfy the guard.
    routes: frozenset[tuple[str, frozenset[int]]] = frozenset()

    def __and__(self, other: "Guard") -> "Guard":
        """Return the guard that holds when both hold."""
        if other == ALWAYS:
            return self

        if self == ALWAYS:
            return other

        return Guard(self.present | other.present, merge((*self.routes, *other.routes)))

    @property
    def impossible(self) -> tuple[str, ...]:
        """The routers that would have to give two variants at once."""
        return tuple(source for source, accepted in self.routes if not accepted)


def merge(routes: Iterable[tuple[str, frozenset[int]]]) -> frozenset[tuple[str, frozenset[int]]]:
    """Return one pair for each router: what all of its pairs accept."""
    found: dict[str, frozenset[int]] = {}
    for source, accepted in routes:
        found[source] = found.get(source, accepted) & accepted

    return frozenset(found.items())


#: The guard of a node that runs in every traversal.
ALWAYS = Guard()
