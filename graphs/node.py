"""A node: one function of a graph. Its parameters' names are its edges, their types are its contract."""

import functools
import inspect
import keyword
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import CodeType, MappingProxyType
from typing import Never, cast

import msgspec

from penstock.graphs.types import ANYTHING, takes_none
from penstock.runtime.calls import EMPTY, Function, Parameter, caller_locals
from penstock.runtime.effects import Startable
from penstock.runtime.errors import DefinitionError

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
    """A parameter of a node and what it takes its value from."""

    parameter: str
    #: Name of an input or of another node.
    source: str
    #: ``Any`` without an annotation.
    type: object
    #: What is passed while an input is absent; ``EMPTY`` when the node cannot run without it.
    absent: object = EMPTY
    by_keyword: bool = False

    @property
    def required(self) -> bool:
        """Whether the node is not ready while the input is absent."""
        return self.absent is EMPTY


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """A function of a graph, read."""

    name: str
    fn: NodeFunction
    is_async: bool
    arguments: tuple[Argument, ...]
    #: ``Any`` without an annotation.
    returns: object
    #: What its value starts.
    starts: Startable | None = None
    #: Members of its union at which the path ends.
    terminals: tuple[object, ...] = ()


class Declaration(msgspec.Struct, frozen=True, kw_only=True):
    """What a decorator was given; read when the graph is checked, so that it may name what is defined further down."""

    name: str
    fn: NodeFunction
    #: Sources by parameter, where the names differ.
    renamed: Mapping[str, str]
    starts: Startable | None
    terminals: tuple[object, ...]
    #: Local names that its annotations use.
    localns: Mapping[str, object]

    def replaces(self, other: "Declaration") -> bool:
        """Tell whether this is the other one, declared again by a notebook cell or script that was run again."""
        origins = {(of.name, _origin(of.fn)) for of in (self, other)}
        return len(origins) == 1 and _origin(self.fn)[0] == "__main__"

    def read(self) -> Node:
        """Read the function's signature.

        Raises:
            DefinitionError: It cannot be a node; the problems do not name the graph.
        """
        function = Function[object].of(self.fn, localns=self.localns)
        problems = [*name_problems(self.name), *self._unknown_renames(function)]
        if problems:
            raise DefinitionError(*problems)

        arguments = [
            argument(parameter, self.renamed.get(name, name)) for name, parameter in function.parameters.items()
        ]
        return Node(
            name=self.name,
            fn=self.fn,
            is_async=function.is_async,
            arguments=tuple(arguments),
            returns=ANYTHING if function.returns is EMPTY else function.returns,
            starts=self.starts,
            terminals=self.terminals,
        )

    def _unknown_renames(self, function: Function[object]) -> list[str]:
        parameters = ", ".join(function.parameters) or "none"
        return [
            f"node {self.name!r}: inputs= names {name!r}, which is not a parameter: it has {parameters}"
            for name in self.renamed
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


def argument(parameter: Parameter, source: str) -> Argument:
    """Return how a parameter gets its value."""
    absent = parameter.default
    if parameter.is_required and parameter.is_annotated and takes_none(parameter.annotation):
        absent = None

    return Argument(
        parameter=parameter.name,
        source=source,
        type=parameter.annotation if parameter.is_annotated else ANYTHING,
        absent=absent,
        by_keyword=parameter.kind == inspect.Parameter.KEYWORD_ONLY,
    )


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
