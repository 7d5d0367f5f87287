"""Batches: when they are flushed, what becomes of their events, and what of them is stored."""

from collections.abc import Callable
from typing import Any

import anyio
import msgspec
import pytest
from anyio.lowlevel import checkpoint

from penstock.accumulators.batch import BatchAccumulator, batch_accumulator
from penstock.accumulators.passthrough import passthrough_accumulator
from penstock.reactors.criteria import when_any
from penstock.reactors.firing import Firing
from penstock.reactors.reactor import Reactor
from penstock.runtime.errors import AppError, ChannelFull, WriteConflict
from penstock.runtime.observe import EventDropped, StateIgnored
from penstock.runtime.store.domain_kinds import APPEND_LOG, PUT_STATE
from penstock.runtime.store.unit import Unit
from penstock.testing.source import Pause, ScriptedSource
from tests.databases import rows
from tests.reactors.world import Graph, World


def batch(**options: Any) -> BatchAccumulator[float, float]:
    """Make an accumulator that adds up; it fails on a negative event."""
    waits = options.pop("waits", None)

    def total(events: list[float]) -> float | None:
        if min(events) < 0:
            raise ValueError("negative")

        return sum(events) or None

    async def slow(events: list[float]) -> float | None:
        await waits()
        return total(events)

    decorate = batch_accumulator(name="total", **options)
    return decorate(total) if waits is None else decorate(slow)


def one(accumulator: BatchAccumulator[float, float], **options: Any) -> tuple[list[Reactor], list[Graph]]:
    """Return a reactor of the accumulator, and a graph that starts a run with each total."""
    return [Reactor("r", [accumulator], **options)], [Graph(effect=total_of)]


def total_of(firing: Firing) -> str:
    return str(firing.inputs.get("total"))


def totals(world: World) -> list[object]:
    return [inputs.get("total") for inputs in world.graphs[0].inputs]


# -- when it is flushed ----------------------------------------------------------------------------------------


async def test_scenario_41_five_events_and_a_flush_make_one_boundary_and_one_firing(store_url: str) -> None:
    async with World(store_url, *one(batch(max_age=60.0))) as world:
        world.offer("total", 1.0, 2.0, 3.0, 4.0, 5.0)
        assert totals(world) == []
        assert world.accumulator("total").flush() == 5
        assert totals(world) == [15.0]
        assert world.accumulator("total").statistics().boundaries == 1


async def test_scenario_42_a_batch_is_flushed_when_it_is_full(store_url: str) -> None:
    async with World(store_url, *one(batch(max_size=3))) as world:
        world.offer("total", 10.0, 20.0)
        assert totals(world) == []
        world.offer("total", 30.0, 1.0)
        assert totals(world) == [60.0]
        assert world.accumulator("total").statistics().held == 1


async def test_scenario_42_a_batch_is_flushed_when_its_oldest_event_is_old(store_url: str) -> None:
    async with World(store_url, *one(batch(max_age="100ms"))) as world:
        world.offer("total", 1.0)
        await world.advance(0.06)
        world.offer("total", 2.0)
        await world.advance(0.03)
        assert totals(world) == []
        await world.advance(0.01)
        assert totals(world) == [3.0]
        await world.advance(1.0)
        world.offer("total", 4.0)
        await world.advance(0.09)
        assert totals(world) == [3.0]
        await world.advance(0.01)
        assert totals(world) == [3.0, 4.0]


async def test_a_full_batch_begins_the_age_of_the_next_anew(store_url: str) -> None:
    async with World(store_url, *one(batch(max_size=2, max_age=1.0))) as world:
        world.offer("total", 1.0)
        await world.advance(0.9)
        world.offer("total", 2.0, 3.0)
        await world.advance(0.9)
        assert totals(world) == [3.0]
        await world.advance(0.1)
        assert totals(world) == [3.0, 3.0]


async def test_scenario_42_nothing_is_flushed_of_an_empty_batch(store_url: str) -> None:
    async with World(store_url, *one(batch(max_age=1.0))) as world:
        assert world.accumulator("total").flush() == 0
        await world.advance(10.0)
        assert world.accumulator("total").statistics().boundaries == 0
        assert world.clock.next_alarm() is None


async def test_scenario_42_an_orderly_stop_flushes_the_rest_and_the_reactor_fires(store_url: str) -> None:
    async with World(store_url, *one(batch(max_age=60.0))) as world:
        world.offer("total", 1.0, 2.0)
        await world.restart(crash=False)
        assert totals(world) == [3.0]
        assert await world.effects() == ["3.0"]
        assert world.accumulator("total").held == 0


