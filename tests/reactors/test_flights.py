"""What becomes of a firing whose graph fails."""

import msgspec

from penstock.accumulators.passthrough import passthrough_accumulator
from penstock.reactors.criteria import when_all
from penstock.reactors.reactor import Reactor
from penstock.runtime.observe import FiringFailed
from tests.reactors.world import Graph, Quote, World


@passthrough_accumulator
def quotes(event: Quote) -> Quote:
    return event


@passthrough_accumulator
def alpha(event: float) -> float:
    return event


def price(firing: object) -> str:
    return str(firing.inputs["quotes"].price)  # type: ignore[attr-defined]


async def test_a_failed_firing_is_tried_again_with_its_own_id_and_snapshot(store_url: str) -> None:
    graph = Graph()
    graph.fail(2)
    async with World(store_url, [Reactor("r", [quotes])], [graph]) as world:
        world.offer("quotes", Quote("A", 1.0))
        await world.advance(0.4)
        assert len(graph.firings) == 1
        await world.advance(0.2)
        assert len(graph.firings) == 2
        await world.advance(1.0)

    assert len(graph.firings) == 3
    assert len({firing.id for firing in graph.firings}) == 1
    assert [fact.outcome for fact in world.facts(FiringFailed)] == ["retry", "retry"]  # type: ignore[attr-defined]


async def test_only_the_graphs_that_are_not_done_are_tried_again(store_url: str) -> None:
    good, bad = Graph("good", effect=price), Graph("bad", effect=price)
    bad.fail()
    async with World(store_url, [Reactor("r", [quotes])], [good, bad]) as world:
        world.offer("quotes", Quote("A", 1.0))
        await world.advance()
        assert await world.effects() == ["1.0"]
        await world.advance(1.0)
        assert await world.effects() == ["1.0", "1.0"]

    assert (len(good.firings), len(bad.firings)) == (1, 2)


async def test_a_newer_value_fires_instead_after_the_shortest_delay(store_url: str) -> None:
    graph = Graph()
    graph.fail(3)
    async with World(store_url, [Reactor("r", [quotes])], [graph]) as world:
        world.offer("quotes", Quote("A", 1.0))
        await world.advance(0.5)  # the second try fails as well; the next would be a second later
        await world.advance(0.1)
        world.offer("quotes", Quote("A", 2.0))
        assert len(graph.firings) == 2
        await world.advance(0.4)
        assert len(graph.firings) == 3
        assert world.reactor.statistics().superseded == 1
        await world.advance(0.5)

    assert [firing.inputs["quotes"].price for firing in graph.firings] == [1.0, 1.0, 2.0, 2.0]  # type: ignore[attr-defined]


async def test_a_newer_value_after_the_shortest_delay_fires_at_once(store_url: str) -> None:
    graph = Graph()
    graph.fail(2)
    async with World(store_url, [Reactor("r", [quotes])], [graph]) as world:
        world.offer("quotes", Quote("A", 1.0))
        await world.advance(1.2)
        world.offer("quotes", Quote("A", 2.0))
        assert [firing.inputs["quotes"].price for firing in graph.firings] == [1.0, 1.0, 2.0]  # type: ignore[attr-defined]


async def test_the_inputs_of_a_failed_firing_count_as_new_for_the_one_that_replaces_it(store_url: str) -> None:
    graph = Graph()
    graph.fail(2)
    async with World(store_url, [Reactor("r", [quotes, alpha], criteria=when_all())], [graph]) as world:
        world.offer("quotes", Quote("A", 1.0))
        world.offer("alpha", 1.0)
        await world.advance(1.2)
        world.offer("alpha", 2.0)

    assert [firing.inputs["alpha"] for firing in graph.firings] == [1.0, 1.0, 2.0]
    assert graph.firings[-1].changed == {"quotes", "alpha"}


async def test_a_snapshot_that_fails_five_times_becomes_a_dead_letter(store_url: str) -> None:
    graph = Graph()
    graph.fail(5)
    async with World(store_url, [Reactor("r", [quotes])], [graph]) as world:
        world.offer("quotes", Quote("A", 1.0))
        await world.advance(60.0)
        [letter] = await world.letters()
        assert world.reactor.statistics().in_flight == 0

    assert len(graph.firings) == 5
    assert (letter.part, letter.reason, letter.position) == ("graph", "firing", "r:1-1")
    assert msgspec.json.decode(letter.payload) == {"quotes": {"symbol": "A", "price": 1.0}}
    assert "graph fails" in letter.error


async def test_dead_letter_and_drop_do_not_try_again(store_url: str) -> None:
    graph = Graph()
    graph.fail(2)
    reactors = [
        Reactor("r", [quotes], on_error="dead_letter"),
        Reactor("s", [quotes], on_error="drop"),
    ]
    async with World(store_url, reactors, [graph]) as world:
        world.domain.reactors["s"]._decider.started = False
        world.domain.reactors["s"].subscribe(graph)
        world.domain.reactors["s"]._decider.started = True
        world.offer("quotes", Quote("A", 1.0))
        await world.advance(60.0)
        assert [letter.part for letter in await world.letters()] == ["graph"]

    assert [(fact.reactor, fact.outcome) for fact in world.facts(FiringFailed)] == [  # type: ignore[attr-defined]
        ("r", "dead_letter"),
        ("s", "drop"),
    ]


async def test_effects_of_a_failed_graph_are_discarded(store_url: str) -> None:
    graph = Graph(effect=price, before=lambda firing: graph.fail(firing.inputs["quotes"].price == 1.0))  # type: ignore[attr-defined]
    async with World(store_url, [Reactor("r", [quotes], on_error="drop")], [graph]) as world:
        world.offer("quotes", Quote("A", 1.0), Quote("A", 2.0))
        await world.advance()
        assert await world.effects() == ["2.0"]


async def test_a_failed_graph_that_waits_is_tried_again(store_url: str) -> None:
    graph = Graph(seconds=1.0, effect=price)
    graph.fail()
    async with World(store_url, [Reactor("r", [quotes])], [graph]) as world:
        world.offer("quotes", Quote("A", 1.0))
        await world.advance(3.0)
        assert await world.effects() == ["1.0"]

    assert len(graph.firings) == 2


async def test_a_retry_waits_for_the_end_of_a_pause(store_url: str) -> None:
    graph = Graph()
    graph.fail()
    async with World(store_url, [Reactor("r", [quotes])], [graph]) as world:
        world.offer("quotes", Quote("A", 1.0))
        world.reactor.pause()
        await world.advance(5.0)
        assert len(graph.firings) == 1
        world.reactor.resume()
        assert len(graph.firings) == 2
