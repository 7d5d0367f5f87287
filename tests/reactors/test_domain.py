"""Cuts: when they are taken, what is in them, what becomes of them when the store fails or another owner comes."""

import anyio
import pytest

from penstock.accumulators.passthrough import passthrough_accumulator
from penstock.accumulators.stream import stream_accumulator
from penstock.reactors.criteria import when_all
from penstock.reactors.firing import Firing
from penstock.reactors.reactor import Reactor
from penstock.runtime.errors import AppError, ChannelFull, LeaseLost, WriteConflict
from penstock.runtime.observe import CutCommitted, DomainLost, EventDropped, StateIgnored
from penstock.testing.crash import Crash
from penstock.testing.source import ScriptedSource
from tests.reactors.world import Graph, Quote, World


@passthrough_accumulator
def alpha(event: float) -> float:
    return event


@passthrough_accumulator
def beta(event: float) -> float:
    return event


@passthrough_accumulator(durable=True)
def orders(event: float) -> float:
    return event


@passthrough_accumulator
def quotes(event: Quote) -> Quote:
    return event


def value(firing: Firing) -> str:
    return str(next(iter(firing.inputs.values())))


# -- when ------------------------------------------------------------------------------------------------------


async def test_what_changed_is_committed_after_the_interval_and_nothing_while_idle(store_url: str) -> None:
    async with World(store_url, [Reactor("r", [alpha])], [Graph()]) as world:
        world.offer("alpha", 1.0, 2.0)
        await world.advance(0.9)
        assert world.facts(CutCommitted) == []
        await world.advance(0.1)
        assert [fact.rows for fact in world.facts(CutCommitted)] == [3]  # type: ignore[attr-defined]
        await world.advance(100.0)
        assert len(world.facts(CutCommitted)) == 1
        assert world.clock.next_alarm() is None


async def test_effects_are_committed_at_once_and_together(store_url: str) -> None:
    async with World(store_url, [Reactor("r", [alpha])], [Graph(effect=value)]) as world:
        world.offer("alpha", 1.0, 2.0, 3.0)
        await world.advance()
        assert await world.effects() == ["1.0", "2.0", "3.0"]
        assert [fact.effects for fact in world.facts(CutCommitted)] == [3]  # type: ignore[attr-defined]
        assert world.carry.started == ['"1.0"', '"2.0"', '"3.0"']


async def test_pausing_takes_a_cut(store_url: str) -> None:
    async with World(store_url, [Reactor("r", [alpha])], [Graph()]) as world:
        world.offer("alpha", 1.0)
        world.reactor.pause()
        await world.advance()
        assert len(world.facts(CutCommitted)) == 1


async def test_flush_waits_until_all_is_committed(store_url: str) -> None:
    async with World(store_url, [Reactor("r", [alpha])], [Graph()]) as world:
        world.offer("alpha", 1.0)
        await world.domain.flush()
        assert not world.domain.ledger.next
        assert world.domain.statistics().cuts == 1


# -- restart ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("crash", [True, False])
async def test_scenario_76_half_of_when_all_survives_a_restart(store_url: str, *, crash: bool) -> None:
    graph = Graph()
    async with World(store_url, [Reactor("r", [alpha, beta], criteria=when_all())], [graph]) as world:
        world.offer("alpha", 1.0)
        await world.advance(1.0)
        await world.restart(crash=crash)
        world.offer("beta", 2.0)

    assert graph.inputs == [{"alpha": 1.0, "beta": 2.0}]
    assert graph.firings[0].id == "r:2-1"


async def test_scenario_73_after_a_restart_firing_by_hand_sees_the_values_from_before(store_url: str) -> None:
    graph = Graph()
    async with World(store_url, [Reactor("r", [alpha])], [graph]) as world:
        world.offer("alpha", 1.0)
        await world.restart(crash=False)
        world.reactor.fire()

    assert graph.inputs == [{"alpha": 1.0}, {"alpha": 1.0}]


