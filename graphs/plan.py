"""The plan of a graph: what runs when, decided from its topology alone.

Everything that a compiled graph does is decided here: the order of the nodes, under which condition each runs (its
*guard*), which values are told apart by type (*routers*), which are outputs, and what may run concurrently. A guard
holds the guards of all producers, so a branch that is not taken skips whatever hangs on it, however far down.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from penstock.graphs import checks
from penstock.graphs.node import Argument, Input, Node
from penstock.graphs.result import Path
from penstock.graphs.routes import ABSENT, ALWAYS, NO_VALUE, Guard, Variant
from penstock.graphs.sections import Section, arrange
from penstock.graphs.topology import Topology
from penstock.graphs.types import instance_classes, variant_of
from penstock.runtime.calls import describe_type

#: A parameter, or one of the sources that it may take, with what that alone asks of the source.
Edge = tuple[Argument, Guard]


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A node with the condition under which it runs."""

    node: Node
    #: That of all producers and all edges together.
    guard: Guard
    edges: tuple[Edge, ...]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A checked graph."""

    graph: str
    #: Those that some node takes.
    inputs: Mapping[str, Input]
    #: In order: producers first, ties as declared.
    steps: Mapping[str, Step]
    #: The variants of each value that is told apart by type.
    routers: Mapping[str, tuple[Variant, ...]]
    #: When each output is there, by terminal node.
    outputs: Mapping[str, Guard]
    sections: tuple[Section, ...]
    #: Inputs on whose presence it depends what runs.
    gates: tuple[str, ...]
    #: Whether each node gets copies of what it takes.
    copies: bool

    @property
    def ways_part(self) -> bool:
        """Whether it depends on values what runs."""
        return bool(self.gates or self.routers)

    @property
    def is_async(self) -> bool:
        """Whether a node waits."""
        return any(step.node.is_async for step in self.steps.values())


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """A plan, or all that stands against it."""

    plan: Plan | None
    problems: tuple[str, ...]


def check(topology: Topology) -> Checked:
    """Check a topology and plan it."""
    problems = [*checks.wiring_problems(topology), *checks.type_problems(topology)]
    steps: dict[str, Step] = {}
    if not problems:
        steps = guarded(topology)
        problems += impossible(topology, steps)

    return Checked(
        plan=None if problems else plan(topology, steps),
        problems=tuple(problems),
    )


def guarded(topology: Topology) -> dict[str, Step]:
    """Return the nodes in order, each with its guard."""
    steps: dict[str, Step] = {}
    for node in topology.order:
        edges = tuple((argument, admission(topology, steps, argument)) for argument in node.arguments)
        guard = ALWAYS
        for parameter in parameters(edges):
            guard &= demand(steps, parameter)

        steps[node.name] = Step(node=node, guard=guard, edges=edges)

    return steps


def parameters(edges: Sequence[Edge]) -> list[list[Edge]]:
    """Return the edges of each parameter, the one that it prefers first."""
    return [list(group) for _, group in itertools.groupby(edges, lambda edge: edge[0].parameter)]


def admission(topology: Topology, steps: Mapping[str, Step], argument: Argument) -> Guard:
    """Return what one edge asks of its source, besides the source's own guard."""
    source = argument.source
    if topology.is_router(source):
        return Guard(routes=frozenset({(source, topology.admits(argument))}))

    if topology.may_be_absent(source) and (argument.required or argument.optional):
        return Guard(present=frozenset({source}))

    loose = argument.choice or argument.optional
    return Guard(ran=frozenset({source})) if loose and source in steps and steps[source].guard != ALWAYS else ALWAYS


def demand(steps: Mapping[str, Step], parameter: Sequence[Edge]) -> Guard:
    """Return what a parameter asks of the traversal for its node to run."""
    first, edge = parameter[0]
    if first.optional:
        return ALWAYS

    if first.choice:
        choices = tuple(edge for _, edge in parameter)
        return ALWAYS if ALWAYS in choices else Guard(groups=(choices,))

    return edge if first.source not in steps else known(steps[first.source]) & edge


def known(step: Step) -> Guard:
    """Return what holds when a node ran, for those that need it; whatever it may have chosen from is not repeated."""
    if not step.guard.groups:
        return step.guard

    return msgspec.structs.replace(step.guard, groups=(), ran=step.guard.ran | {step.node.name})


