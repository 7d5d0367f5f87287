"""Values to bytes and back; the only file that does it.

A ``Codec`` is made once per declared type. It does three things: it makes a value of the type at the edge
(``convert``), it turns values of the type into bytes for state (``encode``: one byte with the format's number, then
msgpack) and into JSON text for what people read (``to_json``). Two promises hold:

* What ``encode`` and ``to_json`` accept reads back as an equal value: they read back what they wrote and compare. So
  bad data fails whoever made it, when it is made, and never a restart. It costs about twice the encoding alone.
* A union whose members msgspec cannot tell apart (two structs without tags, ``datetime | str``) works as the whole
  type: the name of the member is stored beside the value. Inside another type it is refused, with the fix.

``object`` and ``Any`` stand for plain builtins: None, bool, int, float, str, bytes, list, dict and aware datetimes.
"""

from collections.abc import Iterable, Mapping
from typing import Generic, TypeVar, cast

import msgspec
from typing_extensions import override

from penstock.runtime.calls import describe_type
from penstock.runtime.compare import difference
from penstock.runtime.errors import DecodeError, StateIncompatible
from penstock.runtime.forms import FAULTS, Plain, form_of

T = TypeVar("T")

#: The number of the format of state, its first byte. A change that old bytes do not survive gets the next number.
FORMAT = 1
HEADER = bytes([FORMAT])


class Codec(Generic[T]):
    """Convert, encode and decode values of one declared type.

    Attributes:
        type: The declared type.
        part: What the values belong to; every error names it.
        expected: The type as people write it.
        exact: The classes whose instances ``convert`` passes untouched: ``type(value) in codec.exact``.
    """

    __slots__ = ("_form", "_reads_bytes", "exact", "expected", "part", "type")

    def __init__(self, type_: object, *, part: str) -> None:
        """Prepare for a type.

        Raises:
            DefinitionError: Values of the type cannot be stored; the sentence says what to declare instead.
        """
        self.type: object = type_
        self.part: str = part
        self.expected: str = describe_type(type_)
        self._form = form_of(type_, part)
        self.exact: frozenset[type] = self._form.exact
        self._reads_bytes = isinstance(self._form, Plain) and self._form.has_parts

    @override
    def __repr__(self) -> str:
        return f"<Codec of {self.expected} for {self.part}>"

    def convert(self, value: object) -> T:
        """Return the value if it has the type, else one made of builtins, or of JSON text (``str``, ``bytes``).

        An instance of a declared class is trusted: its fields are not looked at. An instance of a subclass is refused,
        since it would come back from the store as its base. Where ``str`` is declared, bytes are UTF-8 text, not JSON.

        Raises:
            DecodeError: The value does not fit.
        """
        if type(value) in self.exact:
            return value  # type: ignore[return-value]

        if self._reads_bytes and type(value) is bytes:
            return self.from_json(value)

        try:
            return self._form.convert(value)  # type: ignore[return-value]
        except FAULTS as error:
            return self._read(value, error)

    def encode(self, value: T) -> bytes:
        """Return the value as state.

        Raises:
            DecodeError: The value does not have the declared type, or would not come back as it is; nothing is lost,
                since nothing was written. (The same error as for input that does not fit: the value is what is wrong.)
        """
        try:
            data = self._form.pack(value)
            self._compare(value, self._form.unpack(data))
        except FAULTS as error:
            raise self._misfit(f"it cannot be stored: {error}") from error

        return HEADER + data

    def decode(self, data: bytes) -> T:
        """Return the value that ``encode`` was given.

        Raises:
            StateIncompatible: The bytes were written by a newer Penstock, or for a type that this one does not fit.
        """
        if data[:1] != HEADER:
            found = f"it is written in format {data[0]}" if data else "it is empty"
            raise StateIncompatible(self.part, self.expected, f"{found}; this Penstock reads format {FORMAT}")

        try:
            return self._form.unpack(memoryview(data)[1:])  # type: ignore[return-value]
        except FAULTS as error:
            raise StateIncompatible(self.part, self.expected, str(error)) from error

    def to_json(self, value: T) -> str:
        """Return the value as JSON text; bytes become Base64, times ISO 8601.

        Raises:
            DecodeError: As ``encode``, for what JSON cannot give back: NaN, or under ``object`` keys that are no text.
        """
        try:
            data = self._form.write(value)
            self._compare(value, self._form.read(data))
        except FAULTS as error:
            raise self._misfit(f"it cannot be written as JSON: {error}") from error

        return data.decode()

    def from_json(self, text: str | bytes) -> T:
        """Return the value that ``to_json`` was given.

        Raises:
            DecodeError: The text is no JSON, or does not fit the type.
        """
        try:
            return self._form.read(text)  # type: ignore[return-value]
        except FAULTS as error:
            raise self._misfit(str(error)) from error

    def from_msgpack(self, data: bytes) -> T:
        """Return a value that another program has written as msgpack; not what ``encode`` has written.

        Raises:
            DecodeError: The bytes are no msgpack, or do not fit the type.
        """
        try:
            if isinstance(self._form, Plain):
                return self._form.unpack(data)  # type: ignore[return-value]

            return self.convert(msgspec.msgpack.decode(data))
        except FAULTS as error:
            raise self._misfit(str(error)) from error

    def _read(self, value: object, misfit: Exception) -> T:
        """Make a value of text, for it does not fit as it is."""
        if not isinstance(value, str | bytes | bytearray | memoryview):
            raise self._misfit(str(misfit)) from misfit

        try:
            if str in self.exact and not isinstance(value, str):
                return bytes(value).decode()  # type: ignore[return-value]

            return self._form.read(value)  # type: ignore[return-value]
        except FAULTS as error:
            reason = f"{misfit} (nor does it fit as JSON: {error})" if isinstance(value, str) else str(error)
            raise self._misfit(reason) from error

    def _compare(self, value: object, back: object) -> None:
        if value == back and type(value) is type(back):
            return

        if (found := difference(value, back)) is not None:
            raise self._misfit(found)

    def _misfit(self, reason: str) -> DecodeError:
        return DecodeError(self.part, self.expected, reason)


def plain(value: object) -> object:
    """Return a copy made of what JSON has (dict, list, str, int, float, bool, None), for display.

    Structs, dataclasses, times and enums become what they are in JSON; what has no such form becomes its ``repr``.
    """
    try:
        return msgspec.json.decode(msgspec.json.encode(value, enc_hook=repr))
    except RecursionError:  # nested without end, or nearly: repr knows the former
        return repr(value)
    except FAULTS:
        return _plain_parts(value)


def _plain_parts(value: object) -> object:
    """Do it part by part where the whole does not work: a huge int, a key that is no text."""
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in cast("Mapping[object, object]", value).items()}

    if isinstance(value, list | tuple | set | frozenset):
        return [plain(part) for part in cast("Iterable[object]", value)]

    return repr(value)
