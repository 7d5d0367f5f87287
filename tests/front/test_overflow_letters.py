"""Letters of values for which a queue had no room: given back to the queue once, when there is room again."""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
import pytest

import penstock as ps
from penstock.dead_letter import DeadLetter
from penstock.runtime.errors import AppError, FiringRefused, LetterNotFound, StoreError
from penstock.testing import AppUnderTest, Crash, open_test_app


class Order(msgspec.Struct, frozen=True):
    symbol: str
    number: int


class Desk:
    """A sequential reactor whose queue holds two."""

    def __init__(self, type_: object = Order, key: str | None = None, *, limit: int = 2) -> None:
        def take(event: object) -> object:
            return event

        take.__annotations__ = {"event": type_, "return": type_}
        self.orders = ps.passthrough_accumulator(name="orders")(take)
        self.reactor = ps.Reactor(
            "desk", [self.orders], strategy="sequential", key=key, queue_limit=limit, overflow="dead_letter"
        )
        self.graph = ps.ComputationGraph("book", reactor=self.reactor)
        self.seen: list[object] = []
        self.broken = False

        def booked(orders: object) -> object:
            if self.broken:
                raise ValueError("closed")

            self.seen.append(orders)
            return orders

        booked.__annotations__ = {"orders": type_, "return": type_}
        self.graph.node(booked)

    async def fill(self, test: AppUnderTest, events: Sequence[object]) -> list[DeadLetter]:
        """Offer more than there is room for; return the letters, the oldest first."""
        await test.app.pause(self.reactor)
        for event in events:
            test.app.offer(self.orders, event)  # type: ignore[arg-type]

        return await letters_of(test)


async def letters_of(test: AppUnderTest) -> list[DeadLetter]:
    await test.app._open.domains["desk"].flush()
    return [letter async for letter in test.app.dead_letters()][::-1]


def orders(*numbers: int) -> list[Order]:
    return [Order("X", number) for number in numbers]


@pytest.mark.parametrize("key", [None, "symbol"])
async def test_it_stays_while_the_queue_is_full_and_is_fired_once_behind_what_waited(
    store_url: str, key: str | None
) -> None:
    desk = Desk(key=key)
    async with open_test_app([desk.graph], store=store_url) as test:
        [letter] = await desk.fill(test, orders(1, 2, 3))
        assert (letter.part, letter.reason) == ("desk", "overflow")
        with pytest.raises(FiringRefused, match="its queue is full"):
            await test.app.replay_letter(letter)

        assert await letters_of(test) == [letter]
        await test.app.resume(desk.reactor)
        await test.app.replay_letter(letter)
        await test.settle()
        assert desk.seen == orders(1, 2, 3)
        assert await letters_of(test) == []
        with pytest.raises(LetterNotFound):
            await test.app.replay_letter(letter)


async def test_it_is_in_the_queue_of_the_store_when_the_letter_is_gone(store_url: str) -> None:
    desk = Desk()
    async with open_test_app([desk.graph], store=store_url) as test:
        [letter] = await desk.fill(test, orders(1, 2, 3))
        await test.app.resume(desk.reactor)
        await test.app.pause(desk.reactor)
        await test.app.replay_letter(letter)
        assert await letters_of(test) == []
        assert test.app.state(desk.reactor).queued == 1

    async with open_test_app([desk.graph], store=store_url) as test:
        await test.settle()

    assert desk.seen == orders(1, 2, 3)


@pytest.mark.parametrize("point", ["cut: before commit", "cut: after commit"])
async def test_a_crash_while_it_is_given_back_neither_loses_nor_repeats_it(store_url: str, point: str) -> None:
    desk = Desk()

    async def die() -> None:
        async with open_test_app([desk.graph], store=store_url) as test:
            [letter] = await desk.fill(test, orders(1, 2, 3))
            await test.app.resume(desk.reactor)
            await test.settle()
            await test.app.pause(desk.reactor)
            test.faults.fail(point, times=None)
            await test.app.replay_letter(letter)

    with pytest.raises((Crash, StoreError)):
        await die()

    desk.seen.clear()
    async with open_test_app([desk.graph], store=store_url) as test:
        await test.settle()
        left = await letters_of(test)
        assert len(left) == (1 if point == "cut: before commit" else 0)
        for letter in left:
            await test.app.replay_letter(letter)

        await test.settle()
        assert await letters_of(test) == []

    assert desk.seen == orders(3)


VALUES: list[tuple[object, Sequence[object]]] = [
    (str, ['"quoted"', "plain", "1"]),
    (bytes, [b"a", b"b", b"\x00\xff"]),
    (datetime, [datetime(2026, 1, day, tzinfo=UTC) for day in (1, 2, 3)]),
    (tuple[int, str], [(1, "a"), (2, "b"), (3, "c")]),
    (dict[str, int], [{"a": 1}, {"b": 2}, {"c": 3}]),
    (dict[int, str], [{1: "a"}, {2: "b"}, {3: "c"}]),
    (float, [1.5, 2.0, 3.0]),
]


@pytest.mark.parametrize(("type_", "events"), VALUES)
async def test_a_value_comes_back_as_it_was(store_url: str, type_: object, events: Sequence[object]) -> None:
    desk = Desk(type_)
    async with open_test_app([desk.graph], store=store_url) as test:
        [letter] = await desk.fill(test, events)
        await test.app.resume(desk.reactor)
        await test.app.replay_letter(letter)
        await test.settle()

    assert desk.seen == list(events)
    assert type(desk.seen[-1]) is type(events[-1])


@pytest.mark.parametrize(("type_", "events"), VALUES)
async def test_the_inputs_of_a_firing_come_back_as_they_were(
    store_url: str, type_: object, events: Sequence[object]
) -> None:
    desk = Desk(type_)
    desk.broken = True
    async with open_test_app([desk.graph], store=store_url) as test:
        test.app.offer(desk.orders, events[0])  # type: ignore[arg-type]
        [letter] = await letters_of(test)
        assert letter.reason == "firing"
        desk.broken = False
        await test.app.replay_letter(letter)
        await test.settle()

    assert desk.seen == [events[0]]
    assert type(desk.seen[0]) is type(events[0])


async def test_a_value_whose_reactor_or_input_is_gone_is_told(store_url: str) -> None:
    desk = Desk()
    async with open_test_app([desk.graph], store=store_url) as test:
        [letter] = await desk.fill(test, orders(1, 2, 3))
        await test.app.resume(desk.reactor)

    @ps.passthrough_accumulator
    def other(event: float) -> float:
        return event

    async with open_test_app([ps.Reactor("desk", [other])], store=store_url) as test:
        with pytest.raises(AppError, match="the input 'orders' is not part of this app any more"):
            await test.app.replay_letter(letter)

    async with open_test_app([ps.Reactor("shop", [other])], store=store_url) as test:
        with pytest.raises(AppError, match="the reactor 'desk' is not part of this app any more"):
            await test.app.replay_letter(letter)


async def test_a_reactor_that_coalesces_by_now_takes_it_as_well(store_url: str) -> None:
    desk = Desk()
    async with open_test_app([desk.graph], store=store_url) as test:
        [letter] = await desk.fill(test, orders(1, 2, 3))
        await test.app.resume(desk.reactor)

    found: list[object] = []
    graph = ps.ComputationGraph("book", reactor=ps.Reactor("desk", [desk.orders]))

    @graph.node
    def booked(orders: Order) -> Order:
        found.append(orders)
        return orders

    async with open_test_app([graph], store=store_url) as test:
        await test.app.replay_letter(letter)
        assert await letters_of(test) == []

    assert found == orders(3)
