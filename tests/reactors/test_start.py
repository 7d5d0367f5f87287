"""When a reactor begins to fire: with what was left at once, with what is new when its sources are there."""

import asyncio
from collections.abc import Mapping

import pytest

from penstock.accumulators.passthrough import passthrough_accumulator
from penstock.accumulators.polling import polling_accumulator
from penstock.accumulators.source import Intake, Position
from penstock.accumulators.stream import stream_accumulator
from penstock.reactors.reactor import Reactor
from penstock.runtime.errors import FiringRefused
from tests.reactors.world import Graph, World


class Slow:
    """A source that is connected when a test says so."""

    name = "slow"

    def __init__(self) -> None:
        self.connected = asyncio.Event()

    async def run(self, intake: Intake, positions: Mapping[str, Position]) -> None:
        intake.connecting()
        await self.connected.wait()
        intake.live()
        await asyncio.Event().wait()


def waiting(slow: Slow, **options: object) -> Reactor:
    @stream_accumulator(slow)
    def beta(event: float) -> float:
        return event

    return Reactor("r", [alpha, beta], **options)  # type: ignore[arg-type]


@passthrough_accumulator
def alpha(event: float) -> float:
    return event


@passthrough_accumulator(durable=True)
def orders(event: float) -> float:
    return event


async def test_scenario_77_it_warms_up_until_its_sources_are_live(store_url: str) -> None:
    slow, graph = Slow(), Graph()
    async with World(store_url, [waiting(slow)], [graph]) as world:
        await world.advance(10.0)
        assert world.domain.health_of(world.reactor).state == "warming"
        assert world.reactor.warming.waiting == ("beta",)
        world.offer("alpha", 1.0, 2.0)
        assert graph.firings == []
        slow.connected.set()
        await world.advance()
        assert world.domain.health_of(world.reactor).state == "live"
        assert world.clock.next_alarm() is None or world.clock.next_alarm() < 20.0  # type: ignore[operator]

    assert graph.inputs == [{"alpha": 2.0}]


async def test_scenario_78_it_fires_in_the_moment_in_which_the_last_source_is_ready(store_url: str) -> None:
    slow, graph = Slow(), Graph()
    async with World(store_url, [waiting(slow)], [graph]) as world:
        world.offer("alpha", 1.0)
        await world.advance(7.25)
        slow.connected.set()
        await world.advance()
        assert [firing.moment for firing in graph.firings] == [7.25]


async def test_scenario_78_it_starts_without_a_source_when_it_has_waited_enough(store_url: str) -> None:
    slow, graph = Slow(), Graph()
    async with World(store_url, [waiting(slow)], [graph], start_timeout=5.0) as world:
        world.offer("alpha", 1.0)
        await world.advance(4.9)
        assert graph.firings == []
        await world.advance(0.2)
        assert [firing.moment for firing in graph.firings] == [5.0]
        health = world.domain.health_of(world.reactor)
        assert (health.state, [cause.text for cause in health.causes]) == ("degraded", ["started without beta"])
        slow.connected.set()
        await world.advance()
        assert world.domain.health_of(world.reactor).state == "live"


async def test_a_reactor_says_how_long_it_waits(store_url: str) -> None:
    slow, graph = Slow(), Graph()
    async with World(store_url, [waiting(slow, start_timeout="500ms")], [graph]) as world:
        world.offer("alpha", 1.0)
        await world.advance(1.0)

    assert [firing.moment for firing in graph.firings] == [0.5]


async def test_it_waits_for_the_first_answer_of_a_poll(store_url: str) -> None:
    @polling_accumulator(1.0)
    async def rate() -> float | None:
        await world.scheduler.sleep(0.25)
        return 7.0

    graph = Graph()
    async with World(store_url, [Reactor("r", [alpha, rate])], [graph]) as world:
        world.offer("alpha", 1.0)
        await world.advance(0.5)

    assert graph.inputs == [{"alpha": 1.0, "rate": 7.0}]


async def test_it_waits_for_nothing_that_is_only_pushed(store_url: str) -> None:
    graph = Graph()
    async with World(store_url, [Reactor("r", [alpha, orders])], [graph]) as world:
        world.offer("alpha", 1.0)
        assert graph.inputs == [{"alpha": 1.0}]


async def test_firings_and_rows_from_before_do_not_wait_for_the_sources(store_url: str) -> None:
    slow, graph = Slow(), Graph(seconds=1.0)

    @stream_accumulator(slow, durable=True)
    def beta(event: float) -> float:
        return event

    async with World(store_url, [Reactor("r", [beta], strategy="sequential")], [graph]) as world:
        slow.connected.set()
        await world.advance()
        await world.accumulator("beta").push(1.0)
        await world.accumulator("beta").push(2.0)
        await world.flush()
        slow.connected = asyncio.Event()
        await world.restart()
        await world.advance(1.5)
        assert graph.inputs == [{"beta": 1.0}]  # it was in flight; the second is new and waits
        assert world.domain.health_of(world.reactor).state == "warming"
        slow.connected.set()
        await world.advance(1.5)

    assert graph.inputs == [{"beta": 1.0}, {"beta": 2.0}]


async def test_firing_by_hand_is_refused_until_the_sources_are_ready(store_url: str) -> None:
    slow = Slow()
    async with World(store_url, [waiting(slow)], [Graph()]) as world:
        with pytest.raises(FiringRefused, match="'r' does not fire now: its sources are not ready") as caught:
            world.reactor.fire()

        assert caught.value.reason == "not_started"
        slow.connected.set()
        await world.advance()
        assert world.reactor.fire() == "r:1-1"
