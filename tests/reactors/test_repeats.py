"""Whatever ends the process each time that it is done again is found out after four deaths; the rest is done once."""

from collections.abc import Callable, Sequence

import pytest

from penstock.accumulators.accumulator import AnyAccumulator
from penstock.accumulators.batch import batch_accumulator
from penstock.accumulators.passthrough import passthrough_accumulator
from penstock.accumulators.sources import Memory
from penstock.accumulators.stream import stream_accumulator
from penstock.accumulators.trials import CAREFUL_SECONDS
from penstock.reactors.reactor import Reactor
from tests.reactors.world import Graph, World

POISON = 13
EVENTS = range(10, 20)
OTHERS = [str(each) for each in EVENTS if each != POISON]
#: The first death, one with all that is done again, and two alone.
DEATHS = 4


class Death:
    """What kills: from then on nothing is committed."""

    def __init__(self) -> None:
        self.world: World | None = None
        self.deaths = 0

    def __call__(self, value: object) -> None:
        poisoned = POISON in value if isinstance(value, list) else value == POISON
        if poisoned and self.world is not None:
            self.world.faults.fail("*", times=None)
            self.deaths += 1
            raise RuntimeError("nobody sees this any more")

    def graph(self, name: str = "orders") -> Graph:
        return Graph(
            effect=lambda firing: text_of(firing.inputs[name]), before=lambda firing: self(firing.inputs[name])
        )


