"""What becomes of events: accepted, dropped, refused, kept aside."""

import msgspec
import pytest

from penstock.accumulators.passthrough import passthrough_accumulator
from penstock.accumulators.stream import stream_accumulator
from penstock.reactors.firing import Firing
from penstock.reactors.reactor import Reactor
from penstock.runtime.errors import AppError, ChannelFull, DecodeError, WriteConflict
from penstock.testing.source import ScriptedSource
from tests.reactors.world import Graph, World


class Book(msgspec.Struct, frozen=True):
    bid: float
    ask: float


@passthrough_accumulator
def books(event: Book) -> Book | None:
    return event if event.ask > event.bid else None


@passthrough_accumulator
def doubled(event: float) -> float:
    return event * 2


@passthrough_accumulator
def inverse(event: float) -> float:
    return 1 / event


@passthrough_accumulator
def liar(event: float) -> float:
    return "text"  # type: ignore[return-value]


async def test_the_function_is_applied_to_what_comes_in(store_url: str) -> None:
    graph = Graph()
    async with World(store_url, [Reactor("r", [doubled])], [graph]) as world:
        await world.accumulator("doubled").push(1.5)
        world.offer("doubled", 4)

    assert graph.inputs == [{"doubled": 3.0}, {"doubled": 8.0}]


@pytest.mark.parametrize("payload", [Book(1.0, 2.0), {"bid": 1.0, "ask": 2.0}, b'{"bid": 1, "ask": 2}'])
async def test_events_are_converted_at_the_edge(store_url: str, payload: object) -> None:
    graph = Graph()
    async with World(store_url, [Reactor("r", [books])], [graph]) as world:
        await world.accumulator("books").push(payload)

    assert graph.inputs == [{"books": Book(1.0, 2.0)}]


async def test_none_drops_the_event_and_the_drop_is_counted(store_url: str) -> None:
    graph = Graph()
    async with World(store_url, [Reactor("r", [books])], [graph]) as world:
        world.offer("books", Book(2.0, 1.0), Book(1.0, 2.0))
        statistics = world.accumulator("books").statistics()

    assert (statistics.events, statistics.boundaries, statistics.filtered) == (2, 1, 1)
    assert graph.inputs == [{"books": Book(1.0, 2.0)}]


async def test_a_pushed_event_of_a_wrong_type_is_refused(store_url: str) -> None:
    async with World(store_url, [Reactor("r", [books])]) as world:
        with pytest.raises(DecodeError, match="'books' expects Book"):
            await world.accumulator("books").push({"bid": "high"})

        with pytest.raises(DecodeError, match="'books' expects Book"):
            world.accumulator("books").offer(5)

        assert world.accumulator("books").statistics().events == 0


@pytest.mark.parametrize(
    ("name", "payload", "reason", "kept"),
    [
        ("books", b"{broken", "decode", b"{broken"),
        ("books", {"bid": "high"}, "decode", b'{"bid":"high"}'),
        ("inverse", 0.0, "process", b"0.0"),
        ("liar", 1.0, "process", b"1.0"),
    ],
)
async def test_a_bad_event_of_a_source_is_kept_aside_and_the_next_is_processed(
    store_url: str, name: str, payload: object, reason: str, kept: bytes
) -> None:
    async with World(store_url, [Reactor("r", [books, inverse, liar])], [Graph()]) as world:
        world.accumulator(name).accept(payload, position=7, partition="p")
        world.accumulator(name).accept({"bid": 1.0, "ask": 2.0} if name == "books" else 2.0)
        await world.advance()
        letter = (await world.letters())[0]
        statistics = world.accumulator(name).statistics()
        assert world.accumulator(name).positions == {"p": 7}

    assert (letter.part, letter.reason, letter.payload, letter.position) == (name, reason, kept, "p:7")
    assert statistics.undecodable + statistics.failed == (2 if name == "liar" else 1)


