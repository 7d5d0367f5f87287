"""A batch of events that a source hands over at once has the same consequences as its events one by one."""

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given, settings, strategies as st

import penstock as ps
from penstock.accumulators.gate import SLICE_EVENTS
from penstock.accumulators.live import LiveAccumulator
from penstock.accumulators.many import accept_each
from penstock.accumulators.streaming import StreamingAccumulator
from penstock.reactors.firing import Firing
from penstock.testing.source import ScriptedSource
from tests.databases import sqlite_store
from tests.reactors.world import Graph, World


class Book(msgspec.Struct, frozen=True):
    bid: float
    ask: float


class Numbered(msgspec.Struct, frozen=True):
    value: object
    offset: int


#: Bytes of which a firing, nothing, an error of the function, or none at all comes; and what is no bytes.
PAYLOADS = [
    b'{"bid": 1, "ask": 2}',
    b'{"bid": 2, "ask": 1}',
    b'{"bid": 0, "ask": 1}',
    b'{"bid": 0}',
    b"\xff",
    None,
    {"bid": 3, "ask": 4},
    Book(5, 6),
]
DECODE = msgspec.json.Decoder(Book).decode


def quotes(source: ps.Source) -> ps.Accumulator[Book, float]:
    @ps.stream_accumulator(source, state=0)
    def mid(event: Book, state: int) -> tuple[int, float | None]:
        return state + 1, 1 / event.bid if event.ask > event.bid else None

    return mid


def batch(payloads: Sequence[object]) -> list[Numbered]:
    """Return events whose positions have gaps."""
    return [Numbered(payload, 3 * number + 1) for number, payload in enumerate(payloads)]


async def consequences(payloads: Sequence[object], *, at_once: bool) -> object:
    """Return all that comes of events."""
    graph = Graph()
    with sqlite_store() as url:
        async with World(url, [ps.Reactor("r", [quotes(ScriptedSource([]))])], [graph]) as world:
            live = world.accumulator("mid")
            await world.advance()
            events = iter(batch(payloads))
            if at_once:
                while live.accept_all(events, live.reader, "t-0"):
                    await live.ready()
            else:
                while accept_each(live.accept, events, None, "t-0"):
                    await live.ready()

            await world.flush()
            letters = [(each.reason, each.error, each.payload, each.position) for each in await world.letters()]
            return graph.inputs, live.statistics(), live.positions, live.sequence, live.state, letters


@settings(max_examples=15)  # each opens two stores
@given(st.lists(st.sampled_from(PAYLOADS), max_size=12))
async def test_events_at_once_have_the_consequences_of_events_one_by_one(payloads: list[object]) -> None:
    assert await consequences(payloads, at_once=True) == await consequences(payloads, at_once=False)


async def test_a_stream_of_a_plain_function_takes_them_in_one_loop(store_url: str) -> None:
    async with World(store_url, [ps.Reactor("r", [quotes(ScriptedSource([]))])], [Graph()]) as world:
        assert type(world.accumulator("mid")) is StreamingAccumulator


async def test_the_events_of_a_time_slice_are_taken_and_the_others_are_left(store_url: str) -> None:
    async with World(store_url, [ps.Reactor("r", [quotes(ScriptedSource([]))])], [Graph()]) as world:
        live = world.accumulator("mid")
        events = iter(batch([PAYLOADS[1]] * 2000))
        taken = [live.accept_all(events, DECODE, "t-0") for _ in range(3)]
        assert taken == [SLICE_EVENTS, 2000 - SLICE_EVENTS, 0]
        assert live.positions == {"t-0": 3 * 1999 + 1}


async def test_a_full_domain_takes_no_more_and_the_rest_of_the_batch_waits(store_url: str) -> None:
    async with World(store_url, [ps.Reactor("r", [quotes(ScriptedSource([]))])], [Graph()]) as world:
        live = world.accumulator("mid")
        events = iter(batch([PAYLOADS[0]] * 3))
        world.domain.gate.close()
        assert live.accept_all(events, DECODE, "t-0") == 1
        world.domain.gate.open()
        assert live.accept_all(events, DECODE, "t-0") == 2


async def test_a_position_is_noted_with_what_came_of_its_event_whatever_ends_the_loop(store_url: str) -> None:
    seen: list[float] = []

    def stop(firing: Firing) -> None:
        seen.append(firing.inputs["mid"])  # type: ignore[arg-type]
        raise KeyboardInterrupt

    async with World(store_url, [ps.Reactor("r", [quotes(ScriptedSource([]))])], [Graph(before=stop)]) as world:
        live = world.accumulator("mid")
        with pytest.raises(KeyboardInterrupt):
            live.accept_all(iter(batch([PAYLOADS[1], PAYLOADS[0], PAYLOADS[0]])), DECODE, "t-0")

        assert (seen, live.positions, live.events, live.changed) == ([1.0], {"t-0": 4}, 2, True)


async def test_places_that_the_store_cannot_keep_are_refused(store_url: str) -> None:
    async with World(store_url, [ps.Reactor("r", [quotes(ScriptedSource([]))])], [Graph()]) as world:
        live: LiveAccumulator = world.accumulator("mid")
        with pytest.raises(ps.AppError, match="position= is an int of 64 bits"):
            live.accept_all(iter([Numbered(PAYLOADS[0], 2**63)]), DECODE, "t-0")

        with pytest.raises(ps.AppError, match="partition= is a str"):
            live.accept_all(iter([Numbered(PAYLOADS[0], 1)]), DECODE, "t\0")

        assert live.positions == {}
