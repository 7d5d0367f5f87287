"""What a picture of a graph shows, however it is drawn: boxes with lines of text, links with labels."""

from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec

from penstock.graphs.node import Argument, Node
from penstock.graphs.topology import Topology
from penstock.graphs.types import label_of, variant_of
from penstock.graphs.ways import NodeCounts
from penstock.runtime.calls import describe_type

Kind = Literal["input", "node", "router", "start", "emit"]

#: Characters of a line; what is longer is cut, and whole in the tooltip.
LONGEST = 38


class Box(msgspec.Struct, frozen=True, kw_only=True):
    """An input, a node, or what a node causes."""

    key: str
    kind: Kind
    title: str
    #: Further lines: the type, how it runs, what it did.
    lines: tuple[str, ...] = ()
    #: Whether its value is an output.
    is_output: bool = False
    #: Whether it failed, in a running app.
    is_failing: bool = False
    #: Whether it ran; unknown without an app.
    has_run: bool = True
    tooltip: str = ""


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """A value that goes from one box to another."""

    source: str
    target: str
    label: str = ""
    #: Whether the target may run without it.
    is_loose: bool = False
    #: Whether it leads out of the graph.
    is_effect: bool = False


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """All of it."""

    title: str
    boxes: tuple[Box, ...]
    links: tuple[Link, ...]


def picture_of(topology: Topology, counts: Mapping[str, NodeCounts] | None = None) -> Picture:
    """Return the picture of a graph; also of one that has problems, as far as it goes.

    Args:
        topology: The graph.
        counts: What the nodes did in a running app, by node.
    """
    return Picture(
        title=f"{topology.graph} · {topology.origin}",
        boxes=tuple(_boxes(topology, counts)),
        links=tuple(_links(topology)),
    )


def _boxes(topology: Topology, counts: Mapping[str, NodeCounts] | None) -> Iterator[Box]:
    for name, given in topology.inputs.items():
        if topology.consumers[name]:
            kind = describe_type(given.type)
            yield Box(key=f"in {name}", kind="input", title=name, lines=(cut(kind),), tooltip=kind)

    for name, node in topology.nodes.items():
        yield _box(topology, node, None if counts is None else counts.get(name, NodeCounts()))
        for key, kind, target in effects(node):
            yield Box(key=f"{key} {name}", kind=kind, title=cut(target), tooltip=target)


def _box(topology: Topology, node: Node, counts: NodeCounts | None) -> Box:
    returns = " | ".join(variant_of(member) or describe_type(member) for member in topology.union_of(node.name))
    manner = node.manner or ("async" if node.is_async else "")
    lines = [f"→ {cut(returns)}", manner, counts.text if counts else ""]
    return Box(
        key=f"node {node.name}",
        kind="router" if topology.is_router(node.name) else "node",
        title=node.name,
        lines=tuple(line for line in lines if line),
        is_output=not topology.consumers[node.name] or bool(topology.ends(node)),
        is_failing=bool(counts and counts.failed),
        has_run=counts is None or counts.ran > 0,
        tooltip=f"{node.name} → {returns}",
    )


def effects(node: Node) -> Iterator[tuple[str, Literal["start", "emit"], str]]:
    """Yield what a node causes: a word for it, its kind, and the name of what it goes to."""
    if node.starts is not None:
        yield "run", "start", str(getattr(node.starts, "name", repr(node.starts)))

    if node.emits is not None:
        yield "out", "emit", str(getattr(node.emits, "name", repr(node.emits)))


def _links(topology: Topology) -> Iterator[Link]:
    for node in topology.nodes.values():
        for argument in node.arguments:
            if argument.source in topology.consumers and argument.source != node.name:
                kind = "node" if argument.source in topology.nodes else "in"
                yield Link(
                    source=f"{kind} {argument.source}",
                    target=f"node {node.name}",
                    label=cut(variants_text(topology, argument)) if topology.is_router(argument.source) else "",
                    is_loose=is_loose(topology, argument),
                )

        for key, kind, _ in effects(node):
            word = "starts" if kind == "start" else "emits"
            yield Link(source=f"node {node.name}", target=f"{key} {node.name}", label=word, is_effect=True)


def variants_text(topology: Topology, argument: Argument) -> str:
    """Return which variants of a router a parameter accepts."""
    union = topology.union_of(argument.source)
    accepted = [union[index] for index in sorted(topology.accepted(argument))]
    return " | ".join(variant_of(member) or label_of(member) for member in accepted)


def is_loose(topology: Topology, argument: Argument) -> bool:
    """Tell whether a node may run without this edge."""
    absent = topology.may_be_absent(argument.source) and not argument.required
    return absent or argument.choice or argument.optional


def cut(text: str) -> str:
    """Return a text that is not long."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
