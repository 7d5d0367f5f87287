"""How the values of a type are written: plainly, or with the name of the member of a union beside them."""

import types
import typing
from collections.abc import Callable, Iterator
from typing import Protocol, cast

import msgspec
from msgspec import inspect, json, msgpack

from penstock.runtime.calls import describe_type
from penstock.runtime.errors import DefinitionError

#: What msgspec raises for a value or for bytes that do not fit.
FAULTS = (msgspec.MsgspecError, TypeError, ValueError, OverflowError, RecursionError)
#: Where there is no other advice.
ADVICE = "use builtins, a msgspec.Struct, a dataclass, a TypedDict or a NamedTuple"
#: What msgspec says of a union whose members it cannot tell apart.
UNIONS = ("type union", "Type union")

Bytes = bytes | bytearray | memoryview
NEVER_BYTES = (
    inspect.StructType,
    inspect.DataclassType,
    inspect.TypedDictType,
    inspect.NamedTupleType,
    inspect.DictType,
    inspect.ListType,
    inspect.IntType,
    inspect.FloatType,
    inspect.BoolType,
)


class Form(Protocol):
    """Writes and reads the values of one type; whatever does not fit raises one of ``FAULTS``."""

    #: The classes whose instances are values of the type, fields unseen.
    exact: frozenset[type]

    def convert(self, value: object, /) -> object:
        """Return the value if it has the type, or one made of builtins."""

    def pack(self, value: object, /) -> bytes:
        """Return the value as msgpack."""
        ...

    def unpack(self, data: Bytes, /) -> object:
        """Return the value that was packed."""

    def write(self, value: object, /) -> bytes:
        """Return the value as JSON."""
        ...

    def read(self, text: Bytes | str, /) -> object:
        """Return the value that was written."""


class Plain:
    """The form of what msgspec can tell apart by itself."""

    def __init__(self, type_: object) -> None:
        self.type: object = type_
        self.exact: frozenset[type] = exact_classes(type_)
        #: Whether values are made of parts, or numbers: then bytes are none, whatever is in them.
        self.has_parts: bool = isinstance(inspect.type_info(type_), NEVER_BYTES)
        self.unpack: Callable[[Bytes], object] = msgpack.Decoder[object](type_).decode
        self.read: Callable[[Bytes | str], object] = json.Decoder[object](type_).decode
        self.pack: Callable[[object], bytes] = msgpack.Encoder().encode
        self.write: Callable[[object], bytes] = json.Encoder().encode

    def convert(self, value: object) -> object:
        """Return the value if it has the type, or one made of builtins."""
        return msgspec.convert(value, self.type)


class Named(msgspec.Struct, frozen=True):
    """A value in JSON with the member of the union that it is."""

    type: str
    value: msgspec.Raw


class Union:
    """The form of a union: the name of the member is stored beside the value.

    The name is ``module:class``. A class that moved to another module, or was in ``__main__``, is found by its class
    name as long as that is unique in the union.
    """

    def __init__(self, members: list[tuple[str, Plain]]) -> None:
        self.members: dict[str, Plain] = dict(members)
        self.exact: frozenset[type] = frozenset[type]().union(*(form.exact for form in self.members.values()))
        self.by_class: dict[type, str] = {cls: name for name, form in members for cls in form.exact}

    def convert(self, value: object) -> object:
        """Return the value if it is of a member, else one made of builtins that fit exactly one member."""
        if type(value) in self.exact:
            return value

        found, reasons = list[tuple[str, object]](), list[str]()
        for name, form in self.members.items():
            try:
                found.append((_short(name), form.convert(value)))
            except FAULTS as error:
                reasons.append(f"{_short(name)}: {error}")

        if not found:
            raise ValueError(f"it fits no member ({'; '.join(reasons)})")

        if any(value != found[0][1] or type(value) is not type(found[0][1]) for _, value in found):
            names = ", ".join(name for name, _ in found)
            raise ValueError(f"it fits several members ({names}); declare them with `tag=True`, or give an instance")

        return found[0][1]

    def pack(self, value: object) -> bytes:
        """Return name and value as msgpack."""
        name = self._member_of(value)
        return msgpack.encode((name, msgspec.Raw(self.members[name].pack(value))))

    def unpack(self, data: Bytes) -> object:
        """Return the value that was packed."""
        name, raw = msgpack.decode(data, type=tuple[str, msgspec.Raw])
        return self._find(name).unpack(raw)

    def write(self, value: object) -> bytes:
        """Return name and value as a JSON object."""
        name = self._member_of(value)
        return json.encode(Named(name, msgspec.Raw(self.members[name].write(value))))

    def read(self, text: Bytes | str) -> object:
        """Return the value that was written, or one made of JSON that fits exactly one member."""
        try:
            named = json.decode(text, type=Named)
        except msgspec.ValidationError:
            return self.convert(json.decode(text))

        return self._find(named.type).read(named.value)

    def _member_of(self, value: object) -> str:
        if (name := self.by_class.get(type(value))) is not None:
            return name

        # a generic such as list[Book]: the first that gives the value back; the codec compares
        for name, form in self.members.items():
            try:
                if form.convert(value) == value:
                    return name
            except FAULTS:
                continue

        raise TypeError(f"{describe_type(type(value))} is no member")

    def _find(self, name: str) -> Plain:
        if name in self.members:
            return self.members[name]

        moved = [form for known, form in self.members.items() if _short(known) == _short(name)]
        if len(moved) != 1:
            raise ValueError(f"it is a {_short(name)}, which is no member any more")

        return moved[0]


