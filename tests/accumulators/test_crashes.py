"""Crashes at random instants and commit points: batches, windows and keys are then as without a crash.

A few examples run here; the profile ``thorough`` runs many.
"""

import random

import pytest
from anyio.lowlevel import checkpoint
from hypothesis import given, settings, strategies as st

from penstock.accumulators.batch import batch_accumulator
from penstock.accumulators.passthrough import passthrough_accumulator
from penstock.accumulators.state import state_accumulator
from penstock.reactors.firing import Firing
from penstock.reactors.reactor import Reactor
from penstock.runtime.errors import StoreError
from penstock.testing.source import ScriptedSource
from tests.accumulators.test_state import Writer
from tests.databases import postgres_only, sqlite_store
from tests.reactors.world import Graph, World

EVENTS = 40
MOMENTS = ("before begin", "before commit", "after commit")


async def crash(world: World, rng: random.Random, point: str) -> None:
    """Die at an instant, or at the next commit points of a kind; sometimes stop in order."""
    if rng.random() < 0.4:
        world.faults.fail(f"{point}: {rng.choice(MOMENTS)}", times=None, after=rng.randint(1, 4))
        await world.advance(rng.choice([0.0, 0.4, 1.1]))
        await world.restart()
    else:
        await world.restart(crash=rng.random() < 0.7)


def first(batch: object) -> int:
    """Give each batch a key of its own: none is coalesced."""
    return batch[0]  # type: ignore[index, no-any-return]


def batches_world(url: str, rng: random.Random) -> World:
    """Gather the events of a source in batches; a quick and a slow graph start a run with each batch."""
    source = ScriptedSource(range(EVENTS))
    waits = rng.random() < 0.5

    def gathered(events: list[int]) -> list[int]:
        return events

    async def slow(events: list[int]) -> list[int]:
        await world.scheduler.sleep(0.2)
        return events

    bounds = {"max_size": rng.choice([1, 3, 7, 100]), "max_age": rng.choice([0.1, 2.0])}
    durable = rng.random() < 0.5
    decorate = batch_accumulator(source=source, name="batch", durable=durable, **bounds)  # type: ignore[arg-type]
    accumulator = decorate(slow) if waits else decorate(gathered)
    graphs = [Graph("quick", effect=batch_of), Graph("slow", effect=batch_of, seconds=rng.choice([0.01, 0.3]))]
    world = World(url, [Reactor("r", [accumulator], key=first)], graphs, outbox_limit=8)
    return world


def batch_of(firing: Firing) -> str:
    return ",".join(map(str, firing.inputs["batch"]))  # type: ignore[call-overload]


async def gather_through(world: World, rng: random.Random, instants: list[float]) -> None:
    async with world:
        for instant in instants:
            if rng.random() < 0.5:
                await world.advance(instant)
            else:
                for _ in range(int(instant * 20)):
                    await checkpoint()

            await crash(world, rng, "cut")

        await world.advance(100.0)
        world.accumulator("batch").flush()
        await world.advance(10.0)
        effects = await world.store_effects()
        for graph in ("quick", "slow"):
            events = [int(event) for name, text in effects if name == graph for event in text.split(",")]
            assert sorted(events) == list(range(EVENTS))

        assert world.carry.taken == []
        assert world.accumulator("batch").held == 0


@pytest.mark.timeout(120)
@settings(max_examples=10)
@given(st.integers(0, 2**32), st.lists(st.floats(0.0, 3.0), max_size=3))
async def test_every_event_is_in_one_batch_whatever_crashes(seed: int, instants: list[float]) -> None:
    rng = random.Random(seed)
    with sqlite_store() as url:
        await gather_through(batches_world(url, rng), rng, instants)


@postgres_only
@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", range(3))
async def test_every_event_is_in_one_batch_on_a_server(store_url: str, seed: int) -> None:
    rng = random.Random(seed)
    await gather_through(batches_world(store_url, rng), rng, [rng.uniform(0.0, 3.0) for _ in range(3)])


@passthrough_accumulator(durable=True)
def ticks(event: int) -> int:
    return event


window = state_accumulator("window", value=int, capacity=None)


def write(firing: Firing) -> object:
    return window.emission(firing.inputs["ticks"], "r")


async def write_through(url: str, rng: random.Random, bursts: list[int]) -> None:
    """Push under keys, each push again after a crash until it is answered; a graph writes each event into a window."""
    graph = Writer(write, effect=lambda firing: str(firing.inputs["ticks"]), seconds=rng.choice([None, 0.2]))
    reactor = Reactor("r", [ticks, window], strategy="sequential", criteria=None)
    number = 0
    async with World(url, [reactor], [graph], links=[(reactor, window)]) as world:
        for burst in bursts:
            for _ in range(burst):
                await push_until_answered(world, number, rng)
                number += 1

            await world.advance(rng.choice([0.0, 0.1, 1.5]))
            await crash(world, rng, rng.choice(["cut", "*"]))
            await world.advance(5.0)  # what was in flight ends: a fourth crash in a row could make a dead letter

        await world.advance(50.0)
        assert await world.effects() == [str(each) for each in range(number)]
        assert world.accumulator("window").window == tuple(range(number))
        await world.restart()
        assert world.accumulator("window").window == tuple(range(number))


async def push_until_answered(world: World, number: int, rng: random.Random) -> None:
    if rng.random() < 0.2:
        world.faults.fail(f"push: {rng.choice(MOMENTS)}")

    try:
        await world.accumulator("ticks").push(number, f"key {number}")
    except StoreError:
        await world.restart()
        await world.accumulator("ticks").push(number, f"key {number}")


@pytest.mark.timeout(120)
@settings(max_examples=10)
@given(st.integers(0, 2**32), st.lists(st.integers(0, 4), min_size=1, max_size=5))
async def test_every_push_is_in_the_window_once_and_in_order_whatever_crashes(seed: int, bursts: list[int]) -> None:
    with sqlite_store() as url:
        await write_through(url, random.Random(seed), bursts)


@postgres_only
@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", range(3))
async def test_every_push_is_in_the_window_once_and_in_order_on_a_server(store_url: str, seed: int) -> None:
    rng = random.Random(seed)
    await write_through(store_url, rng, [rng.randrange(1, 5) for _ in range(4)])
