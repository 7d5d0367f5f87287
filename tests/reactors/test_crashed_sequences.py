"""Crashes at random commit points, with graphs in flight, a queue, a full outbox: it ends as if nothing had happened.

What is compared is everything that a user can see: the effects of each graph in their order, the state of the reactor,
the state of the accumulator, dead letters, and the tables that must be empty in the end.
"""

import random
from collections import Counter
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given, settings, strategies as st

from penstock.accumulators.stream import stream_accumulator
from penstock.reactors.criteria import when, when_any
from penstock.reactors.firing import Firing
from penstock.reactors.policies import Retry
from penstock.reactors.reactor import Reactor
from penstock.testing.source import ScriptedSource
from tests.databases import Stores, postgres_only, rows, sqlite_store
from tests.reactors.world import Graph, World

EVENTS = 40
KEYS = 3
GRAPHS = ("quick", "slow", "other")
#: A graph fails for good on every number that can be divided by this: those make dead letters.
POISON = 7


class Item(msgspec.Struct, frozen=True):
    key: str
    number: int
    total: int


def item(firing: Firing) -> Item:
    found = firing.inputs["totals"]
    assert isinstance(found, Item)
    return found


def make_world(url: str, rng: random.Random) -> World:
    @stream_accumulator(ScriptedSource(range(EVENTS)), state=0)
    def totals(event: int, state: int) -> tuple[int, Item | None]:
        return state + event, Item(f"k{event % KEYS}", event, state + event)

    slow = rng.choice([0.01, 0.3, 2.0])
    graphs = [Graph("quick", effect=effect), Graph("slow", effect=effect, seconds=slow)]
    graphs.append(Graph("other", effect=effect, seconds=0.0))
    for graph in graphs:
        graph.before = sometimes_fail(graph, rng)

    key = rng.choice(["key", None])
    criteria = rng.choice([when_any(), when(lambda totals: totals.number % 2 == 0 or totals.number > 5)])
    reactor = Reactor(
        "r",
        [totals],
        strategy="sequential",
        key=key,
        criteria=criteria,
        queue_limit=rng.choice([2, 1000]),
        on_error=Retry(attempts=3, backoff=0.2),
    )
    return World(url, [reactor], graphs, outbox_limit=rng.choice([2, 8, 1000]))


def effect(firing: Firing) -> str:
    return f"{item(firing).number}:{item(firing).total}"


def sometimes_fail(graph: Graph, rng: random.Random) -> Callable[[Firing], None]:
    """Fail now and then, twice at most; always where it is poison for one graph."""
    failed = Counter[str]()

    def before(firing: Firing) -> None:
        poison = graph.name == "slow" and item(firing).number % POISON == 0
        graph.fail(poison or (rng.random() < 0.15 and failed[firing.id] < 2))
        failed[firing.id] += graph.failures

    return before


async def seen(world: World) -> dict[str, object]:
    """Return what a user sees, when all is quiet."""
    effects: dict[str, list[str]] = {f"{graph} {key}": [] for graph in GRAPHS for key in range(KEYS)}
    keyed = world.reactor.definition.key is not None
    for graph, text in await world.store_effects():
        number = int(text.partition(":")[0])
        effects[f"{graph} {number % KEYS if keyed else 0}"].append(text)

    return {
        "effects": effects,
        "letters": sorted((letter.part, letter.payload) for letter in await world.letters()),
        "values": world.reactor.state().values,
        "dirty": {key: state.dirty for key, state in world.reactor.state().keys.items()},
        "accumulator": (world.accumulator("totals").state, dict(world.accumulator("totals").positions)),
        "left": [rows(world.url, f"SELECT count(*) FROM {table}")[0][0] for table in ("log", "firings")],  # noqa: S608
    }


async def live_through(world: World, crashes: list[tuple[str, int, float]], rng: random.Random) -> dict[str, object]:
    """Live with some crashes, each at a commit point that is passed some times before."""
    async with world:
        for moment, after, seconds in crashes:
            world.faults.fail(f"cut: {moment}", times=None, after=after)
            await world.advance(seconds)
            await world.restart(crash=True)
            await world.advance(rng.choice([0.0, 3.0]))

        await world.advance(400.0)
        assert world.carry.taken == []
        return await seen(world)


MOMENTS = ["before begin", "before commit", "after commit"]
CRASHES = st.lists(
    st.tuples(
        st.sampled_from(MOMENTS),
        st.integers(1, 6),
        st.sampled_from([0.0, 0.5, 4.0]),
    ),
    min_size=1,
    max_size=3,  # a fourth in a row could make a dead letter of a firing that had no part in them
)


async def compare(first: str, second: str, seed: int, crashes: list[tuple[str, int, float]]) -> None:
    expected = await live_through(make_world(first, random.Random(seed)), [], random.Random(seed))
    found = await live_through(make_world(second, random.Random(seed)), crashes, random.Random(seed))
    assert found == expected
    assert expected["left"] == [0, 0]
    assert expected["letters"]


@pytest.mark.timeout(300)
@settings(max_examples=10)
@given(st.integers(0, 2**32), CRASHES)
async def test_a_sequence_ends_as_one_without_crashes(seed: int, crashes: list[tuple[str, int, float]]) -> None:
    with sqlite_store() as first, sqlite_store() as second:
        await compare(first, second, seed, crashes)


@postgres_only
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(3))
async def test_a_sequence_ends_as_one_without_crashes_on_a_server(new_stores: Stores, seed: int) -> None:
    rng = random.Random(seed)
    crashes = [(rng.choice(MOMENTS), rng.randint(1, 6), rng.choice([0.0, 0.5, 4.0])) for _ in range(3)]
    await compare(new_stores.new(), new_stores.new(), seed, crashes)
