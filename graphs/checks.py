"""What is wrong with a topology: every problem, each naming graph and node and saying what to write instead."""

import difflib
from collections.abc import Iterable, Iterator
from typing import cast

from penstock.graphs.node import Argument, Node
from penstock.graphs.topology import Topology, cycles, ends_at
from penstock.graphs.types import clashes, label_of, variant_of
from penstock.runtime.calls import EMPTY, describe_type
from penstock.runtime.effects import Startable


def nearest(name: str, names: Iterable[str]) -> str:
    """Return a question that names the name that was probably meant, or nothing."""
    near = difflib.get_close_matches(name, list(names), 1)
    return f"; did you mean {near[0]!r}?" if near else ""


def wiring_problems(topology: Topology) -> Iterator[str]:
    """Yield what makes it impossible to say which value goes where."""
    graph = f"graph {topology.graph!r}"
    if not topology.nodes:
        yield f"{graph} has no nodes: decorate a function with `@{topology.graph}.node`"

    for name in topology.nodes:
        if name in topology.inputs:
            yield (
                f"{graph}: node {name!r} has the name of an input ({topology.origin}), so a parameter {name!r} could"
                f" mean either: rename it, or write name={f'{name}_node'!r}"
            )

    for node in topology.nodes.values():
        for argument in node.arguments:
            if argument.source not in topology.consumers:
                yield _unknown_source(topology, node, argument)

    for path in cycles(topology, topology.stuck):
        yield f"{graph}: {' → '.join(path)} is a cycle: a node cannot wait for its own value; take one edge out"


def _unknown_source(topology: Topology, node: Node, argument: Argument) -> str:
    inputs = ", ".join(topology.inputs) or "none"
    nodes = ", ".join(name for name in topology.nodes if name != node.name) or "none"
    bound = "" if argument.absent is EMPTY or argument.absent is None else "; bind a constant with functools.partial"
    return (
        f"graph {topology.graph!r}, node {node.name!r}: parameter {argument.parameter!r} takes {argument.source!r},"
        f" which is neither an input nor a node{nearest(argument.source, topology.consumers)}{bound}"
        f" ({topology.origin}: {inputs}; other nodes: {nodes})"
    )


def type_problems(topology: Topology) -> Iterator[str]:
    """Yield edges whose ends do not fit, and values that cannot be routed."""
    for source, consumers in topology.consumers.items():
        for node, argument in consumers:
            if not topology.accepted(argument):
                yield _mismatch(topology, node, argument)

        if topology.is_router(source):
            yield from _router_problems(topology, source)

    for node in topology.nodes.values():
        yield from _terminal_problems(topology, node)


def _mismatch(topology: Topology, node: Node, argument: Argument) -> str:
    source = f"{'node' if argument.source in topology.nodes else 'input'} {argument.source!r}"
    where = f"graph {topology.graph!r}, node {node.name!r}: parameter {argument.parameter!r}"
    union = topology.union_of(argument.source)
    gives = f"{source} gives {' | '.join(map(label_of, union))}"
    names = [name for name in map(variant_of, union) if name is not None]
    if argument.variant is not None and argument.variant not in names:
        hint = nearest(argument.variant, names) if names else ": let it return `ps.Route('name', value)`"
        return f"{where} takes variant {argument.variant!r} of {argument.source!r}, but {gives}{hint}"

    return f"{where} accepts {_wanted(argument)}, but {gives}: change one of the annotations"


def _wanted(argument: Argument) -> str:
    return " | ".join(argument.labels) or describe_type(argument.type)


def _router_problems(topology: Topology, source: str) -> Iterator[str]:
    where = f"graph {topology.graph!r}, {'node' if source in topology.nodes else 'input'} {source!r}"
    union = topology.union_of(source)
    for clash in clashes(union):
        what = " and ".join(map(label_of, clash))
        yield (
            f"{where}: {what} cannot be told {'apart' if len(clash) > 1 else 'from the other variants'} by type:"
            f" wrap each in a class of its own (`class Found(msgspec.Struct): value: ...`), return"
            f" `ps.Route('name', value)` and take it with inputs={{'x': ps.route({source}, 'name')}}, or split the node"
        )

    if source not in topology.nodes or not topology.whole:
        return  # who consumes the rest is not known

    node = topology.nodes[source]
    used = topology.ends(node).union(*(topology.accepted(argument) for _, argument in topology.consumers[source]))
    for index, member in enumerate(union):
        if index not in used:
            yield f"{where}: variant {label_of(member)} goes nowhere: {_way_out(source, member)}"


def _way_out(source: str, member: object) -> str:
    """Return what to do about a variant that nobody takes."""
    variant, name = variant_of(member), describe_type(member)
    if variant is not None:
        return (
            f"consume it (inputs={{'x': ps.route({source}, {variant!r})}}), or say that the path ends there:"
            f" terminals=({variant!r},)"
        )

    return f"consume it (`def ...({source}: {name})`), or say that the path ends there: terminals=({name},)"


def _terminal_problems(topology: Topology, node: Node) -> Iterator[str]:
    where = f"graph {topology.graph!r}, node {node.name!r}"
    union = topology.union_of(node.name)
    for terminal in node.terminals:
        if not any(ends_at(terminal, member) for member in union):
            name = repr(terminal) if isinstance(terminal, str) else describe_type(terminal)
            yield f"{where}: terminals= names {name}, but the node returns {describe_type(node.returns)}"

    starts = cast("object", node.starts)  # declared so, but nothing has looked yet
    if starts is None:
        return

    if not isinstance(starts, Startable):
        yield f"{where}: starts={starts!r} is not a workflow: give the Workflow itself, not its name"

    if consumers := topology.consumers[node.name]:
        names = " and ".join(dict.fromkeys(consumer.name for consumer, _ in consumers))
        yield (
            f"{where}: a node with starts= is the end of a path, but {names} takes its value: let both take the value"
            f" from a node before it"
        )


def unreachable(topology: Topology, node: Node, sources: Iterable[str]) -> Iterator[str]:
    """Yield why a node can never run: it would need two variants of one value at once."""
    for source in sources:
        kind = "node" if source in topology.nodes else "input"
        yield (
            f"graph {topology.graph!r}, node {node.name!r} can never run: its parameters need different variants of"
            f" {kind} {source!r} at once; write a node for each branch, or let one parameter take what comes:"
            f" ps.first_of(…), ps.optional(…)"
        )


def notes(topology: Topology) -> Iterator[str]:
    """Yield what is legal but perhaps not meant."""
    graph = f"graph {topology.graph!r}"
    unused = [name for name in topology.inputs if not topology.consumers[name]]
    if unused:
        yield f"{graph}: no node takes {', '.join(unused)} ({topology.origin})"

    for node in topology.nodes.values():
        if node.terminals and not topology.consumers[node.name]:
            yield f"{graph}, node {node.name!r}: terminals= changes nothing, since nothing consumes its value"
