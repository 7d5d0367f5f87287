"""What graphs of one likeness share: the compiled code, and the outcome of their check.

A factory that makes a graph per customer or per sensor makes thousands of them from the same lines of code. Such graphs
differ in their functions' closures alone, so the second one need not be read, checked and compiled again.
"""

import types
import typing
from collections.abc import Hashable

from penstock.graphs.blueprint import Blueprint
from penstock.graphs.compile import Template
from penstock.graphs.node import Declaration
from penstock.reactors.reactor import Reactor
from penstock.runtime.effects import Startable

#: How many are kept; when there are more, all are forgotten: a process has few likenesses, or no use for them.
LIMIT = 256


class Templates:
    """Templates by the likeness of the graphs that they were made for, all of which were found in order."""

    def __init__(self) -> None:
        self._known: dict[Hashable, Template] = {}

    def find(self, blueprint: Blueprint) -> Template | None:
        """Return the template of a graph just like this one."""
        likeness = likeness_of(blueprint)
        return None if likeness is None else self._known.get(likeness)

    def keep(self, blueprint: Blueprint, template: Template) -> None:
        """Keep a template for the next graph that is just like this one."""
        likeness = likeness_of(blueprint)
        if likeness is not None:
            if len(self._known) >= LIMIT:
                self._known.clear()

            self._known[likeness] = template


def likeness_of(blueprint: Blueprint) -> Hashable | None:
    """Return what two graphs have in common that check and compile alike; None where that is not certain."""
    given: Hashable
    if isinstance(blueprint.given, Reactor):
        given = ("reactor", *blueprint.given.types.items())
    else:
        given = tuple((each.name, each.type, each.always) for each in blueprint.given.values())

    rows = [_likeness_of(declaration) for declaration in blueprint.declarations]
    likeness = None if None in rows else (given, blueprint.copies, *rows)
    try:
        hash(likeness)
    except TypeError:  # a type that cannot be hashed
        return None

    return likeness


def _likeness_of(declaration: Declaration) -> Hashable | None:
    """Return the likeness of a plain function: its code has no defaults, and its annotations mean the same anywhere."""
    fn = declaration.fn
    if not isinstance(fn, types.FunctionType) or hasattr(fn, "__wrapped__") or fn.__defaults__ or fn.__kwdefaults__:
        return None

    if not all(map(_is_plain, fn.__annotations__.values())):
        return None

    if any(wish.default is not None for wish in declaration.wishes.values()):  # 1 and True are alike, and are not
        return None

    if declaration.emits is not None:  # what it takes is checked for each
        return None

    if declaration.starts is not None and not isinstance(typing.cast("object", declaration.starts), Startable):
        return None

    return (
        declaration.name,
        fn.__code__,
        tuple(fn.__annotations__.items()),
        tuple(declaration.wishes.items()),
        declaration.terminals,
        declaration.starts is not None,
        declaration.executor,
        declaration.timeout,
    )


def _is_plain(annotation: object) -> bool:
    """Tell whether an annotation is a class, None, or a union of them: text in others may mean something else here."""
    if isinstance(annotation, types.UnionType):
        return all(map(_is_plain, typing.get_args(annotation)))

    return annotation is None or isinstance(annotation, type)


#: Those of this process.
TEMPLATES = Templates()
