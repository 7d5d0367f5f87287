"""From a plan to a function: straight-line Python, compiled once and kept where tracebacks find it.

The compiled code keeps no books. Which node failed, and with what, is read afterwards from the line of the traceback
and the variables of the frame.
"""

import copy
import functools
import hashlib
import linecache
import reprlib
import traceback
import types
from asyncio import Event
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import cast

import msgspec

from penstock.graphs.blueprint import Blueprint
from penstock.graphs.emit import Script, emit
from penstock.graphs.node import Declaration
from penstock.graphs.plan import Plan, path_of
from penstock.graphs.result import GraphResult, NodeEffect, Path
from penstock.graphs.routes import ABSENT, NO_VALUE, Route
from penstock.graphs.ways import NodeCounts, Way, counts_of
from penstock.reactors.reactor import Reactor
from penstock.runtime.effects import Emit, Emittable, Start, Startable
from penstock.runtime.errors import InvariantError, NodeFailed, NodeTimedOut, TimedOut
from penstock.runtime.executors import Executors
from penstock.runtime.foreign import storable
from penstock.runtime.together import together

#: The mark of an input without a value in compiled code.
ABSENT_VALUE = object()
#: Shows values in errors: the beginning of each, and of what is in it.
BRIEF = reprlib.Repr()
BRIEF.maxstring = BRIEF.maxother = 120
#: What is made of a traversal when nothing is said: outputs and path, too.
WHOLE = True
#: Characters that all of them may have.
LONGEST_INPUTS = 600
#: What compiled code may use besides what is its graph's own.
SHARED: dict[str, object] = {
    "__absent": ABSENT_VALUE,
    "__copy": copy.deepcopy,
    "__effect": NodeEffect,
    "__Event": Event,
    "__together": together,
}
#: A compiled graph: takes inputs by name, those that are absent left out.
Traverse = Callable[[Mapping[str, object]], GraphResult]
AsyncTraverse = Callable[[Mapping[str, object]], Coroutine[object, object, GraphResult]]
#: The same for nothing but the effects, when it is given False.
TraverseForEffects = Callable[[Mapping[str, object], bool], Sequence[NodeEffect]]


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """Compiled text; graphs that differ only in their functions share it."""

    script: Script
    file: str
    code: types.CodeType
    #: The global names that the code reads.
    names: frozenset[str]


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """A compiled graph without its functions."""

    shape: Shape
    is_async: bool
    #: Global names that stand for the functions of nodes, with the node.
    functions: Mapping[str, str]
    #: Global names that stand for what prepares the run that a node starts, with the node.
    starts: Mapping[str, str]
    #: Global names that stand for what prepares the event that a node emits, with the node.
    emits: Mapping[str, str]
    #: What other global names stand for.
    constants: dict[str, object]
    #: The one way through it; None when there are several.
    path: Path | None


def template_of(plan: Plan) -> Template:
    """Compile a plan."""
    source = emit(plan)
    shape = shape_of(source.script)
    return Template(
        shape=shape,
        is_async=plan.is_async,
        functions=source.functions,
        starts=source.starts,
        emits=source.emits,
        constants=source.constants | {name: value for name, value in SHARED.items() if name in shape.names},
        path=None if plan.ways_part else path_of(plan, frozenset(), {}),
    )


def prepare_of(starts: Startable | None) -> Callable[[object], Start] | None:
    """Return what makes a value the input of a run."""
    return None if starts is None else starts.prepare


def emission_of(emits: Emittable | None, given: object) -> Callable[[object], Emit] | None:
    """Return what makes a value an event of an accumulator, sent by the reactor of the graph."""
    if emits is None or not isinstance(given, Reactor):
        return None

    prepare, origin = emits.emission, given.name
    return lambda value: prepare(value, origin)