async def test_scenario_70_what_was_due_fires_after_a_restart_without_a_new_event(store_url: str) -> None:
    graph = Graph()
    async with World(store_url, [Reactor("r", [alpha])], [graph]) as world:
        world.reactor.pause()
        world.offer("alpha", 1.0)
        await world.advance()
        await world.restart()
        assert graph.inputs == [{"alpha": 1.0}]


async def test_scenario_75_a_removed_input_and_its_flag_are_ignored_and_told(store_url: str) -> None:
    graph = Graph()
    async with World(store_url, [Reactor("r", [alpha, beta], criteria=when_all())], [graph]) as world:
        world.offer("beta", 2.0)
        await world.advance(1.0)
        world.definitions = [Reactor("r", [alpha], criteria=when_all())]
        await world.restart()
        assert graph.firings == []
        world.offer("alpha", 1.0)

    assert graph.inputs == [{"alpha": 1.0}]
    assert [fact.what for fact in world.facts(StateIgnored)] == ["input 'beta'"]  # type: ignore[attr-defined]


async def test_a_firing_in_flight_runs_again_first_with_its_own_id_and_snapshot(store_url: str) -> None:
    graph = Graph(seconds=5.0, effect=value)
    async with World(store_url, [Reactor("r", [alpha])], [graph]) as world:
        world.offer("alpha", 1.0)
        await world.advance(1.0)
        world.offer("alpha", 2.0)
        await world.advance(1.0)
        await world.restart()
        await world.advance(20.0)
        assert await world.effects() == ["1.0", "2.0"]

    assert [firing.id for firing in graph.firings] == ["r:1-1", "r:2-1"]
    assert graph.firings[0].changed == {"alpha"}
    assert graph.firings[0].at.second == 0  # the time of its decision, not of its repetition


async def test_graphs_that_are_done_do_not_run_again_after_a_crash(store_url: str) -> None:
    quick, slow = Graph("quick", effect=value), Graph("slow", seconds=5.0, effect=value)
    async with World(store_url, [Reactor("r", [alpha])], [quick, slow]) as world:
        world.offer("alpha", 1.0)
        await world.advance(1.0)
        await world.restart()
        await world.advance(10.0)
        assert await world.effects() == ["1.0", "1.0"]

    assert (len(quick.firings), len(slow.firings)) == (1, 1)


async def test_a_graph_that_is_gone_is_ignored_and_told(store_url: str) -> None:
    quick, slow = Graph("quick"), Graph("slow", seconds=5.0)
    async with World(store_url, [Reactor("r", [alpha])], [quick, slow]) as world:
        world.offer("alpha", 1.0)
        await world.advance(1.0)
        world.graphs = [slow]
        await world.restart()
        await world.advance(10.0)

    assert len(slow.firings) == 1
    assert [fact.what for fact in world.facts(StateIgnored)] == ["graph 'quick'"]  # type: ignore[attr-defined]


async def test_a_stop_waits_for_the_graphs_that_run(store_url: str) -> None:
    graph = Graph(seconds=5.0, effect=value)
    world = World(store_url, [Reactor("r", [alpha])], [graph])
    async with world:
        world.offer("alpha", 1.0)

    async with world:
        assert await world.effects() == ["1.0"]
        assert world.reactor.statistics().in_flight == 0


# -- the store fails -----------------------------------------------------------------------------------------


async def test_a_cut_that_fails_merges_into_the_next(store_url: str) -> None:
    async with World(store_url, [Reactor("r", [alpha])], [Graph(effect=value)]) as world:
        world.faults.fail("cut: before commit", error=WriteConflict("cut", "scripted"), times=2)
        world.offer("alpha", 1.0, 2.0)
        await world.advance()
        assert await world.effects() == []
        world.offer("alpha", 3.0)
        await world.advance()
        assert world.domain.statistics().error is not None
        for _ in range(5):
            world.domain.request_cut()  # whoever asks again and again does not make the store's trouble worse
            await world.advance()

        await world.advance(2.0)
        assert world.domain.statistics().failed_cuts == 2
        assert await world.effects() == ["1.0", "2.0", "3.0"]
        assert world.domain.statistics().error is None
        await world.restart()
        world.reactor.fire()
        assert world.graphs[0].inputs[-1] == {"alpha": 3.0}


