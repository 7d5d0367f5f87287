"""What a context may hold: JSON values, checked where they enter and copied, so that nobody else can change them.

``None``, booleans, integers of any size, finite floats, text, lists, and mappings with text keys are kept as they are.
Tuples become lists; structs, dataclasses, enums, dates, durations, UUIDs and decimals become what msgspec writes for
them, and come back as their type where a task's parameter is annotated with it. Everything else is refused.
"""

import dataclasses
import enum
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import cast
from uuid import UUID

import msgspec
from typing_extensions import TypeIs

#: Types whose values need no look.
PLAIN: frozenset[type[object]] = frozenset({type(None), bool, int})
#: Types without anything inside.
UNDIVIDED: frozenset[type[object]] = PLAIN | {str, float}
#: Types that msgspec writes in one obvious way.
WRITTEN = (msgspec.Struct, enum.Enum, datetime, date, time, timedelta, UUID, Decimal)

_encoder = msgspec.json.Encoder()
_mapping_decoder = msgspec.json.Decoder(dict[str, object])


def to_text(value: object) -> str:
    """Return a checked value as JSON text."""
    return _encoder.encode(value).decode()


def mapping_from_text(text: str) -> dict[str, object]:
    """Return the mapping that JSON text holds; every call makes a new one.

    Raises:
        msgspec.DecodeError: The text is not a JSON object.
    """
    return _mapping_decoder.decode(text)


def json_value(value: object, where: str) -> object:
    """Return the value as JSON knows it, copied.

    Args:
        where: How the place is written in code, for the message: ``context['tags']``.

    Raises:
        TypeError: The value, or one inside it, has no obvious form in JSON: a set, bytes, a key that is no text.
        ValueError: A float that is not finite, text that is not Unicode, or nesting without an end.
    """
    try:
        return _copy(value, where)
    except RecursionError:
        raise ValueError(f"{where} is nested too deeply, or contains itself") from None


def json_key(key: object, where: str) -> str:
    """Return the key of a mapping when it is text.

    Raises:
        TypeError: It is not.
        ValueError: It is not Unicode.
    """
    if type(key) is not str:
        raise TypeError(f"{where} cannot have the key {key!r}: keys are text, write {str(key)!r}")

    return key if key.isascii() else _text(key, where)


def is_mapping(value: object) -> TypeIs[dict[str, object]]:
    """Tell whether a checked value is a mapping."""
    return isinstance(value, dict)


def is_list(value: object) -> TypeIs[list[object]]:
    """Tell whether a checked value is a list."""
    return isinstance(value, list)


def same(old: object, new: object) -> bool:
    """Tell whether a value is what it was; ``1``, ``1.0`` and ``True`` are three values. ``old`` is a checked value."""
    if type(old) is not type(new):
        return False

    if type(old) in UNDIVIDED:
        return old == new

    if is_mapping(old) and is_mapping(new):
        return len(old) == len(new) and all(key in new and same(old[key], new[key]) for key in old)

    if is_list(old) and is_list(new):
        return len(old) == len(new) and all(map(same, old, new))

    return old == new


def _copy(value: object, where: str) -> object:
    if type(value) in PLAIN:
        return value

    copy = _COPIES.get(type(value)) or _by_base(value)
    if copy is None:
        raise TypeError(f"{where} cannot hold a value of type {type(value).__name__}{_advice(value)}")

    return copy(value, where)


def _text(value: str, where: str) -> str:
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError(f"{where} holds half a surrogate pair, which is not Unicode text: {value!r}") from None

    return str(value)


def _float(value: float, where: str) -> float:
    if not math.isfinite(value):
        raise ValueError(f"{where} cannot hold {value}: JSON has finite numbers only; write None or text")

    return float(value)


def _list(value: Sequence[object], where: str) -> list[object]:
    return [item if type(item) in PLAIN else _copy(item, f"{where}[{at}]") for at, item in enumerate(value)]


def _mapping(value: Mapping[object, object], where: str) -> dict[str, object]:
    # the text that says where costs more than the rest, and most values need none
    return {
        json_key(key, where): item if type(item) in PLAIN else _copy(item, f"{where}[{key!r}]")
        for key, item in value.items()
    }


def _written(value: object, where: str) -> object:
    return _copy(msgspec.to_builtins(value), where)


def _integer(value: int, _where: str) -> int:
    return int(value)


_Copy = Callable[[object, str], object]
#: The exact types first: one look-up for nearly every value.
_COPIES = cast(
    "dict[type, _Copy]", {str: _text, float: _float, dict: _mapping, list: _list, tuple: _list, Decimal: _written}
)
#: Then their subclasses. An enum that is text as well is written as its value.
_BASES = cast(
    "list[tuple[type | tuple[type, ...], _Copy]]",
    [
        (WRITTEN, _written),
        (str, _text),
        (int, _integer),
        (float, _float),
        (Mapping, _mapping),
        ((list, tuple), _list),
    ],
)


def _by_base(value: object) -> _Copy | None:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return cast("_Copy", _written)

    return next((copy for base, copy in _BASES if isinstance(value, base)), None)


def _advice(value: object) -> str:
    if isinstance(value, set | frozenset):
        return ": write it as a list, sorted(…)"

    if isinstance(value, bytes | bytearray | memoryview):
        return ": write it as text, .hex() or .decode()"

    return ": a context holds JSON values (None, booleans, numbers, text, lists, mappings), structs and dataclasses"
