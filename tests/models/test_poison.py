"""Whatever kills, and wherever it stands: a bounded number of deaths, and the rest is done once."""

import asyncio
import random
from collections import Counter

import pytest
from hypothesis import given, settings, strategies as st

from penstock.accumulators.accumulator import AnyAccumulator
from penstock.accumulators.batch import batch_accumulator
from penstock.accumulators.passthrough import passthrough_accumulator
from penstock.accumulators.sources import Memory
from penstock.accumulators.stream import stream_accumulator
from penstock.reactors.reactor import Reactor
from penstock.runtime.errors import StoreError
from tests.databases import sqlite_store
from tests.reactors.world import Graph, World

EVENTS = 12
#: Of one thing that kills: what is at work beside it may be in doubt first, or be cut short once.
MOST_DEATHS = 12


class Plan:
    """What a world is made of, where it kills, and for which events."""

    def __init__(self, rng: random.Random) -> None:
        self.kind = rng.choice(["source", "durable", "batch", "durable batch"])
        self.waits = rng.random() < 0.3
        self.slow = rng.choice([None, None, 0.05])
        self.strategy = rng.choice(["latest", "sequential"])
        self.keyed = "batch" not in self.kind and rng.random() < 0.6
        self.size = rng.choice([1, 3, 5])
        self.where = rng.choice(["function", "graph"])
        self.poison = set(rng.sample(range(EVENTS), rng.choice([1, 1, 2])))
        self.deaths = 0
        self.world: World | None = None

    def strike(self, where: str, value: object) -> None:
        """Die, if this is what kills: nothing is committed from then on."""
        events = value if isinstance(value, list) else [value]
        if where == self.where and self.poison.intersection(events) and self.world is not None:
            self.world.faults.fail("*", times=None)
            self.deaths += 1
            raise RuntimeError("nobody sees this any more")

    def accumulator(self) -> AnyAccumulator:
        source = Memory(range(EVENTS)) if self.kind in {"source", "batch"} else None

        def one(event: int) -> int:
            self.strike("function", event)
            return event

        async def one_slowly(event: int) -> int:
            await self.pause()
            return one(event)

        def many(events: list[int]) -> list[int]:
            self.strike("function", events)
            return events

        async def many_slowly(events: list[int]) -> list[int]:
            await self.pause()
            return many(events)

        durable = source is None
        if "batch" in self.kind:
            decorate = batch_accumulator(max_size=self.size, max_age=0.2, name="a", source=source, durable=durable)
            return decorate(many_slowly) if self.waits else decorate(many)

        if source is not None:
            fed = stream_accumulator(source, name="a")
            return fed(one_slowly) if self.waits else fed(one)

        pushed = passthrough_accumulator(name="a", durable=True)
        return pushed(one_slowly) if self.waits else pushed(one)

    async def pause(self) -> None:
        assert self.world is not None
        await self.world.scheduler.sleep(0.01)

    def build(self, url: str) -> World:
        key = {"key": int} if self.keyed else {}
        reactor = Reactor("r", [self.accumulator()], strategy=self.strategy, **key)  # type: ignore[arg-type]
        graph = Graph(
            effect=lambda firing: text_of(firing.inputs["a"]),
            before=lambda firing: self.strike("graph", firing.inputs["a"]),
            seconds=self.slow,
        )
        self.world = World(url, [reactor], [graph])
        return self.world


def text_of(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


async def live_through(url: str, seed: int) -> None:
    rng = random.Random(seed)
    plan = Plan(rng)
    world = plan.build(url)
    pushed = 0 if "durable" in plan.kind else EVENTS
    lives = 0
    while True:
        before = plan.deaths
        try:
            await world.start()
        except* StoreError:
            assert plan.deaths > before  # it died so early that the start saw it

        while pushed < EVENTS and plan.deaths == before and await push(world, pushed):
            pushed += 1
            await world.advance(rng.choice([0.0, 0.0, 0.3]))

        await world.advance(rng.choice([1.5, 4.0]))
        lives += 1
        if plan.deaths == before and pushed == EVENTS:
            break

        assert lives <= MOST_DEATHS * len(plan.poison), f"it goes on dying: {vars(plan)}"
        await world.crash()

    await check(plan, world)
    await world.stop()


async def push(world: World, number: int) -> bool:
    """Push an event under its number, so that it can be pushed again; tell whether that was acknowledged."""
    pushing = asyncio.ensure_future(world.accumulator("a").push(number, str(number)))
    for _ in range(20):
        await world.advance(0.1 if not pushing.done() else 0.0)
        if pushing.done():
            return pushing.exception() is None

    pushing.cancel()
    return False


async def check(plan: Plan, world: World) -> None:
    """Each event has its effect once or stands in a letter; under ``latest`` a newer one may stand for it."""
    done = Counter(int(each) for text in await world.effects() for each in text.split(","))
    letters = b" ".join(letter.payload for letter in await world.letters()).decode()
    kept = {number for number in range(EVENTS) if f"{number}" in numbers_of(letters)}
    assert all(times == 1 for times in done.values()), (vars(plan), done)
    assert not plan.poison & set(done)
    replaced = plan.strategy == "latest" and not plan.keyed
    if replaced:
        assert EVENTS - 1 in {*done, *kept}
    else:
        assert {*done, *kept} == set(range(EVENTS)), (vars(plan), done, kept)
        assert plan.poison <= kept

    if "batch" not in plan.kind:
        assert kept <= plan.poison, (vars(plan), kept)


def numbers_of(text: str) -> set[str]:
    """Return the numbers in what letters keep."""
    return set("".join(each if each.isdigit() else " " for each in text).split())


@pytest.mark.timeout(120)
@settings(max_examples=3)
@given(st.integers(0, 2**32))
async def test_what_kills_is_found_out_and_the_rest_is_done_once(seed: int) -> None:
    with sqlite_store() as url:
        await live_through(url, seed)
