"""The topology of a graph: which value goes where. Tolerates every mistake, since the checks look at it as well."""

import heapq
import typing
from collections.abc import Iterator, Mapping, Sequence

from penstock.graphs.node import Argument, Input, Node
from penstock.graphs.routes import ABSENT
from penstock.graphs.types import ANYTHING, accepts, bare, is_open, label_of, members, route_type, value_of, variant_of


class Topology:
    """Inputs and nodes, connected by name.

    Attributes:
        graph: Name of the graph.
        origin: Where the inputs come from, in words.
        inputs: By name.
        nodes: By name, in declared order.
        copies: Whether each node gets copies of what it takes.
        whole: Whether every node could be read; otherwise edges are missing.
        consumers: Who takes a value, by the value's name; only names that exist.
    """

    def __init__(
        self,
        graph: str,
        origin: str,
        inputs: Mapping[str, Input],
        nodes: Mapping[str, Node],
        *,
        copies: bool = False,
        whole: bool = True,
    ) -> None:
        self.graph = graph
        self.origin = origin
        self.inputs = inputs
        self.nodes = nodes
        self.copies = copies
        self.whole = whole
        self.consumers: dict[str, list[tuple[Node, Argument]]] = {name: [] for name in (*inputs, *nodes)}
        for node in nodes.values():
            for argument in node.arguments:
                if argument.source in self.consumers:
                    self.consumers[argument.source].append((node, argument))

        self._producers = {
            node.name: list(dict.fromkeys(a.source for a in node.arguments if a.source in nodes))
            for node in nodes.values()
        }
        order, stuck = sort(self)
        #: Producers first, ties as declared.
        self.order: list[Node] = order
        #: The nodes that no order can satisfy.
        self.stuck: list[Node] = stuck
        self._unions: dict[str, tuple[object, ...]] = {}
        self._accepted: dict[int, frozenset[int]] = {}
        self._routers: dict[str, bool] = {}

    def type_of(self, source: str) -> object:
        """Return the type of a value."""
        return self.nodes[source].returns if source in self.nodes else self.inputs[source].type

    def union_of(self, source: str) -> tuple[object, ...]:
        """Return the members of a value's type; a ``Route`` of whatever variant has those that somebody names."""
        found = self._unions.get(source)
        if found is None:
            found = members(self.type_of(source))
            if names := self._named_variants(source):
                found = tuple(_opened(found, names))

            self._unions[source] = found

        return found

    def _named_variants(self, source: str) -> tuple[str, ...]:
        """Return the variants that consumers and ``terminals=`` name, each once."""
        taken = [argument.variant for _, argument in self.consumers[source] if argument.variant is not None]
        ends = self.nodes[source].terminals if source in self.nodes else ()
        labels = set(map(label_of, members(self.type_of(source))))
        return tuple(dict.fromkeys((*taken, *(end for end in ends if isinstance(end, str) and end not in labels))))

    def producers(self, node: Node) -> list[str]:
        """Return the nodes that a node takes values from, each once, in the order of its parameters."""
        return self._producers[node.name]

    def accepted(self, argument: Argument) -> frozenset[int]:
        """Return the numbers of those members of the source's union that a parameter accepts."""
        found = self._accepted.get(id(argument))
        if found is None:
            union = self.union_of(argument.source)
            found = frozenset(index for index, member in enumerate(union) if _takes(argument, member))
            self._accepted[id(argument)] = found

        return found

    def may_be_absent(self, source: str) -> bool:
        """Tell whether a value is an input that a traversal may lack."""
        return source in self.inputs and source not in self.nodes and not self.inputs[source].always

    def admits(self, argument: Argument) -> frozenset[int]:
        """Return what a parameter accepts, ``ABSENT`` included where it can do without the input."""
        lacks = self.may_be_absent(argument.source) and not argument.required and not argument.optional
        return self.accepted(argument) | (frozenset({ABSENT}) if lacks else frozenset[int]())

    def is_router(self, source: str) -> bool:
        """Tell whether what a value's consumers do depends on its type."""
        if source not in self._routers:
            self._routers[source] = self._find_out_whether_router(source)

        return self._routers[source]

    def _find_out_whether_router(self, source: str) -> bool:
        consumers = self.consumers[source]
        if not consumers:
            return False

        every = len(self.union_of(source))
        selective = any(0 < len(self.accepted(each)) < every or each.variant is not None for _, each in consumers)
        return selective or bool(source in self.nodes and self.nodes[source].terminals)

    def ends(self, node: Node) -> frozenset[int]:
        """Return the numbers of the variants at which the path ends by declaration."""
        union = self.union_of(node.name)
        return frozenset(
            index for index, member in enumerate(union) if any(ends_at(end, member) for end in node.terminals)
        )


