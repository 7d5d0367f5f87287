"""What operators ask of a reactor, and what they are answered."""

import pytest

from penstock.accumulators.passthrough import passthrough_accumulator
from penstock.reactors.criteria import when_all
from penstock.reactors.reactor import Reactor, broadcast
from penstock.runtime.errors import AppError, DecodeError, FiringRefused, WriteConflict
from tests.reactors.world import Graph, Quote, World


@passthrough_accumulator
def alpha(event: float) -> float:
    return event


@passthrough_accumulator
def beta(event: float) -> float:
    return event


@passthrough_accumulator
def quotes(event: Quote) -> Quote:
    return event


async def test_scenario_67_firing_by_hand_needs_no_value_and_is_marked(store_url: str) -> None:
    graph = Graph()
    async with World(store_url, [Reactor("r", [alpha, beta], criteria=when_all())], [graph]) as world:
        assert world.reactor.fire() == "r:1-1"
        world.offer("alpha", 1.0)
        assert world.reactor.fire() == "r:1-2"
        world.offer("alpha", 2.0)
        world.offer("beta", 3.0)
        history = world.reactor.history()

    assert graph.inputs == [{}, {"alpha": 1.0}, {"alpha": 2.0, "beta": 3.0}]
    assert [firing.changed for firing in graph.firings] == [set(), {"alpha"}, {"alpha", "beta"}]
    assert [(fired.firing.id, fired.firing.manual) for fired in history if fired.firing.manual] == [
        ("r:1-2", True),
        ("r:1-1", True),
    ]


async def test_scenario_68_fire_with_replaces_the_cache(store_url: str) -> None:
    graph = Graph()
    async with World(store_url, [Reactor("r", [alpha, beta])], [graph]) as world:
        world.offer("alpha", 1.0)
        world.offer("beta", 2.0)
        assert world.reactor.fire_with({"beta": 5.0}) == "r:1-3"
        assert world.reactor.state().values == {None: {"beta": 5.0}}
        await world.restart(crash=False)
        assert world.reactor.state().values == {None: {"beta": 5.0}}

    assert graph.inputs[-1] == {"beta": 5.0}
    assert graph.firings[-1].changed == {"beta"}


async def test_scenario_68_fire_with_merges_where_that_is_asked_for(store_url: str) -> None:
    graph = Graph()
    async with World(store_url, [Reactor("r", [alpha, beta], criteria=when_all())], [graph]) as world:
        world.offer("alpha", 1.0)
        world.reactor.fire_with({"beta": b"5.5"}, merge=True)

    assert graph.inputs == [{"alpha": 1.0, "beta": 5.5}]
    assert graph.firings[0].changed == {"alpha", "beta"}


async def test_fire_with_fires_one_key_and_leaves_the_others(store_url: str) -> None:
    graph = Graph()
    reactor = Reactor("r", [quotes, broadcast(alpha)], key="symbol")
    async with World(store_url, [reactor], [graph]) as world:
        world.offer("alpha", 1.0)
        world.offer("quotes", Quote("A", 1.0))
        world.reactor.fire_with({"quotes": {"symbol": "B", "price": 7}}, key="B")
        with pytest.raises(AppError, match="the value of 'quotes' belongs to key 'B'"):
            world.reactor.fire_with({"quotes": Quote("B", 1.0)}, key="A")

        with pytest.raises(AppError, match="every key sees the one value of 'alpha'"):
            world.reactor.fire_with({"alpha": 1.0}, key="A")

        assert world.reactor.state().values == {
            "A": {"alpha": 1.0, "quotes": Quote("A", 1.0)},
            "B": {"alpha": 1.0, "quotes": Quote("B", 7.0)},
        }

    assert graph.inputs[-1] == {"alpha": 1.0, "quotes": Quote("B", 7.0)}


async def test_fire_with_refuses_what_is_no_value_of_an_input(store_url: str) -> None:
    graph = Graph()
    async with World(store_url, [Reactor("r", [alpha, beta])], [graph]) as world:
        world.offer("alpha", 1.0)
        with pytest.raises(AppError, match="has no input 'alhpa': did you mean 'alpha'"):
            world.reactor.fire_with({"alhpa": 1.0})

        with pytest.raises(DecodeError, match="'beta' expects float"):
            world.reactor.fire_with({"alpha": 2.0, "beta": "high"})

        assert world.reactor.state().values == {None: {"alpha": 1.0}}

    assert len(graph.firings) == 1


async def test_scenario_69_firing_by_hand_is_refused_with_the_reason(store_url: str) -> None:
    graph = Graph(seconds=1.0)
    reactor = Reactor("r", [alpha])
    async with World(store_url, [reactor], [graph], outbox_limit=1) as world:
        assert world.reactor.pause()
        assert not world.reactor.pause()
        assert reason(world) == "paused"
        with pytest.raises(FiringRefused, match="'r' does not fire now: it is paused") as caught:
            world.reactor.fire_with({"alpha": 9.0})

        assert caught.value.retryable
        assert world.reactor.state().values == {None: {}}
        assert world.reactor.resume()
        assert not world.reactor.resume()
        world.offer("alpha", 1.0)
        assert reason(world) == "busy"
        await world.advance(1.5)
        world.faults.fail("cut: before commit", error=WriteConflict("cut", "scripted"))
        world.accumulator("alpha").accept("no number")  # a letter fills the outbox
        assert reason(world) == "full"
        await world.advance(5.0)
        world.reactor.retire()
        assert reason(world) == "not_started"

    assert len(graph.firings) == 1


def reason(world: World) -> str:
    with pytest.raises(FiringRefused) as caught:
        world.reactor.fire()

    return caught.value.reason


