"""Dead letters of an app: listed, given back exactly once, thrown away."""

import asyncio
from collections.abc import Sequence
from functools import partial

import msgspec
import pytest

import penstock as ps
from penstock.dead_letter import DeadLetter
from penstock.reactors.reactor import Reactor
from penstock.runtime.errors import (
    AppError,
    DecodeError,
    FiringRefused,
    LetterNotFound,
    StoreError,
    WriteConflict,
)
from penstock.runtime.store import letters
from penstock.testing import AppUnderTest, Crash, open_test_app
from penstock.wiring import Part


class Order(msgspec.Struct, frozen=True):
    symbol: str
    amount: float


class Shop:
    """An accumulator and a graph that can be told to fail, and what they did."""

    def __init__(self, *, waits: bool = False, durable: bool = False, key: str | None = None) -> None:
        self.broken = True
        self.events: list[Order] = []
        self.seen: list[Order] = []
        self.audited: list[Order] = []
        self.graph_broken = False

        def take(event: Order) -> Order:
            if self.broken:
                raise ValueError("closed")

            self.events.append(event)
            return event

        if waits:

            @ps.passthrough_accumulator(durable=durable)
            async def orders(event: Order) -> Order:
                return take(event)

        else:

            @ps.passthrough_accumulator(durable=durable)
            def orders(event: Order) -> Order:
                return take(event)

        self.orders = orders
        self.reactor = Reactor("shop", [orders], key=key, on_error="dead_letter")
        self.book = ps.ComputationGraph("book", reactor=self.reactor)

        @self.book.node
        def booked(orders: Order) -> float:
            if self.graph_broken:
                raise ValueError("no paper")

            self.seen.append(orders)
            return orders.amount

        self.audit = ps.ComputationGraph("audit", reactor=self.reactor)

        @self.audit.node
        def audited(orders: Order) -> float:
            self.audited.append(orders)
            return orders.amount

    @property
    def parts(self) -> Sequence[Part]:
        return [self.book, self.audit]


async def letters_of(test: AppUnderTest, part: str | None = None) -> list[DeadLetter]:
    await test.app._open.domains["shop"].flush()
    return [letter async for letter in test.app.dead_letters(part)]


def cache_of(test: AppUnderTest) -> dict[object, dict[str, object]]:
    """Return what the reactor holds."""
    return {key: dict(values) for key, values in test.app._open.reactor("shop").state().values.items()}


ORDER = Order("X", 2.0)


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize("durable", [False, True])
async def test_an_event_that_failed_goes_through_its_accumulator_again(
    store_url: str, waits: bool, durable: bool
) -> None:
    shop = Shop(waits=waits, durable=durable)
    async with open_test_app(shop.parts, store=store_url) as test:
        await test.app.push(shop.orders, ORDER)
        await test.settle()
        [letter] = await letters_of(test)
        assert (letter.part, letter.reason, letter.payload) == ("orders", "process", b'{"symbol":"X","amount":2.0}')
        assert letter.error == "ValueError: closed"
        shop.broken = False
        await test.app.replay_letter(letter)
        await test.settle()
        assert await letters_of(test) == []
        with pytest.raises(LetterNotFound, match=f"there is no dead letter {letter.id}"):
            await test.app.replay_letter(letter)

    assert (shop.events, shop.seen, shop.audited) == ([ORDER], [ORDER], [ORDER])


async def test_what_fails_again_becomes_a_new_letter(store_url: str) -> None:
    shop = Shop()
    async with open_test_app(shop.parts, store=store_url) as test:
        await test.app.push(shop.orders, ORDER)
        [first] = await letters_of(test)
        await test.app.replay_letter(first.id)
        [second] = await letters_of(test)
        assert second.id > first.id
        assert second.payload == first.payload


