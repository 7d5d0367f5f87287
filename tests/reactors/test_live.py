"""When a reactor fires, and with what."""

import pytest

from penstock.accumulators.passthrough import passthrough_accumulator
from penstock.reactors.criteria import when_all, when_any
from penstock.reactors.reactor import Reactor, broadcast
from tests.reactors.world import Graph, Quote, World


@passthrough_accumulator
def alpha(event: float) -> float:
    return event


@passthrough_accumulator
def beta(event: float) -> float:
    return event


@passthrough_accumulator
def gamma(event: float) -> float:
    return event


@passthrough_accumulator
def quotes(event: Quote) -> Quote:
    return event


def number(value: object) -> int:
    assert isinstance(value, float)
    return int(value)


def nothing(_: object) -> None:
    return None


async def test_scenario_57_when_any_fires_for_each_boundary(store_url: str) -> None:
    graph = Graph()
    async with World(store_url, [Reactor("r", [alpha, beta], criteria=when_any())], [graph]) as world:
        world.offer("alpha", 1.0)
        world.offer("beta", 2.0)

    assert graph.inputs == [{"alpha": 1.0}, {"alpha": 1.0, "beta": 2.0}]
    assert [firing.changed for firing in graph.firings] == [{"alpha"}, {"beta"}]
    assert [firing.id for firing in graph.firings] == ["r:1-1", "r:1-2"]


async def test_scenario_58_when_all_fires_when_every_input_is_new_since_the_last_firing(store_url: str) -> None:
    graph = Graph()
    counts = []
    async with World(store_url, [Reactor("r", [alpha, beta], criteria=when_all())], [graph]) as world:
        for name in ("alpha", "beta", "alpha", "beta"):
            world.offer(name, 1.0)
            counts.append(len(graph.firings))

    assert counts == [0, 1, 1, 2]


async def test_scenario_66_a_subset_of_when_all_is_honoured(store_url: str) -> None:
    graph = Graph()
    reactor = Reactor("r", [alpha, beta, gamma], criteria=when_all(alpha, beta))
    async with World(store_url, [reactor], [graph]) as world:
        world.offer("gamma", 3.0, 4.0)
        assert graph.firings == []
        world.offer("alpha", 1.0)
        world.offer("beta", 2.0)

    assert graph.inputs == [{"alpha": 1.0, "beta": 2.0, "gamma": 4.0}]
    assert graph.firings[0].changed == {"alpha", "beta", "gamma"}


async def test_a_subset_of_when_any_is_honoured(store_url: str) -> None:
    graph = Graph()
    async with World(store_url, [Reactor("r", [alpha, beta], criteria=when_any(beta))], [graph]) as world:
        world.offer("alpha", 1.0)
        world.offer("beta", 2.0)

    assert graph.inputs == [{"alpha": 1.0, "beta": 2.0}]


@pytest.mark.parametrize("events", [50, 100_000])
async def test_scenario_59_what_arrives_during_a_firing_leads_to_one_more_with_the_newest(
    store_url: str, events: int
) -> None:
    graph = Graph(seconds=0.1)
    async with World(store_url, [Reactor("r", [alpha])], [graph]) as world:
        for value in range(events + 1):
            world.accumulator("alpha").accept(float(value))
            if not value % 1000:
                await world.advance()

        await world.advance(1.0)
        assert world.reactor.statistics().coalesced == events - 1

    assert graph.inputs == [{"alpha": 0.0}, {"alpha": float(events)}]


async def test_scenario_61_an_update_during_a_firing_is_not_visible_to_it(store_url: str) -> None:
    graph = Graph(seconds=0.1)
    async with World(store_url, [Reactor("r", [alpha])], [graph]) as world:
        world.offer("alpha", 1.0)
        await world.advance(0.05)
        world.offer("alpha", 2.0)
        await world.advance(0.06)
        assert graph.inputs == [{"alpha": 1.0}]

    assert graph.inputs[0] == {"alpha": 1.0}


async def test_each_key_has_its_own_values_and_flags(store_url: str) -> None:
    graph = Graph()
    async with World(store_url, [Reactor("r", [quotes], key="symbol")], [graph]) as world:
        world.offer("quotes", Quote("A", 1.0), Quote("B", 2.0), Quote("A", 3.0))

    assert [(firing.key, firing.inputs["quotes"]) for firing in graph.firings] == [
        ("A", Quote("A", 1.0)),
        ("B", Quote("B", 2.0)),
        ("A", Quote("A", 3.0)),
    ]


