"""Graphs as data: a topology of names, as JSON or as a mapping, to and from declarations.

    {"name": "maker", "reactor": "market", "nodes": {
        "decide": {},
        "execute": {"inputs": {"decision": {"route": "decide", "variant": "buy"}}, "timeout": 5},
        "join": {"inputs": {"value": {"first_of": ["execute", "wait"]}}, "function": "merge"}}}

Reading collects every mistake as a sentence; what can be read is declared all the same, so that the checks of the graph
find the rest.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import cast

import msgspec

from penstock.graphs.checks import nearest
from penstock.graphs.node import Argument, Node, NodeFunction
from penstock.graphs.sources import Reference, Wish
from penstock.graphs.topology import Topology
from penstock.graphs.types import ANYTHING, label_of, union_type, variant_of
from penstock.reactors.reactor import Reactor
from penstock.runtime.calls import Function, describe_type
from penstock.runtime.errors import DefinitionError

GRAPH_KEYS = ("name", "reactor", "inputs", "copy_inputs", "commit_snapshot", "nodes")
NODE_KEYS = ("function", "inputs", "terminals", "starts", "emits", "executor", "timeout")
SOURCE_KEYS = ("from", "types", "route", "variant", "first_of", "optional", "default")
#: The types that inputs may have in data; others are given to ``from_topology(inputs=…)``.
TYPES: dict[str, object] = {
    "Any": ANYTHING, "None": None, "bool": bool, "dict": dict, "float": float, "int": int, "list": list, "str": str,
}  # fmt: skip
EDGES = (
    "edges stand at the node that takes the value: inputs={'x': 'decide'}, or inputs={'x': {'route': 'decide',"
    " 'variant': 'name'}}"
)

Found = Mapping[str, object]


class NodeData(msgspec.Struct, frozen=True, kw_only=True):
    """What a node of a topology becomes a declaration of."""

    name: str
    fn: NodeFunction
    options: dict[str, object]


class GraphData(msgspec.Struct, kw_only=True):
    """A topology, read."""

    name: str = ""
    options: dict[str, object] = {}
    nodes: list[NodeData] = []
    problems: list[str] = []


def read(
    data: Found | str | bytes,
    *,
    functions: Mapping[str, NodeFunction],
    reactor: Reactor | None,
    inputs: object,
    parts: Mapping[str, object],
) -> GraphData:
    """Read a topology.

    Raises:
        DefinitionError: It is no JSON, or no mapping.
    """
    found = decoded(data)
    graph = GraphData(name=str(found.get("name", "")))
    where = f"graph {graph.name!r}"
    graph.problems += unknown_keys(where, found, GRAPH_KEYS)
    graph.options = {"reactor": reactor, "inputs": inputs}
    graph.options |= {key: bool(found[key]) for key in ("copy_inputs", "commit_snapshot") if key in found}
    named = found.get("reactor")
    if named is not None and (reactor is None or reactor.name != named):
        given = "none is given" if reactor is None else f"it was given {reactor.name!r}"
        graph.problems.append(f"{where}: it names reactor {named!r}, but {given}: from_topology(…, reactor=…)")

    if inputs is None and reactor is None and "inputs" in found:
        graph.options["inputs"] = dict(_inputs(graph, found["inputs"]))

    nodes = found.get("nodes")
    if isinstance(nodes, Mapping):
        known: Found = {**({} if reactor is None else reactor.accumulators), **parts}
        for name, node in cast("Found", nodes).items():
            _read_node(graph, name, node, functions, known)

        used = {str(_mapping(node).get("function", name)) for name, node in cast("Found", nodes).items()}
        for name in functions:
            if name not in used:
                graph.problems.append(
                    f"{where}: function {name!r} is not in the topology{nearest(name, used)}: add a node for it, or"
                    f" leave it out"
                )
    else:
        graph.problems.append(f"{where}: nodes must be a mapping of names, not {describe_type(type(nodes))}")

    return graph


def decoded(data: Found | str | bytes) -> Found:
    """Return a topology as a mapping."""
    if isinstance(data, str | bytes):
        try:
            data = cast("Found", msgspec.json.decode(data))
        except msgspec.DecodeError as error:
            raise DefinitionError(f"the topology is no JSON: {error}") from error

    if not isinstance(cast("object", data), Mapping):
        raise DefinitionError(f"a topology is a mapping with name and nodes, not {describe_type(type(data))}")

    return data


def unknown_keys(where: str, found: Found, known: Sequence[str]) -> Iterator[str]:
    """Yield keys that mean nothing here."""
    for key in found:
        if key in {"next", "routes"}:
            yield f"{where}: {key!r} is no key of a node: {EDGES}"
        elif key not in known:
            yield f"{where}: unknown key {key!r}{nearest(key, known)}; there are {', '.join(known)}"


def _mapping(value: object) -> Found:
    return cast("Found", value) if isinstance(value, Mapping) else {}


def _inputs(graph: GraphData, inputs: object) -> Iterator[tuple[str, object]]:
    """Yield the types of declared inputs: a list of names, or names with types in words."""
    named = cast("Found", inputs) if isinstance(inputs, Mapping) else dict.fromkeys(cast("list[str]", inputs), "Any")
    for name, text in named.items():
        words = [word.strip() for word in str(text).split("|")]
        if lost := [word for word in words if word not in TYPES]:
            graph.problems.append(
                f"graph {graph.name!r}: input {name!r} has type {lost[0]!r}, which data cannot name (it can:"
                f" {', '.join(TYPES)}): give from_topology(…, inputs={{{name!r}: …}})"
            )

        yield name, union_type([TYPES.get(word, ANYTHING) for word in words])


# -- nodes ----------------------------------------------------------------------------------------------------


def _read_node(
    graph: GraphData, name: str, node: object, functions: Mapping[str, NodeFunction], parts: Mapping[str, object]
) -> None:
    where = f"graph {graph.name!r}, node {name!r}"
    if not isinstance(node, Mapping):
        graph.problems.append(f"{where}: it must be a mapping, not {describe_type(type(node))}; {{}} will do")
        return

    found = cast("Found", node)
    graph.problems += unknown_keys(where, found, NODE_KEYS)
    key = str(found.get("function", name))
    if key not in functions:
        graph.problems.append(
            f"{where}: there is no function {key!r}{nearest(key, functions)}: from_topology(…,"
            f" functions={{{key!r}: …}})"
        )
        return

    options: dict[str, object] = {key: found[key] for key in ("executor", "timeout") if key in found}
    terminals = found.get("terminals", ())
    if isinstance(terminals, list | tuple):
        options["terminals"] = tuple(cast("Sequence[object]", terminals))
    else:
        graph.problems.append(f"{where}: terminals must be a list of variants, not {terminals!r}")

    options["inputs"] = _wishes(graph, where, found.get("inputs", {}), functions[key])
    for effect in ("starts", "emits"):
        if effect in found:
            target = str(found[effect])
            options[effect] = parts.get(target)
            if target not in parts:
                graph.problems.append(
                    f"{where}: {effect} names {target!r}, which is not given{nearest(target, parts)}:"
                    f" from_topology(…, parts={{{target!r}: …}})"
                )

    graph.nodes.append(NodeData(name=name, fn=functions[key], options=options))


def _wishes(graph: GraphData, where: str, inputs: object, fn: NodeFunction) -> dict[str, Wish]:
    if isinstance(inputs, Mapping):
        pairs = {name: _wish(graph, where, source) for name, source in cast("Found", inputs).items()}
        return {name: wish for name, wish in pairs.items() if wish is not None}

    if not isinstance(inputs, list | tuple):
        kind = describe_type(type(inputs))
        graph.problems.append(f"{where}: inputs must be a list of names or a mapping, not {kind}")
        return {}

    names = [str(name) for name in cast("Sequence[object]", inputs)]
    graph.problems += [f"{where}: {problem}" for problem in _arity(names, fn)]
    return {}


def _arity(names: Sequence[str], fn: NodeFunction) -> Iterator[str]:
    """Yield how a list of inputs differs from the parameters of the function."""
    try:
        parameters = list(Function[object].of(fn).parameters)
    except DefinitionError:
        return  # the checks of the graph say it

    if sorted(names) != sorted(parameters):
        yield (
            f"inputs lists {', '.join(names) or 'nothing'}, but the function takes"
            f" {', '.join(parameters) or 'nothing'}: where names differ, write a mapping of parameters to sources"
        )


def _wish(graph: GraphData, where: str, source: object) -> Wish | None:
    """Return what a source in data means; None for what means nothing."""
    if isinstance(source, str):
        return Wish((Reference(source),))

    found = _mapping(source)
    kinds = [key for key in ("from", "route", "first_of", "optional") if key in found]
    graph.problems += unknown_keys(where, found, SOURCE_KEYS)
    if len(kinds) != 1:
        graph.problems.append(
            f"{where}: {source!r} is no source: write a name, or a mapping with one of from, route, first_of, optional"
        )
        return None

    readers: dict[str, Callable[[GraphData, str, Found], Wish | None]] = {
        "from": _from, "route": _route, "first_of": _first_of, "optional": _optional,
    }  # fmt: skip
    return readers[kinds[0]](graph, where, found)


def _from(_graph: GraphData, _where: str, found: Found) -> Wish:
    types = cast("Sequence[object]", found.get("types", ()))
    return Wish((Reference(str(found["from"]), types=tuple(map(str, types))),))


def _route(graph: GraphData, where: str, found: Found) -> Wish | None:
    if "variant" not in found:
        graph.problems.append(f"{where}: a route has a variant: {{'route': {found['route']!r}, 'variant': …}}")
        return None

    return Wish((Reference(str(found["route"]), str(found["variant"])),))


def _first_of(graph: GraphData, where: str, found: Found) -> Wish | None:
    sources = found["first_of"]
    wishes = [_wish(graph, where, each) for each in cast("Sequence[object]", sources)] if sources else []
    if not wishes or any(wish is None or wish.optional for wish in wishes):
        graph.problems.append(f"{where}: first_of must list names or mappings with from or route, not {sources!r}")
        return None

    return Wish(tuple(each for wish in wishes if wish is not None for each in wish.references))


def _optional(graph: GraphData, where: str, found: Found) -> Wish | None:
    wish = _wish(graph, where, found["optional"])
    return None if wish is None else msgspec.structs.replace(wish, optional=True, default=found.get("default"))


# -- writing --------------------------------------------------------------------------------------------------


def written(topology: Topology, *, reactor: str, options: Mapping[str, bool]) -> dict[str, object]:
    """Return a graph as data; functions and types stand in it by name only."""
    found: dict[str, object] = {"name": topology.graph}
    if reactor:
        found["reactor"] = reactor
    else:
        found["inputs"] = {name: describe_type(given.type) for name, given in topology.inputs.items()}

    found |= {name: True for name, on in options.items() if on}
    found["nodes"] = {name: _written_node(topology, node) for name, node in topology.nodes.items()}
    return found


def _written_node(topology: Topology, node: Node) -> dict[str, object]:
    groups: dict[str, list[Argument]] = {}
    for argument in node.arguments:
        groups.setdefault(argument.parameter, []).append(argument)

    sources = {name: _written_sources(topology, group) for name, group in groups.items()}
    union = topology.union_of(node.name)
    found: dict[str, object] = {
        "inputs": {name: source for name, source in sources.items() if source != name},
        "terminals": [variant_of(union[index]) or label_of(union[index]) for index in sorted(topology.ends(node))],
        "starts": getattr(node.starts, "name", None),
        "emits": getattr(node.emits, "name", None),
        "executor": node.executor,
        "timeout": node.timeout,
    }
    return {key: value for key, value in found.items() if value}


def _written_sources(topology: Topology, group: Sequence[Argument]) -> object:
    first = group[0]
    sources = [_written_source(topology, argument) for argument in group]
    source = sources[0] if len(sources) == 1 else {"first_of": sources}
    if not first.optional:
        return source

    return {"optional": source} | ({} if first.absent is None else {"default": first.absent})


def _written_source(topology: Topology, argument: Argument) -> object:
    if argument.variant is not None:
        return {"route": argument.source, "variant": argument.variant}

    if not argument.labels and not argument.narrowed:
        return argument.source

    union = topology.union_of(argument.source)
    return {"from": argument.source, "types": [label_of(union[index]) for index in sorted(topology.accepted(argument))]}
