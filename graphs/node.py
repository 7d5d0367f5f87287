"""A node: one function of a graph. Its parameters' names are its edges, their types are its contract."""

import functools
import inspect
import keyword
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import CodeType, MappingProxyType
from typing import Never, cast

import msgspec

from penstock.graphs.sources import Wish, wish_of
from penstock.graphs.types import ANYTHING, accepts, takes_none, union_type
from penstock.runtime.calls import EMPTY, Function, Parameter, caller_locals, describe_type
from penstock.runtime.durations import written
from penstock.runtime.effects import Emittable, Startable
from penstock.runtime.errors import DefinitionError
from penstock.runtime.executors import EXECUTORS, Executor
from penstock.runtime.processes import importable

#: Shared, so that a thousand graphs do not keep a thousand empty mappings.
NOTHING: Mapping[str, Never] = MappingProxyType({})
#: A function of the user.
NodeFunction = Callable[..., object]


class Input(msgspec.Struct, frozen=True, kw_only=True):
    """A value that comes into a graph from outside."""

    name: str
    type: object
    #: Whether every traversal has a value: a reactor's input may be absent, a declared one only if it may be left out.
    always: bool = False
    #: What stands for a value that is left out; ``EMPTY`` for nothing.
    default: object = EMPTY
    #: Makes the default anew each time, for defaults that can be changed.
    default_factory: Callable[[], object] | None = None


class Argument(msgspec.Struct, frozen=True, kw_only=True):
    """A parameter of a node and what it takes its value from: an edge. A parameter with a choice has several."""

    parameter: str
    #: Name of an input or of another node.
    source: str
    #: ``Any`` without an annotation.
    type: object
    #: What is passed while an input is absent; ``EMPTY`` when the node cannot run without it.
    absent: object = EMPTY
    by_keyword: bool = False
    #: The variant of a ``Route`` whose value it takes.
    variant: str | None = None
    #: Names of the types that it takes of a union, where they are given as text.
    labels: tuple[str, ...] = ()
    #: Whether its types are those that ``From`` names, not those of the annotation.
    narrowed: bool = False
    #: Whether it is one of several that the parameter may take.
    choice: bool = False
    #: Whether the node runs without it, and ``absent`` stands for a source that was skipped as well.
    optional: bool = False

    @property
    def required(self) -> bool:
        """Whether the node is not ready while the input is absent."""
        return self.absent is EMPTY


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """A function of a graph, read."""

    name: str
    fn: NodeFunction
    #: Whether the graph waits for it.
    is_async: bool
    arguments: tuple[Argument, ...]
    #: ``Any`` without an annotation.
    returns: object
    #: What its value starts.
    starts: Startable | None = None
    #: The accumulator that takes its value.
    emits: Emittable | None = None
    #: Members of its union at which the path ends.
    terminals: tuple[object, ...] = ()
    #: Where it runs, if not on the loop.
    executor: Executor | None = None
    #: Seconds that it may take.
    timeout: float | None = None

    @property
    def manner(self) -> str:
        """How it runs, in words; empty for what runs on the loop as long as it likes."""
        place = {"thread": "in a thread", "process": "in a process"}.get(self.executor or "", "")
        limit = "" if self.timeout is None else f"at most {written(self.timeout)}"
        return ", ".join(part for part in (place, limit) if part)


class Declaration(msgspec.Struct, frozen=True, kw_only=True):
    """What a decorator was given; read when the graph is checked, so that it may name what is defined further down."""

    name: str
    fn: NodeFunction
    #: By parameter, what it takes, where its name does not say it.
    wishes: Mapping[str, Wish]
    starts: Startable | None
    emits: Emittable | None
    terminals: tuple[object, ...]
    #: Local names that its annotations use.
    localns: Mapping[str, object]
    executor: Executor | None = None
    timeout: float | None = None

    def replaces(self, other: "Declaration") -> bool:
        """Tell whether this is the other one, declared again by a notebook cell or script that was run again."""
        origins = {(of.name, _origin(of.fn)) for of in (self, other)}
        return len(origins) == 1 and _origin(self.fn)[0] == "__main__"

    def is_of(self, fn: object) -> bool:
        """Tell whether it declares this function, or the one that replaced it."""
        if self.fn is fn or (inspect.ismethod(fn) and self.fn == fn):
            return True

        return inspect.isfunction(fn) and _origin(fn)[0] == "__main__" and _origin(fn) == _origin(self.fn)

    def read(self, name_of: Callable[[object], str | None]) -> Node:
        """Read the function's signature.

        Args:
            name_of: Returns the name of a function or accumulator that a default value names.

        Raises:
            DefinitionError: It cannot be a node; the problems do not name the graph.
        """
        function = Function[object].of(self.fn, localns=self.localns)
        problems = [
            *name_problems(self.name),
            *self._unknown_parameters(function),
            *self._executor_problems(is_async=function.is_async),
        ]
        arguments: list[Argument] = []
        for parameter in function.parameters.values():
            wish = self._wish(parameter)
            problems += [f"node {self.name!r}, parameter {parameter.name!r}: {problem}" for problem in wish.problems]
            try:
                arguments += arguments_of(parameter, wish, name_of)
            except DefinitionError as error:
                problems += [f"node {self.name!r}: {problem}" for problem in error.problems]

        if problems:
            raise DefinitionError(*problems)

        return Node(
            name=self.name,
            fn=self.fn,
            is_async=function.is_async or self.executor is not None,
            arguments=tuple(arguments),
            returns=ANYTHING if function.returns is EMPTY else function.returns,
            starts=self.starts,
            emits=self.emits,
            terminals=self.terminals,
            executor=self.executor,
            timeout=self.timeout,
        )

    def _wish(self, parameter: Parameter) -> Wish:
        """Return what a parameter takes: what ``inputs=`` says, else its default value, else what is called like it."""
        declared = self.wishes.get(parameter.name)
        if declared is None:
            return parameter.default if isinstance(parameter.default, Wish) else wish_of(parameter.name)

        return declared

    def _executor_problems(self, *, is_async: bool) -> list[str]:
        """Return why it cannot run where it is said to."""
        where, executor = f"node {self.name!r}", self.executor
        if executor is None:
            if self.timeout is None or is_async:
                return []

            return [f"{where}: timeout= cannot interrupt a `def` on the loop: make it `async def`, or add executor=…"]

        if executor not in EXECUTORS:
            return [f"{where}: executor={executor!r} is none of {', '.join(map(repr, EXECUTORS))}"]

        if is_async:
            return [f"{where}: an `async def` runs on the loop: leave executor={executor!r} out, or make it `def`"]

        reason = importable(self.fn) if executor == "process" else None
        return [] if reason is None else [f"{where}: executor='process' needs an importable function, and {reason}"]

    def _unknown_parameters(self, function: Function[object]) -> list[str]:
        parameters = ", ".join(function.parameters) or "none"
        return [
            f"node {self.name!r}: inputs= names {name!r}, which is not a parameter: it has {parameters}"
            for name in self.wishes
            if name not in function.parameters
        ]