async def test_keys_are_in_flight_together_but_one_firing_each(store_url: str) -> None:
    graph = Graph(seconds=1.0)
    async with World(store_url, [Reactor("r", [quotes], key="symbol")], [graph]) as world:
        world.offer("quotes", *(Quote(symbol, 1.0) for symbol in "ABCABC"))
        await world.advance(0.5)
        assert sorted(map(str, graph.running)) == ["A", "B", "C"]
        await world.advance(2.0)

    assert [firing.key for firing in graph.firings] == ["A", "B", "C"] * 2


async def test_more_keys_than_tasks_take_turns(store_url: str) -> None:
    graph = Graph(seconds=1.0)
    async with World(store_url, [Reactor("r", [alpha], key=number)], [graph]) as world:
        world.offer("alpha", *map(float, range(40)))
        await world.advance(0.5)
        assert len(graph.running) == 16
        await world.advance(3.0)

    assert [firing.key for firing in graph.firings] == list(range(40))


async def test_a_broadcast_value_is_seen_by_every_key_and_fires_none(store_url: str) -> None:
    graph = Graph()
    async with World(store_url, [Reactor("r", [quotes, broadcast(alpha)], key="symbol")], [graph]) as world:
        world.offer("quotes", Quote("A", 1.0))
        world.offer("alpha", 5.0)
        world.offer("quotes", Quote("B", 2.0))

    assert [firing.inputs.get("alpha") for firing in graph.firings] == [None, 5.0]


async def test_a_broadcast_that_the_criteria_name_counts_for_every_key(store_url: str) -> None:
    graph = Graph()
    reactor = Reactor("r", [quotes, broadcast(alpha)], key="symbol", criteria=when_all(quotes, alpha))
    async with World(store_url, [reactor], [graph]) as world:
        world.offer("quotes", Quote("A", 1.0), Quote("B", 2.0))
        world.offer("alpha", 5.0)
        world.offer("quotes", Quote("C", 3.0))
        world.offer("quotes", Quote("A", 4.0))

    assert [firing.key for firing in graph.firings] == ["A", "B", "C"]


async def test_a_key_that_is_no_text_or_number_is_kept_aside(store_url: str) -> None:
    graph = Graph()
    async with World(store_url, [Reactor("r", [alpha], key=nothing)], [graph]) as world:
        world.offer("alpha", 1.0)
        await world.advance()
        [letter] = await world.letters()

    assert (letter.part, letter.reason, letter.payload) == ("r.key", "key", b"1.0")
    assert graph.firings == []


async def test_an_idle_key_is_forgotten_in_memory_and_in_the_store(store_url: str) -> None:
    async with World(store_url, [Reactor("r", [quotes], key="symbol", key_ttl=10.0)], [Graph()]) as world:
        world.offer("quotes", Quote("A", 1.0), Quote("B", 1.0))
        await world.advance(8.0)
        world.offer("quotes", Quote("B", 2.0))
        await world.advance(6.0)
        assert world.reactor.statistics().keys == 1
        await world.restart()
        assert world.reactor.statistics().keys == 1
        await world.advance(30.0)
        assert world.reactor.statistics().keys == 0
        assert world.clock.next_alarm() is None


async def test_a_burst_yields_to_the_loop(store_url: str) -> None:
    graph = Graph()
    async with World(store_url, [Reactor("r", [alpha], key=number)], [graph]) as world:
        world.reactor.pause()
        for value in range(3000):
            world.accumulator("alpha").accept(float(value))

        world.reactor.resume()
        at_once = len(graph.firings)
        await world.advance()

    assert 0 < at_once < 3000
    assert [firing.key for firing in graph.firings] == list(range(3000))


async def test_a_source_that_does_not_wait_is_told_to(store_url: str) -> None:
    async with World(store_url, [Reactor("r", [alpha])], [Graph()]) as world:
        accumulator = world.accumulator("alpha")
        await accumulator.ready()
        taken = 0
        while accumulator.accept(float(taken)):
            taken += 1

        assert 0 < taken <= 1023
        await accumulator.ready()
        assert accumulator.accept(0.0)


async def test_the_wall_clock_time_of_a_firing_is_that_of_its_decision(store_url: str) -> None:
    graph = Graph()
    async with World(store_url, [Reactor("r", [alpha])], [graph]) as world:
        await world.advance(12.5)
        world.offer("alpha", 1.0)
        assert graph.firings[0].at == world.clock.now()
