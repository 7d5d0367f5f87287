"""Routing: the variants of a value, and the conditions under which a node runs."""

from collections.abc import Iterable
from typing import Generic, TypeVar

import msgspec

#: Stands beside the numbers of the variants for an input that has no value yet.
ABSENT = -1
#: … and this beside their labels.
NO_VALUE = "(absent)"

L_co = TypeVar("L_co", bound=str, covariant=True)
V_co = TypeVar("V_co", covariant=True)


class Route(msgspec.Struct, Generic[L_co, V_co], frozen=True):
    """A value with the name of the way that it takes: ``return ps.Route("buy", trade)``.

    For what cannot be told apart by its type. Consumers name the variant, ``inputs={"x": ps.route(decide, "buy")}``,
    and get the value. An annotation lists the variants:
    ``-> Route[Literal["buy"], Trade] | Route[Literal["wait"], str]``; without one they are those that are consumed.
    """

    variant: L_co
    value: V_co


class Variant(msgspec.Struct, frozen=True, kw_only=True):
    """A member of a union whose values can be told from those of the other members."""

    #: Unique within the union.
    label: str
    #: What a value of it is an instance of.
    classes: tuple[type, ...]
    #: The ``variant`` that a ``Route`` has then; None for what is told by its class.
    route: str | None = None


class Guard(msgspec.Struct, frozen=True):
    """The condition of a node: all of what stands here."""

    #: These inputs are present.
    present: frozenset[str] = frozenset()
    #: Pairs of a router's name and the numbers of the variants one of which it gave.
    routes: frozenset[tuple[str, frozenset[int]]] = frozenset()
    #: These nodes ran.
    ran: frozenset[str] = frozenset()
    #: Of each of these groups, at least one guard holds.
    groups: tuple[tuple["Guard", ...], ...] = ()

    def __and__(self, other: "Guard") -> "Guard":
        """Return the guard that holds when both hold."""
        if other == ALWAYS:
            return self

        if self == ALWAYS:
            return other

        return Guard(
            self.present | other.present,
            merge((*self.routes, *other.routes)),
            self.ran | other.ran,
            (*self.groups, *(group for group in other.groups if group not in self.groups)),
        )

    @property
    def impossible(self) -> tuple[str, ...]:
        """The routers that would have to give two variants at once."""
        return tuple(source for source, accepted in self.routes if not accepted)

    @property
    def inputs(self) -> frozenset[str]:
        """All inputs on whose presence it depends, those of groups included."""
        return self.present.union(*(guard.inputs for group in self.groups for guard in group))

    @property
    def nodes(self) -> frozenset[str]:
        """All values on which it depends: of routers, and whether nodes ran."""
        routers = (source for source, _ in self.routes)
        return self.ran.union(routers, *(guard.nodes for group in self.groups for guard in group))


def merge(routes: Iterable[tuple[str, frozenset[int]]]) -> frozenset[tuple[str, frozenset[int]]]:
    """Return one pair for each router: what all of its pairs accept."""
    found: dict[str, frozenset[int]] = {}
    for source, accepted in routes:
        found[source] = found.get(source, accepted) & accepted

    return frozenset(found.items())


#: The guard of a node that runs in every traversal.
ALWAYS = Guard()
