"""What operators ask of an open app: each call answers with what came of it, or refuses with the reason."""

import asyncio

import msgspec
import pytest

import penstock as ps
from penstock.testing import Crash, ScriptedSource, open_test_app


class Order(msgspec.Struct, frozen=True):
    symbol: str
    price: float


class Desk:
    """Two inputs, one reactor, and a graph that notes what it saw."""

    def __init__(self, *, strategy: str = "latest", durable: bool = False) -> None:
        self.seen: list[dict[str, object]] = []

        @ps.passthrough_accumulator(durable=durable)
        def bids(event: float) -> float:
            return event

        @ps.passthrough_accumulator
        def asks(event: float) -> float:
            return event

        self.bids, self.asks = bids, asks
        self.reactor = ps.Reactor("desk", [bids, asks], strategy="sequential" if strategy == "sequential" else "latest")
        self.graph = ps.ComputationGraph("look", reactor=self.reactor)

        @self.graph.node
        def note(bids: float | None, asks: float | None) -> str:
            self.seen.append({"bids": bids, "asks": asks})
            return "seen"


async def test_scenario_67_a_firing_by_hand_needs_no_value_and_is_marked() -> None:
    desk = Desk()
    async with open_test_app([desk.graph]) as test:
        assert await test.app.fire(desk.reactor) == "desk:1-1"
        await test.advance(1.0)
        await test.app.push(desk.bids, 2.0)
        history = await test.app.history(desk.reactor)

    assert [(fired.id, fired.manual, fired.inputs, fired.changed) for fired in history] == [
        ("desk:1-2", False, {"bids": 2.0}, {"bids"}),
        ("desk:1-1", True, {}, set()),
    ]
    assert desk.seen == [{"bids": None, "asks": None}, {"bids": 2.0, "asks": None}]


async def test_scenario_68_fire_with_replaces_the_cache_or_merges() -> None:
    desk = Desk()
    async with open_test_app([desk.graph]) as test:
        await test.app.push(desk.bids, 1.0)
        await test.app.push(desk.asks, 2.0)
        assert await test.app.fire_with(desk.reactor, {"asks": 5.0}, merge=True) == "desk:1-3"
        assert test.app.state(desk.reactor).values == {None: {"bids": 1.0, "asks": 5.0}}
        assert await test.app.fire_with("desk", {"bids": b"7.5"}) == "desk:1-4"
        assert test.app.state("desk").values == {None: {"bids": 7.5}}

    assert desk.seen[-2:] == [{"bids": 1.0, "asks": 5.0}, {"bids": 7.5, "asks": None}]


async def test_scenario_69_a_paused_reactor_refuses_to_be_fired() -> None:
    desk = Desk()
    async with open_test_app([desk.graph]) as test:
        assert await test.app.pause(desk.reactor)
        assert not await test.app.pause(desk.reactor)
        for call in (test.app.fire(desk.reactor), test.app.fire_with(desk.reactor, {"bids": 1.0})):
            with pytest.raises(ps.FiringRefused, match="'desk' does not fire now: it is paused") as caught:
                await call

            assert (caught.value.reason, caught.value.retryable) == ("paused", True)

        assert test.app.state(desk.reactor).values == {None: {}}
        assert await test.app.resume(desk.reactor)
        assert not await test.app.resume(desk.reactor)
        assert await test.app.fire(desk.reactor) == "desk:1-1"


async def test_scenario_70_resume_fires_at_once_what_is_due() -> None:
    desk, queue = Desk(), Desk(strategy="sequential")
    for each, expected in ((desk, [2.0]), (queue, [1.0, 2.0])):
        async with open_test_app([each.graph]) as test:
            await test.app.pause(each.reactor)
            await test.app.push(each.bids, 1.0)
            await test.app.push(each.bids, 2.0)
            assert each.seen == []
            await test.app.resume(each.reactor)
            assert [seen["bids"] for seen in each.seen] == expected


async def test_scenario_71_what_comes_while_a_reactor_is_paused_survives_a_crash(store_url: str) -> None:
    desk = Desk(strategy="sequential", durable=True)

    async def die() -> None:
        async with open_test_app([desk.graph], store=store_url) as test:
            await test.app.push(desk.bids, 1.0)
            await test.app.pause(desk.reactor)
            await test.app.push(desk.bids, 2.0)
            await test.app.push(desk.bids, 3.0)
            assert test.app.state(desk.reactor).queued == 2
            test.faults.fail("cut: *", times=None)  # as if the process had been killed: no cut follows

    with pytest.raises(ps.StoreError):
        await die()

    assert [seen["bids"] for seen in desk.seen] == [1.0]
    async with open_test_app([desk.graph], store=store_url) as test:
        await test.settle()
        assert [seen["bids"] for seen in desk.seen] == [1.0, 2.0, 3.0]
        assert test.app.state(desk.reactor).queued == 0