async def test_scenario_42_a_durable_batch_is_kept_at_an_orderly_stop(store_url: str) -> None:
    async with World(store_url, *one(batch(max_size=3, durable=True))) as world:
        await world.accumulator("total").push(1.0)
        await world.accumulator("total").push(2.0)
        await world.restart(crash=False)
        assert totals(world) == []
        await world.accumulator("total").push(3.0)
        assert totals(world) == [6.0]


async def test_a_successful_firing_flushes_a_batch_that_asks_for_it(store_url: str) -> None:
    @passthrough_accumulator
    def clock(event: int) -> int:
        return event

    gathering = batch(flush_after_firing=True)
    graph = Graph(seconds=1.0)
    async with World(store_url, [Reactor("r", [clock, gathering])], [graph]) as world:
        world.offer("clock", 1)
        world.offer("total", 1.0, 2.0)
        await world.advance(0.9)
        assert world.accumulator("total").held == 2
        await world.advance(0.1)
        assert world.accumulator("total").held == 0
        world.offer("total", 5.0)
        await world.advance(10.0)

    assert graph.inputs == [{"clock": 1}, {"clock": 1, "total": 3.0}, {"clock": 1, "total": 5.0}]


async def test_a_firing_in_line_flushes_a_batch_that_asks_for_it(store_url: str) -> None:
    @passthrough_accumulator
    def clock(event: int) -> int:
        return event

    gathering = batch(flush_after_firing=True)
    graph = Graph()
    async with World(store_url, [Reactor("r", [clock, gathering], criteria=when_any(clock))], [graph]) as world:
        world.offer("total", 1.0, 2.0)
        await world.advance(1.0)
        assert world.accumulator("total").held == 2
        world.offer("clock", 1)
        assert not world.domain.is_idle
        await world.advance()
        assert world.accumulator("total").held == 0
        assert world.reactor.state().values == {None: {"clock": 1, "total": 3.0}}


async def test_a_failed_firing_flushes_nothing(store_url: str) -> None:
    @passthrough_accumulator
    def clock(event: int) -> int:
        return event

    graph = Graph()
    graph.fail()
    reactor = Reactor("r", [clock, batch(flush_after_firing=True)], on_error="drop")
    async with World(store_url, [reactor], [graph]) as world:
        world.offer("total", 1.0)
        world.offer("clock", 1)
        await world.advance()
        assert world.accumulator("total").held == 1
        world.offer("clock", 2)
        await world.advance()
        assert world.accumulator("total").held == 0


async def test_a_graph_cannot_flush_a_batch(store_url: str) -> None:
    refused: list[str] = []

    def flush(_: Firing) -> None:
        try:
            world.accumulator("total").flush()
        except AppError as error:
            refused.append(str(error))

    graph = Graph(before=flush)
    async with World(store_url, [Reactor("r", [batch(max_size=1)])], [graph]) as world:
        world.offer("total", 1.0)

    assert ["flush('total') from inside a firing of 'r'" in message for message in refused] == [True]


async def test_only_a_batch_can_be_flushed(store_url: str) -> None:
    @passthrough_accumulator
    def plain(event: int) -> int:
        return event

    async with World(store_url, [Reactor("r", [plain])]) as world:
        with pytest.raises(AppError, match="'plain' has nothing to flush"):
            world.accumulator("plain").flush()


# -- events ------------------------------------------------------------------------------------------------


async def test_none_drops_a_batch_and_its_events_are_counted(store_url: str) -> None:
    async with World(store_url, *one(batch(max_size=2))) as world:
        world.offer("total", 0.0, 0.0, 1.0, 2.0)
        statistics = world.accumulator("total").statistics()
        assert (statistics.events, statistics.filtered, statistics.boundaries) == (4, 2, 1)

    assert totals(world) == [3.0]


async def test_each_event_of_a_batch_that_fails_becomes_a_dead_letter_and_the_next_batch_is_processed(
    store_url: str,
) -> None:
    async with World(store_url, *one(batch(max_size=2))) as world:
        world.offer("total", 1.0, -1.0, 3.0, 4.0)
        await world.advance()
        letters = await world.letters()
        assert [(letter.part, letter.reason, letter.payload) for letter in letters] == [
            ("total", "process", b"1.0"),
            ("total", "process", b"-1.0"),
        ]
        assert letters[0].error == "ValueError: negative"
        assert totals(world) == [7.0]
        assert world.accumulator("total").statistics().failed == 2
        await world.restart()
        assert world.accumulator("total").held == 0


