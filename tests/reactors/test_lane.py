"""The fast lane does what the other way does; it is taken from the second event between two cuts on."""

from functools import partial

import pytest

from penstock.accumulators.boundary import Boundary
from penstock.accumulators.passthrough import passthrough_accumulator
from penstock.reactors.criteria import when_all
from penstock.reactors.firing import Firing
from penstock.reactors.lane import Lane
from penstock.reactors.reactor import Reactor, Strategy
from penstock.runtime.errors import AppError
from tests.reactors.world import Graph, QuickGraph, World


@passthrough_accumulator
def alpha(event: float) -> float:
    return event


@passthrough_accumulator
def beta(event: float) -> float:
    return event


def value(firing: Firing) -> str:
    return str(firing.inputs["alpha"])


def lanes(world: World) -> list[bool]:
    """Tell for which inputs everything stands in one function."""
    takers = [world.reactor.taker(name) for name in world.reactor.inputs.accumulators]
    return [getattr(taker, "__qualname__", "").startswith(Lane.__name__) for taker in takers]


@pytest.mark.parametrize("kind", [Graph, QuickGraph])
async def test_a_graph_that_fails_in_the_lane_is_tried_again(store_url: str, kind: type[Graph]) -> None:
    graph = kind(effect=value)
    async with World(store_url, [Reactor("r", [alpha])], [graph]) as world:
        world.offer("alpha", 1.0)
        graph.fail()
        world.offer("alpha", 2.0)
        assert lanes(world) == [kind is QuickGraph]
        await world.advance(1.0)
        assert await world.effects() == ["1.0", "2.0"]
        assert [fired.firing.id for fired in world.reactor.history()] == ["r:1-2", "r:1-1"]

    assert (graph.firings[0].id, graph.firings[-1].id) == ("r:1-1", "r:1-2")


@pytest.mark.parametrize("graphs", [1, 2])
async def test_a_graph_of_plain_functions_can_neither_push_nor_fire(store_url: str, graphs: int) -> None:
    refused: list[str] = []

    def feed(firing: Firing) -> None:
        for call in (partial(world.offer, "alpha", 3.0), world.reactor.fire):
            with pytest.raises(AppError) as caught:
                call()

            refused.append(str(caught.value))

    feeding = Graph("feeding") if graphs == 2 else QuickGraph("feeding")
    feeding.before = feed
    own = [feeding, Graph()][:graphs]
    async with World(store_url, [Reactor("r", [alpha])], own) as world:
        world.offer("alpha", 1.0)
        assert [len(graph.firings) for graph in own] == [1] * graphs
        world.offer("alpha", 2.0)

    assert (
        refused
        == [
            (
                "offer('alpha') from inside a firing of 'r' would not be part of its transaction:"
                " let a node return the event (emits=), or start a workflow with it (starts=)"
            ),
            "reactor 'r' does not fire from inside a firing of 'r'",
        ]
        * 2
    )


async def test_firings_that_are_remembered_keep_their_inputs(store_url: str) -> None:
    async with World(store_url, [Reactor("r", [alpha, beta])], [QuickGraph()]) as world:
        for number in (1.0, 2.0, 3.0):
            world.offer("beta" if number == 2.0 else "alpha", number, number + 10)
            await world.advance(0.1)

        found = [(fired.firing.inputs, fired.firing.changed) for fired in reversed(world.reactor.history())]

    assert found == [
        ({"alpha": 1.0}, {"alpha"}),
        ({"alpha": 11.0, "beta": 2.0}, {"beta"}),
        ({"alpha": 3.0, "beta": 12.0}, {"alpha"}),
    ]


async def test_a_value_that_comes_while_a_graph_runs_is_not_in_what_that_has_failed_on(store_url: str) -> None:
    graph = QuickGraph()

    def bring_another(firing: Firing) -> None:
        if firing.inputs["alpha"] == 2.0:
            graph.fail()
            world.accumulator("alpha").accept(3.0)

    graph.before = bring_another
    async with World(store_url, [Reactor("r", [alpha], on_error="dead_letter")], [graph]) as world:
        world.offer("alpha", 1.0, 2.0)
        await world.advance()
        assert [letter.payload for letter in await world.letters()] == [b'{"alpha":2.0}']

    assert graph.inputs == [{"alpha": 1.0}, {"alpha": 2.0}, {"alpha": 3.0}]


@pytest.mark.parametrize("graphs", [1, 2])
@pytest.mark.parametrize("strategy", ["latest", "sequential"])
async def test_a_value_that_comes_while_a_graph_runs_fires_after_it(
    store_url: str, strategy: Strategy, graphs: int
) -> None:
    graph = QuickGraph()

    def bring_another(firing: Firing) -> None:
        if firing.inputs["alpha"] == 2.0:
            world.accumulator("alpha").accept(3.0)

    graph.before = bring_another
    reactor = Reactor("r", [alpha], strategy=strategy)
    async with World(store_url, [reactor], [graph, Graph("other")][:graphs]) as world:
        world.offer("alpha", 1.0, 2.0)
        await world.advance()

    assert graph.inputs == [{"alpha": 1.0}, {"alpha": 2.0}, {"alpha": 3.0}]


