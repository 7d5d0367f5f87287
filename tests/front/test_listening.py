"""Firings and results for whoever listens to an open app."""

import asyncio
from pathlib import Path

import anyio
import pytest

import penstock as ps
from penstock.accumulators.passthrough import passthrough_accumulator
from penstock.graphs.result import FiringResult, GraphResult
from penstock.portal import Reading
from penstock.runtime.errors import AppError
from penstock.testing import open_test_app
from penstock.testing.app import AppUnderTest


@passthrough_accumulator
def amounts(event: float) -> float:
    return event


@passthrough_accumulator
def orders(event: dict[str, float]) -> dict[str, float]:
    return event


def halving(name: str = "halving", *, reactor: ps.Reactor | None = None) -> ps.ComputationGraph:
    graph = ps.ComputationGraph(name, reactor=reactor or ps.Reactor("r", [amounts]))

    @graph.node
    def half(amounts: float) -> float:
        if amounts < 0:
            raise ValueError("negative")

        return amounts / 2

    @graph.node
    def quarter(half: float) -> float:
        return half / 2

    return graph


async def push(test: AppUnderTest, *values: float) -> None:
    for value in values:
        await test.app.push("amounts", value)


# -- firings -------------------------------------------------------------------------------------------------


async def test_firings_are_read_as_they_end_and_end_with_the_app() -> None:
    async with open_test_app([halving()]) as test:
        firings = test.app.firings("r")
        begun = test.clock.now()
        await push(test, 8.0, 4.0)
        first = await anext(firings)
        assert first == ps.PastFiring(
            number=1,
            id="r:1-1",
            reactor="r",
            key=None,
            inputs={"amounts": 8.0},
            changed=frozenset({"amounts"}),
            manual=False,
            at=begun,
            seconds=0.0,
            results={"halving": None},
        )

    assert [(firing.id, firing.inputs) async for firing in firings] == [("r:1-2", {"amounts": 4.0})]


async def test_a_listener_gets_each_firing_of_a_burst() -> None:
    count = 200
    async with open_test_app([halving()]) as test:
        reactor = test.app._open.reactor("r")
        await push(test, *map(float, range(count)))
        noted = len(reactor.history())
        assert noted < count / 2
        async with test.app.firings("r") as firings:
            await push(test, *map(float, range(count)))

        assert [firing.inputs async for firing in firings] == [{"amounts": float(index)} for index in range(count)]
        await push(test, *map(float, range(count)))
        assert len(await test.app.history("r", limit=1000)) < noted + count + count / 2


async def test_who_leaves_in_the_middle_hears_what_came_before() -> None:
    async with open_test_app([halving()]) as test:
        await push(test, 1.0)
        one = test.app.firings("r")
        await push(test, 2.0)
        other = test.app.firings("r")
        await push(test, 3.0)
        one.close()
        await push(test, 4.0)
        assert [firing.inputs async for firing in one] == [{"amounts": 2.0}, {"amounts": 3.0}]

    assert [firing.inputs async for firing in other] == [{"amounts": 3.0}, {"amounts": 4.0}]


async def test_a_failed_firing_tells_what_became_of_each_graph() -> None:
    reactor = ps.Reactor("r", [amounts], strategy="sequential", on_error="dead_letter")
    calm = ps.ComputationGraph("calm", reactor=reactor)

    @calm.node
    def same(amounts: float) -> float:
        return amounts

    async with open_test_app([halving(reactor=reactor), calm]) as test:
        firings = test.app.firings(reactor)
        await push(test, -1.0)
        failed = await anext(firings)

    assert failed.results["calm"] is None
    assert "node 'half' of graph 'halving' failed: ValueError: negative" in str(failed.results["halving"])
    assert not failed.ok


async def test_a_firing_that_is_tried_again_is_told_when_it_is_over() -> None:
    tries: list[float] = []
    reactor = ps.Reactor("r", [amounts], on_error=ps.Retry(backoff=1.0))
    graph = ps.ComputationGraph("stubborn", reactor=reactor)

    @graph.node
    async def sometimes(amounts: float) -> float:
        tries.append(amounts)
        if len(tries) == 1:
            raise ValueError("not yet")

        return amounts

    async with open_test_app([graph]) as test:
        firings, results = test.app.firings("r"), test.app.results("stubborn")
        await push(test, 1.0)
        await test.settle()
        assert tries == [1.0]
        await test.advance(2.0)
        over, result = await anext(firings), await anext(results)

    assert (over.id, over.ok, over.seconds) == ("r:1-1", True, 1.0)
    assert (result.firing, result.outputs) == ("r:1-1", {"sometimes": 1.0})
    assert [firing async for firing in firings] == []


