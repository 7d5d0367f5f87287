"""A graph as it is declared, at one moment: what is checked, drawn and planned, as often as that is needed.

Reading it again is cheaper than keeping what was read: thousands of graphs keep their functions, and little else.
"""

from collections.abc import Mapping

import msgspec

from penstock.graphs.inputs import reactor_inputs
from penstock.graphs.node import Declaration, Input, Node, unread
from penstock.graphs.plan import Plan, check
from penstock.graphs.topology import Topology
from penstock.graphs.types import union_type
from penstock.reactors.reactor import Reactor
from penstock.runtime.errors import DefinitionError, InvariantError


class Blueprint(msgspec.Struct, frozen=True):
    """Name, inputs and declarations of a graph."""

    graph: str
    #: Where the inputs come from: a reactor, or what was declared.
    given: Reactor | Mapping[str, Input]
    declarations: tuple[Declaration, ...]
    #: Whether each node gets copies of what it takes.
    copies: bool = False

    @property
    def inputs(self) -> Mapping[str, Input]:
        """The inputs by name."""
        return reactor_inputs(self.given) if isinstance(self.given, Reactor) else self.given

    def name_of(self, source: object) -> str | None:
        """Return the name of what a parameter takes: a name, a node's function, or an accumulator of the reactor."""
        if isinstance(source, str):
            return source

        for declaration in self.declarations:
            if declaration.is_of(source):
                return declaration.name

        if not isinstance(self.given, Reactor):
            return None

        return next((name for name, accumulator in self.given.accumulators.items() if accumulator is source), None)

    def read(self) -> tuple[Topology, list[str]]:
        """Return the topology and what could not be read; a node that cannot be stands there without edges."""
        problems: list[str] = []
        nodes: dict[str, Node] = {}
        for declaration in self.declarations:
            try:
                nodes[declaration.name] = declaration.read(self.name_of)
            except DefinitionError as error:
                problems += [f"graph {self.graph!r}: {problem}" for problem in error.problems]
                nodes[declaration.name] = unread(declaration)

        origin = f"inputs of reactor {self.given.name!r}" if isinstance(self.given, Reactor) else "declared inputs"
        return Topology(self.graph, origin, self.inputs, nodes, copies=self.copies, whole=not problems), problems

    def plan(self) -> Plan:
        """Return the plan of a graph that was found to have no problems."""
        plan = check(self.read()[0]).plan
        if plan is None:
            raise InvariantError(f"graph {self.graph!r} was in order and no longer is")

        return plan

    def terminals(self) -> dict[str, object]:
        """Return the type of each output, by terminal node, as declared; of a router, the variants that end there."""
        topology = self.read()[0]
        found: dict[str, object] = {}
        for name, node in topology.nodes.items():
            if not topology.consumers[name]:
                found[name] = node.returns
            elif ends := topology.ends(node):
                variants = topology.union_of(name)
                found[name] = union_type([variants[index] for index in sorted(ends)])

        return found
