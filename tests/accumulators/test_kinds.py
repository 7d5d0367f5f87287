"""What holds for every kind of accumulator: types at the edge, drops that are counted, too much at once, async."""

from collections.abc import Awaitable, Callable

import anyio
import msgspec
import pytest

from penstock.accumulators.accumulator import AnyAccumulator, Overflow
from penstock.accumulators.batch import batch_accumulator
from penstock.accumulators.passthrough import passthrough_accumulator
from penstock.accumulators.polling import polling_accumulator
from penstock.accumulators.source import Intake
from penstock.accumulators.state import state_accumulator
from penstock.accumulators.stream import stream_accumulator
from penstock.graphs.graph import ComputationGraph
from penstock.reactors.reactor import Reactor
from penstock.runtime.errors import ChannelFull, DecodeError
from penstock.runtime.variables import resolve_template
from penstock.testing.app import open_test_app
from penstock.testing.source import Pause, ScriptedSource
from tests.reactors.world import Graph, World

Calm = Callable[[], Awaitable[None]]


class Reading(msgspec.Struct, frozen=True):
    value: float


def judge(reading: Reading) -> float | None:
    """Double a reading; nothing of zero, an error for what is below."""
    if reading.value < 0:
        raise ValueError("below zero")

    return reading.value * 2 or None


def make(
    kind: str, *, waits: bool = False, overflow: Overflow = "block", capacity: int | None = None
) -> AnyAccumulator:
    """Make an accumulator of readings that does the same, whatever its kind."""
    if kind == "state":
        return state_accumulator("a", value=Reading, capacity=3, overflow=overflow)

    found: list[Reading] = []
    if kind == "polling":

        @polling_accumulator(1000.0, name="a", overflow=overflow, capacity=capacity)
        async def poll() -> Reading | None:
            return found[0] if found else None

        return poll

    if kind == "batch":

        def batch(events: list[Reading]) -> float | None:
            return judge(events[0])

        async def slow_batch(events: list[Reading]) -> float | None:
            return judge(events[0])

        decorate = batch_accumulator(max_size=1, name="a", overflow=overflow, capacity=capacity)
        return decorate(slow_batch) if waits else decorate(batch)

    async def slow(event: Reading) -> float | None:
        return judge(event)

    if kind == "stream":
        source = ScriptedSource([Pause()])
        fed = stream_accumulator(source, name="a", overflow=overflow, capacity=capacity)
        return fed(slow) if waits else fed(judge)

    given = passthrough_accumulator(name="a", overflow=overflow, capacity=capacity)
    return given(slow) if waits else given(judge)


WITH_FUNCTION = [
    *(("passthrough", False), ("passthrough", True), ("stream", False), ("stream", True)),
    *(("batch", False), ("batch", True)),
]
ALL = [*WITH_FUNCTION, ("polling", True), ("state", False)]
functions = pytest.mark.parametrize(("kind", "waits"), WITH_FUNCTION)
kinds = pytest.mark.parametrize(("kind", "waits"), ALL)


def world_of(url: str, accumulator: AnyAccumulator, **options: int) -> World:
    return World(url, [Reactor("r", [accumulator])], [Graph(effect=lambda _: "run")], **options)


@functions
async def test_scenario_31_and_33_the_function_is_applied_in_order_and_none_is_a_counted_drop(
    store_url: str, kind: str, *, waits: bool
) -> None:
    async with world_of(store_url, make(kind, waits=waits)) as world:
        for value in (1.0, 0.0, 2.0, 3.0):
            await world.accumulator("a").push({"value": value})

        await world.advance()
        assert [inputs["a"] for inputs in world.graphs[0].inputs] == [2.0, 4.0, 6.0]
        statistics = world.accumulator("a").statistics()
        assert (statistics.events, statistics.boundaries, statistics.filtered) == (4, 3, 1)