async def test_a_full_outbox_stops_firing_until_a_cut_commits(store_url: str) -> None:
    graph = Graph(effect=value)
    async with World(store_url, [Reactor("r", [alpha])], [graph], outbox_limit=3) as world:
        world.faults.fail("cut: before commit", error=WriteConflict("cut", "scripted"), times=1)
        world.offer("alpha", 1.0, 2.0, 3.0)
        assert not world.accumulator("alpha").offer(4.0)
        assert not world.accumulator("alpha").accept(5.0)
        await world.advance(0.5)
        assert len(graph.firings) == 3
        with pytest.raises(AppError, match="outbox"):
            world.reactor.fire()

        await world.advance(1.0)
        assert await world.effects() == ["1.0", "2.0", "3.0", "5.0"]
        assert world.accumulator("alpha").offer(6.0)


async def test_a_push_waits_while_the_outbox_is_full(store_url: str) -> None:
    async with World(store_url, [Reactor("r", [alpha])], [Graph(effect=value)], outbox_limit=2) as world:
        world.faults.fail("cut: before commit", error=WriteConflict("cut", "scripted"), times=1)
        world.offer("alpha", 1.0, 2.0)
        async with anyio.create_task_group() as group:
            group.start_soon(world.accumulator("alpha").push, 3.0)
            await world.advance(0.5)
            assert world.accumulator("alpha").statistics().events == 2
            await world.advance(1.0)

        await world.advance()
        assert await world.effects() == ["1.0", "2.0", "3.0"]


async def test_overflow_policies_when_the_outbox_is_full(store_url: str) -> None:
    @passthrough_accumulator(overflow="reject")
    def strict(event: float) -> float:
        return event

    @passthrough_accumulator(overflow="drop_oldest")
    def easy(event: float) -> float:
        return event

    graph = Graph(effect=value)
    async with World(store_url, [Reactor("r", [strict, easy])], [graph], outbox_limit=1) as world:
        world.offer("easy", 1.0)
        with pytest.raises(ChannelFull):
            await world.accumulator("strict").push(2.0)

        world.offer("easy", 3.0, 4.0)
        await world.advance()

    assert graph.inputs == [{"easy": 1.0}, {"easy": 4.0}]


async def test_a_value_that_cannot_be_stored_is_left_out_and_the_rest_is_committed(store_url: str) -> None:
    async with World(store_url, [Reactor("r", [quotes], key="symbol")], [Graph()]) as world:
        world.offer("quotes", Quote("A", "no price"), Quote("B", 2.0))  # type: ignore[arg-type]
        await world.advance(1.0)
        assert [letter.reason for letter in await world.letters()] == ["encode"]
        assert world.domain.statistics().left_out == 1
        assert len(world.facts(EventDropped)) == 1
        await world.advance(10.0)
        statistics = world.domain.statistics()
        assert (statistics.left_out, statistics.outbox) == (1, 0)
        await world.restart()
        world.reactor.fire("B")
        assert world.graphs[0].inputs[-1] == {"quotes": Quote("B", 2.0)}
        assert world.reactor.statistics().keys == 1


async def test_a_firing_whose_snapshot_cannot_be_stored_still_ends(store_url: str) -> None:
    graph = Graph(seconds=3.0, effect=lambda _: "done")
    async with World(store_url, [Reactor("r", [quotes], key="symbol")], [graph]) as world:
        world.offer("quotes", Quote("A", None))  # type: ignore[arg-type]
        await world.advance(5.0)
        assert await world.effects() == ["done"]


# -- another owner ---------------------------------------------------------------------------------------------


