"""Graphs in an app: where their nodes run, what is counted, and what a picture of a running app shows."""

import threading

import msgspec
import pytest

from penstock.accumulators.passthrough import passthrough_accumulator
from penstock.app import App
from penstock.graphs.graph import ComputationGraph
from penstock.graphs.sources import From
from penstock.graphs.ways import NodeCounts
from penstock.reactors.reactor import Reactor
from penstock.runtime.errors import AppError
from penstock.testing import open_test_app
from penstock.workflows.workflow import Workflow
from tests.graphs import work
from tests.graphs.streams import Hold, Trade
from tests.reactors.test_keep import ticks


class Counted(msgspec.Struct):
    x: int


@passthrough_accumulator
def prices(event: float) -> float:
    return event


def deciding(*, commit_snapshot: bool = False) -> ComputationGraph:
    reactor = Reactor("desk", [prices], on_error="drop")
    graph = ComputationGraph("maker", reactor=reactor, commit_snapshot=commit_snapshot)

    @graph.node(terminals=(Hold,))
    def decide(prices: float) -> Trade | Hold:
        return Trade(1 / prices) if prices < 10 else Hold("dear")

    @graph.node
    def execute(trade: Trade = From(decide, Trade)) -> float:
        return trade.price

    return graph


@pytest.mark.parametrize("commit_snapshot", [False, True])
async def test_app_counts_what_nodes_do_and_draws_it(commit_snapshot: bool) -> None:
    graph = deciding(commit_snapshot=commit_snapshot)
    async with open_test_app([graph]) as test:
        for price in (1.0, 2.0, 30.0, 0.0):
            await test.app.push(prices, price)
            await test.settle()

        counted = test.app.node_counts(graph)
        assert counted == {"decide": NodeCounts(ran=3, failed=1), "execute": NodeCounts(ran=2, skipped=1)}
        assert test.app.node_counts("maker") == counted
        assert "2 ran · 1 skipped" in graph.draw("svg", app=test.app)
        lines = test.app.metrics().splitlines()
        with pytest.raises(AppError, match="did you mean 'maker'"):
            test.app.node_counts("maker2")

    assert 'penstock_graph_nodes_total{graph="maker",node="execute",outcome="skipped"} 1.0' in lines
    assert not any('node="execute",outcome="failed"' in line for line in lines)


async def test_nodes_of_firings_and_of_invoked_graphs_run_in_the_pools_of_the_app(tmp_path: object) -> None:
    names: list[str] = []

    def note() -> None:
        names.append(threading.current_thread().name)

    fired = ComputationGraph("fired", reactor=Reactor("r", [ticks]))

    @fired.node(executor="thread", timeout="1m")
    def block(ticks: int) -> None:
        note()

    invoked = ComputationGraph("invoked", inputs={"x": int})

    @invoked.node(executor="thread")
    def blocking(x: int) -> int:
        note()
        return x + 1

    invoked.node(executor="process")(work.add_up)
    flow = Workflow("flow", input=Counted)

    @flow.task(invokes=invoked)
    def start() -> None: ...

    async with App(f"sqlite:///{tmp_path}/app.db", parts=[fired, flow]) as app:
        await app.push(ticks, 1)
        assert (await app.execute(flow, {"x": 3}))["blocking"] == 4
        await app.wait_idle()
        found = app.statistics()

    assert {name.rsplit("-", 1)[0] for name in names} == {"penstock-nodes"}
    assert (found.node_threads.finished, found.node_processes.finished) == (2, 1)