@kinds
async def test_scenario_34_what_cannot_be_read_is_kept_aside_and_the_next_event_is_processed(
    store_url: str, kind: str, *, waits: bool
) -> None:
    async with world_of(store_url, make(kind, waits=waits)) as world:
        accumulator = world.accumulator("a")
        accumulator.accept(b"{broken", 1)
        accumulator.accept(b'{"value": 1.0}', 2)
        await world.advance()
        (letter,) = await world.letters()
        assert (letter.part, letter.reason, letter.payload, letter.position) == ("a", "decode", b"{broken", "1")
        statistics = accumulator.statistics()
        assert (statistics.undecodable, statistics.boundaries) == (1, 1)
        assert accumulator.positions == {"": 2}
        assert len(world.graphs[0].firings) == 1


@kinds
async def test_a_push_of_another_type_is_refused(store_url: str, kind: str, *, waits: bool) -> None:
    async with world_of(store_url, make(kind, waits=waits)) as world:
        with pytest.raises(DecodeError, match="'a' expects Reading"):
            await world.accumulator("a").push({"value": "high"})

        assert await world.letters() == []


@functions
async def test_scenario_35_an_event_that_its_function_fails_on_is_kept_aside_and_the_next_is_processed(
    store_url: str, kind: str, *, waits: bool
) -> None:
    async with world_of(store_url, make(kind, waits=waits)) as world:
        for value in (-1.0, 1.0):
            await world.accumulator("a").push(Reading(value))

        await world.advance()
        (letter,) = await world.letters()
        assert (letter.reason, letter.error) == ("process", "ValueError: below zero")
        assert letter.payload == b'{"value":-1.0}'
        assert [inputs["a"] for inputs in world.graphs[0].inputs] == [2.0]
        assert world.accumulator("a").statistics().failed == 1


async def test_scenario_32_a_pushed_event_goes_all_the_way_to_a_terminal(store_url: str) -> None:
    @passthrough_accumulator
    def alpha(event: float) -> float:
        return event

    outputs: list[float] = []
    graph = ComputationGraph("g", reactor=Reactor("r", [alpha]))

    @graph.node
    def entry(alpha: float) -> float:
        return alpha * 2

    @graph.node
    def output(entry: float) -> float:
        outputs.append(entry + 10)
        return outputs[-1]

    async with open_test_app([graph], store=store_url) as test:
        await test.app.push(alpha, 7.0)
        await test.app.push(alpha, 99.0)

    assert outputs == [24.0, 208.0]


# -- too much at once (scenarios 72 and 115, without a server) ----------------------------------------------------


@kinds
async def test_a_push_waits_while_the_domain_is_full(store_url: str, kind: str, *, waits: bool) -> None:
    async with world_of(store_url, make(kind, waits=waits)) as world:
        await world.advance()
        world.domain.gate.close()
        assert not world.accumulator("a").offer(Reading(1.0))
        async with anyio.create_task_group() as group:
            group.start_soon(world.accumulator("a").push, Reading(2.0))
            await world.advance(1.0)
            statistics = world.accumulator("a").statistics()
            assert (statistics.refused, statistics.boundaries) == (1, 0)
            world.domain.gate.open()

        await world.advance()
        assert world.accumulator("a").statistics().boundaries == 1


@kinds
async def test_scenario_115_a_push_is_refused_while_the_domain_is_full_and_counted(
    store_url: str, kind: str, *, waits: bool
) -> None:
    async with world_of(store_url, make(kind, waits=waits, overflow="reject")) as world:
        await world.advance()
        world.domain.gate.close()
        with pytest.raises(ChannelFull):
            await world.accumulator("a").push(Reading(1.0))

        with pytest.raises(ChannelFull):
            world.accumulator("a").offer(Reading(1.0))

        world.domain.gate.open()
        await world.accumulator("a").push(Reading(2.0))
        await world.advance()
        statistics = world.accumulator("a").statistics()
        assert (statistics.refused, statistics.boundaries) == (2, 1)


