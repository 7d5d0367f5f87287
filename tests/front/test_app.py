"""Opening, closing, looking, and failing loudly."""

import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

import penstock as ps
from penstock.runtime.observe import RunFinished
from penstock.testing import AppUnderTest, open_test_app
from tests.databases import trouble
from tests.flows.market import Book, Market


@asynccontextmanager
async def time_passing(test: AppUnderTest) -> AsyncGenerator[None]:
    """Let virtual time pass while the test waits for something."""

    async def run() -> None:
        while True:
            await test.clock.advance(1.0)

    async with anyio.create_task_group() as group:
        group.start_soon(run)
        yield
        group.cancel_scope.cancel()


async def test_an_app_that_is_not_open_says_how_to_open_it() -> None:
    app = ps.App("sqlite:///never.db", Market().parts)
    with pytest.raises(ps.AppError, match="not open: use `async with app:`"):
        await app.push("orderbook", {})

    assert app.health().status == "closed"


async def test_an_open_app_cannot_be_opened_again(store_url: str) -> None:
    async with open_test_app(Market().parts, store=store_url) as test:
        with pytest.raises(ps.AppError, match="open already"):
            await test.app.__aenter__()


async def test_an_unknown_part_is_named_with_the_nearest() -> None:
    async with open_test_app(Market().parts) as test:
        with pytest.raises(ps.AppError, match="no accumulator 'orderbok': did you mean 'orderbook'"):
            await test.app.push("orderbok", {})

        with pytest.raises(ps.AppError, match="not the one that the app was given"):
            await test.app.push(Market().orderbook, Book("A", 1.0, 2.0))


async def test_a_second_app_on_one_store_is_refused_and_names_the_first(store_url: str) -> None:
    async with open_test_app(Market().parts, store=store_url):
        with pytest.raises(ps.StoreInUse, match="already served by"):
            async with open_test_app(Market().parts, store=store_url):
                pass


async def test_a_store_that_fails_for_good_ends_the_app_with_its_error(store_url: str) -> None:
    market = Market()

    async def fill_the_disk() -> None:
        async with open_test_app(market.parts, store=store_url) as test:
            test.faults.fail("run.create: before commit", error=trouble(store_url, "full"), times=None)
            async with time_passing(test):
                await test.app.start(market.settle, {"symbol": "A", "price": 1.0})

    with pytest.raises(ps.StoreFull, match="free space"):
        await fill_the_disk()


async def test_a_store_that_fails_for_a_while_is_waited_for(store_url: str) -> None:
    market = Market()
    async with open_test_app(market.parts, store=store_url) as test:
        test.faults.fail("run.create: before commit", error=trouble(store_url, "busy"), times=2)
        async with time_passing(test):
            run = await test.app.start(market.settle, {"symbol": "A", "price": 1.0})

        assert (await run.result())["booked"] == 2.0


async def test_the_switch_interval_is_given_back() -> None:
    before = sys.getswitchinterval()
    async with open_test_app(Market().parts):
        assert sys.getswitchinterval() == pytest.approx(0.0005)

    assert sys.getswitchinterval() == before


async def test_health_names_every_part_and_metrics_count_them(store_url: str) -> None:
    market = Market()
    async with open_test_app(market.parts, store=store_url) as test:
        await test.settle()
        await test.app.push(market.orderbook, Book("A", 2.0, 4.0))
        await test.settle()
        health = test.app.health()

        assert health.status == "live"
        assert {part.name for part in health.parts} >= {"market", "accumulator reference"}
        assert 'penstock_runs_finished_total{status="completed",workflow="settle"} 1.0' in test.app.metrics()


async def test_an_observer_that_joins_later_is_told_what_comes(store_url: str) -> None:
    market, facts = Market(), list[object]()
    async with open_test_app(market.parts, store=store_url) as test:
        test.app.observe(facts.append)
        await test.app.execute(market.settle, {"symbol": "A", "price": 1.0})

        assert [fact.status for fact in facts if isinstance(fact, RunFinished)] == ["completed"]


async def test_an_observer_that_joins_before_is_told_of_one_opening(store_url: str) -> None:
    market, facts = Market(), list[object]()
    app = ps.App(store_url, market.parts)
    app.observe(facts.append)
    for _ in range(2):
        async with app:
            await app.execute(market.settle, {"symbol": "A", "price": 1.0})

    assert [fact.status for fact in facts if isinstance(fact, RunFinished)] == ["completed"]


def test_run_opens_the_app_for_one_call(store_url: str) -> None:
    market = Market()
    app = ps.App(store_url, market.parts)

    assert app.run(app.execute(market.settle, {"symbol": "A", "price": 1.0}))["booked"] == 2.0
    assert app.health().status == "closed"


def test_run_of_an_app_that_cannot_be_opened_leaves_no_coroutine_behind(tmp_path: Path) -> None:
    market = Market()
    app = ps.App(f"sqlite:///{tmp_path}/missing/app.db", market.parts)
    with pytest.raises(ps.ConfigError, match="there is no folder"):
        app.run(app.execute(market.settle, {"symbol": "A", "price": 1.0}))


def test_synchronous_code_uses_the_portal(store_url: str) -> None:
    market = Market()
    app = ps.App(store_url, market.parts)
    with app.portal() as sync:
        output = sync.execute(market.settle, {"symbol": "A", "price": 1.0})
        run = sync.call(app.start, market.settle, {"symbol": "B", "price": 1.0})

        assert output == {"symbol": "A", "price": 1.0, "factor": 2.0, "score": 2.0, "booked": 2.0}
        assert sync.call(run.result)["symbol"] == "B"
        assert [run.status for run in sync.runs()] == ["completed", "completed"]  # type: ignore[attr-defined]
        with pytest.raises(AttributeError, match="not a method"):
            _ = sync.config
