"""Windows: what they hold and emit, what graphs write into them, and what of them is stored."""

from collections.abc import Callable

import msgspec
import pytest

from penstock.accumulators.batch import batch_accumulator
from penstock.accumulators.passthrough import passthrough_accumulator
from penstock.accumulators.state import StateAccumulator, state_accumulator
from penstock.reactors.criteria import when_any
from penstock.reactors.firing import Firing, Outcome
from penstock.reactors.reactor import Reactor, Strategy, broadcast
from penstock.runtime.errors import WriteConflict
from tests.databases import rows
from tests.reactors.world import Graph, Quote, World


class Trade(msgspec.Struct, frozen=True):
    side: str
    price: float


def numbers(capacity: int | None, **options: bool) -> StateAccumulator[int]:
    return state_accumulator("recent", value=int, capacity=capacity, **options)


def recent(firing: Firing) -> str:
    return str(firing.inputs.get("recent"))


def windows(graph: Graph) -> list[object]:
    return [inputs.get("recent") for inputs in graph.inputs]


@passthrough_accumulator
def ticks(event: int) -> int:
    return event


def writing(accumulator: StateAccumulator[int], reactor: str = "r") -> Callable[[Firing], object]:
    """Return what makes a firing write each new tick into the window."""
    return lambda firing: accumulator.emission(firing.inputs["ticks"], reactor)


# -- what it holds and emits -----------------------------------------------------------------------------------


async def test_scenario_46_a_window_of_two_emits_the_newest_two(store_url: str) -> None:
    graph = Graph()
    async with World(store_url, [Reactor("r", [numbers(2)])], [graph]) as world:
        world.offer("recent", 1, 2, 3)

    assert windows(graph) == [(1,), (1, 2), (2, 3)]


async def test_scenario_47_a_window_of_zero_keeps_and_emits_nothing(store_url: str) -> None:
    graph = Graph()
    async with World(store_url, [Reactor("r", [numbers(0)])], [graph]) as world:
        world.offer("recent", *range(100))
        await world.flush()
        statistics = world.accumulator("recent").statistics()
        assert (statistics.events, statistics.filtered, statistics.held, statistics.boundaries) == (100, 100, 0, 0)
        assert rows(store_url, "SELECT * FROM log") == []

    assert graph.firings == []


async def test_scenario_48_three_writes_into_a_window_of_five(store_url: str) -> None:
    async with World(store_url, [Reactor("r", [numbers(5)])], [Graph()]) as world:
        world.offer("recent", 1, 2, 3)
        statistics = world.accumulator("recent").statistics()
        assert (statistics.held, statistics.capacity) == (3, 5)
        assert world.accumulator("recent").window == (1, 2, 3)


async def test_an_unbounded_window_keeps_everything(store_url: str) -> None:
    async with World(store_url, [Reactor("r", [numbers(None)])], [Graph()]) as world:
        world.offer("recent", *range(500))
        await world.flush()
        await world.restart()
        assert world.accumulator("recent").window == tuple(range(500))


# -- restart -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("crash", [True, False])
async def test_scenario_49_a_window_is_back_after_a_restart_without_firing(store_url: str, *, crash: bool) -> None:
    trades = state_accumulator("recent", value=Trade, capacity=2)
    graph = Graph()
    async with World(store_url, [Reactor("r", [trades, ticks])], [graph]) as world:
        world.offer("recent", Trade("buy", 1.0), Trade("sell", 2.0), Trade("buy", 3.0))
        await world.flush()
        await world.restart(crash=crash)
        await world.advance(10.0)
        assert len(graph.firings) == 3
        world.offer("ticks", 1)

    assert graph.inputs[-1] == {"recent": (Trade("sell", 2.0), Trade("buy", 3.0)), "ticks": 1}


async def test_scenario_49_a_window_of_plain_dicts_is_back_after_a_restart(store_url: str) -> None:
    plain = state_accumulator("recent", value=dict, capacity=2)
    async with World(store_url, [Reactor("r", [plain])], [Graph()]) as world:
        world.offer("recent", {"a": 1}, {"b": [2.5, None, "x"]})
        await world.flush()
        await world.restart()
        world.reactor.fire()
        assert windows(world.graphs[0])[-1] == ({"a": 1}, {"b": [2.5, None, "x"]})


async def test_a_window_that_was_written_but_not_fired_fires_after_a_restart(store_url: str) -> None:
    async with World(store_url, [Reactor("r", [numbers(2)])], [Graph()]) as world:
        world.reactor.pause()
        world.offer("recent", 1)
        await world.flush()
        await world.restart()
        assert windows(world.graphs[0]) == [(1,)]


async def test_a_reactor_that_joins_later_sees_the_window(store_url: str) -> None:
    accumulator = numbers(2)
    graph = Graph(reactor="second")
    async with World(store_url, [Reactor("r", [accumulator])]) as world:
        world.offer("recent", 1, 2)
        await world.flush()
        world.definitions.append(Reactor("second", [ticks, accumulator]))
        world.graphs.append(graph)
        await world.restart()
        world.offer("ticks", 7)

    assert graph.inputs == [{"ticks": 7, "recent": (1, 2)}]


