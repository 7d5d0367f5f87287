"""From a plan to a function: straight-line Python, compiled once and kept where tracebacks find it.

The compiled code keeps no books. Which node failed, and with what, is read afterwards from the line of the traceback
and the variables of the frame.
"""

import functools
import hashlib
import linecache
import traceback
import types
from asyncio import Event
from collections.abc import Callable, Coroutine, Mapping
from typing import cast

import msgspec

from penstock.graphs.emit import NO_VALUE, emit
from penstock.graphs.plan import Plan, path_of
from penstock.graphs.result import GraphResult, NodeEffect, Path
from penstock.graphs.routes import ABSENT
from penstock.runtime.errors import InvariantError, NodeFailed
from penstock.runtime.together import together

#: The mark of an input without a value in compiled code.
ABSENT_VALUE = object()
#: A compiled graph: takes inputs by name, those that are absent left out.
Traverse = Callable[[Mapping[str, object]], GraphResult]
AsyncTraverse = Callable[[Mapping[str, object]], Coroutine[object, object, GraphResult]]


class Compiled:
    """A graph as a function.

    Attributes:
        is_async: Whether ``acall`` is to be used instead of ``call``: both are the one function under its two types.
        call: Traverses at once. Raises ``NodeFailed`` when a node does, whose exception is the cause.
        acall: Traverses, waiting where a node waits.
        text: The source.
    """

    def __init__(self, plan: Plan) -> None:
        source = emit(plan)
        shape = _shape(source.text)
        self._plan = plan
        self._file = shape.file
        self._owners = source.owners
        self._variables = source.variables
        self.text = source.text
        self.is_async = plan.is_async
        names = {
            **source.bindings,
            "__absent": ABSENT_VALUE,
            "__blame": self._blame,
            "__effect": NodeEffect,
            "__Event": Event,
            "__paths": Paths(plan),
            "__result": GraphResult,
            "__together": together,
            "__wrong": self._wrong,
        }
        function: object = types.FunctionType(shape.code.replace(co_name=plan.graph), names, plan.graph)
        self.call = cast("Traverse", function)
        self.acall = cast("AsyncTraverse", function)

    def _wrong(self, source: str, value: object) -> str:
        """Refuse a value that is none of the variants of its router."""
        allowed = ", ".join(variant.label for variant in self._plan.routers[source])
        raise TypeError(f"{source!r} gave {type(value).__name__}, which is none of its declared variants: {allowed}")

    def _blame(self, error: Exception) -> Exception:
        """Return the error that names the node which failed and what it was called with."""
        for frame, line in _frames(error):
            if frame.f_code.co_filename == self._file and line in self._owners:
                node = self._owners[line]
                reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
                return NodeFailed(self._plan.graph, node, reason, self._inputs(node, frame.f_locals))

        return InvariantError(f"graph {self._plan.graph!r} failed outside of its nodes: {error!r}")

    def _inputs(self, node: str, variables: Mapping[str, object]) -> dict[str, object]:
        absent = {argument.parameter: argument.absent for argument, _ in self._plan.steps[node].edges}
        values = {parameter: variables[name] for parameter, name in self._variables[node].items()}
        return {name: absent[name] if value is ABSENT_VALUE else value for name, value in values.items()}


def _frames(error: BaseException) -> list[tuple[types.FrameType, int]]:
    """Return the frames of an error, outermost first, then those of what it was raised from."""
    frames = list(traceback.walk_tb(error.__traceback__))
    # a node that lets StopIteration out of a coroutine: Python replaces it, and the frame stays with the original
    return frames if error.__cause__ is None else [*frames, *traceback.walk_tb(error.__cause__.__traceback__)]


class Paths(dict[object, Path]):
    """The ways that traversals took, by the facts that tell them apart; each is worked out once."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self._plan = plan

    def __missing__(self, facts: object) -> Path:
        values = list(cast("tuple[object, ...]", facts)) if isinstance(facts, tuple) else [facts]
        plan = self._plan
        present = frozenset(name for name, there in zip(plan.gates, values, strict=False) if there)
        labels = dict(zip(plan.routers, values[len(plan.gates) :], strict=True))
        numbers = {
            name: {NO_VALUE: ABSENT} | {variant.label: index for index, variant in enumerate(variants)}
            for name, variants in plan.routers.items()
        }
        routed = {name: numbers[name][str(label)] for name, label in labels.items() if label is not None}
        self[facts] = path = path_of(plan, present, routed)
        return path


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """Compiled text; graphs that differ in their functions only share it."""

    file: str
    code: types.CodeType


@functools.lru_cache(maxsize=512)
def _shape(text: str) -> Shape:
    """Compile a text, and put it where tracebacks look for source."""
    file = f"<penstock graph {hashlib.blake2b(text.encode(), digest_size=4).hexdigest()}>"
    module = compile(text, file, "exec")
    code = next(constant for constant in module.co_consts if isinstance(constant, types.CodeType))
    # without a time of change the entry is never checked against a file
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    return Shape(file=file, code=code)
