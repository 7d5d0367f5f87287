"""Where two values differ, in words: for errors about data that would not come back from the store as it went in."""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sized
from typing import cast

import msgspec

from penstock.runtime.calls import describe_type


def difference(value: object, back: object, path: str = "$") -> str | None:
    """Return the first difference between a value and what was read back for it; None when there is none.

    Values are the same when they are equal. Where their classes define no equality, their fields decide, and a NaN
    equals a NaN. An int may come back as the float that equals it; no other change of type passes.
    """
    if type(value) is not type(back):
        if type(value) is int and type(back) is float and value == back:
            return None

        return f"{_kind(value)} would come back as {_kind(back)} (at `{path}`)"

    parts, others = _parts(value, path), _parts(back, path)
    if parts is None or others is None or _length(value) != _length(back):
        return None if _equal(value, back) else f"{value!r} would come back as {back!r} (at `{path}`)"

    for (where, part), (place, other) in zip(parts, others, strict=True):
        if where != place:
            return f"{where} would come back as {place}"

        if (found := difference(part, other, where)) is not None:
            return found

    return None


def _kind(value: object) -> str:
    return describe_type(type(value))


def _length(value: object) -> int:
    return len(value) if isinstance(value, Sized) else 0


def _equal(value: object, back: object) -> bool:
    both_nan = isinstance(value, float) and isinstance(back, float) and math.isnan(value) and math.isnan(back)
    return both_nan or bool(value == back)


def _parts(value: object, path: str) -> Iterator[tuple[str, object]] | None:
    """Yield what a value consists of, with the place of each; None for a value without parts."""
    if isinstance(value, Mapping):
        mapping = cast("Mapping[object, object]", value)
        return ((f"{path}[{key!r}]", part) for key, part in mapping.items())

    if isinstance(value, list | tuple):
        return ((f"{path}[{index}]", part) for index, part in enumerate(cast("list[object]", value)))

    names = _fields(value)
    return None if names is None else ((f"{path}.{name}", getattr(value, name)) for name in names)


def _fields(value: object) -> tuple[str, ...] | None:
    if isinstance(value, msgspec.Struct):
        return value.__struct_fields__

    if dataclasses.is_dataclass(value):
        return tuple(field.name for field in dataclasses.fields(value))

    return None