@pytest.mark.parametrize(("before", "after", "window"), [(5, 2, (3, 4)), (2, 5, (3, 4)), (None, 1, (4,)), (5, 0, ())])
async def test_a_new_capacity_is_applied_to_what_was_stored(
    store_url: str, before: int | None, after: int | None, window: tuple[int, ...]
) -> None:
    graph = Graph()
    async with World(store_url, [Reactor("r", [numbers(before), ticks])], [graph]) as world:
        world.offer("recent", 1, 2, 3, 4)
        await world.flush()
        world.definitions = [Reactor("r", [numbers(after), ticks])]
        await world.restart()
        assert world.accumulator("recent").window == window
        await world.advance(2.0)
        assert len(rows(store_url, "SELECT * FROM log")) == len(window)
        world.offer("ticks", 1)
        assert graph.inputs[-1] == {"ticks": 1, **({"recent": window} if window else {})}


async def test_a_window_is_stored_as_rows_that_are_appended_and_trimmed(store_url: str) -> None:
    async with World(store_url, [Reactor("r", [numbers(3)])], [Graph()]) as world:
        for number in range(10):
            world.offer("recent", number)
            await world.flush()

        assert [row[0] for row in rows(store_url, "SELECT seq FROM log ORDER BY seq")] == [8, 9, 10]
        (state,) = rows(store_url, "SELECT value FROM state WHERE component = 'r'")
        world.offer("recent", *range(100))
        await world.flush()
        assert rows(store_url, "SELECT value FROM state WHERE component = 'r'") == [state]


async def test_a_cut_that_fails_is_written_again_with_what_the_window_is_then(store_url: str) -> None:
    async with World(store_url, [Reactor("r", [numbers(2)])], [Graph()]) as world:
        world.offer("recent", 1)
        await world.flush()
        world.faults.fail("cut: before commit", error=WriteConflict("cut", "scripted"), times=2)
        world.offer("recent", 2)
        await world.advance(1.0)
        world.offer("recent", 3, 4)
        await world.advance(10.0)
        await world.restart()
        assert world.accumulator("recent").window == (3, 4)


async def test_a_keyed_reactor_sees_a_broadcast_window_under_every_key(store_url: str) -> None:
    @passthrough_accumulator
    def quotes(event: Quote) -> Quote:
        return event

    graph = Graph()
    reactor = Reactor("r", [quotes, broadcast(numbers(2))], key="symbol")
    async with World(store_url, [reactor], [graph]) as world:
        world.offer("recent", 1, 2, 3)
        world.offer("quotes", Quote("A", 1.0))
        await world.flush()
        await world.restart()
        world.offer("quotes", Quote("B", 2.0))
        assert graph.inputs[-1] == {"quotes": Quote("B", 2.0), "recent": (2, 3)}


# -- what graphs write -----------------------------------------------------------------------------------------


