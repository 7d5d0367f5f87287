"""One live event becomes a durable run, through every layer, on a real store under a virtual clock."""

import pytest

import penstock as ps
from penstock.testing import open_test_app
from tests.flows.market import Book, Market, Rate


async def outputs(app: ps.App) -> list[dict[str, object] | None]:
    return [run.output async for run in app.runs()]


async def test_a_pushed_event_becomes_a_completed_run(store_url: str) -> None:
    market = Market()
    async with open_test_app(market.parts, store=store_url) as test:
        await test.settle()
        await test.app.push(market.orderbook, Book("A", 2.0, 4.0))
        await test.settle()

        assert await outputs(test.app) == [
            {"symbol": "A", "price": 3.0, "factor": 2.0, "score": 6.0, "booked": 6.0},
        ]


async def test_only_the_branch_that_the_router_takes_runs(store_url: str) -> None:
    market = Market(rates=[5.0])
    async with open_test_app(market.parts, store=store_url) as test:
        await test.settle()
        await test.app.push(market.orderbook, Book("A", 2.0, 4.0))
        await test.settle()

        assert (market.audited, market.executed, await outputs(test.app)) == (["too cheap"], [], [])


async def test_a_dropped_event_is_counted_and_fires_nothing(store_url: str) -> None:
    market = Market()
    async with open_test_app(market.parts, store=store_url) as test:
        await test.settle()
        await test.app.push(market.orderbook, Book("A", 4.0, 2.0))
        await test.settle()

        statistics = test.app.statistics()
        assert statistics.accumulators["orderbook"].filtered == 1
        assert statistics.reactors["market"].firings == 0


async def test_an_event_of_a_wrong_type_is_refused_with_its_field(store_url: str) -> None:
    market = Market()
    async with open_test_app(market.parts, store=store_url) as test:
        with pytest.raises(ps.DecodeError, match=r"orderbook.*Book.*ask"):
            await test.app.push(market.orderbook, {"symbol": "A", "bid": 1.0})


async def test_polls_come_at_fixed_times_and_each_firing_sees_the_newest_rate(store_url: str) -> None:
    market = Market(rates=[1.0, 9.0])
    async with open_test_app(market.parts, store=store_url) as test:
        await test.settle()
        await test.app.push(market.orderbook, Book("A", 2.0, 4.0))
        await test.advance(10.0)
        await test.app.push(market.orderbook, Book("B", 2.0, 4.0))
        await test.settle()

        assert (market.executed, market.audited) == (["A"], ["too cheap"])


async def test_a_restart_goes_on_with_what_was_in_the_cache(store_url: str) -> None:
    market = Market(rates=[1.0])
    async with open_test_app(market.parts, store=store_url) as test:
        await test.settle()
        await test.app.push(market.orderbook, Book("A", 2.0, 4.0))
        await test.settle()

    again = Market(rates=[])
    async with open_test_app(again.parts, store=store_url) as test:
        await test.settle()

        assert again.executed == []  # a restart fires nothing by itself …
        assert test.app.state("market").values == {"A": {"orderbook": Book("A", 2.0, 4.0), "reference": Rate(1.0)}}
        await test.app.fire("market", "A")
        await test.settle()
        assert again.executed == ["A"]  # … and knows what was there before
        assert len(await outputs(test.app)) == 2


async def test_a_failed_task_fails_the_run_and_says_why(store_url: str) -> None:
    market = Market()
    market.broken = True
    async with open_test_app(market.parts, store=store_url) as test:
        run = await test.app.start(market.settle, {"symbol": "A", "price": 1.0})
        with pytest.raises(ps.RunFailed, match=r"rate.*the exchange is closed") as failed:
            await run.result()

        assert isinstance(failed.value.__cause__, RuntimeError)
        assert {name: task.status for name, task in run.tasks.items()} == {
            "fetch": "completed",
            "rate": "failed",
            "book": "skipped",
        }


async def test_one_idempotency_key_starts_one_run(store_url: str) -> None:
    market = Market()
    async with open_test_app(market.parts, store=store_url) as test:
        first = await test.app.start(market.settle, {"symbol": "A", "price": 1.0}, idempotency_key="order-17")
        second = await test.app.start(market.settle, {"symbol": "B", "price": 1.0}, idempotency_key="order-17")
        await test.settle()

        assert first.id == second.id
        assert market.settled == ["A"]


async def test_a_graph_runs_alone_and_returns_its_effects() -> None:
    market = Market()
    result = await market.maker.run(orderbook=Book("A", 2.0, 4.0), reference={"mid": 1.0})

    assert [effect.effect for effect in result.effects] == [
        market.settle.prepare({"symbol": "A", "price": 3.0}),
    ]


async def test_a_reactor_that_is_paused_takes_values_and_fires_when_it_is_resumed(store_url: str) -> None:
    market = Market()
    async with open_test_app(market.parts, store=store_url) as test:
        await test.settle()
        await test.app.pause("market")
        await test.app.push(market.orderbook, Book("A", 2.0, 4.0))
        await test.settle()
        with pytest.raises(ps.AppError, match="paused"):
            await test.app.fire("market", "A")

        assert market.executed == []
        await test.app.resume("market")
        await test.settle()
        assert market.executed == ["A"]