@functools.lru_cache(maxsize=512)
def shape_of(script: Script) -> Shape:
    """Compile a text, and put it where tracebacks look for source."""
    text = script.text
    file = f"<penstock graph {hashlib.blake2b(text.encode(), digest_size=4).hexdigest()}>"
    (code,) = (constant for constant in compile(text, file, "exec").co_consts if isinstance(constant, types.CodeType))
    # without a time of change the entry is never checked against a file
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    inner = [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
    names = frozenset(name for part in (code, *inner) for name in part.co_names)
    return Shape(script=script, file=file, code=code, names=names)


def placed(declaration: Declaration, executors: Executors | None) -> Callable[..., object]:
    """Return what to call for a node: its function, or what takes it to where it runs."""
    executor, timeout = declaration.executor, declaration.timeout
    if executors is None or (executor is None and timeout is None):
        return declaration.fn

    return executors.bind(declaration.fn, executor=executor, timeout=timeout)


class Compiled:
    """A graph as a function.

    Attributes:
        is_async: Whether ``acall`` is to be used instead of ``call``: all three are the one function under its types.
        leaves: Whether nodes run elsewhere than on the loop, or within a time: then it needs executors.
        call: Traverses at once. Raises ``NodeFailed`` when a node does, whose exception is the cause.
        call_for_effects: The same, and makes no result: most firings lead to values that nobody asks for.
        acall: Traverses, waiting where a node waits.
    """

    def __init__(self, blueprint: Blueprint, template: Template, executors: Executors | None = None) -> None:
        """Give a template the functions of a graph.

        The plan is not kept, since it is several times the size of what is made of it. In the rare case that something
        has to be looked up in it, the blueprint gives it again.
        """
        shape = template.shape
        self._graph = blueprint.graph
        self._plan_again = blueprint.plan
        self._shape = shape
        self._failed: dict[str, int] = {}
        self.is_async: bool = template.is_async
        self.leaves: bool = any(each.executor or each.timeout for each in blueprint.declarations)
        nodes = {declaration.name: declaration for declaration in blueprint.declarations}
        names: dict[str, object] = {name: placed(nodes[node], executors) for name, node in template.functions.items()}
        names |= template.constants
        names |= {name: prepare_of(nodes[node].starts) for name, node in template.starts.items()}
        names |= {name: emission_of(nodes[node].emits, blueprint.given) for name, node in template.emits.items()}
        self._ways = Ways(self._plan_again)
        names |= {"__blame": self._blame, "__result": GraphResult}
        if template.path is None:
            names["__ways"] = self._ways
        else:
            names["__way"] = self._ways[()] = Way(template.path)

        if "__wrong" in shape.names:
            names["__wrong"] = self._wrong

        function: object = types.FunctionType(shape.code.replace(co_name=self._graph), names, self._graph, (WHOLE,))
        self.call: Traverse = cast("Traverse", function)
        self.call_for_effects: TraverseForEffects = cast("TraverseForEffects", function)
        self.acall: AsyncTraverse = cast("AsyncTraverse", function)

    def counts(self) -> dict[str, NodeCounts]:
        """Return what each node did so far."""
        return counts_of(self._shape.script.variables, self._ways.values(), self._failed)

    @property
    def text(self) -> str:
        """The source."""
        return self._shape.script.text

    def _wrong(self, source: str, value: object) -> str:
        """Refuse a value that is none of the variants of its router."""
        allowed = ", ".join(variant.label for variant in self._plan_again().routers[source])
        given = type(value).__name__
        if isinstance(value, Route):
            given = f"Route({cast('Route[str, object]', value).variant!r}, …)"

        raise TypeError(f"{source!r} gave {given}, which is none of its declared variants: {allowed}")

    def _blame(self, error: Exception) -> Exception:
        """Return the error that names the node which failed and what it was called with."""
        for frame, line in _frames(error):
            if frame.f_code.co_filename == self._shape.file and line in self._shape.script.owners:
                node = self._shape.script.owners[line]
                reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
                self._failed[node] = self._failed.get(node, 0) + 1
                inputs = self._inputs(node, frame.f_locals)
                kind = NodeTimedOut if isinstance(error, TimedOut) else NodeFailed
                return kind(self._graph, node, reason, inputs, shown(inputs))

        return InvariantError(f"graph {self._graph!r} failed outside of its nodes: {error!r}")

    def _inputs(self, node: str, variables: Mapping[str, object]) -> dict[str, object]:
        values = {parameter: _read(variables, name) for parameter, name in self._shape.script.variables[node].items()}
        if not any(value is ABSENT_VALUE for value in values.values()):  # users' values may not like `in`
            return values

        absent = {argument.parameter: argument.absent for argument, _ in self._plan_again().steps[node].edges}
        return {name: absent[name] if value is ABSENT_VALUE else value for name, value in values.items()}


def shown(inputs: Mapping[str, object]) -> str:
    """Return what a node was called with as text that is not long, whatever the values are."""
    text = ", ".join(f"{name}={storable(BRIEF.repr(value))}" for name, value in inputs.items())
    return text if len(text) <= LONGEST_INPUTS else f"{text[:LONGEST_INPUTS]}…"


def _read(variables: Mapping[str, object], name: str) -> object:
    """Return the value of a variable, or of what stands in it."""
    variable, _, attribute = name.partition(".")
    return getattr(variables[variable], attribute) if attribute else variables[variable]


def _frames(error: BaseException) -> list[tuple[types.FrameType, int]]:
    """Return the frames of an error, outermost first, then those of what it was raised from."""
    frames = list(traceback.walk_tb(error.__traceback__))
    # a node that lets StopIteration out of a coroutine: Python replaces it, and the frame stays with the original
    return frames if error.__cause__ is None else [*frames, *traceback.walk_tb(error.__cause__.__traceback__)]


class Ways(dict[object, Way]):
    """The ways that traversals took, by the facts that tell them apart; each is worked out once."""

    __slots__ = ("_plan_again",)

    def __init__(self, plan_again: Callable[[], Plan]) -> None:
        super().__init__()
        self._plan_again = plan_again

    def __missing__(self, facts: object) -> Way:
        values = list(cast("tuple[object, ...]", facts)) if isinstance(facts, tuple) else [facts]
        plan = self._plan_again()
        present = frozenset(name for name, there in zip(plan.gates, values, strict=False) if there)
        labels = dict(zip(plan.routers, values[len(plan.gates) :], strict=True))
        numbers = {
            name: {NO_VALUE: ABSENT} | {variant.label: index for index, variant in enumerate(variants)}
            for name, variants in plan.routers.items()
        }
        routed = {name: numbers[name][str(label)] for name, label in labels.items() if label is not None}
        self[facts] = way = Way(path_of(plan, present, routed))
        return way