@pytest.mark.parametrize(("kind", "waits"), [each for each in ALL if each[0] != "batch"])  # see test_batch
async def test_a_newer_event_takes_the_place_of_an_older_one_while_the_domain_is_full(
    store_url: str, kind: str, *, waits: bool
) -> None:
    async with world_of(store_url, make(kind, waits=waits, overflow="drop_oldest")) as world:
        await world.advance()
        world.domain.gate.close()
        world.reactor.hold()
        for value in (1.0, 2.0, 3.0):
            await world.accumulator("a").push(Reading(value))

        await world.advance()
        assert world.graphs[0].firings == []
        world.domain.gate.open()
        world.reactor.release()
        await world.advance()
        last = {"polling": Reading(3.0), "state": (Reading(1.0), Reading(2.0), Reading(3.0))}.get(kind, 6.0)
        assert world.graphs[0].inputs == [{"a": last}]
        assert world.reactor.statistics().coalesced == 2


@kinds
async def test_what_a_sequential_reactor_queues_is_bounded_although_the_oldest_should_give_way(
    store_url: str, kind: str, *, waits: bool
) -> None:
    accumulator = make(kind, waits=waits, overflow="drop_oldest")
    graph = Graph(seconds=1.0)
    async with World(store_url, [Reactor("r", [accumulator], strategy="sequential", queue_limit=3)], [graph]) as world:
        await world.advance()
        for value in range(1, 21):
            await world.accumulator("a").push(Reading(float(value)))
            await world.advance()

        statistics = world.accumulator("a").statistics()
        assert (statistics.boundaries, statistics.overflowed) == (4, 16)
        await world.advance(10.0)
        assert len(graph.firings) == 4


@pytest.mark.parametrize("kind", ["passthrough", "stream", "batch"])
async def test_scenario_72_what_waits_for_a_slow_function_is_bounded(store_url: str, kind: str) -> None:
    started = anyio.Event()

    async def slow(event: Reading) -> float | None:
        started.set()
        await world.scheduler.sleep(1.0)
        return event.value

    async def slow_batch(events: list[Reading]) -> float | None:
        return await slow(events[0])

    if kind == "batch":
        accumulator: AnyAccumulator = batch_accumulator(max_size=1, name="a", capacity=3)(slow_batch)
    elif kind == "stream":
        accumulator = stream_accumulator(ScriptedSource([Pause()]), name="a", capacity=3)(slow)
    else:
        accumulator = passthrough_accumulator(name="a", capacity=3)(slow)

    async with world_of(store_url, accumulator) as world:
        taken = 0
        while world.accumulator("a").offer(Reading(1.0)):
            taken += 1
            assert taken <= 3

        assert taken == 3
        await started.wait()
        await world.advance(1.0)
        assert world.accumulator("a").offer(Reading(1.0))


# -- health --------------------------------------------------------------------------------------------------


async def test_scenario_56_a_variable_that_is_missing_disconnects_its_accumulator_alone(store_url: str) -> None:
    class Broker:
        name = "broker"

        async def run(self, intake: Intake, positions: object) -> None:
            resolve_template("{{ KAFKA_BROKER_OF_NOBODY }}")

    @stream_accumulator(Broker())
    def lines(event: float) -> float:
        return event

    @passthrough_accumulator
    def other(event: float) -> float:
        return event

    graph = Graph()
    async with World(store_url, [Reactor("r", [lines, other], start_timeout=0.05)], [graph]) as world:
        await world.advance(0.1)
        statistics = world.accumulator("lines").statistics()
        assert statistics.health == "disconnected"
        assert "KAFKA_BROKER_OF_NOBODY" in (statistics.error or "")
        assert statistics.next_retry_at is not None
        world.offer("other", 1.0)
        assert world.accumulator("other").statistics().health == "live"

    assert graph.inputs == [{"other": 1.0}]
