"""Random graphs, and an interpreter of them that is too simple to be wrong."""

from collections.abc import Callable, Mapping
from typing import Any, Literal, Union

import msgspec
from anyio.lowlevel import checkpoint
from hypothesis import strategies as st

from penstock.graphs.graph import ComputationGraph
from penstock.graphs.routes import Route
from penstock.graphs.sources import From, first_of, optional, route
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


#: What tells the values of a router apart: classes, or the names of routes.
Variants = tuple[type, ...] | tuple[str, ...]
NAMES = ("up", "down", "away", "(absent)")


class Take(msgspec.Struct, frozen=True):
    """One source that a parameter may take."""

    source: str
    #: What it accepts of a router; empty for all. At most one name of a route.
    accepts: Variants


class Parameter(msgspec.Struct, frozen=True):
    takes: tuple[Take, ...]
    #: What is passed when there is no value: to a parameter with ``| None`` for an absent input …
    lenient: bool = False
    #: … or to an optional one, for whatever reason; ``...`` when it is not optional.
    default: object = ...

    @property
    def source(self) -> str:
        return self.takes[0].source

    @property
    def is_plain(self) -> bool:
        """Whether its name and annotation say everything."""
        return (
            len(self.takes) == 1 and self.default is ... and not any(isinstance(v, str) for v in self.takes[0].accepts)
        )


class NodeSpec(msgspec.Struct, frozen=True):
    name: str
    parameters: tuple[Parameter, ...]
    #: The variants it may give; empty for a plain node.
    variants: Variants
    #: Whether the annotation lists the variants, where they are names.
    listed: bool
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
def takes(draw: st.DrawFn, sources: Mapping[str, Variants]) -> Take:
    source = draw(st.sampled_from(sorted(sources)))
    variants = sources[source]
    if variants and isinstance(variants[0], str):
        return Take(source, (draw(st.sampled_from(variants)),) if draw(st.booleans()) else ())

    return Take(source, tuple(draw(st.lists(st.sampled_from(variants), unique=True))) if variants else ())


@st.composite
def parameters(draw: st.DrawFn, sources: Mapping[str, Variants], inputs: Mapping[str, bool]) -> Parameter:
    several = draw(st.integers(0, 3)) == 0
    chosen = tuple(draw(st.lists(takes(sources), min_size=1, max_size=3 if several else 1)))
    if draw(st.integers(0, 3)) == 0:
        return Parameter(chosen, default=draw(st.sampled_from([None, "missing"])))

    return Parameter(chosen, lenient=not several and chosen[0].source in inputs and draw(st.booleans()))


@st.composite
def graph_specs(draw: st.DrawFn, *, failing: bool = False) -> GraphSpec:
    inputs = {f"in{index}": draw(st.booleans()) for index in range(draw(st.integers(1, 3)))}
    sources: dict[str, Variants] = dict.fromkeys(inputs, ())
    nodes: list[NodeSpec] = []
    for index in range(draw(st.integers(1, 9))):
        taken = draw(st.lists(parameters(sources, inputs), max_size=3, unique_by=lambda parameter: parameter.source))
        kinds = draw(st.sampled_from([(), COLOURS, NAMES]))
        variants = draw(st.lists(st.sampled_from(kinds), min_size=2, unique=True)) if kinds else []
        node = NodeSpec(
            name=f"n{index}",
            parameters=tuple(taken),
            variants=tuple(variants),
            listed=draw(st.booleans()),
            choice=draw(st.integers(0, 3)),
            is_async=draw(st.booleans()),
            turns=draw(st.integers(0, 3)),
            fails=failing and draw(st.integers(0, 4)) == 0,
            starts=draw(st.integers(0, 4)) == 0,
        )
        nodes.append(node)
        sources[node.name] = node.variants

    return GraphSpec(inputs, tuple(nodes), tuple(draw(st.permutations(range(len(nodes))))))


def consumers(spec: GraphSpec, name: str) -> list[Take]:
    return [
        take for node in spec.nodes for parameter in node.parameters for take in parameter.takes if take.source == name
    ]


def ends(spec: GraphSpec, node: NodeSpec) -> Variants:
    """The variants that nothing consumes: they have to be declared as terminals."""
    takers = consumers(spec, node.name)
    unnamed = isinstance(next(iter(node.variants), None), str) and not node.listed and any(t.accepts for t in takers)
    if not takers or not node.variants or (any(not taker.accepts for taker in takers) and not unnamed):
        return ()

    return tuple(variant for variant in node.variants if all(variant not in taker.accepts for taker in takers))


