"""The strategy ``sequential``: one firing per boundary, in order; what waits is in the store, and bounded."""

import msgspec
import pytest

from penstock.accumulators.passthrough import passthrough_accumulator
from penstock.accumulators.stream import stream_accumulator
from penstock.reactors.criteria import when, when_all
from penstock.reactors.firing import Firing
from penstock.reactors.policies import Retry
from penstock.reactors.reactor import Reactor, broadcast
from penstock.runtime.errors import ChannelFull, WriteConflict
from penstock.runtime.observe import CutCommitted, EventDropped, FiringFailed, StateIgnored
from penstock.testing.source import ScriptedSource
from tests.databases import rows
from tests.reactors.world import Graph, Quote, World


@passthrough_accumulator
def alpha(event: int) -> int:
    return event


@passthrough_accumulator
def beta(event: int) -> int:
    return event


@passthrough_accumulator
def gamma(event: int) -> int:
    return event


@passthrough_accumulator(overflow="reject")
def impatient(event: int) -> int:
    return event


@passthrough_accumulator(durable=True)
def orders(event: int) -> int:
    return event


@passthrough_accumulator
def quotes(event: Quote) -> Quote:
    return event


def text(firing: Firing) -> str:
    return " ".join(f"{name}={value}" for name, value in sorted(firing.inputs.items()))


def numbers(graph: Graph, name: str = "alpha") -> list[object]:
    return [inputs[name] for inputs in graph.inputs]


def log(url: str) -> list[tuple[object, ...]]:
    return [tuple(row) for row in rows(url, "SELECT component, key, seq FROM log ORDER BY component, key, seq")]


# -- one firing for each --------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [None, 0.1])
async def test_scenario_62_five_boundaries_quickly_are_five_firings_in_order(
    store_url: str, seconds: float | None
) -> None:
    graph = Graph(effect=lambda firing: str(firing.inputs["alpha"] * 2 + 10), seconds=seconds)  # type: ignore[operator]
    async with World(store_url, [Reactor("r", [alpha], strategy="sequential")], [graph]) as world:
        world.offer("alpha", 1, 2, 3, 4, 5)
        await world.advance(1.0)
        assert await world.effects() == ["12", "14", "16", "18", "20"]
        assert world.reactor.statistics().coalesced == 0

    assert numbers(graph) == [1, 2, 3, 4, 5]


async def test_a_boundary_enters_the_cache_when_it_is_taken_from_the_queue(store_url: str) -> None:
    graph = Graph(seconds=1.0)
    async with World(store_url, [Reactor("r", [alpha, beta], strategy="sequential")], [graph]) as world:
        world.offer("alpha", 1)
        world.offer("beta", 10)
        world.offer("alpha", 2)
        assert world.reactor.state().keys[None].values == {"alpha": 1}
        assert world.reactor.state().queued == 2
        await world.advance(3.5)

    assert graph.inputs == [{"alpha": 1}, {"alpha": 1, "beta": 10}, {"alpha": 2, "beta": 10}]
    assert [firing.changed for firing in graph.firings] == [{"alpha"}, {"beta"}, {"alpha"}]


async def test_scenario_63_when_all_fires_for_the_boundary_that_completes_it(store_url: str) -> None:
    graph = Graph(seconds=0.1)
    reactor = Reactor("r", [alpha, beta], strategy="sequential", criteria=when_all())
    async with World(store_url, [reactor], [graph]) as world:
        world.offer("alpha", 1, 2)
        world.offer("beta", 10, 20)
        world.offer("alpha", 3, 4)
        await world.advance(1.0)
        assert world.reactor.state().keys[None].dirty == ("alpha",)

    # 10 completes the first pair, 3 the second; 4 waits for another beta
    assert graph.inputs == [{"alpha": 2, "beta": 10}, {"alpha": 3, "beta": 20}]


async def test_scenario_66_a_subset_is_honoured_in_order(store_url: str) -> None:
    graph = Graph(seconds=0.1)
    reactor = Reactor("r", [alpha, beta, gamma], strategy="sequential", criteria=when_all(alpha, beta))
    async with World(store_url, [reactor], [graph]) as world:
        world.offer("gamma", 100)
        world.offer("alpha", 1)
        world.offer("beta", 10)
        world.offer("gamma", 200, 300)
        world.offer("beta", 20)
        world.offer("alpha", 2)
        await world.advance(1.0)

    assert graph.inputs == [{"alpha": 1, "beta": 10, "gamma": 100}, {"alpha": 2, "beta": 20, "gamma": 300}]


