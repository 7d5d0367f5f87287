"""The worker: runs from creation to end, on a real store in virtual time."""

import asyncio
import threading
from collections.abc import Mapping

import pytest
from anyio.lowlevel import checkpoint

from penstock.runtime.effects import Recorded, Start
from penstock.runtime.errors import (
    AppError,
    DefinitionError,
    InputError,
    RunFailed,
    RunNotFound,
)
from penstock.runtime.observe import Fact, RunFinished, RunStarted, TaskFinished
from penstock.runtime.store.rows import run_number
from penstock.runtime.store.runs import load_run
from penstock.testing.clock import VirtualClock
from penstock.workflows.context import Context
from penstock.workflows.run import Run
from penstock.workflows.worker import Worker
from penstock.workflows.workflow import Workflow
from tests.workflows.conftest import Machine
from tests.workflows.runs import Booked, Order, Total, events, lone, stored

# -- one task --------------------------------------------------------------------------------------------------


async def test_run_is_started_executed_and_stored(machine: Machine) -> None:
    made = Workflow("settle", input=Order)

    @made.task
    async def book(context: Context, amount: float) -> None:
        context["booked"] = amount > 1

    worker = await machine.open(made)
    run = await worker.start(made, {"amount": 3})
    assert (run.id, run.workflow, run.status, run.input) == ("1-1", "settle", "running", {"amount": 3.0})
    assert await run.result() == {"amount": 3.0, "booked": True}
    assert (run.status, run.output) == ("completed", {"amount": 3.0, "booked": True})
    assert await stored(machine, run) == []
    assert await events(machine, run) == ["task_started book", "task_completed book", "run_completed"]


async def test_one_task_run_costs_two_units(machine: Machine) -> None:
    worker = await machine.open(lone())
    assert machine.store is not None
    before = machine.store.statistics()
    await (await worker.start("lone")).result()
    after = machine.store.statistics()
    assert after.units - before.units == 2


async def test_def_and_async_def_mean_the_same(machine: Machine) -> None:
    made = Workflow("w")

    @made.task
    def first() -> Booked:
        return Booked(1)

    @made.task(dependencies=[first])
    async def second(number: int) -> Total:
        return {"total": number + 1.0}

    worker = await machine.open(made)
    assert await (await worker.start(made)).result() == {"number": 1, "total": 2.0}


@pytest.mark.parametrize(
    ("returned", "output"),
    [
        (None, {"in place": 1}),
        ({"k": 2}, {"in place": 1, "k": 2}),
        (Booked(3), {"in place": 1, "number": 3}),
        (Context({"own": 4}), {"own": 4}),
    ],
)
async def test_what_a_task_returns_goes_into_the_context(
    machine: Machine, returned: object, output: dict[str, object]
) -> None:
    def body(context: Context) -> object:
        context["in place"] = 1
        return returned

    worker = await machine.open(lone(body))
    assert await (await worker.start("lone")).result() == output


@pytest.mark.parametrize("returned", [3, "text", [1], object()])
async def test_any_other_return_value_fails_the_task(machine: Machine, returned: object) -> None:
    worker = await machine.open(lone(lambda: returned))
    run = await worker.start("lone")
    with pytest.raises(RunFailed, match=f"it returned a value of type {type(returned).__name__}; return a mapping"):
        await run.result()


async def test_context_that_cannot_be_stored_fails_the_task(machine: Machine) -> None:
    def body(context: Context) -> None:
        context["k"] = [1]
        context["k"].append({2})  # type: ignore[attr-defined]

    worker = await machine.open(lone(body))
    with pytest.raises(RunFailed, match=r"context\['k'\]\[1\] cannot hold a value of type set"):
        await (await worker.start("lone")).result()


async def test_missing_key_names_parameter_and_task(machine: Machine) -> None:
    made = Workflow("w")
    made.task(name="fetch", produces=["history"])(lambda: None)

    @made.task(dependencies=["fetch"])
    def rate(history: list[float]) -> None: ...

    worker = await machine.open(made)
    with pytest.raises(RunFailed, match="task 'rate' of workflow 'w': the context has no 'history'"):
        await (await worker.start(made)).result()


async def test_missing_key_is_the_default_or_none(machine: Machine) -> None:
    made = Workflow("w")
    made.task(name="fetch", produces=["a", "b"])(lambda: None)

    @made.task(dependencies=["fetch"])
    def rate(a: int | None, *, b: int = 7) -> dict[str, object]:
        return {"seen": [a, b]}

    worker = await machine.open(made)
    assert await (await worker.start(made)).result() == {"seen": [None, 7]}


