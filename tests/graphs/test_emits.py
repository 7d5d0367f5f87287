"""Nodes that write accumulators: what is declared wrongly, what comes of a traversal, and the whole way in an app."""

from collections.abc import Sequence

import msgspec
import pytest

from penstock.accumulators.accumulator import AnyAccumulator
from penstock.accumulators.passthrough import passthrough_accumulator
from penstock.accumulators.state import state_accumulator
from penstock.graphs.graph import ComputationGraph
from penstock.reactors.reactor import Reactor, broadcast
from penstock.runtime.errors import DecodeError, NodeFailed
from penstock.testing.app import open_test_app


class Trade(msgspec.Struct, frozen=True):
    side: str
    price: float


class Hold(msgspec.Struct, frozen=True):
    reason: str


@passthrough_accumulator
def prices(event: float) -> float:
    return event


recent = state_accumulator("recent", value=Trade, capacity=2)


def problems(target: object, returns: object = Trade, reactor: Reactor | None = None) -> Sequence[str]:
    graph = ComputationGraph("g", reactor=reactor or Reactor("r", [prices, recent]))

    def decide(prices: float) -> object:
        return Trade("buy", prices)

    decide.__annotations__["return"] = returns
    graph.node(emits=target)(decide)  # type: ignore[call-overload]
    return graph.check()


def test_a_node_may_write_an_input_of_its_reactor_that_is_a_window() -> None:
    assert problems(recent) == []
    assert problems(recent, Trade | None) == []


@pytest.mark.parametrize("returns", [float, Trade | Hold, None, Hold | None])
def test_a_value_of_another_type_is_a_problem_of_the_declaration(returns: object) -> None:
    (problem,) = problems(recent, returns)
    assert "graph 'g', node 'decide': emits=recent takes Trade, but the node returns" in problem


def test_only_an_accumulator_can_be_written() -> None:
    (problem,) = problems("recent")
    assert "emits='recent' is not an accumulator: give the accumulator itself" in problem


def test_an_input_of_the_own_reactor_that_is_no_window_is_refused() -> None:
    (problem,) = problems(prices, float)
    assert "an input of its own reactor 'r', which would fire itself for ever" in problem


def test_an_async_accumulator_is_refused() -> None:
    @passthrough_accumulator
    async def slow(event: Trade) -> Trade:
        return event

    (problem,) = problems(slow)
    assert "emits=slow has an `async def`" in problem


def test_a_window_of_a_keyed_reactor_has_to_be_broadcast() -> None:
    def key(value: object) -> str:
        return str(value)

    (problem,) = problems(recent, reactor=Reactor("r", [prices, recent], key=key))
    assert "join it as broadcast(recent)" in problem
    assert problems(recent, reactor=Reactor("r", [prices, broadcast(recent)], key=key)) == []


def test_a_graph_without_reactor_writes_nothing() -> None:
    graph = ComputationGraph("g", inputs={"price": float})

    @graph.node(emits=recent)
    def decide(price: float) -> Trade:
        return Trade("buy", price)

    (problem,) = graph.check()
    assert "emits= writes with the firing of a reactor, and the graph has none" in problem


def make(target: AnyAccumulator) -> ComputationGraph:
    graph = ComputationGraph("g", reactor=Reactor("r", [prices, recent]))

    @graph.node(emits=target)
    def decide(prices: float, recent: tuple[Trade, ...] | None) -> Trade | None:
        return Trade("buy", prices) if prices > 0 else None

    @graph.node
    def report(decide: Trade | None) -> str:
        return str(decide and decide.price)

    return graph


async def test_a_traversal_alone_returns_what_it_would_write() -> None:
    result = await make(recent).run(prices=1.0)
    assert [(effect.node, effect.effect) for effect in result.effects] == [
        ("decide", recent.emission(Trade("buy", 1.0), "r"))
    ]
    assert result.outputs == {"report": "1.0"}
    assert (await make(recent).run(prices=-1.0)).effects == []


async def test_a_value_of_another_type_fails_its_node() -> None:
    graph = ComputationGraph("g", reactor=Reactor("r", [prices, recent]))

    @graph.node(emits=recent)
    def decide(prices: float) -> Trade:
        return "text"  # type: ignore[return-value]

    with pytest.raises(NodeFailed, match="node 'decide'") as failed:
        await graph.run(prices=1.0)

    assert isinstance(failed.value.__cause__, DecodeError)


def test_what_a_node_writes_is_drawn() -> None:
    assert "-. emits .->" in make(recent).draw()


async def test_scenario_50_the_next_firing_sees_what_a_node_wrote(store_url: str) -> None:
    seen: list[object] = []
    window = state_accumulator("window", value=Trade, capacity=2)
    graph = ComputationGraph("g", reactor=Reactor("r", [prices, window]))

    @graph.node(emits=window)
    def decide(prices: float, window: tuple[Trade, ...] | None) -> Trade | None:
        seen.append(window)
        return Trade("buy", prices)

    async with open_test_app([graph], store=store_url) as test:
        for price in (1.0, 2.0, 3.0):
            await test.app.push(prices, price)
            await test.settle()

        assert test.app.statistics().reactors["r"].firings == 3
        assert test.app.statistics().accumulators["window"].held == 2

    async with open_test_app([graph], store=store_url) as test:
        await test.advance(10.0)
        assert test.app.statistics().reactors["r"].firings == 0
        await test.app.push(prices, 4.0)

    assert seen == [
        None,
        (Trade("buy", 1.0),),
        (Trade("buy", 1.0), Trade("buy", 2.0)),
        (Trade("buy", 2.0), Trade("buy", 3.0)),
    ]


async def test_an_accumulator_that_is_only_written_belongs_to_the_domain_of_its_reactor(store_url: str) -> None:
    log = state_accumulator("log", value=float, capacity=None)
    graph = ComputationGraph("g", reactor=Reactor("r", [prices]))

    @graph.node(emits=log)
    def note(prices: float) -> float:
        return prices

    async with open_test_app([graph], store=store_url) as test:
        await test.app.push(prices, 1.0)
        await test.settle()
        assert test.app.statistics().accumulators["log"].held == 1
        assert list(test.app.statistics().domains) == ["r"]