async def test_a_function_decides_for_each_boundary(store_url: str) -> None:
    graph = Graph(seconds=0.1)
    reactor = Reactor("r", [alpha], strategy="sequential", criteria=when(lambda alpha: alpha % 2 == 0))
    async with World(store_url, [reactor], [graph]) as world:
        world.offer("alpha", *range(9))
        await world.advance(2.0)

    assert numbers(graph) == [0, 2, 4, 6, 8]


async def test_each_key_has_its_own_order_and_none_waits_for_another(store_url: str) -> None:
    graph = Graph(seconds=1.0)
    reactor = Reactor("r", [quotes], strategy="sequential", key="symbol")
    async with World(store_url, [reactor], [graph]) as world:
        world.offer("quotes", *(Quote(symbol, price) for price in (1.0, 2.0, 3.0) for symbol in "ABC"))
        await world.advance(1.5)
        state = world.reactor.state()
        assert {key: each.queued for key, each in state.keys.items()} == {"A": 1, "B": 1, "C": 1}
        await world.advance(2.0)

    seen = [(firing.key, firing.inputs["quotes"].price) for firing in graph.firings]  # type: ignore[attr-defined]
    assert seen == [(symbol, price) for price in (1.0, 2.0, 3.0) for symbol in "ABC"]


async def test_keys_take_turns_when_all_tasks_are_busy(store_url: str) -> None:
    graph = Graph(seconds=1.0)
    reactor = Reactor("r", [quotes], strategy="sequential", key="symbol")
    async with World(store_url, [reactor], [graph]) as world:
        names = [f"K{number:02}" for number in range(20)]
        world.offer("quotes", *(Quote(name, price) for name in names for price in (1.0, 2.0)))
        await world.advance(1.5)
        assert world.reactor.statistics().in_flight == 16
        await world.advance(3.0)

    seen = [(firing.key, firing.inputs["quotes"].price) for firing in graph.firings]  # type: ignore[attr-defined]
    assert sorted(seen) == sorted((name, price) for name in names for price in (1.0, 2.0))
    assert all(seen.index((name, 1.0)) < seen.index((name, 2.0)) for name in names)


async def test_a_broadcast_value_is_context_and_waits_for_nothing(store_url: str) -> None:
    graph = Graph(seconds=1.0)
    reactor = Reactor("r", [quotes, broadcast(alpha)], strategy="sequential", key="symbol")
    async with World(store_url, [reactor], [graph]) as world:
        world.offer("quotes", Quote("A", 1.0), Quote("A", 2.0))
        world.offer("alpha", 7)
        await world.advance(2.5)

    assert [inputs.get("alpha") for inputs in graph.inputs] == [None, 7]


# -- failures -------------------------------------------------------------------------------------------------


async def test_scenario_64_a_failed_boundary_becomes_a_dead_letter_and_the_rest_keeps_its_order(store_url: str) -> None:
    graph = Graph(effect=text, before=lambda firing: graph.fail(firing.inputs["alpha"] == 2), seconds=0.1)
    async with World(store_url, [Reactor("r", [alpha], strategy="sequential")], [graph]) as world:
        world.offer("alpha", 1, 2, 3, 4)
        await world.advance(1.0)
        assert await world.effects() == ["alpha=1", "alpha=3", "alpha=4"]
        [letter] = await world.letters()

    assert (letter.part, letter.reason) == ("graph", "firing")
    assert msgspec.json.decode(letter.payload) == {"alpha": 2}


async def test_scenario_64_a_boundary_is_tried_again_while_the_rest_waits(store_url: str) -> None:
    failing = {2: 2, 3: 9}

    def before(firing: Firing) -> None:
        number = firing.inputs["alpha"]
        assert isinstance(number, int)
        left = failing.get(number, 0)
        failing[number] = left - 1
        graph.fail(left > 0)

    graph = Graph(effect=text, before=before)
    reactor = Reactor("r", [alpha], strategy="sequential", on_error=Retry(attempts=3, backoff=1.0, factor=3.0))
    async with World(store_url, [reactor], [graph]) as world:
        world.offer("alpha", 1, 2, 3, 4)
        await world.advance(3.9)
        assert await world.effects() == ["alpha=1"]
        assert world.reactor.state().keys[None].attempts == 2
        assert world.reactor.state().queued == 2
        await world.advance(0.2)
        assert await world.effects() == ["alpha=1", "alpha=2"]
        await world.advance(4.0)
        assert await world.effects() == ["alpha=1", "alpha=2", "alpha=4"]
        assert [msgspec.json.decode(letter.payload) for letter in await world.letters()] == [{"alpha": 3}]

    assert numbers(graph) == [1, 2, 2, 2, 3, 3, 3, 4]
    outcomes = [fact.outcome for fact in world.facts(FiringFailed)]  # type: ignore[attr-defined]
    assert outcomes == ["retry", "retry", "retry", "retry", "dead_letter"]


