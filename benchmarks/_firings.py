"""Runs that firings start: an app with one accumulator, one reactor, and a graph whose only node starts a run."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import msgspec
from _bare import Bare, expect
from _databases import Database
from _figures import Spent, spending

import penstock as ps
from penstock.runtime.observe import Fact, RunStarted


class Order(msgspec.Struct, frozen=True):
    """An event, and the input of the run that it starts."""

    number: int


class Committed:
    """Counts the runs whose creation is committed, as the app tells it."""

    def __init__(self) -> None:
        self.count = 0
        self._wanted = 0
        self._reached: asyncio.Future[None] | None = None

    def __call__(self, fact: Fact) -> None:
        if isinstance(fact, RunStarted):
            self.count += 1
            if self._reached is not None and self.count == self._wanted:
                self._reached.set_result(None)

    async def reach(self, count: int) -> None:
        """Return when there are so many."""
        if self.count < count:
            self._wanted, self._reached = count, asyncio.get_running_loop().create_future()
            await self._reached
            self._reached = None


def graph_of(workflow: ps.Workflow) -> tuple[ps.Accumulator, ps.ComputationGraph]:
    """Return an accumulator, and the graph that it fires once for each event."""

    @ps.passthrough_accumulator
    def orders(event: Order) -> Order:
        return event

    graph = ps.ComputationGraph("starter", reactor=ps.Reactor("market", [orders], strategy="sequential"))

    @graph.node(starts=workflow)
    def start(orders: Order) -> Order:
        return orders

    return orders, graph


def settle() -> ps.Workflow:
    """Return a workflow of one task."""
    workflow = ps.Workflow("settle", input=Order)

    @workflow.task
    async def book(context: ps.Context) -> None:
        context["booked"] = True

    return workflow


@asynccontextmanager
async def fired(url: str) -> AsyncGenerator[tuple[ps.App, ps.Accumulator, Committed]]:
    """Open an app in which each event starts a run."""
    orders, graph = graph_of(settle())
    committed = Committed()
    async with ps.App(url, [graph], observer=committed) as app:
        yield app, orders, committed


async def measure_firings(database: Database, runs: int, *, at_once: bool) -> tuple[Spent, list[float]]:
    """Push events; return what that took until all runs are committed, and the time of each when it is alone."""
    latencies: list[float] = []
    url = database.new()
    try:
        async with fired(url) as (app, orders, committed):
            with spending() as spent:
                if at_once:
                    for number in range(runs):
                        await app.push(orders, Order(number))

                    await committed.reach(runs)
                else:
                    for number in range(runs):
                        begun = time.perf_counter()
                        await app.push(orders, Order(number))
                        await committed.reach(number + 1)
                        latencies.append(time.perf_counter() - begun)

            await app.wait_idle()

        past = await database.connect(url)
        await check(past, runs)
        await past.close()
    finally:
        await database.drop(url)

    return spent, latencies


async def check(past: Bare, runs: int) -> None:
    """See that each event has started one run, which is completed.

    Raises:
        WrongRows: It has not.
    """
    found = await past.rows("SELECT status, count(*), count(DISTINCT input) FROM runs GROUP BY status")
    expect("runs of firings", found, [("completed", runs, runs)])
