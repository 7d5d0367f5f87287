"""How the bytes of an event are read: once, where they come in.

Whatever comes in becomes the event type of the accumulator: a msgspec struct, dataclass, attrs class, TypedDict,
NamedTuple, dict, list, number, text … What is such a value already is passed as it is, a mapping is converted, and
bytes are read as the accumulator's ``decode=`` says. What cannot be read becomes a dead letter with the reason
``decode``; where it was pushed, whoever pushed it gets a ``DecodeError``.
"""

from collections.abc import Callable, Iterator
from typing import Literal, cast

from penstock.runtime.codec import Codec
from penstock.runtime.errors import DecodeError
from penstock.runtime.foreign import error_text

#: ``json``, ``msgpack``; ``raw`` for bytes and UTF-8 text as they are; or what makes the event, or JSON, or builtins
#: that it is made of, from bytes.
Decode = Literal["json", "msgpack", "raw"] | Callable[[bytes], object]
FORMATS = ("json", "msgpack", "raw")

Convert = Callable[[object], object]


def decode_problems(where: str, decode: Decode, codec: Codec[object]) -> Iterator[str]:
    """Yield what is wrong with the way in which events are to be read."""
    given: object = decode
    if not callable(given) and given not in FORMATS:
        accepted = ", ".join(repr(choice) for choice in FORMATS)
        yield f"{where}: decode={given!r} is none of {accepted}, and no function of bytes"
    elif given == "raw" and not codec.exact & {bytes, str}:
        yield f"{where}: decode='raw' gives bytes or text, and {codec.expected} is neither: declare `event: bytes`"
    elif given not in {"json", "raw"} and bytes in codec.exact:
        yield (
            f"{where}: it takes bytes as they come, so there is nothing to decode: annotate the event with what decode="
            " gives, or leave it out"
        )


def decoder(decode: Decode, codec: Codec[object]) -> Convert:
    """Return what makes events of what comes in."""
    if decode == "msgpack":
        return lambda payload: codec.from_msgpack(payload) if type(payload) is bytes else codec.convert(payload)

    return custom(decode, codec) if callable(decode) else cast("Convert", codec.convert)


def custom(decode: Callable[[bytes], object], codec: Codec[object]) -> Convert:
    """Return what calls a user's function for bytes; other things are converted."""

    def convert(payload: object) -> object:
        if type(payload) is not bytes:
            return codec.convert(payload)

        try:
            value = decode(payload)
        except Exception as error:  # user code: the event is what is wrong
            raise DecodeError(codec.part, codec.expected, f"its decode= raised {error_text(error)}") from error

        return codec.convert(value)

    return convert