def text_of(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


async def die_until_it_lives(world: World, death: Death, *, seconds: float = 2.0) -> int:
    """Start and die, as often as it dies; return how often, and leave it running."""
    death.world = world
    for deaths in range(20):
        before = death.deaths
        await world.start()
        await world.advance(seconds)
        if death.deaths == before:
            return deaths

        await world.crash()

    raise AssertionError("it goes on dying")


def plain(death: Death) -> AnyAccumulator:
    @stream_accumulator(Memory(EVENTS))
    def orders(event: int) -> int:
        death(event)
        return event

    return orders


def waiting(death: Death) -> AnyAccumulator:
    @stream_accumulator(Memory(EVENTS))
    async def orders(event: int) -> int:
        assert death.world is not None
        await death.world.scheduler.sleep(0.01)
        death(event)
        return event

    return orders


def harmless(_death: Death) -> AnyAccumulator:
    @stream_accumulator(Memory(EVENTS))
    def orders(event: int) -> int:
        return event

    return orders


@pytest.mark.parametrize("make", [plain, waiting])
async def test_an_event_of_a_source_whose_function_kills_becomes_a_dead_letter(
    store_url: str, make: Callable[[Death], AnyAccumulator]
) -> None:
    death = Death()
    graph = Graph(effect=lambda firing: str(firing.inputs["orders"]))
    world = World(store_url, [Reactor("r", [make(death)], key=int)], [graph])
    assert await die_until_it_lives(world, death) == DEATHS
    await check(world)


async def test_an_event_of_a_source_whose_plain_graph_kills_becomes_a_dead_letter(store_url: str) -> None:
    death = Death()
    world = World(store_url, [Reactor("r", [harmless(death)], key=int)], [death.graph()])
    assert await die_until_it_lives(world, death) == DEATHS
    await check(world)


async def check(world: World) -> None:
    [letter] = await world.letters()
    assert (letter.part, letter.reason, letter.payload, letter.position) == ("orders", "process", b"13", "3")
    assert letter.error == "AppError: the process died each of the 3 times that this event was applied again"
    assert sorted(await world.effects()) == OTHERS
    await world.restart()
    await world.restart(crash=False)
    assert sorted(await world.effects()) == OTHERS
    assert world.accumulator("orders").trials.began == 0
    await world.stop()


@passthrough_accumulator
def alpha(event: int) -> int:
    return event


async def queued(url: str, strategy: str) -> tuple[World, Death]:
    """Die when boundaries wait in the store that are due: the reactor was paused."""
    death = Death()
    reactor = Reactor("r", [alpha], key=int, strategy=strategy)  # type: ignore[arg-type]
    world = World(url, [reactor], [death.graph("alpha")])
    await world.start()
    world.reactor.pause()
    world.offer("alpha", *EVENTS)
    await world.flush()
    await world.crash()
    return world, death


@pytest.mark.parametrize("strategy", ["sequential", "latest"])
async def test_what_was_due_and_kills_becomes_a_dead_letter(store_url: str, strategy: str) -> None:
    world, death = await queued(store_url, strategy)
    assert await die_until_it_lives(world, death) == DEATHS - 1  # the first one had another reason
    [letter] = await world.letters()
    assert (letter.part, letter.reason, letter.payload) == ("graph", "firing", b'{"alpha":13}')
    assert letter.error == "the process died each of the 3 times that this firing was run again"
    assert sorted(await world.effects()) == OTHERS
    assert not world.reactor.repeats.careful
    await world.restart()
    assert sorted(await world.effects()) == OTHERS
    await world.stop()


async def test_an_unkeyed_queue_keeps_its_order_while_it_is_tried_one_by_one(store_url: str) -> None:
    death = Death()
    world = World(store_url, [Reactor("r", [alpha], strategy="sequential")], [death.graph("alpha")])
    await world.start()
    world.reactor.pause()
    world.offer("alpha", *EVENTS)
    await world.flush()
    await world.crash()
    assert await die_until_it_lives(world, death) == DEATHS - 1
    world.offer("alpha", 20)
    await world.advance(2.0)
    assert await world.effects() == [*OTHERS, "20"]
    await world.stop()


def batch_of(
    death: Death, *, waits: bool, durable: bool = False, source: Memory | None = None, age: float | None = 0.5
) -> AnyAccumulator:
    def orders(events: list[int]) -> list[int]:
        death(events)
        return events

    async def slow(events: list[int]) -> list[int]:
        assert death.world is not None
        await death.world.scheduler.sleep(0.01)
        return orders(events)

    decorate = batch_accumulator(max_size=4, max_age=age, name="orders", durable=durable, source=source)
    return decorate(slow) if waits else decorate(orders)


BATCHES = ["10,11", "14,15,16,17"]


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize("fed", ["durable", "pushed", "source"])
async def test_the_events_of_a_batch_that_kills_become_dead_letters(store_url: str, fed: str, *, waits: bool) -> None:
    death = Death()
    source = Memory(EVENTS) if fed == "source" else None
    accumulator = batch_of(death, waits=waits, durable=fed == "durable", source=source)
    graph = Graph(effect=lambda firing: text_of(firing.inputs["orders"]))
    world = World(store_url, [Reactor("r", [accumulator], strategy="sequential")], [graph])
    if fed != "source":
        await push(world, EVENTS[:2], death)
        await world.advance(1.0)
        await push_into_batch(world, EVENTS[2:4], death)

    deaths = await die_until_it_lives(world, death)
    assert deaths == DEATHS if fed == "source" else deaths == DEATHS - 1
    await world.advance(2.0)
    letters = await world.letters()
    kept = [int(letter.payload) for letter in letters]
    assert POISON in kept
    assert {letter.reason for letter in letters} == {"process"}
    assert "each of the 3 times that this batch was processed again" in letters[0].error
    done = [int(each) for text in await world.effects() for each in text.split(",")]
    everything = EVENTS if fed == "source" else EVENTS[:4]
    assert sorted([*kept, *done]) == list(everything)
    await world.stop()


async def test_a_push_that_fills_a_batch_that_kills_is_not_taken_for_what_kills(store_url: str) -> None:
    death = Death()
    world = World(store_url, [Reactor("r", [batch_of(death, waits=False, durable=True, age=None)])], [Graph()])
    await push(world, (10, 11, POISON), death)
    await world.flush()
    await world.accumulator("orders").push(14)  # its row is committed, then the batch is full
    await world.advance()
    assert death.deaths == 1
    await world.crash()
    assert await die_until_it_lives(world, death) == DEATHS - 1
    letters = await world.letters()
    assert [letter.payload for letter in letters] == [b"10", b"11", b"13", b"14"]
    assert {letter.error for letter in letters} == {
        "AppError: the process died each of the 3 times that this batch was processed again"
    }
    await world.stop()


async def push(world: World, events: Sequence[int], death: Death) -> None:
    death.world = world
    await world.start()
    for event in events:
        await world.accumulator("orders").push(event)


async def push_into_batch(world: World, events: Sequence[int], death: Death) -> None:
    """Push what waits in the batch when the process dies."""
    for event in events:
        await world.accumulator("orders").push(event)

    await world.flush()
    await world.crash()


async def test_after_a_minute_a_source_is_trusted_again(store_url: str) -> None:
    death = Death()
    world = World(store_url, [Reactor("r", [plain(death)], key=int)], [Graph()])
    death.world = world
    for _ in range(3):
        await world.start()
        await world.advance(1.0)
        await world.crash()

    death.world = None
    await world.start()
    await world.advance(2.0)
    trials = world.accumulator("orders").trials
    assert trials.wary
    assert trials.doubts("")
    await world.advance(CAREFUL_SECONDS)
    assert not trials.doubts("")
    assert await world.letters() == []
    await world.stop()


async def test_deaths_that_have_other_reasons_cost_no_event_of_a_source(store_url: str) -> None:
    death = Death()
    graph = Graph(effect=lambda firing: text_of(firing.inputs["orders"]))
    world = World(store_url, [Reactor("r", [harmless(death)], key=int)], [graph])
    for _ in range(6):
        await world.start()
        await world.crash()

    await world.start()
    await world.advance(5.0)
    assert sorted(await world.effects()) == [str(each) for each in EVENTS]
    assert await world.letters() == []
    await world.stop()


async def test_a_queue_that_has_got_on_since_the_last_start_is_not_in_doubt(store_url: str) -> None:
    graph = Graph(seconds=1.0, effect=lambda firing: text_of(firing.inputs["alpha"]))
    world = World(store_url, [Reactor("r", [alpha], strategy="sequential")], [graph])
    await world.start()
    world.reactor.pause()
    world.offer("alpha", *EVENTS)
    await world.flush()
    await world.crash()
    for _ in range(3):
        await world.start()
        assert not world.reactor.repeats.careful
        await world.advance(2.5)
        await world.flush()
        await world.crash()

    await world.start()
    await world.crash()
    await world.start()
    assert world.reactor.repeats.careful
    await world.advance(20.0)
    assert not world.reactor.repeats.careful
    assert await world.effects() == [str(each) for each in EVENTS]
    await world.stop()


async def test_a_plain_graph_runs_although_the_doubt_ends_before_its_task_begins(store_url: str) -> None:
    graphs = [Graph("plain", effect=lambda _: "plain"), Graph("waits", effect=lambda _: "waits", seconds=0.1)]
    async with World(store_url, [Reactor("r", [alpha], strategy="sequential")], graphs) as world:
        flights = world.reactor._decider.flights
        flights.be_careful(world.domain._alone)
        world.offer("alpha", 1)
        flights.be_careful(None)
        await world.advance(1.0)
        assert sorted(await world.effects()) == ["plain", "waits"]