async def test_firings_by_hand_and_by_key_say_so() -> None:
    reactor = ps.Reactor("keyed", [orders], key=lambda order: int(order["id"]))
    async with open_test_app([reactor]) as test:
        firings = test.app.firings(reactor)
        await test.app.push(orders, {"id": 7.0})
        await test.app.fire(reactor, 7)
        seen = [await anext(firings) for _ in range(2)]

    assert [(firing.key, firing.manual, firing.changed) for firing in seen] == [
        (7, False, frozenset({"orders"})),
        (7, True, frozenset()),
    ]


async def test_what_was_in_flight_is_told_after_a_restart_under_its_own_id(tmp_path: object) -> None:
    gate = anyio.Event()
    reactor = ps.Reactor("r", [amounts])
    graph = ps.ComputationGraph("waiting", reactor=reactor)

    @graph.node
    async def hold(amounts: float) -> float:
        await gate.wait()
        return amounts

    store = f"sqlite:///{tmp_path}/one.db"
    async with open_test_app([graph], store=store) as test:
        await push(test, 1.0)

    async with open_test_app([graph], store=store) as test:
        firings, results = test.app.firings("r"), test.app.results(graph)
        gate.set()
        await test.settle()
        assert ((await anext(firings)).id, (await anext(results)).firing) == ("r:1-1", "r:1-1")


# -- results -------------------------------------------------------------------------------------------------


async def test_results_are_what_the_graph_gives_by_hand() -> None:
    graph = halving(reactor=ps.Reactor("r", [amounts], on_error="drop"))
    async with open_test_app([graph]) as test:
        results = test.app.results(graph)
        await push(test, 8.0, -1.0, 2.0)

    found = [result async for result in results]
    assert [(result.graph, result.firing, result.key) for result in found] == [
        ("halving", "r:1-1", None),
        ("halving", "r:1-3", None),
    ]
    by_hand = await graph.run(amounts=8.0)
    assert by_hand == GraphResult({"quarter": 2.0}, (), by_hand.path)
    assert found[0] == FiringResult(by_hand.outputs, by_hand.effects, by_hand.path, "halving", "r:1-1", None)
    assert isinstance(found[0], GraphResult)
    assert (found[0].ran, found[0].skipped, found[0].not_ready) == (by_hand.ran, by_hand.skipped, by_hand.not_ready)


async def test_results_hold_effects_as_by_hand() -> None:
    recent = ps.state_accumulator("recent", value=float, capacity=2)
    graph = ps.ComputationGraph("remembering", reactor=ps.Reactor("r", [amounts]))

    @graph.node(emits=recent)
    def remembered(amounts: float) -> float:
        return amounts

    async with open_test_app([graph]) as test:
        results = test.app.results(graph)
        await push(test, 1.0)
        found = await anext(results)

    by_hand = await graph.run(amounts=1.0)
    assert [(each.node, type(each.effect)) for each in found.effects] == [
        (each.node, type(each.effect)) for each in by_hand.effects
    ]
    assert found.outputs == by_hand.outputs


async def test_results_of_each_graph_of_a_reactor_are_its_own() -> None:
    reactor = ps.Reactor("r", [amounts])
    async with open_test_app([halving("a", reactor=reactor), halving("b", reactor=reactor)]) as test:
        one, other = test.app.results("a"), test.app.results("b")
        await push(test, 4.0)

    assert [(result.graph, result.outputs) async for result in one] == [("a", {"quarter": 1.0})]
    assert [(result.graph, result.outputs) async for result in other] == [("b", {"quarter": 1.0})]


async def test_a_graph_that_is_replaced_is_listened_to_on() -> None:
    reactor = ps.Reactor("r", [amounts])
    new = ps.ComputationGraph("halving", reactor=reactor)

    @new.node
    def whole(amounts: float) -> float:
        return amounts

    async with open_test_app([halving(reactor=reactor)]) as test:
        results = test.app.results("halving")
        await push(test, 4.0)
        await test.app.replace(new)
        await push(test, 4.0)

    assert [result.outputs async for result in results] == [{"quarter": 1.0}, {"whole": 4.0}]


async def test_what_is_unloaded_ends_its_subscriptions_and_no_others() -> None:
    reactor = ps.Reactor("r", [amounts])
    async with open_test_app([halving("r", reactor=reactor)]) as test:
        results, firings = test.app.results("r"), test.app.firings("r")
        await push(test, 4.0)
        await test.app.unload(test.app.graphs["r"])
        assert [result.outputs async for result in results] == [{"quarter": 1.0}]
        await push(test, 6.0)
        assert [(await anext(firings)).results for _ in range(2)] == [{"r": None}, {}]
        await test.app.unload("r")
        assert [firing async for firing in firings] == []