async def test_all_tasks_may_be_busy_with_other_keys(store_url: str) -> None:
    graph = Graph(seconds=1.0)
    async with World(store_url, [Reactor("r", [quotes], key="symbol")], [graph]) as world:
        world.offer("quotes", *(Quote(str(number), 1.0) for number in range(16)))
        with pytest.raises(FiringRefused, match="all its tasks are busy") as caught:
            world.reactor.fire("other")

        assert caught.value.reason == "busy"


async def test_scenario_70_resume_fires_at_once_what_is_due(store_url: str) -> None:
    graph, queued = Graph("graph", reactor="r"), Graph("queued", reactor="s")
    reactors = [Reactor("r", [alpha]), Reactor("s", [alpha], strategy="sequential")]
    async with World(store_url, reactors, [graph, queued]) as world:
        for reactor in world.domain.reactors.values():
            reactor.pause()

        world.offer("alpha", 1.0, 2.0)
        assert (graph.firings, queued.firings) == ([], [])
        for reactor in world.domain.reactors.values():
            reactor.resume()

        assert graph.inputs == [{"alpha": 2.0}]
        assert queued.inputs == [{"alpha": 1.0}, {"alpha": 2.0}]


async def test_a_firing_by_hand_leaves_what_waits_in_the_queue(store_url: str) -> None:
    graph = Graph(before=lambda _: world.reactor.pause())
    async with World(store_url, [Reactor("r", [alpha], strategy="sequential")], [graph]) as world:
        world.offer("alpha", 1.0, 2.0)
        graph.before = lambda _: None
        world.reactor._decider.paused = False  # not resumed: nothing looks at the queue
        world.reactor.fire()
        assert world.reactor.state().queued == 1
        world.reactor.resume()

    assert graph.inputs == [{"alpha": 1.0}, {"alpha": 1.0}, {"alpha": 2.0}]


async def test_what_waits_behind_a_failed_firing_has_its_turn_after_one_by_hand(store_url: str) -> None:
    graph = Graph()
    graph.fail()
    async with World(store_url, [Reactor("r", [alpha], strategy="sequential", on_error="retry")], [graph]) as world:
        world.offer("alpha", 1.0, 2.0)
        assert world.reactor.state().queued == 1
        world.reactor.fire()

        assert graph.inputs == [{"alpha": 1.0}, {"alpha": 1.0}, {"alpha": 2.0}]


async def test_a_firing_by_hand_is_still_one_after_a_restart(store_url: str) -> None:
    graph = Graph(seconds=10.0)
    async with World(store_url, [Reactor("r", [alpha])], [graph]) as world:
        world.reactor.fire()
        await world.advance(1.5)
        await world.restart()
        await world.advance(11.0)
        [fired] = world.reactor.history()
        assert (fired.firing.id, fired.firing.manual) == ("r:1-1", True)


async def test_scenario_117_the_state_tells_values_flags_queue_and_ages(store_url: str) -> None:
    graph = Graph(seconds=3.0)
    reactor = Reactor("r", [quotes, broadcast(alpha), beta], strategy="sequential", key=key_of)
    async with World(store_url, [reactor], [graph]) as world:
        assert world.reactor.state().ages == {"quotes": None, "alpha": None, "beta": None}
        world.offer("alpha", 1.0)
        world.offer("quotes", Quote("A", 1.0), Quote("A", 2.0), Quote("A", 3.0))
        await world.advance(1.5)
        world.offer("beta", 5.0)
        state = world.reactor.state()

    assert state.keys["A"].values == {"alpha": 1.0, "quotes": Quote("A", 1.0)}
    assert (state.keys["A"].dirty, state.keys["A"].queued, state.keys["A"].firing) == ((), 2, "r:1-1")
    assert (state.paused, state.queued) == (False, 2)
    assert state.ages == {"quotes": 0.5, "alpha": 0.5, "beta": 0.0}
    assert state.keys["B"].firing == "r:1-2"


def key_of(value: object) -> str:
    return value.symbol if isinstance(value, Quote) else "B"


async def test_scenario_90_the_history_tells_what_became_of_each_graph(store_url: str) -> None:
    good, bad = Graph("good", effect=lambda _: "done"), Graph("bad", effect=lambda _: "done")
    bad.fail()
    async with World(store_url, [Reactor("r", [alpha], on_error="dead_letter")], [good, bad]) as world:
        world.offer("alpha", 1.0)
        [fired] = world.reactor.history()
        assert fired.results == {"good": None, "bad": "GraphFailed: bad fails"}
        assert world.reactor.statistics().failures == 1
        await world.advance()
        assert await world.store_effects() == [("good", "done")]


async def test_scenario_89_graphs_of_one_firing_that_wait_run_side_by_side(store_url: str) -> None:
    fast = Graph("fast", effect=lambda _: "done", seconds=0.05)
    slow = Graph("slow", effect=lambda _: "done", seconds=0.2)
    async with World(store_url, [Reactor("r", [alpha])], [slow, fast]) as world:
        world.offer("alpha", 1.0)
        await world.advance(0.1)
        assert await world.store_effects() == [("fast", "done")]
        await world.advance(0.1)
        assert await world.store_effects() == [("fast", "done"), ("slow", "done")]


async def test_scenario_88_all_graphs_of_a_reactor_run_on_each_firing(store_url: str) -> None:
    first, second = Graph("first"), Graph("second", seconds=0.1)
    async with World(store_url, [Reactor("r", [alpha])], [first, second]) as world:
        world.offer("alpha", 1.0)
        await world.advance(1.0)
        world.offer("alpha", 2.0)
        await world.advance(1.0)

    assert first.inputs == second.inputs == [{"alpha": 1.0}, {"alpha": 2.0}]
    assert [firing.id for firing in first.firings] == [firing.id for firing in second.firings]
