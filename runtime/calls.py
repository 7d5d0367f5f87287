"""User functions: what they take, what they return, and whether they wait, decided once where they are declared.

The rest of Penstock asks a ``Function`` and never looks at a signature again. Annotations are resolved here, also those
written as strings and those that name types defined inside a function; what cannot be resolved is an error at the
declaration, never a guess.
"""

import functools
import inspect
import types
import typing
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar, cast

import msgspec
from typing_extensions import override

from penstock.runtime.errors import DefinitionError

R = TypeVar("R")

#: Stands for an annotation or a default that is not there.
EMPTY: object = inspect.Parameter.empty

#: Types that are written as one word, by identity: some of them cannot be compared or hashed.
WORDS = {id(EMPTY): "no annotation", id(None): "None", id(types.NoneType): "None", id(Ellipsis): "..."}

GATHERING: dict[int, str] = {
    inspect.Parameter.VAR_POSITIONAL: "*",
    inspect.Parameter.VAR_KEYWORD: "**",
}


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """One parameter of a user function."""

    name: str
    #: The resolved type, ``Annotated`` kept; ``EMPTY`` without an annotation.
    annotation: object = EMPTY
    #: ``EMPTY`` when the parameter must be given.
    default: object = EMPTY
    #: ``inspect.Parameter.POSITIONAL_OR_KEYWORD`` or its neighbours.
    kind: int = inspect.Parameter.POSITIONAL_OR_KEYWORD

    @property
    def is_annotated(self) -> bool:
        """Whether it has a type."""
        return self.annotation is not EMPTY

    @property
    def is_required(self) -> bool:
        """Whether a call without it fails."""
        return self.default is EMPTY


class Function(Generic[R]):
    """A user function and what its signature says.

    Attributes:
        fn: What to call: exactly what was given.
        name: Its own name; that of the function inside for a ``functools.partial``, of the class for an object.
        is_async: Whether a call returns an awaitable.
        parameters: By name, in order; those that a ``partial`` has bound are left out.
        returns: The resolved return type; ``EMPTY`` without an annotation, ``NoneType`` for ``-> None``.
    """

    __slots__ = ("fn", "is_async", "name", "parameters", "returns")

    def __init__(
        self, fn: Callable[..., R], *, name: str, is_async: bool, parameters: Mapping[str, Parameter], returns: object
    ) -> None:
        self.fn: Callable[..., R] = fn
        self.name: str = name
        self.is_async: bool = is_async
        self.parameters: Mapping[str, Parameter] = parameters
        self.returns: object = returns

    @classmethod
    def of(cls, fn: Callable[..., R], *, localns: Mapping[str, object] | None = None) -> "Function[R]":
        """Read a function, method, ``functools.partial`` or object with ``__call__``.

        Args:
            fn: Synchronous or ``async def``; a generator cannot be called for one value and is refused.
            localns: Names that annotations may use besides those of the function's module: ``caller_locals()``.

        Raises:
            DefinitionError: It is not such a callable, gathers arguments (``*args``, ``**kwargs``), or has an
                annotation that cannot be resolved.
        """
        name = _name(fn)
        target = _target(fn, name)
        hints = _hints(target, name, localns)
        signature = _signature(fn, name)
        parameters = {
            parameter.name: Parameter(
                name=parameter.name,
                annotation=hints.get(parameter.name, EMPTY),
                default=parameter.default,
                kind=parameter.kind,
            )
            for parameter in signature.parameters.values()
            if parameter.name not in _bound(fn)
        }
        _refuse_gathering(name, parameters)
        return cls(
            fn,
            name=name,
            is_async=inspect.iscoroutinefunction(target),
            parameters=types.MappingProxyType(parameters),
            returns=hints.get("return", EMPTY),
        )

    @override
    def __repr__(self) -> str:
        return f"<Function {'async ' if self.is_async else ''}{self.name}({', '.join(self.parameters)})>"


def caller_locals(depth: int = 1) -> dict[str, object]:
    """Return the local names of a frame above: what annotations of a function declared there may use.

    Args:
        depth: 1 for whoever called the function that asks (a decorator asks for the place where it is applied).
    """
    frame = inspect.currentframe()
    for _ in range(depth + 1):
        frame = frame.f_back if frame is not None else None

    return dict(frame.f_locals) if frame is not None else {}


