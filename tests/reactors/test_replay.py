"""Events of the inbox that end the process are found out; all others are applied once."""

from collections.abc import Callable

import anyio
import pytest

from penstock.accumulators.accumulator import AnyAccumulator
from penstock.accumulators.passthrough import passthrough_accumulator
from penstock.accumulators.trials import INBOX
from penstock.reactors.firing import Firing
from penstock.reactors.reactor import Reactor
from tests.reactors.world import Graph, World

POISON = 13
WORLDS: list[World] = []


def plain() -> AnyAccumulator:
    @passthrough_accumulator(durable=True)
    def orders(event: int) -> int:
        return event

    return orders


def waiting() -> AnyAccumulator:
    @passthrough_accumulator(durable=True)
    async def orders(event: int) -> int:
        await WORLDS[-1].scheduler.sleep(0.01)
        return event

    return orders


async def killed(url: str, accumulator: AnyAccumulator, *numbers: int) -> World:
    """Push events and die before any of them is consumed."""
    world = World(url, [Reactor("r", [accumulator], key=int)], [Graph()])
    WORLDS.append(world)
    await world.start()
    for number in numbers:
        await world.accumulator("orders").push(number)

    await world.crash()
    return world


async def live(world: World, *, seconds: float = 1.0) -> bool:
    """Start, and die when the poison fires: nothing is committed from then on. Return whether that was so."""
    deaths: list[str] = []

    def die(firing: Firing) -> None:
        if firing.inputs["orders"] == POISON:
            world.faults.fail("*", times=None)
            deaths.append(firing.id)
            raise RuntimeError("nobody sees this any more")

    world.graphs = [Graph(effect=lambda firing: str(firing.inputs["orders"]), before=die)]
    await world.start()
    await world.advance(seconds)
    return bool(deaths)


@pytest.mark.parametrize("make", [plain, waiting])
async def test_a_poisonous_event_becomes_a_dead_letter_and_the_others_are_applied_once(
    store_url: str, make: Callable[[], AnyAccumulator]
) -> None:
    world = await killed(store_url, make(), 1, POISON, 2)
    deaths = 0
    while await live(world):
        deaths += 1
        await world.crash()

    assert deaths == 3
    assert sorted(await world.effects()) == ["1", "2"]
    [letter] = await world.letters()
    assert (letter.part, letter.payload) == ("orders", b"13")
    assert letter.error == "AppError: the process died each of the 3 times that this event was applied again"
    await world.restart()
    assert world.accumulator("orders").trials.of(INBOX) is None
    assert sorted(await world.effects()) == ["1", "2"]
    await world.stop()


@pytest.mark.parametrize("make", [plain, waiting])
async def test_what_is_pushed_meanwhile_follows_what_is_applied_again(
    store_url: str, make: Callable[[], AnyAccumulator]
) -> None:
    world = await killed(store_url, make(), 1, POISON, 2)
    assert await live(world)
    await world.crash()
    world.graphs = [Graph(effect=lambda firing: str(firing.inputs["orders"]))]
    await world.start()
    assert not world.domain.is_idle
    async with anyio.create_task_group() as group:
        group.start_soon(world.accumulator("orders").push, 3)
        await world.advance(2.0)

    assert await world.effects() == ["1", "13", "2", "3"]
    assert await world.letters() == []
    assert world.domain.is_idle
    await world.stop()


async def test_deaths_that_have_other_reasons_cost_no_event(store_url: str) -> None:
    world = await killed(store_url, plain(), *range(5))
    for _ in range(6):
        await live(world, seconds=0.0)
        await world.crash()

    assert not await live(world)
    assert sorted(await world.effects()) == ["0", "1", "2", "3", "4"]
    assert await world.letters() == []
    await world.stop()