async def test_one_key_that_is_tried_again_keeps_no_other_waiting(store_url: str) -> None:
    graph = Graph(before=lambda firing: graph.fail(firing.key == "A" and len(graph.firings) == 1))
    reactor = Reactor("r", [quotes], strategy="sequential", key="symbol", on_error="retry")
    async with World(store_url, [reactor], [graph]) as world:
        world.offer("quotes", Quote("A", 1.0), Quote("A", 2.0), Quote("B", 1.0), Quote("B", 2.0))
        assert [firing.key for firing in graph.firings] == ["A", "B", "B"]
        await world.advance(0.5)

    assert [firing.key for firing in graph.firings] == ["A", "B", "B", "A", "A"]


# -- pauses and restarts --------------------------------------------------------------------------------------


async def test_scenario_71_a_pause_takes_effect_after_the_current_boundary(store_url: str) -> None:
    graph = Graph(seconds=1.0)
    async with World(store_url, [Reactor("r", [alpha], strategy="sequential")], [graph]) as world:
        world.offer("alpha", 1, 2, 3)
        await world.advance(0.5)
        assert world.reactor.pause()
        await world.advance(10.0)
        assert numbers(graph) == [1]
        assert world.reactor.resume()
        await world.advance(2.5)
        assert numbers(graph) == [1, 2, 3]


async def test_scenario_71_a_backlog_of_plain_functions_is_paused_in_the_middle(store_url: str) -> None:
    graph = Graph(before=lambda firing: world.reactor.pause() if firing.inputs["alpha"] == 2 else None)
    async with World(store_url, [Reactor("r", [alpha], strategy="sequential")], [graph]) as world:
        world.reactor.pause()
        world.offer("alpha", 1, 2, 3, 4)
        world.reactor.resume()
        assert numbers(graph) == [1, 2]
        assert world.reactor.state().queued == 2


async def test_scenario_71_what_arrives_while_paused_survives_a_kill(store_url: str) -> None:
    graph = Graph(effect=text)
    async with World(store_url, [Reactor("r", [alpha, orders], strategy="sequential")], [graph]) as world:
        world.reactor.pause()
        world.offer("alpha", 1, 2)
        await world.accumulator("orders").push(3)
        await world.advance(1.0)
        await world.restart()
        await world.advance(1.0)
        assert await world.effects() == ["alpha=1", "alpha=2", "alpha=2 orders=3"]
        assert log(store_url) == []


async def test_scenario_74_a_stored_queue_is_worked_off_in_order_without_a_new_event(store_url: str) -> None:
    graph = Graph(effect=text, seconds=1.0)
    async with World(store_url, [Reactor("r", [alpha], strategy="sequential")], [graph]) as world:
        world.offer("alpha", 1, 2, 3, 4)
        await world.flush()
        assert log(store_url) == [("r", "", 1), ("r", "", 2), ("r", "", 3)]
        await world.advance(1.5)
        await world.restart()
        await world.advance(5.0)
        assert await world.effects() == ["alpha=1", "alpha=2", "alpha=3", "alpha=4"]
        assert log(store_url) == []


async def test_a_cut_appends_what_came_and_trims_what_was_taken(store_url: str) -> None:
    graph = Graph(seconds=1.0)
    reactor = Reactor("r", [quotes], strategy="sequential", key="symbol")
    async with World(store_url, [reactor], [graph], checkpoint_interval=1000.0) as world:
        for _ in range(3):
            world.offer("quotes", Quote("A", 1.0), Quote("B", 1.0))

        await world.flush()
        assert log(store_url) == [("r", "=A", 1), ("r", "=A", 3), ("r", "=B", 2), ("r", "=B", 4)]
        await world.advance(1.5)
        world.offer("quotes", Quote("A", 9.0))
        before = world.facts(CutCommitted)
        await world.flush()
        assert log(store_url) == [("r", "=A", 3), ("r", "=A", 5), ("r", "=B", 4)]
        [cut] = world.facts(CutCommitted)[len(before) :]
        # the fence, the accumulator, two keys, two firings that ended and two that began; two trims, one row
        assert cut.rows == 1 + 1 + 2 + 4 + 2 + 1  # type: ignore[attr-defined]