async def test_an_event_that_cannot_be_read_becomes_a_dead_letter_and_the_others_gather(store_url: str) -> None:
    source = ScriptedSource([1.0, b"{broken", 2.0])
    async with World(store_url, *one(batch(max_size=2, source=source))) as world:
        await world.advance()
        assert [(letter.reason, letter.payload) for letter in await world.letters()] == [("decode", b"{broken")]
        assert totals(world) == [3.0]
        assert world.accumulator("total").positions == {"": 2}


async def test_an_async_function_processes_batches_in_order_while_events_gather(store_url: str) -> None:
    async def wait() -> None:
        await world.scheduler.sleep(1.0)

    async with World(store_url, *one(batch(max_size=2, waits=wait))) as world:
        world.offer("total", 1.0, 2.0, 3.0, 4.0, 5.0)
        await world.advance(0.5)
        assert totals(world) == []
        assert world.accumulator("total").held == 5
        await world.advance(0.5)
        assert totals(world) == [3.0]
        await world.advance(1.0)
        assert totals(world) == [3.0, 7.0]
        assert world.accumulator("total").held == 1


async def test_a_crash_while_an_async_function_waits_keeps_its_events(store_url: str) -> None:
    async def wait() -> None:
        await world.scheduler.sleep(1.0)

    async with World(store_url, *one(batch(max_size=2, waits=wait, durable=True))) as world:
        for event in (1.0, 2.0, 4.0):
            await world.accumulator("total").push(event)

        await world.flush()
        await world.advance(0.5)
        await world.restart()
        await world.advance(2.0)
        assert await world.effects() == ["3.0"]
        assert world.accumulator("total").held == 1


# -- too much ------------------------------------------------------------------------------------------------


async def test_a_push_waits_while_a_batch_without_a_size_is_full_and_goes_on_after_its_flush(store_url: str) -> None:
    async with World(store_url, *one(batch(max_age=1.0, capacity=2))) as world:
        world.offer("total", 1.0, 2.0)
        assert not world.accumulator("total").offer(3.0)
        async with anyio.create_task_group() as group:
            group.start_soon(world.accumulator("total").push, 3.0)
            await world.advance(0.9)
            assert world.accumulator("total").held == 2
            await world.advance(0.1)

        assert totals(world) == [3.0]
        assert world.accumulator("total").held == 1
        assert world.accumulator("total").statistics().refused == 1


async def test_a_source_waits_while_a_batch_without_a_size_is_full(store_url: str) -> None:
    source = ScriptedSource([1.0, 2.0, 3.0, 4.0, 5.0])
    async with World(store_url, *one(batch(max_age=1.0, capacity=2, source=source))) as world:
        await world.advance(0.5)
        assert source.consumed == [1.0, 2.0]
        await world.advance(2.0)
        assert totals(world) == [3.0, 7.0]
        assert source.consumed == [1.0, 2.0, 3.0, 4.0, 5.0]


async def test_the_oldest_event_gives_way_and_is_counted(store_url: str) -> None:
    async with World(store_url, *one(batch(max_age=1.0, capacity=2, overflow="drop_oldest"))) as world:
        world.offer("total", 1.0, 2.0, 4.0)
        await world.advance(1.0)
        assert totals(world) == [6.0]
        assert world.accumulator("total").statistics().overflowed == 1
        dropped = [(fact.part, fact.reason) for fact in world.told if isinstance(fact, EventDropped)]
        assert dropped == [("total", "overflow")]


async def test_a_push_is_refused_while_the_batch_is_full(store_url: str) -> None:
    async with World(store_url, *one(batch(max_age=1.0, capacity=2, overflow="reject"))) as world:
        world.offer("total", 1.0, 2.0)
        with pytest.raises(ChannelFull):
            await world.accumulator("total").push(3.0)

        await world.advance(1.0)
        world.offer("total", 4.0)
        assert world.accumulator("total").statistics().refused == 1


async def test_a_flush_finds_room_while_the_outbox_is_full(store_url: str) -> None:
    async with World(store_url, *one(batch(max_age=1.0)), outbox_limit=1) as world:
        world.faults.fail("cut: before commit", error=WriteConflict("cut", "scripted"), times=3)
        world.offer("total", 1.0)
        world.accumulator("total").flush()
        assert world.domain.gate.full
        assert world.accumulator("total").accept(2.0) is False
        await world.advance(1.0)
        assert world.accumulator("total").held == 0
        await world.advance(10.0)
        assert await world.effects() == ["1.0", "2.0"]