def impossible(topology: Topology, steps: Mapping[str, Step]) -> Iterator[str]:
    """Yield the problems of nodes that can never run, not of those that depend on them."""
    dead: set[str] = set()
    for name, step in steps.items():
        sources = step.guard.impossible or _hopeless(steps, step.guard)
        if sources and dead.isdisjoint(topology.producers(step.node)):
            yield from checks.unreachable(topology, step.node, sources)

        if sources:
            dead.add(name)


def _hopeless(steps: Mapping[str, Step], guard: Guard) -> tuple[str, ...]:
    """Return the routers for which a parameter has a choice only of what the rest of the guard excludes."""
    rest = msgspec.structs.replace(guard, groups=())
    for group in guard.groups:
        found = [(rest & _unfolded(steps, choice)).impossible for choice in group]
        if all(found):
            return found[0]

    return ()


def _unfolded(steps: Mapping[str, Step], guard: Guard) -> Guard:
    """Return a guard with those of the nodes that must have run."""
    for name in guard.ran:
        guard &= steps[name].guard

    return guard


def plan(topology: Topology, steps: Mapping[str, Step]) -> Plan:
    """Return the plan of a topology that has no problems."""
    routers = {name: variants(topology.union_of(name)) for name in topology.consumers if topology.is_router(name)}
    producers = {name: topology.producers(step.node) for name, step in steps.items()}
    asyncs = frozenset(name for name, step in steps.items() if step.node.is_async)
    present = frozenset[str]().union(*(step.guard.inputs for step in steps.values()))
    return Plan(
        graph=topology.graph,
        inputs={name: given for name, given in topology.inputs.items() if topology.consumers[name]},
        steps=steps,
        routers=routers,
        outputs=dict(outputs(topology, steps)),
        sections=tuple(arrange(producers, asyncs)),
        gates=tuple(name for name in topology.inputs if name in present),
        copies=topology.copies,
    )


def variants(union: Sequence[object]) -> tuple[Variant, ...]:
    """Return the variants of a union whose members can be told apart."""
    routes = [variant_of(member) for member in union]
    labels = [route or describe_type(member) for member, route in zip(union, routes, strict=True)]
    unique = [label != NO_VALUE and labels.count(label) == 1 for label in labels]
    return tuple(
        Variant(label=label if alone else f"{label} #{index + 1}", classes=classes, route=route)
        for index, (label, alone, classes, route) in enumerate(
            zip(labels, unique, instance_classes(union), routes, strict=True)
        )
    )


def outputs(topology: Topology, steps: Mapping[str, Step]) -> Iterator[tuple[str, Guard]]:
    """Yield the terminals as declared: nodes that nothing consumes, and variants at which a path ends."""
    for name, node in topology.nodes.items():
        if not topology.consumers[name]:
            yield name, steps[name].guard
        elif ends := topology.ends(node):
            yield name, steps[name].guard & Guard(routes=frozenset({(name, ends)}))


def path_of(plan: Plan, present: frozenset[str], routed: Mapping[str, int]) -> Path:
    """Return which way a traversal took.

    Args:
        plan: The plan.
        present: Those gates that had a value.
        routed: By router, the number of the variant that it gave; an input that was absent gave ``ABSENT``; nodes that
            did not run are left out.
    """
    states: dict[str, str] = {}
    for name, step in plan.steps.items():
        states[name] = _state(step, present, routed, states)

    return Path(
        ran=tuple(name for name, state in states.items() if state == "ran"),
        skipped=tuple(name for name, state in states.items() if state == "skipped"),
        not_ready=tuple(name for name, state in states.items() if state == "not ready"),
    )


def _state(step: Step, present: frozenset[str], routed: Mapping[str, int], states: Mapping[str, str]) -> str:
    """Return what became of a node. A branch that is not taken outweighs an input that is not there."""
    found: set[str] = set()
    for parameter in parameters(step.edges):
        edges = {_edge_state(argument, edge, present, routed, states) for argument, edge in parameter}
        if not parameter[0][0].optional and "ran" not in edges:
            found |= edges

    return next((state for state in ("skipped", "not ready") if state in found), "ran")


def _edge_state(
    argument: Argument, edge: Guard, present: frozenset[str], routed: Mapping[str, int], states: Mapping[str, str]
) -> str:
    source = argument.source
    if states.get(source, "ran") != "ran":
        return states[source]

    if not edge.present <= present:
        return "not ready"

    for _, accepted in edge.routes:
        if routed[source] not in accepted:
            return "not ready" if routed[source] == ABSENT else "skipped"

    return "ran"
