"""Accumulators whose function waits."""

import anyio
import pytest

from penstock.accumulators.accumulator import AnyAccumulator
from penstock.accumulators.passthrough import passthrough_accumulator
from penstock.accumulators.stream import stream_accumulator
from penstock.reactors.reactor import Reactor
from penstock.runtime.errors import ChannelFull
from penstock.testing.source import ScriptedSource
from tests.reactors.world import Graph, World


def slow(seconds: float = 1.0, **options: object) -> AnyAccumulator:
    async def enrich(event: float) -> float | None:
        await WORLDS[-1].scheduler.sleep(seconds)
        return 1 / event if event != 5.0 else None

    return passthrough_accumulator(name="slow", **options)(enrich)  # type: ignore[call-overload, no-any-return]


WORLDS: list[World] = []


def make_world(folder: str, accumulator: AnyAccumulator, graph: Graph) -> World:
    WORLDS.append(World(folder, [Reactor("r", [accumulator])], [graph], checkpoint_interval=0.1))
    return WORLDS[-1]


async def test_events_are_processed_one_at_a_time_and_in_order(store_url: str) -> None:
    graph = Graph()
    async with make_world(store_url, slow(), graph) as world:
        world.offer("slow", 1.0, 2.0, 5.0, 4.0)
        await world.advance(1.5)
        assert [inputs["slow"] for inputs in graph.inputs] == [1.0]
        await world.advance(3.0)
        statistics = world.accumulator("slow").statistics()

    assert [inputs["slow"] for inputs in graph.inputs] == [1.0, 0.5, 0.25]
    assert (statistics.events, statistics.boundaries, statistics.filtered) == (4, 3, 1)


async def test_one_that_fails_is_kept_aside(store_url: str) -> None:
    graph = Graph()
    async with make_world(store_url, slow(0.1), graph) as world:
        world.accumulator("slow").accept(0.0)
        world.accumulator("slow").accept("text")
        world.accumulator("slow").accept(2.0)
        await world.advance(2.0)
        assert [letter.reason for letter in await world.letters()] == ["process", "decode"]

    assert graph.inputs == [{"slow": 0.5}]


async def test_what_is_queued_when_the_process_dies_comes_again(store_url: str) -> None:
    source = ScriptedSource([1.0, 2.0, 4.0])

    @stream_accumulator(source)
    async def slow(event: float) -> float:
        await world.scheduler.sleep(1.0)
        return event

    graph = Graph(effect=lambda firing: str(firing.inputs["slow"]))
    async with make_world(store_url, slow, graph) as world:
        await world.advance(1.5)
        await world.restart()
        await world.advance(5.0)
        assert await world.effects() == ["1.0", "2.0", "4.0"]

    assert source.consumed == [1.0, 2.0, 4.0, 2.0, 4.0]


async def test_a_durable_event_is_consumed_when_it_is_processed(store_url: str) -> None:
    graph = Graph(effect=lambda firing: str(firing.inputs["slow"]))
    async with make_world(store_url, slow(durable=True), graph) as world:
        await world.accumulator("slow").push(1.0)
        await world.accumulator("slow").push(2.0)
        await world.advance(1.5)
        await world.restart()
        await world.advance(5.0)
        assert await world.effects() == ["1.0", "0.5"]


async def test_the_queue_is_bounded(store_url: str) -> None:
    graph = Graph()
    async with make_world(store_url, slow(capacity=2), graph) as world:
        world.offer("slow", 1.0, 2.0)
        assert not world.accumulator("slow").offer(4.0)
        async with anyio.create_task_group() as group:
            group.start_soon(world.accumulator("slow").push, 4.0)
            await world.advance(10.0)

    assert [inputs["slow"] for inputs in graph.inputs] == [1.0, 0.5, 0.25]


async def test_a_full_queue_refuses(store_url: str) -> None:
    async with make_world(store_url, slow(capacity=2, overflow="reject"), Graph()) as world:
        world.offer("slow", 1.0, 2.0)
        with pytest.raises(ChannelFull):
            world.accumulator("slow").offer(4.0)


async def test_a_full_queue_drops_the_oldest(store_url: str) -> None:
    graph = Graph()
    async with make_world(store_url, slow(capacity=2, overflow="drop_oldest"), graph) as world:
        world.offer("slow", 1.0, 2.0, 4.0, 8.0)
        await world.advance(10.0)
        assert world.accumulator("slow").statistics().overflowed == 2

    assert [inputs["slow"] for inputs in graph.inputs] == [1.0, 0.125]


async def test_a_stop_waits_for_what_is_queued(store_url: str) -> None:
    graph = Graph()
    async with make_world(store_url, slow(), graph) as world:
        world.offer("slow", 1.0, 2.0)

    assert world.reactor.state().values == {None: {"slow": 0.5}}
