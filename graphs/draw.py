"""Pictures of a graph: Mermaid text, which many tools and notebooks show, and SVG."""

import re
from collections.abc import Iterator, Mapping
from typing import Literal, Protocol

from penstock.graphs.node import Argument, Node
from penstock.graphs.picture import effects, is_loose, picture_of, variants_text
from penstock.graphs.svg import svg
from penstock.graphs.topology import Topology
from penstock.graphs.ways import NodeCounts

#: How a graph may be drawn.
Form = Literal["mermaid", "svg"]


class Counting(Protocol):
    """Who knows what the nodes of a graph did: a running app."""

    def node_counts(self, graph: str) -> Mapping[str, NodeCounts]:
        """Return what each node of a graph did, by node."""
        ...


def draw(topology: Topology, form: Form, app: Counting | None) -> str:
    """Draw a graph.

    Raises:
        ValueError: There is no such form.
    """
    counts = None if app is None else app.node_counts(topology.graph)
    if form == "svg":
        return svg(picture_of(topology, counts))

    if form == "mermaid":
        return mermaid(topology, counts)

    raise ValueError(f"draw({form!r}) is not possible: write 'mermaid' or 'svg'")


def mermaid(topology: Topology, counts: Mapping[str, NodeCounts] | None = None) -> str:
    """Return a flow chart: inputs rounded, nodes square, starts as flags, emits as stores; edges carry variants."""
    return "\n".join(["flowchart LR", *(f"    {line}" for line in _lines(topology, counts))]) + "\n"


def _lines(topology: Topology, counts: Mapping[str, NodeCounts] | None) -> Iterator[str]:
    for name in topology.inputs:
        if topology.consumers[name]:
            yield f"{_id('in', name)}([{_text(name)}])"

    for name, node in topology.nodes.items():
        label = f"{name} ⏳" if node.is_async else name
        if counts is not None:
            label += f"<br/>{counts.get(name, NodeCounts()).text}"

        yield f"{_id('node', name)}[{_text(label)}]"
        yield from _effects(node)

    for node in topology.nodes.values():
        for argument in node.arguments:
            if argument.source in topology.consumers:
                yield _edge(topology, node, argument)


def _effects(node: Node) -> Iterator[str]:
    for key, kind, target in effects(node):
        word, box = ("starts", f">{_text(target)}]") if kind == "start" else ("emits", f"[({_text(target)})]")
        yield f"{_id(key, node.name)}{box}"
        yield f"{_id('node', node.name)} -. {word} .-> {_id(key, node.name)}"


def _edge(topology: Topology, node: Node, argument: Argument) -> str:
    source = argument.source
    label = f"|{_text(variants_text(topology, argument))}|" if topology.is_router(source) else ""
    arrow = "-.->" if is_loose(topology, argument) else "-->"
    start = _id("node" if source in topology.nodes else "in", source)
    return f"{start} {arrow}{label} {_id('node', node.name)}"


def _id(kind: str, name: str) -> str:
    """Return an id that is no word of Mermaid's."""
    return f"{kind}_{re.sub(r'[^A-Za-z0-9_]', '_', name)}"


def _text(text: str) -> str:
    return '"' + text.replace('"', "#quot;") + '"'
