"""Pictures of a graph: Mermaid text, which many tools and notebooks show."""

import re
from collections.abc import Iterator

from penstock.graphs.node import Argument, Node
from penstock.graphs.topology import Topology
from penstock.graphs.types import variant_of
from penstock.runtime.calls import describe_type


def mermaid(topology: Topology) -> str:
    """Return a flow chart: inputs rounded, nodes square, starts as flags, emits as stores; edges carry variants."""
    return "\n".join(["flowchart LR", *(f"    {line}" for line in _lines(topology))]) + "\n"


def _lines(topology: Topology) -> Iterator[str]:
    for name in topology.inputs:
        if topology.consumers[name]:
            yield f"{_id('in', name)}([{_text(name)}])"

    for name, node in topology.nodes.items():
        yield f"{_id('node', name)}[{_text(f'{name} ⏳' if node.is_async else name)}]"
        yield from _effects(node)

    for node in topology.nodes.values():
        for argument in node.arguments:
            if argument.source in topology.consumers:
                yield _edge(topology, node, argument)


def _effects(node: Node) -> Iterator[str]:
    if node.starts is not None:
        workflow = _id("run", node.name)
        yield f"{workflow}>{_text(getattr(node.starts, 'name', repr(node.starts)))}]"
        yield f"{_id('node', node.name)} -. starts .-> {workflow}"

    if node.emits is not None:
        accumulator = _id("out", node.name)
        yield f"{accumulator}[({_text(getattr(node.emits, 'name', repr(node.emits)))})]"
        yield f"{_id('node', node.name)} -. emits .-> {accumulator}"


def _edge(topology: Topology, node: Node, argument: Argument) -> str:
    source = argument.source
    label = ""
    if topology.is_router(source):
        label = f"|{_text(variants_text(topology, argument))}|"

    arrow = "-.->" if is_loose(topology, argument) else "-->"
    start = _id("node" if source in topology.nodes else "in", source)
    return f"{start} {arrow}{label} {_id('node', node.name)}"


def variants_text(topology: Topology, argument: Argument) -> str:
    """Return which variants of a router a parameter accepts."""
    union = topology.union_of(argument.source)
    accepted = [union[index] for index in sorted(topology.accepted(argument))]
    return " | ".join(variant_of(member) or describe_type(member) for member in accepted)


def is_loose(topology: Topology, argument: Argument) -> bool:
    """Tell whether a node may run without this edge."""
    absent = topology.may_be_absent(argument.source) and not argument.required
    return absent or argument.choice or argument.optional


def _id(kind: str, name: str) -> str:
    """Return an id that is no word of Mermaid's."""
    return f"{kind}_{re.sub(r'[^A-Za-z0-9_]', '_', name)}"


def _text(text: str) -> str:
    return '"' + text.replace('"', "#quot;") + '"'
