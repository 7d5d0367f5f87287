"""The plan of a graph: what runs when, decided from its topology alone.

Everything that a compiled graph does is decided here: the order of the nodes, under which condition each runs (its
*guard*), which values are told apart by type (*routers*), which are outputs, and what may run concurrently. A guard
holds the guards of all producers, so a branch that is not taken skips whatever hangs on it, however far down.
"""

from collections.abc import Iterator, Mapping

import msgspec

from penstock.graphs import checks
from penstock.graphs.node import Argument, Input, Node
from penstock.graphs.result import Path
from penstock.graphs.routes import ABSENT, ALWAYS, Guard, Variant
from penstock.graphs.sections import Section, arrange
from penstock.graphs.topology import Topology
from penstock.graphs.types import instance_classes, members
from penstock.runtime.calls import describe_type


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A node with the condition under which it runs."""

    node: Node
    #: That of all producers and all edges together.
    guard: Guard
    #: The parameters, each with what it alone asks of its source.
    edges: tuple[tuple[Argument, Guard], ...]


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
        edges = tuple((argument, admission(topology, argument)) for argument in node.arguments)
        guard = ALWAYS
        for argument, edge in edges:
            guard &= edge if argument.source not in steps else steps[argument.source].guard & edge

        steps[node.name] = Step(node=node, guard=guard, edges=edges)

    return steps


def admission(topology: Topology, argument: Argument) -> Guard:
    """Return what one parameter asks of its source."""
    if topology.is_router(argument.source):
        return Guard(routes=frozenset({(argument.source, topology.admits(argument))}))

    if argument.required and topology.may_be_absent(argument.source):
        return Guard(present=frozenset({argument.source}))

    return ALWAYS


def impossible(topology: Topology, steps: Mapping[str, Step]) -> Iterator[str]:
    """Yield the problems of nodes that can never run, not of those that depend on them."""
    for step in steps.values():
        if not any(steps[source].guard.impossible for source in topology.producers(step.node)):
            yield from checks.unreachable(topology, step.node, step.guard)


def plan(topology: Topology, steps: Mapping[str, Step]) -> Plan:
    """Return the plan of a topology that has no problems."""
    routers = {name: variants(topology.type_of(name)) for name in topology.consumers if topology.is_router(name)}
    producers = {name: topology.producers(step.node) for name, step in steps.items()}
    asyncs = frozenset(name for name, step in steps.items() if step.node.is_async)
    present = frozenset[str]().union(*(step.guard.present for step in steps.values()))
    return Plan(
        graph=topology.graph,
        inputs={name: given for name, given in topology.inputs.items() if topology.consumers[name]},
        steps=steps,
        routers=routers,
        outputs=dict(outputs(topology, steps)),
        sections=tuple(arrange(producers, asyncs)),
        gates=tuple(name for name in topology.inputs if name in present),
    )


def variants(annotation: object) -> tuple[Variant, ...]:
    """Return the variants of a union whose members can be told apart."""
    union = members(annotation)
    labels = [describe_type(member) for member in union]
    return tuple(
        Variant(label=label if labels.count(label) == 1 else f"{label} #{index + 1}", classes=classes)
        for index, (label, classes) in enumerate(zip(labels, instance_classes(union), strict=True))
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
    found = {_edge_state(argument.source, edge, present, routed, states) for argument, edge in step.edges}
    return next((state for state in ("skipped", "not ready") if state in found), "ran")


def _edge_state(
    source: str, edge: Guard, present: frozenset[str], routed: Mapping[str, int], states: Mapping[str, str]
) -> str:
    if states.get(source, "ran") != "ran":
        return states[source]

    if not edge.present <= present:
        return "not ready"

    for _, accepted in edge.routes:
        if routed[source] not in accepted:
            return "not ready" if routed[source] == ABSENT else "skipped"

    return "ran"
