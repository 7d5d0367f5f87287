"""Firings that are over: the ring in memory, and the history in the store, committed with what came of them."""

from datetime import timedelta

import pytest
from hypothesis import given, settings, strategies as st

from penstock.accumulators.passthrough import passthrough_accumulator
from penstock.reactors.past import PastFiring, past_row
from penstock.reactors.policies import Retry
from penstock.reactors.reactor import Reactor
from penstock.runtime.errors import DefinitionError, StateIncompatible
from penstock.runtime.store.history import list_history
from penstock.testing import Crash
from tests.databases import rows, sqlite_store
from tests.reactors.world import Graph, Quote, World


@passthrough_accumulator
def alpha(event: float) -> float:
    return event


@passthrough_accumulator
def quotes(event: Quote) -> Quote:
    return event


@passthrough_accumulator
def anything(event: object) -> object:
    return event


async def stored(world: World, name: str = "r", *, limit: int = 100, before: int | None = None) -> list[PastFiring]:
    """Return the history in the store, as it is committed, the oldest first."""
    reactor = world.domain.reactors[name]
    found = await list_history(world.store, name, limit=limit, before=before)
    return [past_row(row, reactor.inputs.accumulators) for row in reversed(found)]


async def test_each_firing_is_stored_with_its_inputs_and_what_became_of_each_graph(store_url: str) -> None:
    good, bad = Graph("good", effect=lambda _: "done"), Graph("bad")
    reactor = Reactor("r", [quotes], key="symbol", on_error="dead_letter", history="store")
    async with World(store_url, [reactor], [good, bad]) as world:
        world.offer("quotes", Quote("A", 1.0))
        bad.fail()
        world.offer("quotes", Quote("B", 2.0), Quote("A", 3.0))  # a burst: no time passes
        world.reactor.fire("A")
        await world.flush()
        before = await stored(world)
        await world.restart()
        assert await stored(world) == before
        world.offer("quotes", Quote("A", 4.0))
        await world.flush()
        after = await stored(world)

    done, failed = {"good": None, "bad": None}, {"good": None, "bad": "GraphFailed: bad fails"}
    assert [(each.id, each.number, each.key, each.inputs, each.results) for each in after] == [
        ("r:1-1", 1, "A", {"quotes": Quote("A", 1.0)}, done),
        ("r:1-2", 2, "B", {"quotes": Quote("B", 2.0)}, failed),
        ("r:1-3", 3, "A", {"quotes": Quote("A", 3.0)}, done),
        ("r:1-4", 4, "A", {"quotes": Quote("A", 3.0)}, done),
        ("r:2-1", 5, "A", {"quotes": Quote("A", 4.0)}, done),
    ]
    assert [(each.manual, each.changed, each.ok) for each in before] == [
        (False, {"quotes"}, True),
        (False, {"quotes"}, False),
        (False, {"quotes"}, True),
        (True, set(), True),
    ]


async def test_a_firing_that_waited_is_stored_with_the_time_that_it_took(store_url: str) -> None:
    graph = Graph(seconds=2.0)
    async with World(store_url, [Reactor("r", [alpha], history="store")], [graph]) as world:
        began = world.clock.now()
        world.offer("alpha", 1.0)
        await world.advance(1.0)
        assert await stored(world) == []
        await world.advance(2.5)
        [fired] = await stored(world)

    assert (fired.at, fired.seconds) == (began, 2.0)


async def test_a_firing_that_gave_way_to_a_newer_value_is_stored_with_its_failure(store_url: str) -> None:
    graph = Graph(effect=lambda _: "done")
    graph.fail()
    async with World(store_url, [Reactor("r", [alpha], history="store")], [graph]) as world:
        world.offer("alpha", 1.0, 2.0)
        await world.advance(5.0)
        found = await stored(world)

    assert [(each.inputs, each.results) for each in found] == [
        ({"alpha": 1.0}, {"graph": "GraphFailed: graph fails"}),
        ({"alpha": 2.0}, {"graph": None}),
    ]


