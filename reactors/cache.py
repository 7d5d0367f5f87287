"""How the values of a key are written: the newest ones in a cache, the snapshot of a firing, what waits in a queue.

Keys in the store are text: nothing for the only key of a reactor without ``key=``, ``=X`` for text, ``#5`` for a
number. More stand beside them under a component's name: ``*`` for the broadcast values, ``!`` for how often a reactor
fired again what was due, ``@`` for an accumulator's own state.
"""

from collections.abc import Mapping

import msgspec

from penstock.accumulators.accumulator import AnyAccumulator
from penstock.reactors.firing import Key
from penstock.runtime.codec import Codec
from penstock.runtime.errors import StateIncompatible

ACCUMULATOR_KEY = "@"
BROADCAST_KEY = "*"
REPEAT_KEY = "!"


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """Values with the names of those that are new: a key's cache, or the snapshot of a firing."""

    values: dict[str, bytes] = {}
    new: list[str] = []
    #: Of a firing: whether somebody fired it by hand.
    manual: bool = False


class StoredItem(msgspec.Struct, frozen=True, kw_only=True):
    """One boundary that waits in a queue."""

    input: str
    value: bytes


CODEC: Codec[Stored] = Codec(Stored, part="cache")
ITEM_CODEC: Codec[StoredItem] = Codec(StoredItem, part="queue")


def encode(
    values: Mapping[str, object], new: list[str], inputs: Mapping[str, AnyAccumulator], *, manual: bool = False
) -> bytes:
    """Return values as the store holds them.

    Raises:
        DecodeError: One of them does not have its declared type, or cannot be written.
    """
    written = {name: inputs[name].output_codec.encode(value) for name, value in values.items()}
    return CODEC.encode(Stored(values=written, new=new, manual=manual))


def decode(data: bytes, inputs: Mapping[str, AnyAccumulator]) -> tuple[dict[str, object], list[str], list[str]]:
    """Return values, the names of those that are new, and the names that are no longer inputs.

    Raises:
        StateIncompatible: A value was written for another type.
    """
    stored = CODEC.decode(data)
    values = {name: inputs[name].output_codec.decode(value) for name, value in stored.values.items() if name in inputs}
    gone = [name for name in stored.values if name not in inputs]
    return values, [name for name in stored.new if name in inputs], gone


def is_manual(data: bytes) -> bool:
    """Tell whether a stored firing was fired by hand."""
    return CODEC.decode(data).manual


def encode_queued(name: str, value: object, inputs: Mapping[str, AnyAccumulator]) -> bytes:
    """Return a boundary that waits as the store holds it.

    Raises:
        DecodeError: The value does not have its declared type, or cannot be written.
    """
    return ITEM_CODEC.encode(StoredItem(input=name, value=inputs[name].output_codec.encode(value)))


def decode_queued(data: bytes, inputs: Mapping[str, AnyAccumulator]) -> tuple[str, object]:
    """Return the input and the value of a boundary that waits; no value when the input is gone.

    Raises:
        StateIncompatible: The value was written for another type.
    """
    item = ITEM_CODEC.decode(data)
    return item.input, inputs[item.input].output_codec.decode(item.value) if item.input in inputs else None


def key_text(key: Key) -> str:
    """Return a key as the store holds it."""
    if key is None:
        return ""

    return f"={key}" if isinstance(key, str) else f"#{key}"


def key_of(text: str, part: str) -> Key:
    """Return the key that ``key_text`` was given.

    Raises:
        StateIncompatible: The text is no key.
    """
    if not text:
        return None

    if text[0] == "=":
        return text[1:]

    if text[0] == "#" and text[1:].lstrip("-").isdecimal():
        return int(text[1:])

    raise StateIncompatible(part, "a key", f"{text!r} is neither text nor a number")