async def test_whose_results_somebody_takes_sees_its_firings(store_url: str) -> None:
    graph = QuickGraph()
    async with World(store_url, [Reactor("r", [alpha])], [graph]) as world:
        world.offer("alpha", 1.0, 2.0)
        graph.listeners.append(self := object())
        world.offer("alpha", 3.0)
        graph.listeners.remove(self)
        world.offer("alpha", 4.0)

    assert [firing.id for firing in graph.firings] == ["", "", "r:1-3", ""]


@pytest.mark.parametrize("kind", [Graph, QuickGraph])
async def test_snapshots_of_the_lane_do_not_change(store_url: str, kind: type[Graph]) -> None:
    graph = kind(effect=lambda _: "some")
    async with World(store_url, [Reactor("r", [alpha, beta])], [graph]) as world:
        world.offer("alpha", 1.0, 2.0)
        world.offer("beta", 3.0)
        world.offer("alpha", 4.0)

    assert graph.inputs == [
        {"alpha": 1.0},
        {"alpha": 2.0},
        {"alpha": 2.0, "beta": 3.0},
        {"alpha": 4.0, "beta": 3.0},
    ]
    assert [firing.changed for firing in graph.firings] == [{"alpha"}, {"alpha"}, {"beta"}, {"alpha"}]


async def test_there_is_no_lane_where_there_is_more_to_do(store_url: str) -> None:
    async with World(store_url, [Reactor("r", [alpha, beta], criteria=when_all())], [Graph()]) as world:
        assert lanes(world) == [False, False]
        world.graphs = [Graph("one"), Graph("other")]
        world.definitions = [Reactor("r", [alpha])]
        await world.restart()
        assert lanes(world) == [False]
        world.offer("alpha", 1.0, 2.0)
        assert [len(graph.firings) for graph in world.graphs] == [2, 2]


async def test_the_history_shows_the_last_firings_with_their_errors(store_url: str) -> None:
    graph = Graph()
    async with World(store_url, [Reactor("r", [alpha], on_error="drop")], [graph], firing_history=2) as world:
        for number in (1.0, 2.0, 3.0):
            await world.advance(0.1)
            graph.fail(number == 3.0)
            world.offer("alpha", number)

        newest, before = world.reactor.history()

    assert (newest.firing.inputs, before.firing.inputs) == ({"alpha": 3.0}, {"alpha": 2.0})
    assert (list(newest.errors or ()), before.errors) == (["graph"], None)


async def test_who_listens_sees_numbered_boundaries(store_url: str) -> None:
    seen: list[Boundary] = []
    async with World(store_url, [Reactor("r", [alpha])], [Graph()]) as world:
        world.accumulator("alpha").listen(seen.append)
        world.offer("alpha", 5.0, 6.0)

    assert seen == [Boundary("alpha", 1, 5.0), Boundary("alpha", 2, 6.0)]


async def test_a_key_has_to_be_named_where_there_are_keys_and_only_there(store_url: str) -> None:
    reactors = [Reactor("r", [alpha]), Reactor("s", [alpha], key=str)]
    async with World(store_url, reactors, [Graph()]) as world:
        with pytest.raises(AppError, match="leave the key out"):
            world.domain.reactors["r"].fire("A")

        with pytest.raises(AppError, match="say which one"):
            world.domain.reactors["s"].fire()

        assert world.domain.reactors["s"].fire("A") == "s:1-1"


async def test_firing_by_hand_replaces_a_firing_that_waits_to_be_tried_again(store_url: str) -> None:
    graph = Graph()
    graph.fail()
    async with World(store_url, [Reactor("r", [alpha])], [graph]) as world:
        world.offer("alpha", 1.0)
        assert world.reactor.fire() == "r:1-2"
        await world.advance(10.0)
        assert world.reactor.statistics().superseded == 1

    assert [firing.id for firing in graph.firings] == ["r:1-1", "r:1-2"]


async def test_a_key_function_that_raises_keeps_the_value_aside(store_url: str) -> None:
    def key(number: object) -> object:
        raise ValueError(f"no key in {number}")

    async with World(store_url, [Reactor("r", [alpha], key=key)], [Graph()]) as world:
        world.offer("alpha", 1.0)
        await world.advance()
        [letter] = await world.letters()

    assert (letter.reason, letter.error) == ("key", "ValueError: no key in 1.0")


async def test_values_that_replace_each_other_are_counted_and_do_not_change_the_firing_in_flight(
    store_url: str,
) -> None:
    graph = Graph(seconds=1.0)
    async with World(store_url, [Reactor("r", [alpha, beta])], [graph]) as world:
        world.offer("alpha", 1.0)
        world.offer("beta", 2.0)
        world.offer("alpha", 3.0, 4.0, 5.0)
        await world.advance(0.5)
        world.offer("alpha", 6.0)
        await world.flush()
        world.offer("alpha", 7.0)
        assert world.reactor.statistics().coalesced == 4
        await world.restart()
        assert world.reactor.state().values == {None: {"alpha": 6.0, "beta": 2.0}}
        await world.advance(3.0)

    assert graph.inputs == [{"alpha": 1.0}, {"alpha": 6.0, "beta": 2.0}]
