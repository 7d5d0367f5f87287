"""How the values of records become events: a format, or the user's own decoder."""

from collections.abc import Callable
from typing import Literal, cast

import msgspec

from penstock.accumulators.decoding import Convert
from penstock.accumulators.record import Headers, Record
from penstock.runtime.codec import Codec

Format = Literal["json", "msgpack", "raw"]
FORMATS = ("json", "msgpack", "raw")
#: Given a topic, the bytes of a value, and the headers, returns the event or what it is made of.
DecodeRecord = Callable[[str, bytes, Headers], object]


class Parsing:
    """Reads bytes of a format, and converts other things, which are pushed.

    Attributes:
        decode: Reads bytes alone: whoever has nothing else calls it directly.
    """

    __slots__ = ("_convert", "decode")

    def __init__(self, decode: Convert, convert: Convert) -> None:
        self.decode: Convert = decode
        self._convert = convert

    def __call__(self, payload: object) -> object:
        """Return the event."""
        return self.decode(payload) if type(payload) is bytes else self._convert(payload)


def parsing(format_: Format, codec: Codec[object]) -> Convert:
    """Return what reads values of a format; other things, which are pushed, are converted."""
    return Parsing(decoder_of(format_, codec), codec.convert)


def decoder_of(format_: Format, codec: Codec[object]) -> Convert:
    """Return what decodes bytes straight into the type, where msgspec can."""
    if format_ == "json":
        # text is taken as it is; the members of some unions only the codec can tell apart
        try:
            text = codec.exact & {bytes, str}
            return codec.convert if text else cast("Convert", msgspec.json.Decoder[object](codec.type).decode)
        except TypeError:
            return codec.convert

    return cast("Convert", codec.from_msgpack)


def decoding(decode: DecodeRecord, codec: Codec[object]) -> Convert:
    """Return what calls the user's decoder for a record; other things, which are pushed, are converted."""
    convert = codec.convert

    def read(payload: object) -> object:
        if type(payload) is not Record:
            return convert(payload)

        value = payload.value
        if type(value) is not bytes:
            return convert(value)

        return convert(decode(payload.topic or "", value, Headers(payload.headers)))

    return read
