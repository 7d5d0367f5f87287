"""What was in flight when the process died runs again, and what the process dies of does not do so for ever."""

import pytest

from penstock.accumulators.passthrough import passthrough_accumulator
from penstock.reactors.firing import Firing
from penstock.reactors.reactor import Reactor
from penstock.runtime.errors import StoreError
from tests.reactors.world import Graph, Quote, World


@passthrough_accumulator
def quotes(event: Quote) -> Quote:
    return event


@passthrough_accumulator
def alpha(event: float) -> float:
    return event


def symbol(firing: Firing) -> str:
    return str(firing.key)


def keyed(url: str, graph: Graph) -> World:
    return World(url, [Reactor("r", [quotes], key="symbol")], [graph])


def offer(world: World, *symbols: str) -> None:
    world.offer("quotes", *(Quote(name, 1.0) for name in symbols))


async def test_a_firing_whose_re_runs_the_process_does_not_survive_becomes_a_dead_letter(store_url: str) -> None:
    graph = Graph(seconds=5.0)
    async with World(store_url, [Reactor("r", [alpha])], [graph]) as world:
        world.offer("alpha", 1.0)
        for _ in range(4):  # the first death, and three re-runs
            await world.advance(1.5)
            assert world.reactor.statistics().in_flight == 1
            await world.restart()

        await world.advance(10.0)
        [letter] = await world.letters()
        assert world.reactor.statistics().in_flight == 0

    assert (letter.part, letter.position) == ("graph", "r:1-1")
    assert letter.error == "the process died each of the 3 times that this firing was run again"
    assert graph.firings == []


async def test_those_that_were_in_flight_beside_it_run_on(store_url: str) -> None:
    graph = Graph(seconds=0.4, effect=symbol)
    async with keyed(store_url, graph) as world:
        offer(world, "A", "poison", "B")
        await die(world, 1)
        for _ in range(20):
            await die_of_poison(world, graph)

        assert sorted(await world.effects()) == ["A", "B"]
        assert [letter.payload for letter in await world.letters()] == [b'{"quotes":{"symbol":"poison","price":1.0}}']
        assert world.reactor.statistics().in_flight == 0


async def die_of_poison(world: World, graph: Graph) -> None:
    """Go on for a second; die as soon as the poisonous key runs."""
    for _ in range(100):
        await world.advance(0.01)
        if "poison" in graph.running:
            await world.restart()
            return


async def test_suspects_run_one_at_a_time(store_url: str) -> None:
    graph = Graph(seconds=1.0, effect=symbol)
    async with keyed(store_url, graph) as world:
        offer(world, "A", "B")
        await die(world, 2)
        assert await watch(world, graph) == [1, 1, 0]


async def test_domains_take_turns_with_their_suspects(store_url: str) -> None:
    graphs = [Graph("first", seconds=1.0), Graph("second", seconds=1.0, reactor="s")]
    async with World(store_url, [Reactor("r", [quotes]), Reactor("s", [alpha])], graphs) as world:
        offer(world, "A")
        world.offer("alpha", 1.0)
        await die(world, 1)
        assert [len(graph.running) for graph in graphs] == [1, 1]
        await die(world, 1)
        assert await watch(world, *graphs) == [1, 1, 0]


async def die(world: World, times: int) -> None:
    """Die while firings run that the store knows of."""
    for _ in range(times):
        await world.flush()
        await world.restart()
        await world.advance(0.1)


async def watch(world: World, *graphs: Graph) -> list[int]:
    """Return how many firings run in this second, the next, and the one after."""
    running = []
    for _ in range(3):
        running.append(sum(len(graph.running) for graph in graphs))
        await world.advance(1.1)

    return running


async def test_a_number_is_committed_before_the_firing_runs_again(store_url: str) -> None:
    graph = Graph(seconds=1.0, effect=symbol)
    async with keyed(store_url, graph) as world:
        offer(world, "A")
        await world.flush()
        await world.crash()
        world.next_faults = lambda faults: faults.fail("cut: before commit")
        with pytest.raises(ExceptionGroup) as caught:
            await world.start()

        assert caught.group_contains(StoreError)
        assert graph.running == []
        world.next_faults = lambda _: None
        await world.crash()
        await world.start()
        await world.advance(2.0)
        assert await world.effects() == ["A"]


async def test_an_orderly_stop_counts_for_nothing(store_url: str) -> None:
    graph = Graph(seconds=50.0, effect=symbol)
    async with keyed(store_url, graph) as world:
        offer(world, "A")
        for crash in (False, False, True, False, False, False, False, False):
            await world.advance(1.5)
            await world.restart(crash=crash)

        await world.advance(60.0)
        assert await world.effects() == ["A"]


async def test_a_try_that_ends_counts_for_nothing(store_url: str) -> None:
    graph = Graph(seconds=0.1, effect=symbol)
    async with keyed(store_url, graph) as world:
        offer(world, "A")
        for _ in range(4):
            await die(world, 1)
            graph.fail()
            await world.advance(0.2)

        await world.restart()
        await world.advance(1.0)
        assert await world.effects() == ["A"]


async def test_the_suspects_of_a_paused_reactor_let_the_others_go_on(store_url: str) -> None:
    graph = Graph(seconds=1.0, effect=symbol)
    async with keyed(store_url, graph) as world:
        offer(world, "A", "B")
        await die(world, 2)
        world.reactor.pause()
        await world.advance(10.0)
        assert await world.effects() == ["A"]  # it ran when the pause began
        world.reactor.resume()
        await world.advance(10.0)
        assert sorted(await world.effects()) == ["A", "B"]
