"""A graph behind a reactor: what a firing gives."""

import pytest

from penstock.graphs.graph import ComputationGraph
from penstock.graphs.subscriber import GraphSubscriber
from penstock.graphs.ways import NodeCounts
from penstock.reactors.firing import Firing, Outcome, Subscriber
from penstock.runtime.effects import Recorded, Start
from penstock.runtime.errors import DefinitionError, NodeFailed
from tests.graphs.streams import Book, Hold, Trade, firing, market


class Settle:
    name = "settle"

    def prepare(self, value: object) -> Start:
        return Start(workflow="settle", input=str(value))


def starting() -> ComputationGraph:
    graph = ComputationGraph("maker", reactor=market)

    @graph.node(starts=Settle())
    def low(orderbook: Book) -> float:
        return orderbook.bid

    @graph.node(starts=Settle())
    def high(orderbook: Book) -> float | None:
        return orderbook.ask if orderbook.ask > 1 else None

    return graph


def test_effects_have_a_key_of_firing_graph_node_and_index() -> None:
    subscriber: Subscriber = GraphSubscriber(starting())
    outcome = subscriber.run(firing(orderbook=Book(1.0, 2.0)))
    assert outcome.effects == [
        Recorded(key="market:1-7/maker/low/0", effect=Start(workflow="settle", input="1.0")),
        Recorded(key="market:1-7/maker/high/0", effect=Start(workflow="settle", input="2.0")),
    ]


def test_key_of_an_effect_does_not_depend_on_the_others() -> None:
    outcome = GraphSubscriber(starting()).run(firing(orderbook=Book(1.0, 0.5)))
    assert [effect.key for effect in outcome.effects] == ["market:1-7/maker/low/0"]


def test_result_of_a_firing_without_effects() -> None:
    outcome = GraphSubscriber(starting()).run(firing())
    assert isinstance(outcome, Outcome)
    assert list(outcome.effects) == []
    assert outcome.result.not_ready == ("low", "high")


async def test_graph_that_waits_is_run_by_arun() -> None:
    graph = starting()

    @graph.node
    async def fetch(orderbook: Book) -> float:
        return orderbook.bid

    subscriber = GraphSubscriber(graph)
    assert (subscriber.name, subscriber.is_async) == ("maker", True)
    outcome = await subscriber.arun(firing(orderbook=Book(1.0, 2.0)))
    assert len(outcome.effects) == 2
    assert outcome.result.outputs["fetch"] == 1.0


def test_failure_of_a_node_goes_to_the_reactor() -> None:
    graph = ComputationGraph("maker", reactor=market)
    graph.node(name="broken")(lambda orderbook: orderbook.bid / 0)
    with pytest.raises(NodeFailed, match="ZeroDivisionError"):
        GraphSubscriber(graph).run(firing(orderbook=Book(1.0, 2.0)))


def test_graph_with_problems_is_refused_before_any_firing() -> None:
    with pytest.raises(DefinitionError, match="no nodes"):
        GraphSubscriber(ComputationGraph("maker", reactor=market))


async def test_nodes_are_counted_for_each_subscriber() -> None:
    graph = ComputationGraph("maker", reactor=market)

    @graph.node(terminals=(Hold,))
    def decide(orderbook: Book) -> Trade | Hold:
        return Trade(1 / orderbook.bid) if orderbook.bid < orderbook.ask else Hold("wide")

    @graph.node
    def execute(decide: Trade) -> float:
        return decide.price

    one, other = GraphSubscriber(graph), GraphSubscriber(graph)
    for book in (Book(1.0, 2.0), Book(1.0, 2.0), Book(2.0, 1.0)):
        one.run(firing(orderbook=book))

    one.run(firing())
    with pytest.raises(NodeFailed):
        one.run(firing(orderbook=Book(0.0, 1.0)))

    assert one.compiled.counts() == {
        "decide": NodeCounts(ran=3, not_ready=1, failed=1),
        "execute": NodeCounts(ran=2, skipped=1, not_ready=1),
    }
    assert other.compiled.counts() == {"decide": NodeCounts(), "execute": NodeCounts()}


def test_nodes_of_a_graph_with_one_way_are_counted_too() -> None:
    graph = ComputationGraph("g", inputs={"x": int})
    graph.node(name="one")(lambda x: x)
    graph.node(name="two")(lambda one: one)
    for _ in range(3):
        assert graph.run_sync(x=1).ran == ("one", "two")

    assert graph.compiled.counts() == {"one": NodeCounts(ran=3), "two": NodeCounts(ran=3)}


async def test_graph_that_commits_its_snapshot_waits_for_that_although_its_nodes_do_not() -> None:
    graph, seen = ComputationGraph("g", reactor=market, commit_snapshot=True), list[str]()

    async def keep(kept: Firing) -> None:
        seen.append(f"kept {kept.id}")

    @graph.node
    def run(orderbook: Book) -> None:
        seen.append("ran")

    subscriber = GraphSubscriber(graph, keep=keep)
    assert subscriber.is_async
    await subscriber.arun(firing(orderbook=Book(1.0, 2.0)))
    assert seen == ["kept market:1-7", "ran"]