async def test_an_old_owner_that_comes_back_changes_nothing(store_url: str) -> None:
    old = World(store_url, [Reactor("r", [alpha, orders])], [Graph(effect=value)])
    graph = Graph("new", effect=value)
    async with old:
        old.offer("alpha", 1.0)
        await old.advance()
        async with World(store_url, [Reactor("r", [alpha, orders])], [graph], clock=old.clock) as new:
            old.offer("alpha", 666.0)
            await old.advance()
            assert [fact.epoch for fact in old.facts(DomainLost)] == [1]  # type: ignore[attr-defined]
            with pytest.raises(LeaseLost):
                await old.accumulator("orders").push(667.0)

            with pytest.raises(LeaseLost):
                old.accumulator("alpha").offer(668.0)

            await old.advance(100.0)
            assert await new.effects() == ["1.0"]
            await new.restart()
            new.reactor.fire()

    assert graph.inputs == [{"alpha": 1.0}]


async def test_an_old_owner_finds_out_by_a_push(store_url: str) -> None:
    old = World(store_url, [Reactor("r", [orders])], [Graph()])
    async with old, World(store_url, [Reactor("r", [orders])], [Graph()], clock=old.clock) as new:
        with pytest.raises(LeaseLost):
            await old.accumulator("orders").push(1.0)

        assert len(old.facts(DomainLost)) == 1
        await new.restart()
        assert new.accumulator("orders").statistics().events == 0


async def test_an_old_owner_whose_graph_still_runs_changes_nothing(store_url: str) -> None:
    old = World(store_url, [Reactor("r", [alpha])], [Graph(seconds=5.0, effect=value)])
    graph = Graph("new", seconds=5.0, effect=value)
    async with old:
        old.offer("alpha", 1.0)
        await old.advance(2.0)
        async with World(store_url, [Reactor("r", [alpha])], [graph], clock=old.clock) as new:
            await old.advance(20.0)
            assert len(old.facts(DomainLost)) == 1
            assert await new.effects() == ["1.0"]


# -- the inbox -------------------------------------------------------------------------------------------------


async def test_acknowledged_pushes_survive_a_crash_and_are_applied_in_order(store_url: str) -> None:
    graph = Graph()
    async with World(store_url, [Reactor("r", [orders])], [graph], checkpoint_interval=100.0) as world:
        for number in (1.0, 2.0, 3.0):
            await world.accumulator("orders").push(number)

        await world.restart()
        assert [inputs["orders"] for inputs in graph.inputs] == [1.0, 2.0, 3.0] * 2
        await world.accumulator("orders").push(4.0)
        await world.domain.flush()
        await world.restart()
        assert len(graph.firings) == 7


async def test_pushes_at_the_same_time_share_commits_and_keep_their_order(store_url: str) -> None:
    graph = Graph()
    async with World(store_url, [Reactor("r", [orders])], [graph]) as world:
        async with anyio.create_task_group() as group:
            for number in range(2500):
                group.start_soon(world.accumulator("orders").push, float(number))

        assert [inputs["orders"] for inputs in graph.inputs] == list(map(float, range(2500)))
        assert world.store.statistics().commits < 50


async def test_a_push_whose_row_is_not_committed_is_not_applied(store_url: str) -> None:
    graph = Graph()
    async with World(store_url, [Reactor("r", [orders])], [graph]) as world:
        world.faults.fail("push: before commit", error=WriteConflict("push", "scripted"))
        with pytest.raises(WriteConflict):
            await world.accumulator("orders").push(1.0)

        await world.accumulator("orders").push(2.0)

    assert graph.inputs == [{"orders": 2.0}]


async def test_a_journalled_event_that_cannot_be_read_any_more_is_kept_aside(store_url: str) -> None:
    @passthrough_accumulator(durable=True, name="orders")
    def texts(event: str) -> str:
        return event

    async with World(store_url, [Reactor("r", [orders])], [], checkpoint_interval=100.0) as world:
        await world.accumulator("orders").push(1.0)
        world.definitions = [Reactor("r", [texts])]
        await world.restart()
        await world.advance()
        assert [letter.reason for letter in await world.letters()] == ["decode"]
        await world.restart()
        await world.advance()
        assert len(await world.letters()) == 1