async def test_def_tasks_run_in_threads_of_our_own(machine: Machine) -> None:
    both, made = threading.Barrier(2), Workflow("w")

    def body() -> dict[str, object]:
        both.wait(5.0)
        return {threading.current_thread().name: True}

    made.task(name="a")(body)
    made.task(name="b")(body)
    worker = await machine.open(made, inline=False)
    assert set(await (await worker.start(made)).result()) == {"penstock-tasks-1", "penstock-tasks-2"}


# -- starting --------------------------------------------------------------------------------------------------


async def test_one_key_is_one_run(machine: Machine) -> None:
    worker = await machine.open(lone())
    first, second = await asyncio.gather(
        worker.start("lone", {"n": 1}, key="order-17"), worker.start("lone", {"n": 2}, key="order-17")
    )
    assert first.id == second.id
    assert (await first.result())["n"] == 1
    third = await worker.start("lone", {"n": 3}, key="order-17")
    assert (third.id, await third.result()) == (first.id, await first.result())
    assert worker.statistics().started == 1


@pytest.mark.parametrize("key", ["a\0b", "half \udcff", "é" * 1001, 17], ids=["nul", "surrogate", "long", "number"])
async def test_key_that_cannot_be_stored_starts_nothing_and_harms_no_other(machine: Machine, key: str) -> None:
    worker = await machine.open(lone())
    refused, fine = await asyncio.gather(
        worker.start("lone", key=key), worker.start("lone", key="é" * 1000), return_exceptions=True
    )
    assert isinstance(refused, AppError)
    assert str(refused).startswith("no run of 'lone' was started: its key is ")
    assert isinstance(fine, Run)
    assert await fine.result() == {"done": True}
    assert [run.id async for run in worker.runs()] == [fine.id]


@pytest.mark.parametrize("text", ["a\0b", "ü ☃ \x01\x7f\u2028", ""])
async def test_every_text_comes_back_from_input_and_output(machine: Machine, text: str) -> None:
    def body(context: Context) -> Mapping[str, object]:
        return {text: [context["n"]]}

    worker = await machine.open(lone(body))
    run = await worker.start("lone", {text: text, "n": text})
    assert await run.result() == {text: [text], "n": text}
    assert (await worker.run(run.id)).input == {text: text, "n": text}


@pytest.mark.parametrize("name", ["a\0b", "half \udcff"])
async def test_no_run_has_a_workflow_that_cannot_be_stored(machine: Machine, name: str) -> None:
    worker = await machine.open(lone())
    await (await worker.start("lone")).result()
    assert [run.id async for run in worker.runs(name)] == []


async def test_bad_input_starts_nothing(machine: Machine) -> None:
    made = Workflow("w", input=Order)
    made.task(lambda: None)
    worker = await machine.open(made)
    with pytest.raises(InputError):
        await worker.start(made, {})

    assert [run.id async for run in worker.runs()] == []


async def test_unknown_workflow_names_the_known_ones(machine: Machine) -> None:
    worker = await machine.open(lone())
    with pytest.raises(AppError, match=r"'settle' is not registered; registered: 'lone'"):
        await worker.start("settle")


async def test_two_workflows_of_one_name_are_refused(machine: Machine) -> None:
    worker = await machine.open(lone())
    with pytest.raises(DefinitionError, match="two workflows are called 'lone'"):
        worker.register(lone())


async def test_cancelled_caller_leaves_its_run(machine: Machine, clock: VirtualClock) -> None:
    worker = await machine.open(lone())
    caller = asyncio.ensure_future(worker.start("lone"))
    await checkpoint()
    caller.cancel()
    await clock.settle()
    assert [run.status async for run in worker.runs()] == ["completed"]


async def test_effects_of_a_cut_become_runs(machine: Machine) -> None:
    worker = await machine.open(lone())
    assert machine.store is not None
    for _ in range(2):  # a repeated cut repeats nothing
        unit = machine.store.unit("cut")
        effect = Recorded(key="market:1-7/graph/node/0", effect=Start(workflow="lone", input='{"n": 1}'))
        adopt = worker.write(unit, [effect])
        await machine.store.commit(unit)
        adopt()

    await worker.wait_idle()
    (run,) = [run async for run in worker.runs()]
    assert (run.status, run.origin, run.key) == ("completed", "firing market:1-7", "market:1-7/graph/node/0")
    assert run.output == {"n": 1, "done": True}


async def test_effect_for_an_unknown_workflow_is_kept(machine: Machine) -> None:
    worker = await machine.open()
    assert machine.store is not None
    unit = machine.store.unit("cut")
    adopt = worker.write(unit, [Recorded(key="k", effect=Start(workflow="lone", input="{}"))])
    await machine.store.commit(unit)
    adopt()
    worker = await machine.open(lone())
    await worker.wait_idle()
    assert [run.status async for run in worker.runs()] == ["completed"]


# -- order and bounds ------------------------------------------------------------------------------------------