# -- costs, limits, mistakes ---------------------------------------------------------------------------------


async def test_nothing_is_attached_when_nobody_listens() -> None:
    async with open_test_app([halving()]) as test:
        session = test.app._open
        history, takers = session.reactor("r")._decider.history, session.listening.result_takers("halving")
        async with test.app.firings("r"), test.app.results("halving"):
            assert (len(history._listeners), len(takers)) == (1, 1)

        assert (len(history._listeners), len(takers)) == (0, 0)
        assert session.subscribers["halving"].listeners is takers


async def test_a_slow_listener_loses_the_oldest_and_the_statistics_count_them() -> None:
    async with open_test_app([halving()]) as test:
        firings, results = test.app.firings("r", capacity=2), test.app.results("halving", capacity=1)
        await push(test, 1.0, 2.0, 3.0)
        assert test.app.statistics().reactors["r"].firings == 3
        assert (firings.dropped, results.dropped) == (1, 2)
        results.close()
        counted = {(each.kind, each.part): each for each in test.app.statistics().listening}
        assert [(each.listeners, each.dropped, each.failed) for each in counted.values()] == [(1, 1, 0), (0, 2, 0)]
        assert list(counted) == [("firings", "r"), ("results", "halving")]
        text = test.app.metrics()
        assert 'penstock_listener_values_dropped_total{kind="results",part="halving"} 2.0' in text
        assert 'penstock_listeners{kind="firings",part="r"} 1.0' in text

    assert [firing.inputs async for firing in firings] == [{"amounts": 2.0}, {"amounts": 3.0}]
    assert [result.firing async for result in results] == ["r:1-3"]


async def test_an_observer_that_raises_harms_nobody_and_is_counted() -> None:
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: told.append(context["exception"]))
    seen: list[str] = []

    def refuse(firing: ps.PastFiring) -> None:
        raise ValueError(firing.id)

    async with open_test_app([halving()]) as test:
        test.app.firings("r").to_observable().subscribe(refuse)
        test.app.firings("r").to_observable().subscribe(lambda firing: seen.append(firing.id))
        await push(test, 1.0)
        await test.settle()
        await push(test, 2.0)
        await test.settle()
        [counted] = test.app.statistics().listening
        assert (counted.listeners, counted.failed) == (1, 1)
        assert 'penstock_listeners_failed_total{kind="firings",part="r"} 1.0' in test.app.metrics()

    assert seen == ["r:1-1", "r:1-2"]
    assert [str(error) for error in told] == ["r:1-1"]


async def test_observables_of_firings_and_results_complete_with_the_app() -> None:
    seen: list[object] = []
    async with open_test_app([halving()]) as test:
        firings, results = test.app.firings("r").to_observable(), test.app.results("halving").to_observable()
        firings.subscribe(lambda firing: seen.append(firing.inputs), on_completed=lambda: seen.append("no firings"))
        results.subscribe(lambda result: seen.append(result.outputs), on_completed=lambda: seen.append("no results"))
        await push(test, 4.0)
        await test.settle()
        assert seen == [{"amounts": 4.0}, {"quarter": 1.0}]

    assert seen[2:] == ["no firings", "no results"]


async def test_what_cannot_be_listened_to_is_refused() -> None:
    alone = ps.ComputationGraph("alone", inputs={"amount": float})

    @alone.node
    def same(amount: float) -> float:
        return amount

    async with open_test_app([halving(), alone]) as test:
        with pytest.raises(AppError, match="no reactor 's'"):
            test.app.firings("s")

        with pytest.raises(AppError, match="did you mean 'halving'"):
            test.app.results("halvin")

        with pytest.raises(AppError, match="'alone' has no reactor"):
            test.app.results(alone)

        with pytest.raises(AppError, match="at least 1"):
            test.app.results("halving", capacity=0)

    with pytest.raises(AppError, match="not open"):
        test.app.firings("r")


def test_synchronous_code_reads_as_it_goes(tmp_path: Path) -> None:
    app = ps.App(f"sqlite:///{tmp_path}/one.db", parts=[halving()])
    with app.portal() as portal:
        firings, results = portal.firings("r"), portal.results("halving", capacity=1)
        assert isinstance(firings, Reading)
        assert isinstance(results, Reading)
        for amount in (4.0, 8.0):
            portal.push("amounts", amount)

        first = next(firings)
        assert isinstance(first, ps.PastFiring)
        assert first.inputs == {"amounts": 4.0}
        firings.close()
        assert [firing.id for firing in firings if isinstance(firing, ps.PastFiring)] == ["r:1-2"]
        last = next(results)
        assert isinstance(last, ps.FiringResult)
        assert (last.outputs, results.dropped) == ({"quarter": 2.0}, 1)