async def test_whoever_waits_for_room_when_the_domain_stops_is_told(store_url: str) -> None:
    refused: list[str] = []

    async def push() -> None:
        try:
            await world.accumulator("total").push(3.0)
        except AppError as error:
            refused.append(str(error))

    world = World(store_url, *one(batch(max_age=100.0, capacity=2, durable=True)))
    async with anyio.create_task_group() as group, world:
        for event in (1.0, 2.0):
            await world.accumulator("total").push(event)

        group.start_soon(push)
        await world.advance(1.0)

    assert refused == ["domain 'r' is stopping"]


# -- what is stored --------------------------------------------------------------------------------------------


async def test_scenario_43_a_crash_loses_nothing_that_was_buffered(store_url: str) -> None:
    async with World(store_url, *one(batch(max_age=60.0, durable=True))) as world:
        for event in (10.0, 20.0, 30.0, 40.0):
            await world.accumulator("total").push(event)

        await world.restart()
        assert world.accumulator("total").flush() == 4
        await world.advance()
        assert await world.effects() == ["100.0"]


@pytest.mark.parametrize("durable", [True, False])
async def test_scenario_43_rows_that_a_cut_has_written_are_put_back(store_url: str, *, durable: bool) -> None:
    async with World(store_url, *one(batch(max_age=60.0, durable=durable))) as world:
        for event in (10.0, 20.0):
            await world.accumulator("total").push(event)

        await world.flush()
        for event in (30.0, 40.0):
            await world.accumulator("total").push(event)

        await world.flush()
        await world.restart()
        assert world.accumulator("total").flush() == 4
        await world.advance()
        assert await world.effects() == ["100.0"]


async def test_scenario_44_what_was_flushed_before_a_crash_is_not_emitted_again(store_url: str) -> None:
    async with World(store_url, *one(batch(max_age=1.0, durable=True))) as world:
        for event in (1.0, 2.0):
            await world.accumulator("total").push(event)

        await world.flush()
        await world.advance(1.0)
        assert totals(world) == [3.0]
        await world.restart()
        await world.advance(10.0)
        assert totals(world) == [3.0]
        assert await world.effects() == ["3.0"]
        assert rows(store_url, "SELECT * FROM log") == []


@pytest.mark.parametrize("moment", ["before begin", "before commit", "after commit"])
async def test_scenario_44_a_crash_at_a_commit_point_of_a_flush_has_its_effect_once(
    store_url: str, moment: str
) -> None:
    async with World(store_url, *one(batch(max_age=1.0, durable=True))) as world:
        for event in (1.0, 2.0):
            await world.accumulator("total").push(event)

        await world.flush()
        world.faults.fail(f"cut: {moment}", times=None)
        await world.advance(1.0)
        assert totals(world) == [3.0]
        world.faults.assert_all_happened()
        await world.restart()
        await world.advance(10.0)
        assert await world.effects() == ["3.0"]
        assert world.carry.taken == []


async def test_a_cut_that_fails_is_written_again_with_its_rows(store_url: str) -> None:
    async with World(store_url, *one(batch(max_age=60.0))) as world:
        world.offer("total", 1.0)
        await world.flush()
        world.faults.fail("cut: before commit", error=WriteConflict("cut", "scripted"), times=2)
        world.offer("total", 2.0)
        await world.advance(1.0)
        world.offer("total", 4.0)
        await world.advance(10.0)
        assert world.domain.statistics().failed_cuts == 2
        await world.restart()
        assert world.accumulator("total").flush() == 3
        assert totals(world) == [7.0]


async def test_an_event_that_is_flushed_before_a_cut_is_never_written(store_url: str) -> None:
    async with World(store_url, *one(batch(max_size=2))) as world:
        written = watch(world)
        world.offer("total", *map(float, range(100)))
        await world.advance(1.0)
        assert written() == 0


async def test_scenario_45_what_is_stored_of_a_batch_grows_with_its_events_alone(store_url: str) -> None:
    stored: list[int] = []
    for count in (1000, 10_000):
        async with World(store_url, *one(batch(max_age=600.0, capacity=100_000))) as world:
            written = watch(world)
            for number in range(count):
                world.offer("total", float(number % 7))
                if number % 100 == 0:
                    await world.flush()

            await world.flush()
            stored.append(written())
            world.accumulator("total").flush()

    assert stored == [1000 * 10, 10_000 * 10]  # a float is nine bytes, and one tells the format


