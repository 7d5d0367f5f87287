"""A part of an app by its definition or its name."""

import difflib
from collections.abc import Mapping
from typing import TypeVar

from penstock.runtime.errors import AppError

T = TypeVar("T")


def find(kind: str, wanted: object, definitions: Mapping[str, object], found: Mapping[str, T]) -> T:
    """Return the part that is meant by a definition or a name.

    Raises:
        AppError: The app does not have it.
    """
    name = wanted if isinstance(wanted, str) else getattr(wanted, "name", repr(wanted))
    if name in found and (isinstance(wanted, str) or definitions[name] is wanted):
        return found[name]

    if name in found:
        raise AppError(f"this {kind} {name!r} is not the one that the app was given under that name")

    near = difflib.get_close_matches(name, found, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(map(repr, found)) or 'none'}"
    raise AppError(f"the app has no {kind} {name!r}: {hint}")
