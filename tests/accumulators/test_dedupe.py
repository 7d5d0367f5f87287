"""Pushes with a key: each key is taken once, as long as it is remembered."""

import anyio
import pytest

from penstock.accumulators import dedupe
from penstock.accumulators.passthrough import passthrough_accumulator
from penstock.reactors.reactor import Reactor
from penstock.runtime.errors import AppError, StoreError, WriteConflict
from penstock.testing.app import open_test_app
from tests.databases import rows
from tests.reactors.world import Graph, World


@passthrough_accumulator(durable=True)
def orders(event: int) -> int:
    return event


@passthrough_accumulator(durable=True)
def others(event: int) -> int:
    return event


@passthrough_accumulator
def plain(event: int) -> int:
    return event


def world_of(url: str) -> World:
    return World(url, [Reactor("r", [orders, others])], [Graph()])


def taken(world: World) -> int:
    return world.accumulator("orders").statistics().events


async def test_an_event_is_taken_once_under_a_key_and_the_push_says_so(store_url: str) -> None:
    async with world_of(store_url) as world:
        push = world.accumulator("orders").push
        assert [await push(1, "a"), await push(1, "a"), await push(2, "b"), await push(3, "a")] == [
            *(True, False, True, False),
        ]
        assert await world.accumulator("others").push(1, "a")
        assert await push(4)
        assert await push(4)
        assert taken(world) == 4


@pytest.mark.parametrize("crash", [True, False])
async def test_keys_are_remembered_after_a_restart(store_url: str, *, crash: bool) -> None:
    async with world_of(store_url) as world:
        await world.accumulator("orders").push(1, "a")
        await world.restart(crash=crash)
        await world.flush()
        assert not await world.accumulator("orders").push(1, "a")
        assert await world.accumulator("orders").push(2, "b")
        await world.restart(crash=crash)
        assert not await world.accumulator("orders").push(2, "b")


async def test_of_two_pushes_at_once_under_one_key_one_is_taken(store_url: str) -> None:
    answers: list[bool] = []

    async def push() -> None:
        answers.append(await world.accumulator("orders").push(1, "a"))

    async with world_of(store_url) as world:
        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(push)

        assert sorted(answers) == [False] * 4 + [True]
        assert taken(world) == 1


async def test_a_key_whose_push_failed_may_be_tried_again_by_whoever_waits(store_url: str) -> None:
    answers: list[object] = []

    async def push() -> None:
        try:
            answers.append(await world.accumulator("orders").push(1, "a"))
        except StoreError as error:
            answers.append(type(error))

    async with world_of(store_url) as world:
        world.faults.fail("push: before commit", error=WriteConflict("push", "scripted"))
        async with anyio.create_task_group() as group:
            group.start_soon(push)
            group.start_soon(push)

        assert answers == [WriteConflict, True]
        assert taken(world) == 1


@pytest.mark.parametrize("moment", ["before begin", "before commit", "after commit"])
async def test_a_push_that_died_is_repeated_under_its_key_and_has_its_effect_once(store_url: str, moment: str) -> None:
    graph = Graph(effect=lambda firing: str(firing.inputs["orders"]))
    async with World(store_url, [Reactor("r", [orders])], [graph]) as world:
        world.faults.fail(f"push: {moment}")
        with pytest.raises(StoreError):
            await world.accumulator("orders").push(1, "a")

        await world.restart()
        assert await world.accumulator("orders").push(1, "a") == (moment != "after commit")
        await world.advance(1.0)
        assert await world.effects() == ["1"]


async def test_the_oldest_keys_are_forgotten_when_there_are_too_many(
    store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dedupe, "MOST_KEYS", 2)
    async with world_of(store_url) as world:
        for key in ("a", "b", "c", "d"):
            assert await world.accumulator("orders").push(1, key)

        assert not await world.accumulator("orders").push(1, "d")
        assert not await world.accumulator("orders").push(1, "c")
        assert await world.accumulator("orders").push(1, "a")
        assert len(rows(store_url, "SELECT * FROM log")) <= 3
        await world.restart()
        assert not await world.accumulator("orders").push(1, "a")
        assert not await world.accumulator("orders").push(1, "d")
        assert await world.accumulator("orders").push(1, "b")


async def test_a_key_is_forgotten_after_a_while(store_url: str) -> None:
    async with world_of(store_url) as world:
        await world.accumulator("orders").push(1, "a")
        await world.advance(dedupe.KEPT_FOR - 1.0)
        assert not await world.accumulator("orders").push(1, "a")
        await world.advance(1.0)
        assert await world.accumulator("orders").push(1, "a")
        assert not await world.accumulator("orders").push(1, "a")


async def test_a_key_needs_a_journal_and_has_to_be_text(store_url: str) -> None:
    async with World(store_url, [Reactor("r", [plain, orders])]) as world:
        with pytest.raises(AppError, match=r"push\('plain', key='a'\): the key is kept in the journal"):
            await world.accumulator("plain").push(1, "a")

        with pytest.raises(AppError, match="a key is text of at most"):
            await world.accumulator("orders").push(1, "nul\0")


async def test_an_app_answers_whether_a_push_was_new(store_url: str) -> None:
    async with open_test_app([orders], store=store_url) as test:
        assert await test.app.push(orders, 1, key="order-17")
        assert not await test.app.push("orders", 1, key="order-17")