async def test_the_old_state_stays_when_the_function_fails(store_url: str) -> None:
    source = ScriptedSource([1.0, 0.0, 2.0])

    @stream_accumulator(source, state=0.0)
    def total(event: float, state: float) -> tuple[float, float | None]:
        return state + event, 1 / event

    async with World(store_url, [Reactor("r", [total])], [Graph()]) as world:
        await world.advance()
        assert world.accumulator("total").state == 3.0
        assert world.accumulator("total").positions == {"": 2}


async def test_the_state_does_not_change_when_the_value_is_wrong(store_url: str) -> None:
    @stream_accumulator(ScriptedSource([1.0]), state=0.0)
    def total(event: float, state: float) -> tuple[float, float | None]:
        return state + event, "text"  # type: ignore[return-value]

    async with World(store_url, [Reactor("r", [total])], [Graph()]) as world:
        await world.advance()
        assert world.accumulator("total").state == 0.0
        assert [letter.reason for letter in await world.letters()] == ["process"]


async def test_boundaries_are_numbered_across_restarts(store_url: str) -> None:
    async with World(store_url, [Reactor("r", [doubled])], [Graph()]) as world:
        world.offer("doubled", 1.0, 2.0)
        await world.restart(crash=False)
        assert world.accumulator("doubled").sequence == 2


async def test_a_push_or_offer_from_inside_a_firing_is_refused_and_names_the_way(store_url: str) -> None:
    refused: list[str] = []

    def push(_: Firing) -> None:
        for door in (
            world.accumulator("doubled").offer,
            lambda event: world.accumulator("doubled").push(event).send(None),
        ):
            with pytest.raises(AppError) as caught:
                door(1.0)

            refused.append(str(caught.value))

    async with World(store_url, [Reactor("r", [doubled])], [Graph(seconds=0.1, before=push)]) as world:
        world.offer("doubled", 1.0)
        await world.advance(1.0)

    assert ["offer" in refused[0], "push" in refused[1]] == [True, True]
    assert all("starts=" in message for message in refused)


async def test_too_many_waiting_pushes_are_refused_or_wait(store_url: str) -> None:
    @passthrough_accumulator(durable=True, overflow="reject", capacity=1)
    def strict(event: float) -> float:
        return event

    @passthrough_accumulator(durable=True, capacity=1)
    def patient(event: float) -> float:
        return event

    graph = Graph()
    async with World(store_url, [Reactor("r", [strict, patient])], [graph]) as world:
        import anyio

        async with anyio.create_task_group() as group:
            group.start_soon(world.accumulator("strict").push, 1.0)
            await anyio.lowlevel.checkpoint()
            with pytest.raises(ChannelFull):
                await world.accumulator("strict").push(2.0)

        async with anyio.create_task_group() as group:
            for value in (1.0, 2.0, 3.0):
                group.start_soon(world.accumulator("patient").push, value)

    assert [inputs["patient"] for inputs in graph.inputs[1:]] == [1.0, 2.0, 3.0]


async def test_state_that_cannot_be_stored_keeps_the_last_one_and_moves_the_position(store_url: str) -> None:
    class Box(msgspec.Struct):
        value: object

    @stream_accumulator(ScriptedSource([1, 2]), state=Box(0))
    def boxed(event: int, state: Box) -> tuple[Box, int | None]:
        return Box(event if event == 1 else print), event

    async with World(store_url, [Reactor("r", [boxed])], [Graph()]) as world:
        await world.advance(2.0)
        assert [letter.reason for letter in await world.letters()] == ["encode"]
        assert world.domain.statistics().left_out == 1
        await world.restart()
        assert world.accumulator("boxed").positions == {"": 1}


async def test_a_failed_journal_leaves_the_accumulator_usable(store_url: str) -> None:
    @passthrough_accumulator(durable=True)
    def kept(event: float) -> float:
        return event

    async with World(store_url, [Reactor("r", [kept])], [Graph()]) as world:
        world.faults.fail("push: before commit", error=WriteConflict("push", "scripted"))
        with pytest.raises(WriteConflict):
            await world.accumulator("kept").push(1.0)

        assert world.accumulator("kept").statistics().waiting == 0
        await world.accumulator("kept").push(2.0)