def watch(world: World) -> Callable[[], int]:
    """Count the bytes of appended rows from now on."""
    units: list[Unit] = []
    submit = world.store.submit

    def watched(unit: Unit, done: Any) -> None:
        units.append(unit)
        submit(unit, done)

    world.store.submit = watched  # type: ignore[method-assign]

    def written() -> int:
        for unit in units:
            assert sum(len(row[-1]) for kind, row in unit.rows if kind is PUT_STATE) < 200  # type: ignore[arg-type]

        return sum(len(row[-1]) for unit in units for kind, row in unit.rows if kind is APPEND_LOG)  # type: ignore[arg-type]

    return written


async def test_the_age_of_a_batch_goes_on_after_a_restart(store_url: str) -> None:
    async with World(store_url, *one(batch(max_age=10.0, durable=True))) as world:
        await world.accumulator("total").push(1.0)
        await world.flush()
        await world.advance(6.0)
        await world.restart()
        await world.accumulator("total").push(2.0)
        await world.advance(3.9)
        assert totals(world) == []
        await world.advance(0.1)
        assert totals(world) == [3.0]


async def test_what_is_too_much_for_a_smaller_batch_is_flushed_at_the_next_start(store_url: str) -> None:
    async with World(store_url, *one(batch(max_size=10, durable=True))) as world:
        for event in (1.0, 2.0, 4.0):
            await world.accumulator("total").push(event)

        await world.flush()
        world.definitions, world.graphs = one(batch(max_size=2, durable=True))
        await world.restart()
        await world.advance()
        assert totals(world) == [3.0]
        assert world.accumulator("total").held == 1


async def test_positions_and_batch_are_committed_together(store_url: str) -> None:
    source = ScriptedSource([1.0, 2.0, Pause(5.0), 4.0])
    async with World(store_url, *one(batch(max_size=3, source=source))) as world:
        await world.advance(2.0)
        await world.restart()
        await world.advance(20.0)
        assert await world.effects() == ["7.0"]
        assert world.accumulator("total").positions == {"": 3}


async def test_an_event_that_cannot_be_stored_is_left_out_once_and_still_processed(store_url: str) -> None:
    @batch_accumulator(max_age=60.0)
    def things(events: list[object]) -> int:
        return len(events)

    async with World(store_url, [Reactor("r", [things])], [Graph()]) as world:
        world.offer("things", 1)
        world.accumulator("things").accept(print)
        world.faults.fail("cut: before commit", error=WriteConflict("cut", "scripted"))
        await world.advance(5.0)
        assert [letter.reason for letter in await world.letters()] == ["encode"]
        assert world.accumulator("things").flush() == 2


async def test_the_events_of_a_batch_survive_that_its_accumulator_gets_another_domain(store_url: str) -> None:
    @passthrough_accumulator
    def other(event: int) -> int:
        return event

    gathering = batch(max_age=60.0, durable=True)
    async with World(store_url, *one(gathering)) as world:
        await world.accumulator("total").push(1.0)
        await world.flush()
        world.definitions = [Reactor("r", [gathering]), Reactor("a", [gathering, other])]
        world.graphs[0].reactor = "r"
        await world.restart()
        assert world.domain.name == "a"
        await world.accumulator("total").push(2.0)
        await checkpoint()
        assert world.accumulator("total").flush() == 2
        assert totals(world) == [3.0]


async def test_what_an_accumulator_gathered_is_told_when_it_gathers_none_any_more(store_url: str) -> None:
    @passthrough_accumulator(name="total")
    def plain(event: float) -> float:
        return event

    async with World(store_url, *one(batch(max_age=60.0, durable=True))) as world:
        await world.accumulator("total").push(1.0)
        await world.flush()
        world.definitions = [Reactor("r", [plain])]
        await world.restart()
        ignored = [(fact.part, fact.what) for fact in world.told if isinstance(fact, StateIgnored)]
        assert ignored == [("total", "1 events")]


async def test_a_batch_reads_bytes_as_it_says(store_url: str) -> None:
    source = ScriptedSource([msgspec.msgpack.encode(1.5), msgspec.msgpack.encode(2.0)])
    async with World(store_url, *one(batch(max_size=2, source=source, decode="msgpack"))) as world:
        await world.advance()
        assert totals(world) == [3.5]