class Writer(Graph):
    """A graph that writes what a firing holds into accumulators."""

    def __init__(self, write: Callable[[Firing], object], **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        self.write = write

    def run(self, firing: Firing) -> Outcome:
        outcome = super().run(firing)
        emit = self.write(firing)
        return outcome if emit is None else msgspec.structs.replace(outcome, effects=[emit, *outcome.effects])


@pytest.mark.parametrize("strategy", ["latest", "sequential"])
@pytest.mark.parametrize("seconds", [None, 0.5])
async def test_scenario_50_the_next_firing_sees_what_a_node_wrote_and_the_reactor_does_not_fire_itself(
    store_url: str, seconds: float | None, strategy: Strategy
) -> None:
    window = numbers(2)
    graph = Writer(writing(window), seconds=seconds, effect=recent)
    reactor = Reactor("r", [ticks, window], strategy=strategy)
    async with World(store_url, [reactor], [graph], links=[(reactor, window)]) as world:
        for tick in (1, 2, 3):
            world.offer("ticks", tick)
            await world.advance(10.0)

        assert windows(graph) == [None, (1,), (1, 2)]
        assert world.accumulator("recent").window == (2, 3)
        await world.restart()
        world.offer("ticks", 4)
        await world.advance(1.0)
        assert windows(graph)[-1] == (2, 3)


@pytest.mark.parametrize("strategy", ["latest", "sequential"])
@pytest.mark.parametrize("seconds", [None, 0.1])
async def test_scenario_50_a_window_that_triggers_fires_its_own_reactor_until_nothing_is_written(
    store_url: str, seconds: float | None, strategy: Strategy
) -> None:
    window = numbers(3, triggers=True)

    def count(firing: Firing) -> object:
        known = firing.inputs.get("recent") or (0,)
        return window.emission(known[-1] + 1, "r") if known[-1] < 5 else None  # type: ignore[index]

    graph = Writer(count, seconds=seconds)
    reactor = Reactor("r", [ticks, window], strategy=strategy)
    async with World(store_url, [reactor], [graph], links=[(reactor, window)]) as world:
        world.offer("ticks", 1)
        assert len(graph.firings) == (seconds is None)
        assert not world.domain.is_idle
        await world.advance(2.0)

    assert windows(graph) == [None, (1,), (1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5)]


async def test_a_window_fires_the_other_reactors_that_join_it(store_url: str) -> None:
    window = numbers(2)
    first, other = Writer(writing(window), name="first", reactor="r"), Graph("other", reactor="z")
    reactor = Reactor("r", [ticks, window])
    async with World(store_url, [reactor, Reactor("z", [window])], [first, other], links=[(reactor, window)]) as world:
        world.offer("ticks", 1)
        await world.advance()
        world.offer("ticks", 2)
        await world.advance()

    assert windows(other) == [(1,), (1, 2)]
    assert len(first.firings) == 2


async def test_two_reactors_that_feed_each_other_leave_the_loop_its_turns(store_url: str) -> None:
    left = state_accumulator("left", value=int, capacity=1)
    right = state_accumulator("right", value=int, capacity=1)

    def to_right(firing: Firing) -> object:
        value = firing.inputs["left"][-1]  # type: ignore[index]
        return right.emission(value + 1, "a") if value < 3000 else None

    def to_left(firing: Firing) -> object:
        return left.emission(firing.inputs["right"][-1] + 1, "b")  # type: ignore[index]

    a, b = Reactor("a", [left]), Reactor("b", [right])
    graphs = [Writer(to_right, name="ga", reactor="a"), Writer(to_left, name="gb", reactor="b")]
    async with World(store_url, [a, b], graphs, links=[(a, right), (b, left)]) as world:
        world.offer("left", 0)
        assert sum(len(graph.firings) for graph in graphs) <= 2
        while not world.domain.is_idle:
            await world.advance(0.01)

        assert world.accumulator("left").window == (3000,)


async def test_a_failed_graph_writes_nothing(store_url: str) -> None:
    window = numbers(2)
    graph = Writer(writing(window))
    graph.fail()
    reactor = Reactor("r", [ticks, window])
    async with World(store_url, [reactor], [graph], links=[(reactor, window)]) as world:
        world.offer("ticks", 1)
        assert world.accumulator("recent").window == ()
        await world.advance(1.0)
        assert world.accumulator("recent").window == (1,)


@pytest.mark.parametrize("moment", ["before begin", "before commit", "after commit"])
@pytest.mark.parametrize("seconds", [None, 0.5])
async def test_what_a_node_wrote_is_committed_with_its_firing(
    store_url: str, moment: str, seconds: float | None
) -> None:
    window = numbers(None)
    graph = Writer(writing(window), seconds=seconds, effect=lambda firing: str(firing.inputs["ticks"]))

    @passthrough_accumulator(durable=True, name="ticks")
    def durable(event: int) -> int:
        return event

    reactor = Reactor("r", [durable, window])
    async with World(store_url, [reactor], [graph], links=[(reactor, window)]) as world:
        for tick in (1, 2, 3, 4):
            if tick == 3:
                world.faults.fail(f"cut: {moment}", times=None)

            await world.accumulator("ticks").push(tick)
            await world.advance(0.6)
            if tick == 3:
                await world.restart()
                await world.advance(5.0)

        await world.advance(5.0)
        assert await world.effects() == ["1", "2", "3", "4"]
        assert world.accumulator("recent").window == (1, 2, 3, 4)
        assert world.carry.taken == []


async def test_a_node_writes_into_a_batch_and_a_passthrough_of_its_domain(store_url: str) -> None:
    @batch_accumulator(max_size=2)
    def pairs(events: list[int]) -> int:
        return sum(events)

    @passthrough_accumulator
    def doubled(event: int) -> int:
        return event * 2

    reactor = Reactor("r", [ticks], criteria=when_any())
    graph, other = Graph("first", reactor="r"), Graph("other", reactor="z")
    first = Writer(lambda firing: pairs.emission(firing.inputs["ticks"], "r"), name="w1", reactor="r")
    second = Writer(lambda firing: doubled.emission(firing.inputs["ticks"], "r"), name="w2", reactor="r")
    async with World(
        store_url,
        [reactor, Reactor("z", [pairs, doubled])],
        [graph, first, second, other],
        links=[(reactor, pairs), (reactor, doubled)],
    ) as world:
        for tick in (1, 2, 3):
            world.offer("ticks", tick)
            await world.advance()

        assert world.accumulator("pairs").held == 1
        await world.flush()
        await world.restart()
        world.offer("ticks", 4)
        await world.advance()

    assert [inputs.get("pairs") for inputs in other.inputs] == [None, 3, 3, 7]
    assert [inputs["doubled"] for inputs in other.inputs] == [2, 4, 6, 8]


async def test_what_a_node_writes_is_taken_while_the_outbox_is_full(store_url: str) -> None:
    window = numbers(2)
    graph = Writer(writing(window), effect=lambda _: "run")
    reactor = Reactor("r", [ticks, window])
    async with World(store_url, [reactor], [graph], links=[(reactor, window)], outbox_limit=1) as world:
        world.offer("ticks", 1)
        assert world.domain.gate.full
        assert world.accumulator("recent").window == (1,)
