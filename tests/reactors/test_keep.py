"""Firings that are committed before their graph runs."""

import pytest

from penstock.accumulators.passthrough import passthrough_accumulator
from penstock.reactors.firing import Firing, Outcome
from penstock.reactors.reactor import Reactor
from penstock.runtime.errors import LeaseLost, WriteConflict
from tests.reactors.world import Graph, World


@passthrough_accumulator
def ticks(event: int) -> int:
    return event


@passthrough_accumulator
def things(event: int) -> object:
    return object() if event else event


class Keeping(Graph):
    """A graph that waits for the commit of its firing, and for some seconds after that."""

    def __init__(self, seconds: float = 5.0) -> None:
        super().__init__(seconds=seconds)
        self.world: World
        self.begun: list[tuple[str, object, int]] = []

    async def arun(self, firing: Firing) -> Outcome:
        await self.world.domain.keep(firing)
        committed = self.world.domain.statistics().cuts
        self.begun.append((firing.id, dict(firing.inputs), committed))
        return await super().arun(firing)


def world_of(url: str, graph: Keeping, *inputs: object) -> World:
    graph.world = World(url, [Reactor("r", inputs or [ticks])], [graph])  # type: ignore[arg-type]
    return graph.world


async def test_firing_is_committed_before_its_graph_runs_and_a_crash_repeats_it_unchanged(store_url: str) -> None:
    graph = Keeping()
    async with world_of(store_url, graph) as world:
        world.offer("ticks", 1)
        assert graph.begun == []
        await world.advance(1.0)
        ((first, inputs, committed),) = graph.begun
        assert (inputs, committed >= 1) == ({"ticks": 1}, True)
        await world.restart()
        await world.advance(10.0)
        assert [(id_, values) for id_, values, _ in graph.begun] == [(first, {"ticks": 1})] * 2
        assert [firing.id for firing in graph.firings] == [first]


async def test_commit_that_fails_is_waited_for(store_url: str) -> None:
    graph = Keeping(seconds=0.0)
    async with world_of(store_url, graph) as world:
        world.faults.fail("cut: before commit", error=WriteConflict("cut", "scripted"), times=2)
        world.offer("ticks", 1)
        await world.advance(0.5)
        assert graph.begun == []
        await world.advance(10.0)
        assert [values for _, values, _ in graph.begun] == [{"ticks": 1}]


async def test_inputs_that_cannot_be_stored_fail_the_graph(store_url: str) -> None:
    graph = Keeping(seconds=0.0)
    async with world_of(store_url, graph, things) as world:
        world.offer("things", 1)
        await world.advance(0.0)
        assert graph.begun == []
        assert world.reactor.statistics().failures == 1


async def test_firing_that_is_no_longer_in_flight_is_refused(store_url: str) -> None:
    async with world_of(store_url, Keeping()) as world:
        with pytest.raises(LeaseLost):
            await world.domain.keep(Firing("r:1-7", "r", None, {}, frozenset()))