async def test_tasks_wait_for_slots_in_order(machine: Machine) -> None:
    running, most, order = 0, 0, list[object]()

    async def body(context: Context) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        order.append(context["n"])
        await checkpoint()
        running -= 1

    worker = await machine.open(lone(body), limit=3)
    runs = await asyncio.gather(*(worker.start("lone", {"n": n}) for n in range(20)))
    await asyncio.gather(*(run.result() for run in runs))
    assert most == 3
    assert order == list(range(20))


async def test_dependents_start_after_the_commit(machine: Machine) -> None:
    made = Workflow("w")
    made.task(name="a")(lambda: {"a": 1})

    @made.task(dependencies=["a"])
    async def b() -> dict[str, object]:
        assert machine.store is not None
        row = await load_run(machine.store, run_number("1-1"))
        return {"stored": {task.task: task.status for task in row.tasks}}

    worker = await machine.open(made)
    assert (await (await worker.start(made)).result())["stored"] == {"a": "completed"}


# -- looking ---------------------------------------------------------------------------------------------------


async def test_runs_are_listed_newest_first_and_filtered(machine: Machine) -> None:
    bad = Workflow("bad")
    bad.task(name="only")(lambda: 3)
    worker = await machine.open(lone(), bad)
    for name in ("lone", "bad", "lone"):
        await worker.start(name)

    await worker.wait_idle()
    assert [run.id async for run in worker.runs()] == ["1-3", "1-2", "1-1"]
    assert [run.id async for run in worker.runs(workflow="lone", limit=1)] == ["1-3"]
    (failed,) = [run async for run in worker.runs(status="failed")]
    assert (failed.id, failed.tasks["only"].status) == ("1-2", "failed")
    with pytest.raises(RunFailed, match="only: TaskFailed"):
        await failed.result()


async def test_more_runs_than_a_page_are_listed(machine: Machine) -> None:
    worker = await machine.open(lone())
    await asyncio.gather(*(worker.start("lone") for _ in range(250)))
    await worker.wait_idle()
    assert len({run.id async for run in worker.runs()}) == 250


async def test_run_of_the_store_is_read_anew(machine: Machine, clock: VirtualClock) -> None:
    worker = await machine.open(lone())
    started = await worker.start("lone")
    await worker.wait_idle()
    run = await worker.run(started.id)
    assert (run.status, await run.result(), await worker.result(run.id)) == ("completed", {"done": True}, run.output)
    assert run.finished_at == run.started_at == run.created_at == clock.now()
    with pytest.raises(RunNotFound):
        await worker.run("9-9")


async def test_live_run_shows_where_its_tasks_stand(machine: Machine, clock: VirtualClock) -> None:
    gate = asyncio.Event()
    made = Workflow("w")
    made.task(name="a")(gate.wait)
    made.task(name="b", dependencies=["a"])(lambda: None)
    worker = await machine.open(made)
    run = await worker.start(made)
    await clock.settle()
    assert {name: task.status for name, task in run.tasks.items()} == {"a": "running", "b": "waiting"}
    assert worker.statistics().running == 1
    gate.set()
    with pytest.raises(RunFailed, match="a value of type bool"):
        await run.result()


async def test_long_task_is_written_down_as_running(machine: Machine, clock: VirtualClock) -> None:
    gate = asyncio.Event()

    async def body() -> None:
        await gate.wait()

    worker = await machine.open(lone(body))
    run = await worker.start("lone")
    await clock.advance(2.5)
    (task,) = (await load_run(worker._store, run_number(run.id))).tasks
    assert (task.status, task.started_at) == ("running", run.created_at)
    gate.set()
    await run.result()


async def test_facts_are_told_after_the_commit(machine: Machine, facts: list[Fact]) -> None:
    worker = await machine.open(lone())
    await (await worker.start("lone")).result()
    assert facts == [
        RunStarted(workflow="lone", run_id="1-1", origin="app"),
        TaskFinished(workflow="lone", run_id="1-1", task="only", status="completed", seconds=0.0),
        RunFinished(workflow="lone", run_id="1-1", status="completed", seconds=0.0),
    ]


async def test_statistics_count_what_was_done(machine: Machine) -> None:
    worker: Worker = await machine.open(lone())
    await asyncio.gather(*[(await worker.start("lone")).result() for _ in range(3)])
    counted = worker.statistics()
    assert (counted.started, counted.completed, counted.tasks_completed, counted.live, counted.uncommitted) == (
        3,
        3,
        3,
        0,
        0,
    )


async def test_status_that_does_not_exist_is_refused_with_those_that_do(machine: Machine) -> None:
    worker = await machine.open(lone())
    with pytest.raises(AppError, match=r"'compleeted' is no status of a run; there are 'running', 'completed', 'f"):
        worker.runs(status="compleeted")

    assert [run.id async for run in worker.runs(status="completed")] == []