def ends_at(terminal: object, member: object) -> bool:
    """Tell whether one of ``terminals=`` means this member of a union."""
    if isinstance(terminal, str):
        return terminal == (variant_of(member) or label_of(member))

    return bare(terminal) == member


def _opened(union: Sequence[object], names: Sequence[str]) -> Iterator[object]:
    """Yield the members of a union, a ``Route`` whose variants are not listed replaced by one for each name."""
    listed = {variant_of(member) for member in union}
    for member in union:
        if is_open(member):
            value = value_of(member) if typing.get_args(member) else ANYTHING
            yield from (route_type(name, value) for name in names if name not in listed)
        else:
            yield member


def _takes(argument: Argument, member: object) -> bool:
    """Tell whether a parameter accepts a member of the source's union."""
    if argument.variant is not None:
        # several variants may share one list of types: which of them is whose, only their consumers say
        values = members(value_of(member)) if variant_of(member) == argument.variant else ()
        return any(accepts(argument.type, value) for value in values)

    return accepts(argument.type, member) and (not argument.labels or label_of(member) in argument.labels)


def sort(topology: Topology) -> tuple[list[Node], list[Node]]:
    """Return the nodes so that producers come first, ties as declared, and those that no order can satisfy."""
    nodes = list(topology.nodes.values())
    place = {node.name: index for index, node in enumerate(nodes)}
    waits = [len(topology.producers(node)) for node in nodes]
    ready = [index for index, count in enumerate(waits) if not count]  # ascending, hence a heap
    done: list[Node] = []
    while ready:
        node = nodes[heapq.heappop(ready)]
        done.append(node)
        for follower in followers(topology, node.name):
            index = place[follower]
            waits[index] -= 1
            if not waits[index]:
                heapq.heappush(ready, index)

    return done, [node for node, count in zip(nodes, waits, strict=True) if count]


def followers(topology: Topology, name: str) -> list[str]:
    """Return the nodes that take a node's value, each once."""
    return list(dict.fromkeys(node.name for node, _ in topology.consumers[name]))


def cycles(topology: Topology, stuck: Sequence[Node]) -> Iterator[list[str]]:
    """Yield cycles that share no node, as paths along the data that end where they begin."""
    names = {node.name: None for node in stuck}
    while names:
        path = walk(topology, names)
        yield path
        for name in path[1:]:
            del names[name]

        settle(topology, names)


def settle(topology: Topology, names: dict[str, None]) -> None:
    """Drop the nodes that are in no cycle any more: each of those left has a producer among them."""
    while loose := [name for name in names if not any(p in names for p in topology.producers(topology.nodes[name]))]:
        for name in loose:
            del names[name]


def walk(topology: Topology, names: Mapping[str, None]) -> list[str]:
    """Follow producers upstream until a node comes again, and return that round in the direction of the data."""
    trail: list[str] = []
    name = next(iter(names))
    while name not in trail:
        trail.append(name)
        name = next(source for source in topology.producers(topology.nodes[name]) if source in names)

    loop = trail[trail.index(name) :][::-1]
    declared = list(topology.nodes)
    first = loop.index(min(loop, key=declared.index))
    loop = [*loop[first:], *loop[:first]]
    return [*loop, loop[0]]