async def test_two_who_give_back_the_same_letter_give_it_back_once(store_url: str) -> None:
    shop = Shop()
    async with open_test_app(shop.parts, store=store_url) as test:
        await test.app.push(shop.orders, ORDER)
        [letter] = await letters_of(test)
        shop.broken = False
        results = await asyncio.gather(*(test.app.replay_letter(letter) for _ in range(3)), return_exceptions=True)
        assert [isinstance(result, AppError) for result in results] == [False, True, True]

    assert shop.events == [ORDER]


@pytest.mark.parametrize("point", ["push: before commit", "push: after commit"])
async def test_a_crash_while_it_is_given_back_neither_loses_nor_repeats_it(store_url: str, point: str) -> None:
    shop = Shop()

    async def die() -> None:
        async with open_test_app(shop.parts, store=store_url) as test:
            await test.app.push(shop.orders, ORDER)
            [letter] = await letters_of(test)
            shop.broken = False
            test.faults.fail(point, times=None)
            test.faults.fail("cut: *", times=None)
            await test.app.replay_letter(letter)

    with pytest.raises((Crash, StoreError)):
        await die()

    async with open_test_app(shop.parts, store=store_url) as test:
        await test.settle()
        left = await letters_of(test)
        for letter in left:
            await test.app.replay_letter(letter)

        await test.settle()
        assert len(left) == (1 if point == "push: before commit" else 0)
        assert cache_of(test) == {None: {"orders": ORDER}}
        assert await letters_of(test) == []


async def test_a_letter_that_was_discarded_meanwhile_is_not_given_back_and_harms_no_push(store_url: str) -> None:
    shop = Shop(durable=True)
    async with open_test_app(shop.parts, store=store_url) as test:
        await test.app.push(shop.orders, ORDER)
        [letter] = await letters_of(test)
        shop.broken = False
        live = test.app._open.accumulator("orders")
        inbox = test.app._open.domains["shop"].inbox
        await test.app.discard_letter(letter)
        data = live.definition.input_codec.encode(ORDER)
        other = Order("Y", 1.0)
        results = await asyncio.gather(
            test.app.push(shop.orders, other),
            inbox.journal(live, data, ORDER, rider=partial(letters.take_letter, letter_id=letter.id)),
            test.app.push(shop.orders, other),
            return_exceptions=True,
        )
        assert isinstance(results[1], LetterNotFound)

    assert shop.events == [other, other]


async def test_what_could_not_be_decoded_can_be_given_back_when_the_type_fits(store_url: str) -> None:
    source = ps.Memory([b'{"symbol": "X", "amount": "2"}'])

    def declare(type_: type) -> tuple[Reactor, list[object]]:
        found: list[object] = []

        def take(event: object) -> object:
            found.append(event)
            return event

        take.__annotations__ = {"event": type_, "return": type_}
        return Reactor("shop", [ps.stream_accumulator(source, name="orders")(take)]), found  # type: ignore[arg-type]

    class Loose(msgspec.Struct, frozen=True):
        symbol: str
        amount: str

    reactor, _ = declare(Order)
    async with open_test_app([reactor], store=store_url) as test:
        await test.settle()
        [letter] = await letters_of(test)
        assert (letter.reason, letter.position) == ("decode", "0")
        with pytest.raises(DecodeError, match="'orders' expects Order"):
            await test.app.replay_letter(letter)

        assert await letters_of(test) == [letter]

    reactor, found = declare(Loose)
    async with open_test_app([reactor], store=store_url) as test:
        await test.app.replay_letter(letter)
        assert await letters_of(test) == []

    assert found == [Loose("X", "2")]


@pytest.mark.parametrize("key", [None, "symbol"])
async def test_a_graph_that_failed_runs_again_alone_for_the_inputs_of_its_firing(
    store_url: str, key: str | None
) -> None:
    shop = Shop(key=key)
    shop.broken, shop.graph_broken = False, True
    async with open_test_app(shop.parts, store=store_url) as test:
        await test.app.push(shop.orders, ORDER)
        [letter] = await letters_of(test)
        assert (letter.part, letter.reason) == ("book", "firing")
        newer = Order("X", 5.0)
        shop.graph_broken = False
        await test.app.push(shop.orders, newer)
        await test.app.replay_letter(letter)
        assert await letters_of(test) == []
        assert list(cache_of(test).values()) == [{"orders": newer}]  # the cache is as it was

    assert shop.seen == [newer, ORDER]
    assert shop.audited == [ORDER, newer]