def describe_type(tp: object) -> str:
    """Return a type as people write it: ``Book | None``, ``list[Book]``; without modules."""
    if (word := WORDS.get(id(tp))) is not None:
        return word

    origin, arguments = typing.get_origin(tp), typing.get_args(tp)
    if origin is typing.Annotated:
        return describe_type(arguments[0])

    if origin is typing.Literal:
        return f"Literal[{', '.join(map(repr, arguments))}]"

    if origin in {typing.Union, types.UnionType}:
        return " | ".join(map(describe_type, arguments))

    # a bare list is what stands for the parameters inside Callable[[...], ...]
    name = "" if isinstance(tp, list) else _type_name(origin or tp)
    inner = cast("list[object]", tp) if isinstance(tp, list) else arguments
    return f"{name}[{', '.join(map(describe_type, inner))}]" if inner else name


def _type_name(tp: object) -> str:
    name = getattr(tp, "__name__", None) or getattr(tp, "_name", None)
    return name if isinstance(name, str) else str(tp).rpartition(".")[2]


def _unwrap_partial(fn: object) -> object:
    while isinstance(fn, functools.partial):
        fn = cast("functools.partial[object]", fn).func

    return fn


def _name(fn: object) -> str:
    inner = _unwrap_partial(fn)
    return str(getattr(inner, "__name__", type(inner).__name__))


def _bound(fn: object) -> set[str]:
    """Return the names that partials have given by keyword (inspect drops those given by position)."""
    names = set[str]()
    while isinstance(fn, functools.partial):
        partial = cast("functools.partial[object]", fn)
        names |= partial.keywords.keys()
        fn = partial.func

    return names


def _target(fn: object, name: str) -> Callable[..., object]:
    """Return the function or method inside; it decides whether a call waits."""
    target = _unwrap_partial(fn)
    if inspect.isclass(target):
        raise DefinitionError(f"{name!r} is a class; give a function that makes one: `def make(...) -> {name}`")

    if not callable(target):
        raise DefinitionError(f"{name!r} cannot be called; give a function")

    if not inspect.isroutine(target):
        target = type(target).__call__

    if inspect.isgeneratorfunction(target) or inspect.isasyncgenfunction(target):
        raise DefinitionError(f"{name!r} is a generator; return one value instead of `yield`")

    if inspect.iscoroutinefunction(inspect.unwrap(target)) and not inspect.iscoroutinefunction(target):
        raise DefinitionError(
            f"{name!r}: a decorator wraps an `async def` in a `def`; make the wrapper `async def` too"
        )

    return target


def _signature(fn: Callable[..., object], name: str) -> inspect.Signature:
    try:
        return inspect.signature(fn)
    except (TypeError, ValueError) as error:  # some functions written in C have none
        raise DefinitionError(f"{name!r} has no signature that can be read; wrap it in a `def`") from error


def _refuse_gathering(name: str, parameters: Mapping[str, Parameter]) -> None:
    problems = [
        f"{name!r} takes {GATHERING[parameter.kind]}{parameter.name}; name each parameter, since names are the wiring"
        for parameter in parameters.values()
        if parameter.kind in GATHERING
    ]
    if problems:
        raise DefinitionError(*problems)


def _hints(target: Callable[..., object], name: str, localns: Mapping[str, object] | None) -> dict[str, object]:
    """Return the resolved annotations."""
    function = inspect.unwrap(getattr(target, "__func__", target))
    names = dict(localns or {})
    if "<locals>" not in getattr(function, "__qualname__", ""):
        # declared in a module, which need not be the one where the decorator is applied: its own names come first
        names |= getattr(function, "__globals__", {})

    names |= _closure(function)
    try:
        return dict(typing.get_type_hints(function, localns=names, include_extras=True))
    except NameError as error:
        raise DefinitionError(
            f"{name!r}: {error} in an annotation; define or import it before the function, not under TYPE_CHECKING"
        ) from error
    except (AttributeError, SyntaxError, TypeError) as error:
        raise DefinitionError(f"{name!r} has an annotation that is not a type: {error}") from error


def _closure(function: object) -> dict[str, object]:
    """Return the variables of enclosing functions that the function uses."""
    code, cells = getattr(function, "__code__", None), getattr(function, "__closure__", None)
    if not isinstance(code, types.CodeType) or not cells:
        return {}

    return {
        name: cell.cell_contents
        for name, cell in zip(code.co_freevars, cells, strict=True)
        if cell != types.CellType()  # a variable that has no value yet
    }
