"""Crashes at random instants, with graphs in flight and effects in the outbox: the outcome is that without a crash."""

import random
from collections import Counter
from collections.abc import Callable

import msgspec
import pytest
from anyio.lowlevel import checkpoint
from hypothesis import given, settings, strategies as st

from penstock.accumulators.passthrough import passthrough_accumulator
from penstock.accumulators.stream import stream_accumulator
from penstock.reactors.firing import Firing
from penstock.reactors.reactor import Reactor
from penstock.runtime.errors import StoreError
from penstock.testing.source import ScriptedSource
from tests.databases import postgres_only, sqlite_store
from tests.reactors.world import Graph, World

EVENTS = 30


class Item(msgspec.Struct, frozen=True):
    number: int
    total: int


def item(firing: Firing) -> str:
    return f"{firing.key}:{firing.inputs['totals'].total}"  # type: ignore[attr-defined]


def make_world(url: str, rng: random.Random) -> World:
    """Give each event a key of its own: none is coalesced, each must lead to exactly one effect per graph."""
    source = ScriptedSource(range(EVENTS))

    @stream_accumulator(source, state=0)
    def totals(event: int, state: int) -> tuple[int, Item | None]:
        return state + event, Item(event, state + event)

    quick = Graph("quick", effect=lambda firing: f"quick {item(firing)}")
    slow = Graph("slow", effect=lambda firing: f"slow {item(firing)}", seconds=rng.choice([0.01, 0.3, 2.0]))
    other = Graph("other", effect=lambda firing: f"other {item(firing)}", seconds=0.0)
    for graph in (quick, slow, other):
        graph.before = sometimes_fail(graph, rng)

    return World(url, [Reactor("r", [totals], key="number")], [quick, slow, other], outbox_limit=8)


def sometimes_fail(graph: Graph, rng: random.Random) -> Callable[[Firing], None]:
    """Let the graph fail, but never five times for one firing: that would make a dead letter of it."""
    failed = Counter[str]()

    def before(firing: Firing) -> None:
        graph.fail(rng.random() < 0.2 and failed[firing.id] < 4)
        failed[firing.id] += graph.failures

    return before


def expected() -> list[str]:
    totals = {number: sum(range(number + 1)) for number in range(EVENTS)}
    return sorted(f"{graph} {n}:{total}" for graph in ("quick", "slow", "other") for n, total in totals.items())


async def live_through(world: World, rng: random.Random, instants: list[float]) -> None:
    async with world:
        for instant in instants:
            if rng.random() < 0.5:
                await world.clock.settle()
                await world.advance(instant)
            else:
                for _ in range(int(instant * 10)):
                    await checkpoint()

            crash = rng.random() < 0.8
            if not crash:
                await world.stop(drain=rng.choice([0.0, 10.0]))
            elif rng.random() < 0.3:
                world.faults.fail("cut: after commit", times=None, after=rng.randint(1, 5))
                await world.advance(0.5)
                await world.crash()
            else:
                await world.crash()

            await world.start()

        await world.advance(100.0)
        assert sorted(await world.effects()) == expected()
        assert world.carry.taken == []
        assert world.reactor.statistics().in_flight == 0


@pytest.mark.timeout(120)
@settings(max_examples=15)
@given(st.integers(0, 2**32), st.lists(st.floats(0.0, 3.0), max_size=3))  # a fourth crash could make a dead letter
async def test_every_event_has_each_effect_once_whatever_crashes(seed: int, instants: list[float]) -> None:
    rng = random.Random(seed)
    with sqlite_store() as url:
        await live_through(make_world(url, rng), rng, instants)


# The many examples above are on SQLite, where a store costs a tenth of the time; these few show the same of PostgreSQL.
@postgres_only
@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", range(3))
async def test_every_event_has_each_effect_once_on_a_server(store_url: str, seed: int) -> None:
    rng = random.Random(seed)
    await live_through(make_world(store_url, rng), rng, [rng.uniform(0.0, 3.0) for _ in range(3)])


@passthrough_accumulator(durable=True)
def orders(event: int) -> int:
    return event


@pytest.mark.timeout(120)
@settings(max_examples=10)
@given(st.integers(0, 2**32), st.lists(st.integers(0, 4), min_size=1, max_size=8))
async def test_an_acknowledged_push_has_its_effect_once_whatever_crashes(seed: int, bursts: list[int]) -> None:
    with sqlite_store() as url:
        await push_through_crashes(url, random.Random(seed), bursts)


@postgres_only
@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", range(3))
async def test_an_acknowledged_push_has_its_effect_once_on_a_server(store_url: str, seed: int) -> None:
    rng = random.Random(seed)
    await push_through_crashes(store_url, rng, [rng.randrange(5) for _ in range(8)])


async def push_through_crashes(url: str, rng: random.Random, bursts: list[int]) -> None:
    """Push bursts of events, crash between them, and find the effect of each once."""
    acknowledged: list[int] = []
    cut_short = 0  # crashes in a row that a firing may have been in: a fourth could make a dead letter
    graph = Graph("graph", effect=lambda firing: str(firing.inputs["orders"]), seconds=rng.choice([None, 0.2]))
    async with World(url, [Reactor("r", [orders], key=lambda value: int(str(value)))], [graph]) as world:
        for burst in bursts:
            for _ in range(burst):
                number = len(acknowledged)
                await world.accumulator("orders").push(number)
                acknowledged.append(number)

            pause = 1.5 if cut_short == 3 else rng.choice([0.0, 0.1, 1.5])
            cut_short = 0 if pause == 1.5 else cut_short + 1
            await world.advance(pause)
            await world.restart(crash=rng.random() < 0.8)

        await world.advance(10.0)
        assert sorted(map(int, await world.effects())) == acknowledged


POINTS = [
    f"{label}: {moment}"
    for label in ("cut", "take over")
    for moment in ("before begin", "before commit", "after commit")
]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("passed", [1, 2, 4])
@pytest.mark.parametrize("point", POINTS)
async def test_a_crash_at_each_commit_point_changes_nothing(store_url: str, point: str, passed: int) -> None:
    rng = random.Random(passed)
    async with make_world(store_url, rng) as world:
        if point.startswith("take over"):
            await world.advance(0.2)
            await world.crash()
            await start_and_die(world, point)
        else:
            world.faults.fail(point, after=passed)
            await world.advance(0.5)
            world.faults.assert_all_happened()
            await world.crash()

        await world.start()
        await world.advance(100.0)
        assert sorted(await world.effects()) == expected()
        assert world.carry.taken == []


async def start_and_die(world: World, point: str) -> None:
    """Start, and die at a commit point of the take-over."""
    world.next_faults = lambda faults: faults.fail(point)
    with pytest.raises(ExceptionGroup, match="unhandled"):
        await world.start()

    world.next_faults = lambda _: None
    await world.crash()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("moment", ["before begin", "before commit", "after commit"])
async def test_a_push_that_dies_at_a_commit_point_is_applied_if_and_only_if_its_row_is_there(
    store_url: str, moment: str
) -> None:
    graph = Graph("graph", effect=lambda firing: str(firing.inputs["orders"]))
    async with World(store_url, [Reactor("r", [orders])], [graph]) as world:
        await world.accumulator("orders").push(1)
        world.faults.fail(f"push: {moment}")
        with pytest.raises(StoreError):
            await world.accumulator("orders").push(2)

        await world.restart()
        await world.advance(1.0)
        assert await world.effects() == (["1", "2"] if moment == "after commit" else ["1"])
