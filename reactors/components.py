"""Which sources, accumulators and reactors belong together: what is connected is one domain. Pure."""

from collections.abc import Iterable

import msgspec

from penstock.accumulators.accumulator import AnyAccumulator
from penstock.reactors.reactor import Reactor


class Component(msgspec.Struct, frozen=True, kw_only=True):
    """One connected component: a domain before it has come to life."""

    #: The alphabetically first name of its reactors, or of its accumulators when it has none.
    name: str
    #: In the order in which they were given, or found.
    accumulators: tuple[AnyAccumulator, ...]
    reactors: tuple[Reactor, ...]


def components(
    reactors: Iterable[Reactor],
    accumulators: Iterable[AnyAccumulator] = (),
    links: Iterable[tuple[Reactor, AnyAccumulator]] = (),
) -> tuple[Component, ...]:
    """Return the domains of an app, by name.

    Args:
        reactors: All reactors; the accumulators they join come along.
        accumulators: Further ones that no reactor joins.
        links: Reactors with the accumulators that their graphs write: both are committed together.
    """
    reactors, links = tuple(dict.fromkeys(reactors)), tuple(links)
    joined = (accumulator for reactor in reactors for accumulator in reactor.accumulators.values())
    everything = tuple(dict.fromkeys((*joined, *accumulators, *(accumulator for _, accumulator in links))))
    groups = Groups()
    for accumulator in everything:
        groups.join(accumulator, accumulator.origin or accumulator)

    for reactor in reactors:
        for accumulator in reactor.accumulators.values():
            groups.join(reactor, accumulator)

    for reactor, accumulator in links:
        groups.join(reactor, accumulator)

    roots = dict.fromkeys(groups.find(accumulator) for accumulator in everything)
    found = (
        component(
            tuple(accumulator for accumulator in everything if groups.find(accumulator) == root),
            tuple(reactor for reactor in reactors if groups.find(reactor) == root),
        )
        for root in roots
    )
    return tuple(sorted(found, key=lambda each: each.name))


def component(accumulators: tuple[AnyAccumulator, ...], reactors: tuple[Reactor, ...]) -> Component:
    """Return a component with its name."""
    name = min(part.name for part in reactors or accumulators)
    return Component(name=name, accumulators=accumulators, reactors=reactors)


class Groups:
    """Disjoint sets of objects, told apart by identity."""

    def __init__(self) -> None:
        self._parents: dict[int, int] = {}

    def find(self, member: object) -> int:
        """Return what stands for the set of an object."""
        at = self._parents.setdefault(id(member), id(member))
        while (parent := self._parents[at]) != at:
            self._parents[at] = self._parents[parent]
            at = parent

        return at

    def join(self, one: object, other: object) -> None:
        """Unite two sets."""
        self._parents[self.find(one)] = self.find(other)