def _origin(fn: NodeFunction) -> tuple[str, str]:
    return str(getattr(fn, "__module__", "")), str(getattr(fn, "__qualname__", ""))


def name_of(fn: NodeFunction) -> str:
    """Return a function's own name; that of the function inside for a partial, of the class for an object."""
    while isinstance(fn, functools.partial):
        fn = cast("functools.partial[object]", fn).func

    return str(getattr(fn, "__name__", type(fn).__name__))


def name_problems(name: str) -> list[str]:
    """Return what is wrong with a node's name."""
    if name.isidentifier() and not keyword.iskeyword(name):
        return []

    return [f"node {name!r}: no parameter can have this name; give it one that can: name={suggestion(name)!r}"]


def suggestion(name: str) -> str:
    """Return an identifier that resembles a name."""
    word = re.sub(r"\W+", "_", name).strip("_") or "node"
    return f"{word}_" if keyword.iskeyword(word) else word if word.isidentifier() else f"node_{word}"


def arguments_of(parameter: Parameter, wish: Wish, name_of: Callable[[object], str | None]) -> Iterator[Argument]:
    """Yield how a parameter gets its value: one argument for each source that it may take.

    Raises:
        DefinitionError: The annotation does not accept what it would get.
    """
    wanted = parameter.annotation if parameter.is_annotated else ANYTHING
    if wish.optional and not accepts(wanted, type(wish.default)):
        kind = describe_type(wanted)
        raise DefinitionError(
            f"parameter {parameter.name!r} is {kind}, but optional(…) passes {wish.default!r} when there is no value:"
            f" write `{parameter.name}: {kind} | {describe_type(type(wish.default))}`, or give another default=…"
        )

    choice = len(wish.references) > 1
    for reference in wish.references:
        source = name_of(reference.node)
        if source is None:
            raise DefinitionError(
                f"parameter {parameter.name!r} takes {reference.node!r}, which is no node of this graph and no input:"
                f" declare it with `@graph.node`, or give its name"
            )

        types = [each for each in reference.types if not isinstance(each, str)]
        yield Argument(
            parameter=parameter.name,
            source=source,
            type=_narrowed(parameter, wanted, types),
            absent=wish.default if wish.optional else EMPTY if choice else _fallback(parameter, wanted),
            by_keyword=parameter.kind == inspect.Parameter.KEYWORD_ONLY,
            variant=reference.variant,
            labels=tuple(each for each in reference.types if isinstance(each, str)),
            narrowed=bool(types),
            choice=choice,
            optional=wish.optional,
        )


def _narrowed(parameter: Parameter, wanted: object, types: Sequence[object]) -> object:
    """Return what a parameter accepts, when ``From`` or ``route`` name types."""
    if not types:
        return wanted

    named = union_type(types)
    if not accepts(wanted, named):
        raise DefinitionError(
            f"parameter {parameter.name!r} is {describe_type(wanted)}, but its default value says"
            f" {describe_type(named)}: write the same type in both places"
        )

    return named


def _fallback(parameter: Parameter, wanted: object) -> object:
    """Return what is passed while an input is absent."""
    if not parameter.is_required and not isinstance(parameter.default, Wish):
        return parameter.default

    return None if parameter.is_annotated and takes_none(wanted) else EMPTY


def unread(declaration: Declaration) -> Node:
    """Return what stands for a node that cannot be read, so that the rest of the graph can be checked."""
    return Node(name=declaration.name, fn=declaration.fn, is_async=False, arguments=(), returns=ANYTHING)


def captured(fn: NodeFunction, frames: int) -> Mapping[str, object]:
    """Return the local names that annotations written as text may mean, from so many frames above.

    Only those: whatever else is local there is not kept alive.
    """
    texts = [text for text in getattr(fn, "__annotations__", {}).values() if isinstance(text, str)]
    if not texts:
        return NOTHING

    words = {word for text in texts for word in re.findall(r"\w+", text)}
    return {name: value for name, value in caller_locals(frames).items() if name in words}


def place(fn: NodeFunction) -> str:
    """Return where a function is written."""
    code = getattr(fn, "__code__", None)
    return f"{Path(code.co_filename).name}:{code.co_firstlineno}" if isinstance(code, CodeType) else repr(fn)