async def test_a_firing_that_is_tried_again_is_stored_once_when_it_is_over(store_url: str) -> None:
    graph = Graph()
    graph.fail(2)
    reactor = Reactor("r", [alpha], on_error=Retry(attempts=3), history="store")
    async with World(store_url, [reactor], [graph]) as world:
        world.offer("alpha", 1.0)
        await world.advance(1.0)
        assert await stored(world) == []
        await world.advance(60.0)
        assert [(each.id, each.ok) for each in await stored(world)] == [("r:1-1", True)]


async def test_the_store_keeps_the_newest_within_the_limit(store_url: str) -> None:
    reactor = Reactor("r", [alpha], history="store", history_limit=3)
    async with World(store_url, [reactor], [Graph()]) as world:
        for price in range(5):
            world.offer("alpha", float(price))
            await world.flush()

        assert [each.inputs for each in await stored(world)] == [{"alpha": price} for price in (2.0, 3.0, 4.0)]
        world.offer("alpha", *map(float, range(10, 20)))  # more than the limit in one cut
        await world.flush()
        assert [each.number for each in await stored(world)] == [13, 14, 15]

    assert rows(store_url, "SELECT count(*) FROM history") == [(3,)]


async def test_the_store_forgets_what_is_too_old(store_url: str) -> None:
    reactor = Reactor("r", [alpha], history="store", history_age="1h")
    async with World(store_url, [reactor], [Graph()]) as world:
        for price in range(4):
            world.offer("alpha", float(price))
            await world.advance(1500.0)

        world.offer("alpha", 4.0)
        await world.flush()
        assert [each.inputs for each in await stored(world)] == [{"alpha": price} for price in (2.0, 3.0, 4.0)]


async def test_the_history_comes_in_pages(store_url: str) -> None:
    async with World(store_url, [Reactor("r", [alpha], history="store")], [Graph()]) as world:
        world.offer("alpha", *map(float, range(5)))
        await world.flush()
        assert [each.number for each in await stored(world, limit=2)] == [4, 5]
        assert [each.number for each in await stored(world, limit=2, before=4)] == [2, 3]
        assert [each.number for each in await stored(world, limit=2, before=2)] == [1]
        assert await list_history(world.store, "other") == []
        assert await list_history(world.store, "\ud800") == []


async def test_inputs_that_cannot_be_written_leave_the_firing_and_a_letter(store_url: str) -> None:
    reactor = Reactor("r", [anything], history="store")
    async with World(store_url, [reactor], [Graph(effect=lambda _: "done")]) as world:
        world.accumulator("anything").accept({1j})
        world.accumulator("anything").accept([1])
        await world.flush()
        found = await stored(world)
        letters = await world.letters()

    assert [(each.inputs, each.ok) for each in found] == [(None, True), ({"anything": [1]}, True)]
    assert {letter.reason for letter in letters} == {"encode"}


async def test_values_of_a_type_that_has_changed_are_shown_as_builtins(store_url: str) -> None:
    async with World(store_url, [Reactor("r", [alpha], history="store")], [Graph()]) as world:
        world.offer("alpha", 1.5)
        await world.flush()
        [row] = await list_history(world.store, "r")

    assert past_row(row, {"alpha": quotes}).inputs == {"alpha": 1.5}
    assert past_row(row, {}).inputs == {"alpha": 1.5}
    with pytest.raises(StateIncompatible):
        quotes.output_codec.decode(alpha.output_codec.encode(1.5))


async def test_a_firing_that_ends_processes_is_stored_as_failed(store_url: str) -> None:
    graph = Graph(seconds=10.0)
    async with World(store_url, [Reactor("r", [alpha], history="store")], [graph]) as world:
        world.offer("alpha", 1.0)
        await world.advance(1.5)
        for _ in range(4):
            await world.restart()
            await world.advance(0.1)

        await world.flush()
        [fired] = await stored(world)

    assert fired.id == "r:1-1"
    assert "died each of the 3 times" in str(fired.results["graph"])