async def test_a_boundary_that_came_and_went_between_two_cuts_is_never_written(store_url: str) -> None:
    graph = Graph(seconds=0.1)
    reactor = Reactor("r", [alpha], strategy="sequential")
    async with World(store_url, [reactor], [graph], checkpoint_interval=1000.0) as world:
        world.offer("alpha", *range(5))
        await world.advance(1.0)
        await world.flush()
        assert world.domain.statistics().cuts == 1
        assert world.reactor.state().queued == 0
        assert [fact.rows for fact in world.facts(CutCommitted)] == [3]  # type: ignore[attr-defined]


async def test_a_cut_that_fails_is_written_again_with_the_queue_as_it_is_then(store_url: str) -> None:
    graph = Graph(effect=text, seconds=1.0)
    reactor = Reactor("r", [alpha], strategy="sequential")
    async with World(store_url, [reactor], [graph]) as world:
        world.offer("alpha", 1, 2, 3)
        world.faults.fail("cut: before commit", error=WriteConflict("cut", "scripted"), times=2)
        await world.advance(1.2)
        world.offer("alpha", 4)
        await world.advance(2.1)
        await world.restart()
        await world.advance(10.0)
        assert await world.effects() == ["alpha=1", "alpha=2", "alpha=3", "alpha=4"]
        assert log(store_url) == []


async def test_a_source_goes_on_behind_what_waits_in_the_queue(store_url: str) -> None:
    source = ScriptedSource(range(6))

    @stream_accumulator(source)
    def numbered(event: int) -> int:
        return event

    graph = Graph(effect=text, seconds=1.0)
    async with World(store_url, [Reactor("r", [numbered], strategy="sequential")], [graph]) as world:
        await world.advance(1.5)
        await world.restart()
        await world.advance(10.0)
        assert await world.effects() == [f"numbered={number}" for number in range(6)]


async def test_a_queue_whose_input_is_gone_is_told(store_url: str) -> None:
    graph = Graph()
    async with World(store_url, [Reactor("r", [alpha, beta], strategy="sequential")], [graph]) as world:
        world.reactor.pause()
        world.offer("alpha", 1)
        world.offer("beta", 2)
        await world.advance(1.0)
        world.definitions = [Reactor("r", [alpha], strategy="sequential")]
        await world.restart()
        assert [fact.what for fact in world.facts(StateIgnored)] == ["input 'beta'"]  # type: ignore[attr-defined]

    assert graph.inputs == [{"alpha": 1}]


async def test_a_queue_goes_into_the_cache_of_a_reactor_that_coalesces_by_now(store_url: str) -> None:
    graph = Graph()
    async with World(store_url, [Reactor("r", [alpha, beta], strategy="sequential")], [graph]) as world:
        world.reactor.pause()
        world.offer("alpha", 1, 2)
        world.offer("beta", 3)
        await world.advance(1.0)
        world.definitions = [Reactor("r", [alpha, beta])]
        await world.restart()
        await world.advance(1.0)
        assert log(store_url) == []

    assert graph.inputs == [{"alpha": 2, "beta": 3}]


async def test_a_key_whose_boundaries_wait_is_not_forgotten(store_url: str) -> None:
    graph = Graph()
    reactor = Reactor("r", [quotes], strategy="sequential", key="symbol", key_ttl=1.0)
    async with World(store_url, [reactor], [graph]) as world:
        world.reactor.pause()
        world.offer("quotes", Quote("A", 1.0))
        await world.advance(10.0)
        world.reactor.resume()
        await world.advance(10.0)
        assert world.reactor.statistics().keys == 0

    assert [firing.key for firing in graph.firings] == ["A"]


# -- bounds ---------------------------------------------------------------------------------------------------


async def test_a_full_queue_lets_nobody_in_until_half_of_it_is_worked_off(store_url: str) -> None:
    graph = Graph(seconds=1.0)
    reactor = Reactor("r", [alpha, impatient], strategy="sequential", queue_limit=4)
    async with World(store_url, [reactor], [graph]) as world:
        world.offer("alpha", 0, 1, 2, 3, 4)
        assert not world.accumulator("alpha").offer(5)
        with pytest.raises(ChannelFull):
            world.accumulator("impatient").offer(5)

        await world.advance(1.5)
        assert (world.reactor.state().queued, world.domain.gate.full) == (3, True)
        await world.advance(1.0)
        assert (world.reactor.state().queued, world.domain.gate.full) == (2, False)
        world.offer("alpha", 6)
        await world.advance(10.0)

    assert numbers(graph) == [0, 1, 2, 3, 4, 6]


