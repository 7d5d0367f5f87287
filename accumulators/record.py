"""What a record of a source has beside its value, and how a function asks for it: by the names of parameters.

    @ps.stream_accumulator(ps.Kafka("orderbook"))
    def orderbook(event: Book, key: str, headers: ps.Headers) -> Book: ...

The first parameter is the event; those behind it (and behind the state, when there is one) are named after what they
ask for. What a name may be annotated with is checked at the declaration.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Protocol, runtime_checkable

import msgspec
from typing_extensions import override

from penstock.accumulators.decoding import Convert, Decode, decoder
from penstock.runtime.calls import EMPTY, Parameter, describe_type
from penstock.runtime.codec import Codec
from penstock.runtime.errors import DecodeError, DefinitionError
from penstock.runtime.forms import union_members


class Headers(Mapping[str, bytes]):
    """The headers of a record. A name may stand for several values: ``headers[name]`` is the last one."""

    __slots__ = ("_last", "pairs")

    def __init__(self, pairs: Sequence[tuple[str, bytes]] = ()) -> None:
        #: All of them, in their order.
        self.pairs: tuple[tuple[str, bytes], ...] = tuple(pairs)
        self._last = dict(self.pairs)

    def all(self, name: str) -> tuple[bytes, ...]:
        """Return every value of a name, in their order."""
        return tuple(value for each, value in self.pairs if each == name)

    @override
    def __getitem__(self, name: str) -> bytes:
        return self._last[name]

    @override
    def __iter__(self) -> Iterator[str]:
        return iter(self._last)

    @override
    def __len__(self) -> int:
        return len(self._last)

    @override
    def __repr__(self) -> str:
        return f"Headers({list(self.pairs)!r})"


class Record(msgspec.Struct, frozen=True):
    """An event with what stands beside it in its source. Push one to an accumulator that asks for more than events."""

    #: What becomes the event.
    value: object
    key: object = None
    topic: str | None = None
    partition: int | None = None
    offset: int | None = None
    #: Seconds since 1970.
    timestamp: float | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


class Bound(msgspec.Struct, frozen=True):
    """What a function is called with: the event, and what it asked for."""

    event: object
    extras: dict[str, object]


@runtime_checkable
class Reading(Protocol):
    """What a source may have besides ``run``: its own way to make events of the bytes that it hands over."""

    def reader(self, codec: Codec[object]) -> Convert:
        """Return what converts a payload of this source, or anything that is pushed, into an event.

        Raises:
            DefinitionError: What the source gives cannot become such events.
        """
        ...

    @property
    def wants_records(self) -> bool:
        """Whether the reader takes a whole ``Record``, and not only its value."""
        ...


class Kind(msgspec.Struct, frozen=True):
    """What a parameter of a name may be annotated with, and how its value is made."""

    types: tuple[object, ...]
    read: Callable[[Record], object]


def time_of(record: Record) -> datetime | None:
    """Return the time of a record as an aware datetime."""
    return None if record.timestamp is None else datetime.fromtimestamp(record.timestamp, UTC)


#: By name; a key may have any type that a codec reads, and a timestamp may be seconds as well.
EXTRAS: dict[str, Kind] = {
    "key": Kind((), lambda record: record.key),
    "topic": Kind((str,), lambda record: record.topic),
    "partition": Kind((int,), lambda record: record.partition),
    "offset": Kind((int,), lambda record: record.offset),
    "timestamp": Kind((datetime, float), time_of),
    "headers": Kind((Headers, Mapping[str, bytes]), lambda record: Headers(record.headers)),
}


class Extras:
    """What a function asks for beside the event.

    Attributes:
        names: The names of its parameters.
    """

    def __init__(self, owner: str, parameters: Sequence[Parameter]) -> None:
        """Read the parameters.

        Raises:
            DefinitionError: A name that stands for nothing, or an annotation that does not fit; all are named.
        """
        self.names: tuple[str, ...] = tuple(parameter.name for parameter in parameters)
        problems = [problem for parameter in parameters if (problem := extra_problem(owner, parameter)) is not None]
        if problems:
            raise DefinitionError(*problems)

        self._getters: dict[str, Callable[[Record], object]] = {
            parameter.name: getter(owner, parameter) for parameter in parameters
        }

    def binder(self, convert: Convert, *, whole: bool = False) -> Convert:
        """Return what makes the arguments of a call from a record, or from an event alone.

        Args:
            convert: Makes the event.
            whole: Whether it takes the record and not its value.
        """
        getters = list(self._getters.items())

        def bind(payload: object) -> object:
            if type(payload) is Bound:
                return payload

            record = payload if type(payload) is Record else Record(payload)
            event = convert(record if whole else record.value)
            return Bound(event, {name: get(record) for name, get in getters})

        return bind


def extra_problem(owner: str, parameter: Parameter) -> str | None:
    """Say what is wrong with a parameter."""
    known = EXTRAS.get(parameter.name)
    if known is None:
        return (
            f"accumulator {owner!r}: parameter {parameter.name!r} stands for nothing; "
            f"beside the event there are: {', '.join(EXTRAS)}"
        )

    members = [member for member in union_members(parameter.annotation) if member not in {None, type(None)}]
    if not parameter.is_annotated or not members or (known.types and members[0] not in known.types):
        accepted = " or ".join(describe_type(each) for each in known.types) or "the type of the key, such as str"
        return f"accumulator {owner!r}: annotate {parameter.name!r} with {accepted}"

    return None


def getter(owner: str, parameter: Parameter) -> Callable[[Record], object]:
    """Return what takes the value of a parameter out of a record."""
    name, part = parameter.name, f"{owner}.{parameter.name}"
    read = EXTRAS[name].read
    members = list(union_members(parameter.annotation))
    optional = any(member in {None, type(None)} for member in members)
    if name == "timestamp" and float in members:
        read = seconds_of

    codec: Codec[object] | None = Codec(parameter.annotation, part=part) if name == "key" else None

    def get(record: Record) -> object:
        value = read(record)
        if value is not None:
            return value if codec is None else codec.convert(value)

        if parameter.default is not EMPTY:
            return parameter.default

        if optional:
            return None

        expected = describe_type(parameter.annotation)
        raise DecodeError(part, expected, f"the record has no {name}; accept None, or push ps.Record(…, {name}=…)")

    return get


def seconds_of(record: Record) -> float | None:
    """Return the time of a record in seconds since 1970."""
    return record.timestamp


def converter(source: object, codec: Codec[object], extras: Extras | None, decode: Decode = "json") -> Convert:
    """Return what makes events, or arguments of calls, of what a source hands over and of what is pushed.

    Args:
        source: What brings the events; None for pushes alone.
        codec: Of the events.
        extras: What the function asks for beside them.
        decode: How bytes are read, where the source does not say it.

    Raises:
        DefinitionError: What the source gives cannot become such events.
    """
    convert, whole = decoder(decode, codec), False
    if isinstance(source, Reading):
        if decode != "json":
            raise DefinitionError(
                f"accumulator {codec.part!r}: its source says itself how events are read: give decode= there"
            )

        convert, whole = source.reader(codec), source.wants_records

    return convert if extras is None else extras.binder(convert, whole=whole)


def raw_of(payload: object) -> object:
    """Return what a dead letter keeps of a payload: the value of a record, raw bytes as they came."""
    if type(payload) is Record:
        return payload.value

    return payload.event if type(payload) is Bound else payload