def form_of(type_: object, part: str) -> Form:
    """Return the form for a type.

    Raises:
        DefinitionError: Values of the type cannot be stored.
    """
    type_ = getattr(type_, "__value__", type_)  # an alias made by `type X = ...`; msgspec knows those of 3.12 only
    try:
        _refuse_unknown(type_, part)
        return Plain(type_)
    except TypeError as error:
        members = list(union_members(type_))
        if len(members) > 1 and any(word in str(error) for word in UNIONS):
            return Union([(_full(member), _member(member, part)) for member in members])

        raise _unsupported(type_, part, error) from error
    except (AttributeError, NameError) as error:
        raise DefinitionError(
            f"{part}: an annotation inside {describe_type(type_)} cannot be resolved ({error}); "
            "define what it names at module level, or write it without quotes"
        ) from error


def union_members(type_: object) -> Iterator[object]:
    """Yield the members of a union, or the type itself, without the aliases around it."""
    inner: object = getattr(type_, "__value__", type_)
    origin = typing.get_origin(inner)
    if origin in {typing.Union, types.UnionType}:
        for member in typing.get_args(inner):
            yield from union_members(member)
    else:
        yield inner


def exact_classes(type_: object) -> frozenset[type]:
    """Return the classes of which every instance is a value of the type."""
    classes = {types.NoneType if member is None else member for member in union_members(type_)}
    return frozenset(cls for cls in classes if isinstance(cls, type) and typing.get_origin(cls) is None) - {object}


def _member(member: object, part: str) -> Plain:
    form = form_of(member, part)
    if isinstance(form, Plain):
        return form

    raise _unsupported(member, part, TypeError("a union inside a union"))


def _full(member: object) -> str:
    if isinstance(member, type) and typing.get_origin(member) is None:
        return f"{member.__module__}:{member.__qualname__}"

    return describe_type(member)


def _short(name: str) -> str:
    return name.rpartition(":")[2].rpartition(".")[2]


def _unsupported(type_: object, part: str, error: TypeError) -> DefinitionError:
    text = str(error)
    advice = (
        "declare the structs with `tag=True`" if any(word in text for word in UNIONS) and "Struct" in text else ADVICE
    )
    return DefinitionError(
        f"{part}: {describe_type(type_)} cannot be stored ({text.partition(' - type ')[0]}); {advice}"
    )


def _refuse_unknown(type_: object, part: str) -> None:
    """Refuse classes that msgspec takes only together with hooks, wherever they are in the type."""
    for unknown in _unknown(inspect.type_info(type_), set()):
        name = describe_type(unknown)
        raise DefinitionError(f"{part}: {describe_type(type_)} cannot be stored, because {name} cannot; {ADVICE}")


def _unknown(info: object, seen: set[int]) -> Iterator[type]:
    if id(info) in seen or not isinstance(info, inspect.Type | inspect.Field):
        return

    seen.add(id(info))
    if isinstance(info, inspect.CustomType) and info.cls is not object:
        yield info.cls
        return

    for name in info.__struct_fields__:
        field: object = getattr(info, name)
        for part in cast("tuple[object, ...]", field) if isinstance(field, tuple) else (field,):
            yield from _unknown(part, seen)
