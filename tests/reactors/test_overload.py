"""Ten times more than a graph can take: what is fired, what waits, and how much memory holds it."""

import asyncio
import gc
import tracemalloc

import pytest

from penstock.accumulators.passthrough import passthrough_accumulator
from penstock.accumulators.stream import stream_accumulator
from penstock.reactors.reactor import Reactor
from penstock.testing.source import ScriptedSource
from tests.databases import sqlite_only
from tests.reactors.world import Graph, World


@passthrough_accumulator
def alpha(event: float) -> float:
    return event


@passthrough_accumulator(durable=True)
def orders(event: int) -> int:
    return event


async def test_scenario_59a_the_newest_value_is_never_older_than_one_firing(store_url: str) -> None:
    graph = Graph(seconds=0.1)
    async with World(store_url, [Reactor("r", [alpha])], [graph]) as world:
        refused = 0
        for _ in range(30_000):
            refused += not world.accumulator("alpha").offer(world.clock.monotonic())
            await world.advance(0.001)

        coalesced = world.reactor.statistics().coalesced

    ages = [firing.moment - firing.inputs["alpha"] for firing in graph.firings]  # type: ignore[operator]
    assert 297 <= len(graph.firings) <= 302
    assert max(ages) <= 0.11
    assert refused == 0
    assert 29_690 <= coalesced <= 29_710


@pytest.mark.parametrize("strategy", ["latest", "sequential"])
async def test_scenario_59b_a_stop_in_the_middle_of_an_overload_leaves_nothing_running(
    store_url: str, strategy: str
) -> None:
    graph = Graph(seconds=0.1)
    reactor = Reactor("r", [alpha], strategy=strategy)  # type: ignore[arg-type]
    before = asyncio.all_tasks()
    world = World(store_url, [reactor], [graph])
    await world.start()
    for _ in range(2000):
        world.accumulator("alpha").offer(world.clock.monotonic())
        await world.advance(0.001)

    begun = world.clock.monotonic()
    await world.domain.stop(10.0) if not graph.running else await world._while_time_passes(world.domain.stop(10.0))
    assert world.clock.monotonic() - begun <= 10.0
    assert not world.reactor.running
    await world._close()
    assert asyncio.all_tasks() == before


async def test_scenario_72_whoever_pushes_is_slowed_down_to_what_the_graph_takes(store_url: str) -> None:
    graph = Graph(seconds=0.1)
    reactor = Reactor("r", [orders], strategy="sequential", queue_limit=10)
    pushed = 0

    async def push(world: World) -> None:
        nonlocal pushed
        for number in range(100):
            await world.accumulator("orders").push(number)
            pushed += 1

    async with World(store_url, [reactor], [graph], ingress_limit=5) as world:
        pushing = asyncio.ensure_future(push(world))
        most = 0
        for _ in range(120):
            await world.advance(0.1)
            most = max(most, world.reactor.state().queued)
            assert pushed - len(graph.firings) <= 10 + 1

        await pushing
        assert most == 10

    assert [inputs["orders"] for inputs in graph.inputs] == list(range(100))


async def test_scenario_72_a_source_is_made_to_wait(store_url: str) -> None:
    source = ScriptedSource(range(200))

    @stream_accumulator(source)
    def numbered(event: int) -> int:
        return event

    graph = Graph(seconds=0.1)
    reactor = Reactor("r", [numbered], strategy="sequential", queue_limit=10)
    async with World(store_url, [reactor], [graph]) as world:
        for _ in range(210):
            await world.advance(0.1)
            taken = world.accumulator("numbered").statistics().events
            assert taken - len(graph.firings) <= 10 + 1

    assert [inputs["numbered"] for inputs in graph.inputs] == list(range(200))


@sqlite_only
@pytest.mark.parametrize("strategy", ["latest", "sequential"])
async def test_scenario_72_memory_is_bounded_under_ten_times_overload(store_url: str, strategy: str) -> None:
    graph = Graph(seconds=0.1)
    limit = {"queue_limit": 100} if strategy == "sequential" else {}
    reactor = Reactor("r", [alpha], strategy=strategy, **limit)  # type: ignore[arg-type]
    async with World(store_url, [reactor], [graph], firing_history=10) as world:

        async def overload(seconds: int) -> None:
            for _ in range(seconds * 100):  # ten times as many as there are firings
                world.accumulator("alpha").offer(float(len(graph.firings)))
                await world.advance(0.01)
                graph.firings.clear()

        await overload(20)
        gc.collect()
        tracemalloc.start()
        try:
            await overload(5)
            gc.collect()
            first, _ = tracemalloc.get_traced_memory()
            await overload(40)
            gc.collect()
            last, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

        assert world.reactor.state().queued <= 100

    assert last - first < 100_000