# -- sources ---------------------------------------------------------------------------------------------------


async def test_a_source_goes_on_behind_the_committed_position_with_the_state_from_there(store_url: str) -> None:
    source = ScriptedSource([1.0, 2.0, Crash(), 3.0, 4.0])

    @stream_accumulator(source, state=0.0)
    def total(event: float, state: float) -> tuple[float, float | None]:
        return state + event, state + event

    graph = Graph(effect=value)
    async with World(store_url, [Reactor("r", [total])], [graph]) as world:
        await world.advance(5.0)
        assert await world.effects() == ["1.0", "3.0", "6.0", "10.0"]
        await world.restart()
        source.extend([5.0])
        await world.advance(5.0)
        assert await world.effects() == ["1.0", "3.0", "6.0", "10.0", "15.0"]

    assert source.consumed == [1.0, 2.0, 3.0, 4.0, 5.0]


# -- the parts change ------------------------------------------------------------------------------------------


async def test_state_firings_and_inbox_follow_their_parts_into_a_domain_of_another_name(store_url: str) -> None:
    slow = Graph("slow", seconds=5.0, effect=value)
    async with World(store_url, [Reactor("r", [orders])], [slow], checkpoint_interval=100.0) as world:
        await world.accumulator("orders").push(1.0)
        await world.domain.flush()
        await world.accumulator("orders").push(2.0)
        assert world.domain.name == "r"
        world.definitions = [world.definitions[0], Reactor("a", [orders])]
        world.graphs = []
        await world.crash()
        await world.start()
        assert world.domain.name == "a"
        statistics = world.domain.reactors["r"].statistics()
        assert world.domain.epoch == 2  # ids of firings go on, whatever the domain is called
        assert world.accumulator("orders").sequence == 2
        assert (statistics.in_flight, statistics.due) == (0, 0)
        assert world.domain.reactors["r"].state().values == {None: {"orders": 2.0}}
        assert world.domain.reactors["a"].state().values == {None: {"orders": 2.0}}


async def test_a_reactor_that_tells_keys_apart_now_passes_over_what_had_none(store_url: str) -> None:
    async with World(store_url, [Reactor("r", [quotes])], [Graph()]) as world:
        world.offer("quotes", Quote("A", 1.0))
        await world.advance(1.0)
        world.definitions = [Reactor("r", [quotes], key="symbol")]
        await world.restart()
        assert world.reactor.statistics().keys == 0
        assert [fact.what for fact in world.facts(StateIgnored)] == ["key ''"]  # type: ignore[attr-defined]


async def test_stored_values_of_another_type_stop_the_start_and_name_the_part(store_url: str) -> None:
    @passthrough_accumulator(name="alpha")
    def texts(event: str) -> str:
        return event

    async with World(store_url, [Reactor("r", [alpha])], [Graph()]) as world:
        world.offer("alpha", 1.0)
        await world.advance(1.0)
        await world.crash()
        world.definitions = [Reactor("r", [texts])]
        with pytest.raises(ExceptionGroup, match="unhandled") as caught:
            await world.start()

        assert "the stored state of 'alpha' does not fit str" in str(caught.value.exceptions[0])


async def test_a_stop_whose_last_cut_fails_says_so(store_url: str) -> None:
    world = World(store_url, [Reactor("r", [alpha])], [Graph()])
    await world.start()
    world.offer("alpha", 1.0)
    world.faults.fail("cut: before commit", error=WriteConflict("cut", "scripted"))
    with pytest.raises(WriteConflict):
        await world.stop()


async def test_nothing_is_taken_after_a_stop(store_url: str) -> None:
    world = World(store_url, [Reactor("r", [alpha, orders])], [Graph()])
    async with world:
        pass

    for name in ("alpha", "orders"):
        with pytest.raises(AppError, match="stopped"):
            await world.accumulator(name).push(1.0)
