"""A store that takes what it is given and does not say so, or does not take it."""

import asyncio
import contextlib

import msgspec
import pytest

from penstock.runtime.effects import Recorded, Start
from penstock.runtime.errors import (
    RunFailed,
    StoreUnavailable,
    WriteConflict,
)
from penstock.testing.clock import VirtualClock
from penstock.testing.crash import Crash
from penstock.workflows.context import Context
from penstock.workflows.workflow import Workflow
from tests.workflows.conftest import Machine
from tests.workflows.runs import events, lone, stored

# -- lost acknowledgements -------------------------------------------------------------------------------------


LOST = StoreUnavailable("store", "the acknowledgement is lost")


async def test_run_whose_creation_was_not_acknowledged_is_executed_when_its_key_comes_again(machine: Machine) -> None:
    worker = await machine.open(lone())
    machine.faults.fail("run.create: after commit", error=LOST)
    with pytest.raises(StoreUnavailable):
        await worker.start("lone", key="k")

    run = await worker.start("lone", key="k")
    assert (run.id, await run.result()) == ("1-1", {"done": True})
    assert (await worker.start("lone", key="k")).id == "1-1"
    assert worker.statistics().started == 1


async def test_runs_of_a_unit_whose_acknowledgement_was_lost_are_executed_once(
    machine: Machine, clock: VirtualClock
) -> None:
    made, ran = Workflow("lone"), list[object]()

    @made.task
    def only(context: Context) -> None:
        ran.append(context["n"])

    worker = await machine.open(made)
    assert machine.store is not None
    effects = [Recorded(key=f"f/{n}", effect=Start(workflow="lone", input=f'{{"n": {n}}}')) for n in range(3)]
    machine.faults.fail("cut: after commit", error=LOST)
    for expected in ([], [0, 1, 2], [0, 1, 2]):
        unit = machine.store.unit("cut")
        adopt = worker.write(unit, effects)
        with contextlib.suppress(StoreUnavailable):
            await machine.store.commit(unit)
            adopt()

        await clock.settle()
        assert ran == expected

    assert (worker.statistics().started, worker.statistics().completed) == (3, 3)


async def test_drain_after_the_store_failed_interrupts_bodies_and_tells_whoever_waits(machine: Machine) -> None:
    ended: list[str] = []

    async def body() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cleaned up")

    worker = await machine.open(lone(body))
    assert machine.store is not None
    waiter = asyncio.ensure_future((await worker.start("lone")).result())
    machine.faults.fail("bad: before begin", error=Crash("power"), times=None)
    with pytest.raises(StoreUnavailable):
        await machine.store.commit(machine.store.unit("bad"))

    await worker.drain(0.0)
    with pytest.raises(StoreUnavailable, match="the writer died"):
        await waiter

    assert (ended, worker.statistics().running, worker.is_idle) == (["cleaned up"], 0, True)


async def test_run_that_another_commit_took_in_hand_begins_once(machine: Machine, clock: VirtualClock) -> None:
    worker = await machine.open(lone())
    assert machine.store is not None
    unit = machine.store.unit("cut")
    adopt = worker.write(unit, [Recorded(key="k", effect=Start(workflow="lone", input="{}"))])
    await machine.store.commit(unit)
    run = await worker.start("lone", key="k")
    adopt()
    await run.result()
    adopt()
    await clock.settle()
    assert (run.id, worker.statistics().started, worker.statistics().completed) == ("1-1", 1, 1)


async def test_key_that_one_unit_has_twice_makes_one_run(machine: Machine, clock: VirtualClock) -> None:
    worker = await machine.open(lone())
    assert machine.store is not None
    unit = machine.store.unit("cut")
    adopt = worker.write(unit, [Recorded(key="k", effect=Start(workflow="lone", input="{}"))] * 2)
    await machine.store.commit(unit)
    adopt()
    await clock.settle()
    assert (worker.statistics().started, worker.statistics().completed) == (1, 1)


# -- what no row can hold --------------------------------------------------------------------------------------


async def test_task_whose_outcome_cannot_be_stored_fails(machine: Machine) -> None:
    made = Workflow("large")
    made.task(name="small")(lambda: {"size": 1})
    made.task(name="large", dependencies=["small"])(lambda: {"data": "x"})
    made.task(name="after", dependencies=["large"])(lambda: None)
    made.task(name="beside", dependencies=["small"])(lambda: {"beside": True})
    worker = await machine.open(made)
    machine.faults.fail("run.step: before commit", after=2, error=WriteConflict("run.step", "string or blob too big"))
    run = await worker.start(made)
    with pytest.raises(RunFailed, match="what it left cannot be stored: string or blob too big; keep large data"):
        await run.result()

    assert {task.name: task.status for task in (await run.refresh()).tasks.values()} == {
        "small": "completed",
        "large": "failed",
        "after": "skipped",
        "beside": "failed",
    }
    assert await stored(machine, run) == []
    assert (worker.statistics().tasks_failed, worker._owner.slots.taken) == (2, 0)


async def test_run_whose_output_cannot_be_stored_fails(machine: Machine) -> None:
    worker = await machine.open(lone())
    machine.faults.fail("run.finish: before commit", error=WriteConflict("run.finish", "string or blob too big"))
    run = await worker.start("lone")
    with pytest.raises(RunFailed, match="cannot be stored"):
        await run.result()

    assert (run.status, worker._owner.slots.taken) == ("failed", 0)
    assert await events(machine, run) == ["task_started only", "task_failed only", "run_failed"]


@pytest.mark.parametrize("last", ["", "left right"])
async def test_run_whose_contexts_cannot_be_brought_together_fails(machine: Machine, last: str) -> None:
    made = Workflow("apart")

    def damage() -> None:
        assert machine.worker is not None
        for live in machine.worker._owner.live.values():
            live.created = msgspec.structs.replace(live.created, input="{")

    made.task(name="left")(lambda: {"x": 1})
    made.task(name="right", dependencies=[])(damage)
    if last:
        made.task(name="last", dependencies=last.split())(lambda: None)

    run = await (await machine.open(made)).start(made)
    with pytest.raises(RunFailed, match="Input data was truncated"):
        await run.result()

    assert (run.status, await stored(machine, run)) == ("failed", [])


async def test_run_whose_input_cannot_be_stored_is_forgotten(machine: Machine) -> None:
    worker = await machine.open(lone())
    machine.faults.fail("run.create: before commit", error=WriteConflict("run.create", "string or blob too big"))
    with pytest.raises(WriteConflict):
        await worker.start("lone", key="k")

    assert (worker._owner._doubtful, worker.is_idle) == ({}, True)
    assert await (await worker.start("lone", key="k")).result() == {"done": True}


async def test_run_of_which_nothing_can_be_stored_is_let_go(machine: Machine) -> None:
    worker = await machine.open(lone())
    machine.faults.fail("run.finish: before commit", error=WriteConflict("run.finish", "no"), times=None)
    with pytest.raises(WriteConflict):
        await (await worker.start("lone")).result()

    assert (worker.is_idle, worker._owner.slots.taken, worker.statistics().uncommitted) == (True, 0, 0)
