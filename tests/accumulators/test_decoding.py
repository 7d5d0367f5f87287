"""Events are decoded once, where they come in, whatever type the function takes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypedDict

import attrs
import msgspec
import pytest

from penstock.accumulators.batch import batch_accumulator
from penstock.accumulators.kafka import Kafka
from penstock.accumulators.passthrough import passthrough_accumulator
from penstock.accumulators.sources import Memory
from penstock.accumulators.stream import stream_accumulator
from penstock.reactors.reactor import Reactor
from penstock.runtime.errors import DecodeError, DefinitionError
from penstock.runtime.observe import EventDropped
from tests.reactors.world import Graph, World


class Struct(msgspec.Struct, frozen=True):
    symbol: str
    price: float


@dataclass(frozen=True)
class Data:
    symbol: str
    price: float


@attrs.frozen
class Attrs:
    symbol: str
    price: float


class Typed(TypedDict):
    symbol: str
    price: float


class Named(NamedTuple):
    symbol: str
    price: float


TYPES = [Struct, Data, Attrs, Typed, dict[str, object]]
PLAIN: dict[str, object] = {"symbol": "X", "price": 1.5}


def taking(type_: object, decode: object = "json") -> Reactor:
    def event_of(event: object) -> object:
        return event

    event_of.__annotations__ = {"event": type_, "return": type_}
    return Reactor("r", [passthrough_accumulator(decode=decode)(event_of)])  # type: ignore[call-overload]


async def given(url: str, reactor: Reactor, *payloads: object) -> list[object]:
    """Return what the graph is given of what is pushed, or the errors."""
    graph, found = Graph(), list[object]()
    async with World(url, [reactor], [graph]) as world:
        for payload in payloads:
            try:
                await world.accumulator("event_of").push(payload)
                found.append(graph.inputs[-1]["event_of"])
            except DecodeError as error:
                found.append(error)

    return found


@pytest.mark.parametrize("type_", TYPES)
async def test_json_bytes_text_mappings_and_instances_become_the_declared_type(store_url: str, type_: type) -> None:
    value = type_(**PLAIN) if isinstance(type_, type) else dict(PLAIN)
    json = msgspec.json.encode(PLAIN)
    assert await given(store_url, taking(type_), json, json.decode(), PLAIN, value) == [value] * 4


@pytest.mark.parametrize("type_", TYPES)
async def test_msgpack_becomes_the_declared_type(store_url: str, type_: type) -> None:
    value = type_(**PLAIN) if isinstance(type_, type) else dict(PLAIN)
    assert await given(store_url, taking(type_, "msgpack"), msgspec.msgpack.encode(PLAIN), PLAIN, value) == [value] * 3


@pytest.mark.parametrize(
    ("type_", "decode", "payload", "value"),
    [
        (Named, "json", b'["X", 1.5]', Named("X", 1.5)),
        (Named, "msgpack", msgspec.msgpack.encode(["X", 1.5]), Named("X", 1.5)),
        (int, "json", b"5", 5),
        (float, "msgpack", msgspec.msgpack.encode(2.5), 2.5),
        (bool, "json", b"true", True),
        (list[int], "json", b"[1, 2]", [1, 2]),
        (str, "json", b"plain text", "plain text"),
        (str, "raw", "ä".encode(), "ä"),
        (bytes, "raw", b"\x00\xff", b"\x00\xff"),
        (bytes, "json", b"{as it is", b"{as it is"),
        (Struct | Data, "msgpack", msgspec.msgpack.encode({"symbol": "X", "price": "no"}), None),
        (Struct | int, "msgpack", msgspec.msgpack.encode(PLAIN), Struct("X", 1.5)),
        (Struct | int, "msgpack", msgspec.msgpack.encode(7), 7),
    ],
)
async def test_bytes_are_read_as_declared(
    store_url: str, type_: object, decode: str, payload: bytes, value: object
) -> None:
    [found] = await given(store_url, taking(type_, decode), payload)
    if value is None:
        assert isinstance(found, DecodeError)
    else:
        assert found == value
        assert type(found) is type(value)


async def test_a_function_decodes_to_an_event_to_builtins_or_to_json(store_url: str) -> None:
    def read(data: bytes) -> object:
        symbol, _, price = data.decode().partition("=")
        answers: Mapping[str, object] = {
            "event": Struct("event", 1.0),
            "builtins": {"symbol": "builtins", "price": float(price or 2)},
            "json": b'{"symbol": "json", "price": 3}',
        }
        return answers[symbol]

    found = await given(store_url, taking(Struct, read), b"event=", b"builtins=2.5", b"json=", PLAIN, b"other=")
    assert found[:4] == [Struct("event", 1.0), Struct("builtins", 2.5), Struct("json", 3.0), Struct("X", 1.5)]
    assert "its decode= raised KeyError: 'other'" in str(found[4])


async def test_scenario_34_what_cannot_be_decoded_is_kept_with_its_bytes_counted_and_the_next_is_taken(
    store_url: str,
) -> None:
    good, bad = msgspec.msgpack.encode(PLAIN), b"\xc1broken"
    events = [good, bad, {"symbol": 5}, good]

    @stream_accumulator(Memory(events), decode="msgpack")
    def quotes(event: Struct) -> float:
        return event.price

    graph = Graph()
    async with World(store_url, [Reactor("r", [quotes])], [graph]) as world:
        await world.advance(2.0)
        letters = await world.letters()
        dropped = [(fact.part, fact.reason, fact.letter) for fact in world.told if isinstance(fact, EventDropped)]
        statistics = world.accumulator("quotes").statistics()
        assert world.accumulator("quotes").positions == {"": 3}

    assert graph.inputs == [{"quotes": 1.5}, {"quotes": 1.5}]
    assert [(letter.reason, letter.payload, letter.position) for letter in letters] == [
        ("decode", bad, "1"),
        ("decode", b'{"symbol":5}', "2"),
    ]
    assert "'quotes' expects Struct" in letters[0].error
    assert dropped == [("quotes", "decode", True)] * 2
    assert (statistics.undecodable, statistics.boundaries) == (2, 2)


@pytest.mark.parametrize(
    ("type_", "decode", "message"),
    [
        (Struct, "yaml", "decode='yaml' is none of 'json', 'msgpack', 'raw'"),
        (Struct, "raw", "decode='raw' gives bytes or text, and Struct is neither"),
        (bytes, "msgpack", "it takes bytes as they come, so there is nothing to decode"),
        (bytes, msgspec.json.decode, "it takes bytes as they come, so there is nothing to decode"),
    ],
)
def test_what_cannot_be_is_refused_at_the_declaration(type_: object, decode: object, message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        taking(type_, decode)


def test_a_source_that_says_how_it_is_read_is_not_overruled() -> None:
    class Own(Memory):
        wants_records = False

        def reader(self, codec: object) -> object:
            return print

    with pytest.raises(DefinitionError, match="its source says itself how events are read"):

        @stream_accumulator(Own(), decode="msgpack")
        def quotes(event: Struct) -> float:
            return event.price


BATCHES: list[tuple[str | None, type, bytes, object]] = [
    (None, Struct, msgspec.json.encode(PLAIN), Struct("X", 1.5)),
    (None, bytes, b"{as it is", b"{as it is"),
    (None, str, b"plain text", "plain text"),
    ("json", Data, msgspec.json.encode(PLAIN), Data("X", 1.5)),
    ("msgpack", Struct, msgspec.msgpack.encode(PLAIN), Struct("X", 1.5)),
    ("raw", bytes, b"\x00\xff", b"\x00\xff"),
    ("raw", str, "ä".encode(), "ä"),
]


@pytest.mark.parametrize("fed", ["pushed", "source"])
@pytest.mark.parametrize(("decode", "type_", "payload", "value"), BATCHES)
async def test_a_batch_reads_the_bytes_of_each_event_as_the_other_kinds_do(  # noqa: PLR0917 - a table of cases
    store_url: str, fed: str, decode: str | None, type_: type, payload: bytes, value: object
) -> None:
    def gathered(events: list[object]) -> list[object]:
        return events

    gathered.__annotations__ = {"events": list[type_], "return": list[type_]}  # type: ignore[valid-type]
    options: dict[str, object] = {} if decode is None else {"decode": decode}
    source = Memory([payload, payload]) if fed == "source" else None
    batch = batch_accumulator(max_size=2, source=source, **options)(gathered)  # type: ignore[arg-type]
    graph = Graph()
    async with World(store_url, [Reactor("r", [batch])], [graph]) as world:
        for _ in range(0 if fed == "source" else 2):
            await world.accumulator("gathered").push(payload)

        await world.advance(1.0)

    assert graph.inputs == [{"gathered": [value, value]}]


def test_a_source_that_says_how_events_are_read_is_told_there() -> None:
    def one(event: Struct) -> float:
        return event.price

    def many(events: list[Struct]) -> float:
        return len(events)

    told = "its source says itself how events are read: give decode= there"
    with pytest.raises(DefinitionError, match=told):
        stream_accumulator(Kafka("quotes"), decode="msgpack")(one)

    with pytest.raises(DefinitionError, match=told):
        batch_accumulator(max_size=2, source=Kafka("quotes"), decode="msgpack")(many)
