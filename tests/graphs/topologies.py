"""Random graphs, and an interpreter of them that is too simple to be wrong."""

from collections.abc import Callable, Mapping
from typing import Any, Union

import msgspec
from anyio.lowlevel import checkpoint
from hypothesis import strategies as st

from penstock.graphs.graph import ComputationGraph
from penstock.runtime.effects import Start


class Value(msgspec.Struct, frozen=True):
    maker: str
    made_of: tuple[object, ...] = ()


class Red(Value, frozen=True): ...


class Green(Value, frozen=True): ...


class Blue(Value, frozen=True): ...


COLOURS: tuple[type, ...] = (Red, Green, Blue, type(None))


class Boom(Exception): ...


class Settle:
    name = "settle"

    def prepare(self, value: object) -> Start:
        return Start(workflow="settle", input=repr(value))


class Parameter(msgspec.Struct, frozen=True):
    source: str
    #: What it accepts of a router; empty for no annotation.
    accepts: tuple[type, ...]
    optional: bool


class NodeSpec(msgspec.Struct, frozen=True):
    name: str
    parameters: tuple[Parameter, ...]
    #: The variants it may give; empty for a plain node.
    variants: tuple[type, ...]
    choice: int
    is_async: bool
    turns: int
    fails: bool
    starts: bool


class GraphSpec(msgspec.Struct, frozen=True):
    #: By name, whether it has a value in the traversal.
    inputs: dict[str, bool]
    nodes: tuple[NodeSpec, ...]
    #: The places of the nodes in the order of their declaration.
    declared: tuple[int, ...]


@st.composite
def parameters(draw: st.DrawFn, sources: Mapping[str, tuple[type, ...]], inputs: Mapping[str, bool]) -> Parameter:
    source = draw(st.sampled_from(sorted(sources)))
    variants = sources[source]
    accepts = draw(st.lists(st.sampled_from(variants), unique=True)) if variants else []
    return Parameter(source, tuple(accepts), source in inputs and draw(st.booleans()))


@st.composite
def graph_specs(draw: st.DrawFn, *, failing: bool = False) -> GraphSpec:
    inputs = {f"in{index}": draw(st.booleans()) for index in range(draw(st.integers(1, 3)))}
    sources: dict[str, tuple[type, ...]] = dict.fromkeys(inputs, ())
    nodes: list[NodeSpec] = []
    for index in range(draw(st.integers(1, 9))):
        taken = draw(st.lists(parameters(sources, inputs), max_size=3, unique_by=lambda parameter: parameter.source))
        variants = draw(st.lists(st.sampled_from(COLOURS), min_size=2, unique=True)) if draw(st.booleans()) else []
        node = NodeSpec(
            name=f"n{index}",
            parameters=tuple(taken),
            variants=tuple(variants),
            choice=draw(st.integers(0, 3)),
            is_async=draw(st.booleans()),
            turns=draw(st.integers(0, 3)),
            fails=failing and draw(st.integers(0, 4)) == 0,
            starts=draw(st.integers(0, 4)) == 0,
        )
        nodes.append(node)
        sources[node.name] = node.variants

    return GraphSpec(inputs, tuple(nodes), tuple(draw(st.permutations(range(len(nodes))))))


def consumers(spec: GraphSpec, name: str) -> list[Parameter]:
    return [parameter for node in spec.nodes for parameter in node.parameters if parameter.source == name]


def ends(spec: GraphSpec, node: NodeSpec) -> tuple[type, ...]:
    """The variants that nothing consumes: they have to be declared as terminals."""
    takers = consumers(spec, node.name)
    if not takers or not node.variants or any(not parameter.accepts for parameter in takers):
        return ()

    return tuple(variant for variant in node.variants if all(variant not in taker.accepts for taker in takers))


def make(node: NodeSpec, arguments: tuple[object, ...]) -> object:
    if node.fails:
        raise Boom(node.name)

    made = node.variants[node.choice % len(node.variants)] if node.variants else Value
    return None if made is type(None) else made(node.name, arguments)


def function_of(node: NodeSpec) -> Callable[..., object]:
    """Write the node as a user would."""

    async def amake(*arguments: object) -> object:
        for _ in range(node.turns):
            await checkpoint()

        return make(node, arguments)

    names = [parameter.source for parameter in node.parameters]
    keyword, call = ("async def", "await amake") if node.is_async else ("def", "make")
    namespace = {"amake": amake, "make": lambda *arguments: make(node, arguments)}
    exec(f"{keyword} {node.name}({', '.join(names)}): return {call}({', '.join(names)})", namespace)  # noqa: S102
    function: Any = namespace[node.name]
    function.__annotations__ = {
        parameter.source: annotation for parameter in node.parameters if (annotation := annotation_of(parameter))
    }
    if node.variants:
        function.__annotations__["return"] = Union[node.variants]  # noqa: UP007

    return function


def annotation_of(parameter: Parameter) -> object:
    if parameter.optional:
        return Value | None

    return Union[parameter.accepts] if parameter.accepts else None  # noqa: UP007


def graph_of(spec: GraphSpec) -> ComputationGraph:
    graph = ComputationGraph("random", inputs=dict.fromkeys(spec.inputs, Value | None))
    # like a reactor's inputs: each may be absent, and none is ever None
    graph._given = {name: msgspec.structs.replace(given, type=Value) for name, given in graph.inputs.items()}
    for index in spec.declared:
        node = spec.nodes[index]
        starts = Settle() if node.starts and not consumers(spec, node.name) else None
        graph.node(starts=starts, terminals=ends(spec, node))(function_of(node))

    return graph


class Interpreted:
    """What a traversal gives, found by asking each node in turn."""

    def __init__(self, spec: GraphSpec, values: Mapping[str, object]) -> None:
        self.values = dict(values)
        self.states: dict[str, str] = {}
        self.failing: list[str] = []
        for node in spec.nodes:
            self.states[node.name] = state = self.state(spec, node)
            if state == "ran":
                try:
                    self.values[node.name] = make(node, tuple(self.values.get(p.source) for p in node.parameters))
                except Boom:
                    self.failing.append(node.name)
                    self.states[node.name] = "failed"

        declared = [spec.nodes[index] for index in spec.declared]
        self.outputs = {node.name: self.values[node.name] for node in declared if self.is_output(spec, node)}
        self.effects = {
            node.name: repr(self.values[node.name])
            for node in declared
            if self.is_output(spec, node) and node.starts and not consumers(spec, node.name)
            if not (node.variants and type(None) in node.variants and self.values[node.name] is None)
        }

    def state(self, spec: GraphSpec, node: NodeSpec) -> str:
        found = {self.edge(spec, parameter) for parameter in node.parameters}
        return next((state for state in ("skipped", "not ready", "failed") if state in found), "ran")

    def edge(self, spec: GraphSpec, parameter: Parameter) -> str:
        if parameter.source in spec.inputs:
            return "ran" if parameter.optional or parameter.source in self.values else "not ready"

        if self.states[parameter.source] != "ran":
            return self.states[parameter.source]

        fits = not parameter.accepts or isinstance(self.values[parameter.source], parameter.accepts)
        return "ran" if fits else "skipped"

    def is_output(self, spec: GraphSpec, node: NodeSpec) -> bool:
        if self.states[node.name] != "ran":
            return False

        return not consumers(spec, node.name) or isinstance(self.values[node.name], ends(spec, node))

    def named(self, state: str) -> set[str]:
        return {name for name, found in self.states.items() if found == state}