def is_one_of(value: object, variants: Variants) -> bool:
    """Tell whether a router's value is one of these variants of it."""
    names = tuple(variant for variant in variants if isinstance(variant, str))
    if isinstance(value, Route):
        return value.variant in names

    return not names and isinstance(value, variants)


def make(node: NodeSpec, arguments: tuple[object, ...]) -> object:
    if node.fails:
        raise Boom(node.name)

    made = node.variants[node.choice % len(node.variants)] if node.variants else Value
    if isinstance(made, str):
        return Route(made, Value(node.name, arguments))

    return None if made is type(None) else made(node.name, arguments)


def function_of(node: NodeSpec) -> Callable[..., object]:
    """Write the node as a user would."""

    async def amake(*arguments: object) -> object:
        for _ in range(node.turns):
            await checkpoint()

        return make(node, arguments)

    names = [parameter_name(parameter) for parameter in node.parameters]
    keyword, call = ("async def", "await amake") if node.is_async else ("def", "make")
    namespace = {"amake": amake, "make": lambda *arguments: make(node, arguments)}
    exec(f"{keyword} {node.name}({', '.join(names)}): return {call}({', '.join(names)})", namespace)  # noqa: S102
    function: Any = namespace[node.name]
    function.__annotations__ = {
        parameter_name(parameter): annotation
        for parameter in node.parameters
        if (annotation := annotation_of(parameter))
    }
    if node.variants:
        function.__annotations__["return"] = Union[tuple(map(variant_type, node.variants))]  # noqa: UP007
        if not node.listed and isinstance(node.variants[0], str):
            function.__annotations__["return"] = Route

    return function


def parameter_name(parameter: Parameter) -> str:
    return parameter.source if parameter.is_plain else f"of_{parameter.source}"


def variant_type(variant: type | str) -> object:
    return Route[Literal[variant], Value] if isinstance(variant, str) else variant


def annotation_of(parameter: Parameter) -> object:
    if not parameter.is_plain:
        return None

    if parameter.lenient:
        return Value | None

    accepts = parameter.takes[0].accepts
    return Union[accepts] if accepts else None  # noqa: UP007


def wish_for(parameter: Parameter) -> object:
    """Write what a parameter takes as a user would."""
    sources = [
        route(take.source, take.accepts[0])
        if take.accepts and isinstance(take.accepts[0], str)
        else From(take.source, *take.accepts)
        for take in parameter.takes
    ]
    wish = sources[0] if len(sources) == 1 else first_of(*sources)
    return wish if parameter.default is ... else optional(wish, default=parameter.default)


def graph_of(spec: GraphSpec) -> ComputationGraph:
    graph = ComputationGraph("random", inputs=dict.fromkeys(spec.inputs, Value | None))
    # like a reactor's inputs: each may be absent, and none is ever None
    graph._given = {name: msgspec.structs.replace(given, type=Value) for name, given in graph.inputs.items()}
    for index in spec.declared:
        node = spec.nodes[index]
        starts = Settle() if node.starts and not consumers(spec, node.name) else None
        wishes = {parameter_name(each): wish_for(each) for each in node.parameters if not each.is_plain}
        graph.node(starts=starts, inputs=wishes, terminals=ends(spec, node))(function_of(node))

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
                    self.values[node.name] = make(node, tuple(self.arguments(spec, node).values()))
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
        found: set[str] = set()
        for parameter in node.parameters:
            edges = {self.edge(spec, take) for take in parameter.takes}
            if parameter.default is ... and not parameter.lenient and "ran" not in edges:
                found |= edges

        return next((state for state in ("skipped", "not ready", "failed") if state in found), "ran")

    def edge(self, spec: GraphSpec, take: Take) -> str:
        if take.source in spec.inputs:
            return "ran" if take.source in self.values else "not ready"

        if self.states[take.source] != "ran":
            return self.states[take.source]

        fits = not take.accepts or is_one_of(self.values[take.source], take.accepts)
        return "ran" if fits else "skipped"

    def arguments(self, spec: GraphSpec, node: NodeSpec) -> dict[str, object]:
        """What a node that runs is called with."""
        found: dict[str, object] = {}
        for parameter in node.parameters:
            value: object = None if parameter.default is ... else parameter.default
            for take in reversed(parameter.takes):
                if self.edge(spec, take) == "ran":
                    value = self.values[take.source]
                    if take.accepts and isinstance(value, Route):
                        value = value.value

            found[parameter_name(parameter)] = value

        return found

    def is_output(self, spec: GraphSpec, node: NodeSpec) -> bool:
        if self.states[node.name] != "ran":
            return False

        return not consumers(spec, node.name) or is_one_of(self.values[node.name], ends(spec, node))

    def named(self, state: str) -> set[str]:
        return {name for name, found in self.states.items() if found == state}
