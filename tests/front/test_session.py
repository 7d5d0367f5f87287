"""What goes wrong around an app is its own matter: nothing else is lost, and nothing hangs."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

import penstock as ps
from penstock.runtime.observe import CutCommitted, Fact, RunFinished
from penstock.testing import open_test_app
from tests.databases import rows, trouble
from tests.flows.market import Book, Market


class Tick(msgspec.Struct, frozen=True):
    number: int


def streams(*names: str) -> list[ps.Reactor]:
    reactors: list[ps.Reactor] = []
    for name in names:

        @ps.passthrough_accumulator(name=f"{name}_ticks")
        def ticks(event: Tick) -> Tick:
            return event

        reactors.append(ps.Reactor(name, [ticks]))

    return reactors


@pytest.mark.parametrize("error", [ValueError, asyncio.CancelledError, GeneratorExit, SystemExit])
async def test_an_observer_that_raises_is_reported_and_stops_nothing(error: type[BaseException]) -> None:
    market, told, reports = Market(), list[Fact](), list[dict[str, object]]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reports.append(context))

    def broken(fact: Fact) -> None:
        told.append(fact)
        raise error("the observer is broken")

    async with open_test_app(market.parts) as test:
        test.app.observe(broken)
        await test.settle()
        await test.app.push(market.orderbook, Book("A", 2.0, 4.0))
        await test.settle()

        assert [run.status async for run in test.app.runs()] == ["completed"]

    assert {CutCommitted, RunFinished} <= {type(fact) for fact in told}
    assert {str(report["exception"]) for report in reports} == {"the observer is broken"}


async def test_rest_after_a_graph_that_waits_does_not_wait_for_the_next_checkpoint(store_url: str) -> None:
    market = Market()
    graph = ps.ComputationGraph("slow", reactor=market.reactor)

    @graph.node
    async def wait(orderbook: Book) -> str:
        await asyncio.sleep(0.01)  # noqa: TID251  no virtual clock here: it would let the checkpoint's time pass
        return orderbook.symbol

    config = ps.Config(store=store_url, checkpoint_interval=3600.0)
    async with ps.App(parts=[graph], config=config) as app:
        await app.push(market.orderbook, Book("A", 2.0, 4.0))
        await asyncio.wait_for(app.wait_idle(), 10.0)
        assert app.statistics().reactors["market"].in_flight == 0


async def test_starts_that_fail_are_no_crashes_of_what_is_in_flight(store_url: str) -> None:
    market, store = Market(), store_url
    asked = asyncio.Event()
    market_graph = ps.ComputationGraph("slow", reactor=market.reactor)

    @market_graph.node
    async def wait(orderbook: Book) -> str:
        asked.set()
        await asyncio.get_running_loop().create_future()
        return orderbook.symbol

    config = ps.Config(drain_timeout=0.01)
    async with open_test_app([market_graph], store=store, config=config) as test:
        await test.app.push(market.orderbook, Book("A", 2.0, 4.0))
        await test.settle()
        assert asked.is_set()

    for _ in range(4):
        with pytest.raises(ps.StateIncompatible):
            await open_and_close([with_other_types()], store)

    async with open_test_app([market_graph], store=store, config=config) as test:
        await test.settle()
        assert test.app.statistics().reactors["market"].in_flight == 1


def with_other_types() -> ps.Reactor:
    @ps.passthrough_accumulator(durable=True)
    def orderbook(event: Tick) -> Tick:
        return event

    return ps.Reactor("market", [orderbook], key="number")


async def open_and_close(parts: list[ps.Reactor], store: str) -> None:
    async with open_test_app(parts, store=store):
        pass


async def test_a_domain_whose_last_cut_fails_keeps_no_other_from_its_own(store_url: str) -> None:
    first, second = streams("first", "second")
    conflict = ps.WriteConflict("cut", "scripted")

    async def stop_with_a_failing_cut() -> None:
        async with open_test_app([first, second], store=store_url) as test:
            test.app.offer("first_ticks", Tick(1))
            test.app.offer("second_ticks", Tick(2))
            test.faults.fail("cut: before commit", error=conflict, times=1)

    with pytest.raises(ps.WriteConflict, match="scripted"):
        await stop_with_a_failing_cut()

    async with open_test_app([first, second], store=store_url) as test:
        states = {name: test.app.state(name).values for name in ("first", "second")}
        assert {"second_ticks": Tick(2)} in [state.get(None) for state in states.values()]


async def test_the_test_kit_closes_an_app_whose_task_does_not_end() -> None:
    forever = ps.Workflow("forever")

    @forever.task
    async def wait() -> None:
        await asyncio.get_running_loop().create_future()

    async with open_test_app([forever]) as test:
        run = await test.app.start(forever)
        await test.settle()

    with pytest.raises(ps.AppError, match="goes on at the next start"):
        await run.result()


async def test_a_store_that_fails_while_a_task_runs_ends_the_app_and_the_wait(store_url: str) -> None:
    forever = ps.Workflow("forever")
    ended: list[str] = []

    @forever.task
    async def wait() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ended.append("cancelled")

    async def run() -> None:
        async with open_test_app([forever], store=store_url) as test:
            await test.app.start(forever)
            await test.settle()
            test.faults.fail("run.create: before commit", error=trouble(store_url, "damaged"), times=None)
            await test.app.start(forever)

    with pytest.raises(ps.StoreCorrupt):
        await run()

    assert ended == ["cancelled"]


@pytest.mark.parametrize("work", ["", "asyncio.sleep(60)"])
def test_sigterm_stops_an_app_in_order_whatever_it_runs(tmp_path: Path, store_url: str, work: str) -> None:
    program = f"""
import asyncio, penstock as ps
work = ps.Workflow("work")
@work.task
async def wait() -> None:
    print("running", flush=True)
    await asyncio.sleep(60)
app = ps.App("{store_url}", parts=[work], config=ps.Config(drain_timeout=0.01))
async def start(app):
    await app.start(work)
    {f"await {work}" if work else "await app.serve()"}
app.run(start(app))
"""
    with subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=15) == (128 + signal.SIGTERM if work else 0)

    assert rows(store_url, "SELECT status, owner FROM runs") == [("running", None)]