async def test_a_full_queue_does_not_keep_what_is_inside_from_firing(store_url: str) -> None:
    graph, other = Graph("graph", reactor="r"), Graph("other", reactor="s")
    reactors = [Reactor("r", [alpha], strategy="sequential", queue_limit=2), Reactor("s", [alpha])]
    async with World(store_url, reactors, [graph, other]) as world:
        world.domain.reactors["r"].pause()
        world.offer("alpha", 1, 2)
        assert world.domain.gate.full
        assert world.domain.reactors["s"].fire() == "s:1-3"
        world.domain.reactors["r"].resume()
        assert not world.domain.gate.full

    assert (numbers(graph), numbers(other)) == ([1, 2], [1, 2, 2])


async def test_the_oldest_gives_way_where_that_is_asked_for(store_url: str) -> None:
    graph = Graph()
    reactor = Reactor("r", [quotes], strategy="sequential", key="symbol", queue_limit=3, overflow="drop_oldest")
    async with World(store_url, [reactor], [graph]) as world:
        world.reactor.pause()
        world.offer("quotes", *(Quote("AB"[number % 2], float(number)) for number in range(6)))
        assert [fact.reason for fact in world.facts(EventDropped)] == ["overflow"] * 3  # type: ignore[attr-defined]
        assert world.reactor.statistics().overflowed == 3
        await world.advance(1.0)
        world.reactor.resume()

    assert [firing.inputs["quotes"] for firing in graph.firings] == [Quote("A", 4.0), Quote("B", 3.0), Quote("B", 5.0)]


async def test_the_newest_is_kept_aside_where_that_is_asked_for(store_url: str) -> None:
    graph = Graph()
    reactor = Reactor("r", [alpha], strategy="sequential", queue_limit=2, overflow="dead_letter")
    async with World(store_url, [reactor], [graph]) as world:
        world.reactor.pause()
        world.offer("alpha", 1, 2, 3)
        world.reactor.resume()
        await world.advance()
        [letter] = await world.letters()

    assert (letter.part, letter.reason, letter.error) == (
        "r",
        "overflow",
        "the queue of reactor 'r' is full (2 boundaries wait)",
    )
    assert msgspec.json.decode(letter.payload) == {"alpha": 3}
    assert numbers(graph) == [1, 2]


async def test_a_value_that_cannot_be_stored_is_fired_and_becomes_a_letter(store_url: str) -> None:
    @passthrough_accumulator
    def anything(event: object) -> object:
        return event

    graph = Graph()
    async with World(store_url, [Reactor("r", [anything], strategy="sequential")], [graph]) as world:
        world.reactor.pause()
        strange = {"key": object()}
        world.accumulator("anything")._emit(strange)
        await world.advance(1.0)
        assert [letter.reason for letter in await world.letters()] == ["encode"]
        world.reactor.resume()

    assert graph.inputs == [{"anything": strange}]


async def test_a_long_backlog_gives_the_loop_its_turn(store_url: str) -> None:
    graph = Graph()
    async with World(store_url, [Reactor("r", [alpha], strategy="sequential")], [graph]) as world:
        world.reactor.pause()
        world.offer("alpha", *range(5000))
        world.reactor.resume()
        assert len(graph.firings) == 1023
        world.offer("alpha", 5000)  # behind those that wait
        await world.advance()

    assert numbers(graph) == list(range(5001))


async def test_rows_of_the_inbox_find_room_at_the_start_however_full_the_queue_is(store_url: str) -> None:
    graph = Graph(effect=text, seconds=100.0)
    reactor = Reactor("r", [orders], strategy="sequential", queue_limit=1)
    async with World(store_url, [reactor], [graph], checkpoint_interval=1000.0) as world:
        await world.accumulator("orders").push(1)
        await world.accumulator("orders").push(2)
        assert world.domain.gate.full
        await world.restart()  # both rows are there still; the start does not wait for the graph
        assert world.reactor.state().queued == 1
        await world.advance(250.0)
        assert await world.effects() == ["orders=1", "orders=2"]


async def test_a_stop_in_order_keeps_the_queue(store_url: str) -> None:
    graph = Graph(effect=text, seconds=1.0)
    async with World(store_url, [Reactor("r", [alpha], strategy="sequential")], [graph]) as world:
        world.offer("alpha", 1, 2, 3)
        await world.restart(crash=False)
        assert world.reactor.state().queued == 1
        await world.advance(5.0)
        assert await world.effects() == ["alpha=1", "alpha=2", "alpha=3"]