async def test_scenario_90_the_history_tells_what_became_of_each_graph() -> None:
    desk = Desk()
    broken = ps.ComputationGraph("broken", reactor=desk.reactor)

    @broken.node
    def fail(bids: float) -> float:
        raise ValueError(f"no price {bids}")

    reactor = desk.reactor
    reactor.on_error = "dead_letter"
    async with open_test_app([desk.graph, broken]) as test:
        await test.app.push(desk.bids, 1.0)
        [fired] = await test.app.history(reactor)
        assert test.app.statistics().reactors["desk"].failures == 1

    assert not fired.ok
    assert fired.results["look"] is None
    assert "no price 1.0" in str(fired.results["broken"])
    assert desk.seen == [{"bids": 1.0, "asks": None}]


async def test_scenario_113_the_history_comes_in_pages_the_newest_first() -> None:
    desk = Desk()
    async with open_test_app([desk.graph]) as test:
        for price in range(60):
            await test.app.fire_with(desk.reactor, {"bids": float(price)})

        first = await test.app.history(desk.reactor)
        rest = await test.app.history(desk.reactor, before=first[-1].number)
        with pytest.raises(ps.AppError, match="the limit is at least 1"):
            await test.app.history(desk.reactor, limit=0)

    assert [fired.inputs for fired in first] == [{"bids": float(price)} for price in range(59, 9, -1)]
    assert [fired.inputs for fired in rest] == [{"bids": float(price)} for price in range(9, -1, -1)]


async def test_scenario_117_the_state_tells_values_flags_queue_and_ages() -> None:
    desk = Desk()
    async with open_test_app([desk.graph]) as test:
        await test.app.push(desk.bids, 1.0)
        await test.app.pause(desk.reactor)
        await test.advance(2.0)
        await test.app.push(desk.asks, 2.0)
        state = test.app.state(desk.reactor)

    assert state.paused
    assert state.keys[None].values == {"bids": 1.0, "asks": 2.0}
    assert (state.keys[None].dirty, state.keys[None].queued, state.queued) == (("asks",), 0, 0)
    assert state.ages == {"bids": 2.0, "asks": 0.0}


async def test_scenario_113_an_event_pushed_by_hand_is_checked() -> None:
    desk = Desk()
    async with open_test_app([desk.graph]) as test:
        with pytest.raises(ps.DecodeError, match="'bids' expects float"):
            await test.app.fire_with(desk.reactor, {"bids": "high"})

        with pytest.raises(ps.AppError, match="has no input 'bid': did you mean 'bids'"):
            await test.app.fire_with(desk.reactor, {"bid": 1.0})


async def test_scenario_82_a_part_that_was_given_up_starts_again_when_it_is_reset() -> None:
    source = ScriptedSource([1.0, *(Crash() for _ in range(7)), 2.0])

    @ps.stream_accumulator(source)
    def feed(event: float) -> float:
        return event

    reactor = ps.Reactor("r", [feed])
    async with open_test_app([reactor]) as test:
        await test.settle()
        assert await test.app.reset(feed) == ["accumulator feed"]  # it waits for its first restart
        await test.settle()
        await test.advance(200.0)
        [part] = [part for part in test.app.health().parts if part.name == "accumulator feed"]
        assert (part.state, test.app.health().status) == ("open", "degraded")
        assert test.app.state(reactor).values == {None: {"feed": 1.0}}
        assert await test.app.reset("r") == ["accumulator feed"]
        await test.settle()
        assert test.app.state(reactor).values == {None: {"feed": 2.0}}
        assert await test.app.reset("accumulator feed") == []
        with pytest.raises(ps.AppError, match="no part 'fed': did you mean 'feed'"):
            await test.app.reset("fed")


def test_synchronous_code_operates_by_the_portal(store_url: str) -> None:
    desk = Desk()
    app = ps.App(store_url, [desk.graph])
    with app.portal() as sync:
        assert sync.pause(desk.reactor) is True
        with pytest.raises(ps.FiringRefused):
            sync.fire(desk.reactor)

        assert sync.call(app.resume, desk.reactor)
        assert sync.call(app.fire_with, desk.reactor, {"bids": 3.0}) == "desk:1-1"
        assert [fired.inputs for fired in sync.call(app.history, desk.reactor)] == [{"bids": 3.0}]


async def test_a_firing_by_hand_is_refused_while_its_key_is_busy() -> None:
    desk, ended = Desk(), asyncio.Event()
    waiting = ps.ComputationGraph("waiting", reactor=desk.reactor)

    @waiting.node
    async def wait(bids: float) -> float:
        await ended.wait()
        return bids

    async with open_test_app([waiting]) as test:
        await test.app.push(desk.bids, 1.0)
        await test.settle()
        with pytest.raises(ps.FiringRefused) as caught:
            await test.app.fire(desk.reactor)

        assert caught.value.reason == "busy"
        assert test.app.state("desk").keys[None].firing == "desk:1-1"
        ended.set()
        await test.settle()
        assert await test.app.fire(desk.reactor) == "desk:1-2"