async def test_a_firing_is_not_given_back_to_a_reactor_that_does_not_fire(store_url: str) -> None:
    shop = Shop()
    shop.broken, shop.graph_broken = False, True
    async with open_test_app(shop.parts, store=store_url) as test:
        await test.app.push(shop.orders, ORDER)
        [letter] = await letters_of(test)
        await test.app.pause(shop.reactor)
        with pytest.raises(FiringRefused, match="paused"):
            await test.app.replay_letter(letter)

        assert await letters_of(test) == [letter]


async def test_letters_are_listed_newest_first_by_part_and_discarded(store_url: str) -> None:
    shop = Shop()
    async with open_test_app(shop.parts, store=store_url) as test:
        for amount in range(150):
            await test.app.push(shop.orders, Order("X", float(amount)))

        found = await letters_of(test, "orders")
        amounts = [msgspec.json.decode(letter.payload, type=Order).amount for letter in found]
        assert amounts == [float(amount) for amount in reversed(range(150))]
        assert await letters_of(test, "book") == []
        assert [letter async for letter in test.app.dead_letters(shop.orders)] == found
        await test.app.discard_letter(found[0])
        with pytest.raises(LetterNotFound):
            await test.app.discard_letter(found[0])

        assert await letters_of(test) == found[1:]


@pytest.mark.parametrize("number", [0, -1, 2**70])
async def test_a_number_of_no_letter_is_told(store_url: str, number: int) -> None:
    async with open_test_app(Shop().parts, store=store_url) as test:
        with pytest.raises(LetterNotFound):
            await test.app.replay_letter(number)


async def test_a_letter_whose_part_is_gone_is_told(store_url: str) -> None:
    shop = Shop()
    async with open_test_app(shop.parts, store=store_url) as test:
        await test.app.push(shop.orders, ORDER)
        [letter] = await letters_of(test)

    @ps.passthrough_accumulator
    def other(event: float) -> float:
        return event

    async with open_test_app([Reactor("shop", [other])], store=store_url) as test:
        with pytest.raises(AppError, match="the accumulator 'orders' is not part of this app any more"):
            await test.app.replay_letter(letter)


async def test_a_commit_that_fails_leaves_the_letter(store_url: str) -> None:
    shop = Shop()
    async with open_test_app(shop.parts, store=store_url) as test:
        await test.app.push(shop.orders, ORDER)
        [letter] = await letters_of(test)
        shop.broken = False
        test.faults.fail("push: before commit", error=WriteConflict("push", "scripted"))
        with pytest.raises(WriteConflict):
            await test.app.replay_letter(letter)

        assert (shop.events, await letters_of(test)) == ([], [letter])
        await test.app.replay_letter(letter)

    assert shop.events == [ORDER]


@pytest.mark.parametrize(("type_", "event"), [(str, '"quoted"'), (str, "plain"), (dict[str, int], {"a": 1}), (int, 7)])
async def test_an_event_comes_back_as_it_was(store_url: str, type_: type, event: object) -> None:
    found: list[object] = []

    def take(event: object) -> object:
        found.append(event)
        if len(found) == 1:
            raise ValueError(event)

        return event

    take.__annotations__ = {"event": type_, "return": type_}
    accumulator = ps.passthrough_accumulator(name="orders")(take)
    async with open_test_app([Reactor("shop", [accumulator])], store=store_url) as test:
        await test.app.push(accumulator, event)  # type: ignore[arg-type]
        [letter] = await letters_of(test)
        await test.app.replay_letter(letter)

    assert found == [event, event]
