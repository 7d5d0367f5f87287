"""What a parameter takes its value from, where its name alone does not say so.

``From``, ``route``, ``first_of`` and ``optional`` stand where a default value would, or in ``inputs=``. To a type
checker they give a value of the parameter's type; at run time they give a ``Wish``, which the graph reads when it is
checked. Nothing is raised here: what makes no sense is kept as a problem of the wish, and told with all others.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar, overload

import msgspec

T = TypeVar("T")
S = TypeVar("S")
D = TypeVar("D")


class Reference(msgspec.Struct, frozen=True):
    """One value that a parameter may take."""

    #: A node's function, an accumulator, or a name; only names once the graph has resolved it.
    node: object
    #: The variant whose value it takes, of a node that returns a ``Route``.
    variant: str | None = None
    #: What it takes of a union; text means the name of a type. Empty: what the parameter's annotation says.
    types: tuple[object, ...] = ()


class Wish(msgspec.Struct, frozen=True):
    """All values that a parameter may take, the one it prefers first."""

    references: tuple[Reference, ...]
    #: Whether the node runs without any of them.
    optional: bool = False
    #: What it is passed then.
    default: object = None
    problems: tuple[str, ...] = ()

    def named(self, name_of: Callable[[object], str]) -> "Wish":
        """Return the same wish with names instead of functions."""
        references = tuple(msgspec.structs.replace(each, node=name_of(each.node)) for each in self.references)
        return msgspec.structs.replace(self, references=references)


def wish_of(source: object) -> Wish:
    """Return what a source means where a parameter takes just it."""
    return source if isinstance(source, Wish) else Wish((Reference(source),))


@overload
def From(source: Callable[..., Awaitable[T]]) -> T: ...


@overload
def From(source: Callable[..., T]) -> T: ...


@overload
def From(source: object, type_: type[T], /) -> T: ...


@overload
def From(source: object, type_: type[T], other: type[S], /) -> T | S: ...


def From(source: object, *types: object) -> object:  # noqa: N802 - a mark in a signature, written like a type
    """Let a parameter take the value of a node or input: ``def execute(decision: Trade = ps.From(decide, Trade))``.

    Args:
        source: The function of the node, the accumulator, or a name.
        types: What it takes of a union; without them, what the annotation of the parameter accepts.
    """
    return Wish((Reference(source, types=types),))


@overload
def route(source: object, variant: str) -> object: ...


@overload
def route(source: object, variant: str, type_: type[T], /) -> T: ...


def route(source: object, variant: str, *types: object) -> object:
    """Let a parameter take the value of one variant of a node that returns a ``Route``.

    Args:
        source: The function of the node, or its name.
        variant: The first argument of the ``Route``.
        types: The type of the value, for type checkers.
    """
    return Wish((Reference(source, variant, types),))


@overload
def first_of(*sources: Callable[..., Awaitable[T]]) -> T: ...


@overload
def first_of(*sources: Callable[..., T]) -> T: ...


@overload
def first_of(*sources: T) -> T: ...


def first_of(*sources: object) -> object:
    """Let a parameter take the first of several sources that has a value, in the order in which they are named.

    It waits until it is known of each whether it has one. The node is skipped when none has.

    Args:
        sources: Functions of nodes, accumulators, names, ``From(…)`` or ``route(…)``.
    """
    wishes = [wish_of(source) for source in sources]
    problems = [problem for wish in wishes for problem in wish.problems]
    if not sources:
        problems.append("first_of() names no source")

    if any(wish.optional for wish in wishes):
        problems.append("optional(…) stands inside first_of(…): write optional(first_of(…)), around all of them")

    return Wish(tuple(each for wish in wishes for each in wish.references), problems=tuple(problems))


@overload
def optional(source: Callable[..., Awaitable[T]]) -> T | None: ...


@overload
def optional(source: Callable[..., T]) -> T | None: ...


@overload
def optional(source: T) -> T | None: ...


@overload
def optional(source: Callable[..., Awaitable[T]], *, default: D) -> T | D: ...


@overload
def optional(source: Callable[..., T], *, default: D) -> T | D: ...


@overload
def optional(source: T, *, default: D) -> T | D: ...


def optional(source: object, *, default: object = None) -> object:
    """Let a node run although this source was skipped, or has no value: the parameter is then ``default``.

    Args:
        source: The function of a node, an accumulator, a name, ``From(…)``, ``route(…)`` or ``first_of(…)``.
        default: What the parameter gets instead; it is shared by all traversals.
    """
    return msgspec.structs.replace(wish_of(source), optional=True, default=default)