@pytest.mark.parametrize("point", ["cut: before commit", "cut: after commit"])
@pytest.mark.parametrize("seconds", [None, 0.2])
async def test_a_firing_is_in_the_history_if_and_only_if_its_effect_is(
    store_url: str, point: str, seconds: float | None
) -> None:
    graph = Graph(effect=lambda firing: firing.id, seconds=seconds)
    reactor = Reactor("r", [quotes], key="symbol", history="store")
    async with World(store_url, [reactor], [graph]) as world:
        for number in range(3):
            world.offer("quotes", *(Quote(f"{number}{symbol}", 1.0) for symbol in "ABC"))
            await world.advance(0.5)

        world.faults.fail(point, error=Crash(), times=None)
        world.offer("quotes", Quote("D", 1.0), Quote("E", 1.0))
        await world.clock.settle()
        await world.restart()
        assert [each.id for each in await stored(world)] == await world.effects()
        await world.advance(5.0)
        assert sorted(each.id for each in await stored(world)) == sorted(await world.effects())


@pytest.mark.timeout(120)
@settings(max_examples=8)
@given(st.lists(st.tuples(st.integers(1, 4), st.floats(0.0, 2.0), st.booleans()), min_size=1, max_size=5))
async def test_history_and_effects_agree_whatever_crashes(steps: list[tuple[int, float, bool]]) -> None:
    """Crashes at random instants: two graphs, one of which waits; what is committed of a firing that is over is all."""
    with sqlite_store() as url:
        quick = Graph("quick", effect=lambda firing: firing.id)
        slow = Graph("slow", effect=lambda firing: firing.id, seconds=0.3)
        reactor = Reactor("r", [quotes], key="symbol", history="store")
        async with World(url, [reactor], [quick, slow]) as world:
            for at, (events, pause, crash) in enumerate(steps):
                world.offer("quotes", *(Quote(f"{at} {number}", 1.0) for number in range(events)))
                await world.advance(pause)
                await world.restart(crash=crash)
                over = {each.id for each in await stored(world)}
                effects = await world.store_effects()
                assert over <= {firing for graph, firing in effects if graph == "quick"}
                assert over <= {firing for graph, firing in effects if graph == "slow"}

            await world.advance(60.0)
            ids = [each.id for each in await stored(world)]
            assert len(ids) == len(set(ids))
            assert sorted([("quick", each) for each in ids] + [("slow", each) for each in ids]) == sorted(
                await world.store_effects()
            )


async def test_a_full_store_history_holds_back_firings_as_effects_do(store_url: str) -> None:
    reactor = Reactor("r", [alpha], strategy="sequential", history="store")
    async with World(store_url, [reactor], [graph := Graph()], outbox_limit=3) as world:
        world.accumulator("alpha").accept(0.0)
        for price in range(1, 6):
            world.accumulator("alpha").accept(float(price))

        assert len(graph.firings) == 3
        await world.advance(1.0)
        assert len(graph.firings) == 6
        assert len(await stored(world)) == 6


async def test_the_ring_remembers_some_of_a_burst_and_stores_none(store_url: str) -> None:
    async with World(store_url, [Reactor("r", [alpha], history_limit=2)], [Graph()]) as world:
        for _ in range(3):
            world.offer("alpha", 1.0, 2.0)
            await world.advance(1.0)

        assert [(fired.number, fired.firing.id) for fired in world.reactor.history()] == [(3, "r:1-5"), (2, "r:1-3")]
        assert await stored(world) == []


def test_a_history_that_cannot_be_is_refused() -> None:
    with pytest.raises(DefinitionError, match="history='disk' is neither 'ring' nor 'store'"):
        Reactor("r", [alpha], history="disk")  # type: ignore[arg-type]

    with pytest.raises(DefinitionError, match="history_age= is for history='store'"):
        Reactor("r", [alpha], history_age=timedelta(days=1).total_seconds())

    with pytest.raises(DefinitionError, match="history_limit=0 is not a whole number of at least 1"):
        Reactor("r", [alpha], history="store", history_limit=0)
