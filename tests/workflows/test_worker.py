"""The worker: runs from creation to end, on a real store in virtual time."""

import asyncio
import contextlib
import threading
from collections.abc import Mapping
from typing import TypedDict

import msgspec
import pytest
from anyio.lowlevel import checkpoint

from penstock.graphs.graph import ComputationGraph
from penstock.runtime.effects import Recorded, Start
from penstock.runtime.errors import (
    AppError,
    DefinitionError,
    InputError,
    RunFailed,
    RunNotFound,
    StoreUnavailable,
    WriteConflict,
)
from penstock.runtime.observe import Fact, RunFinished, RunStarted, TaskFinished
from penstock.runtime.store.rows import run_number
from penstock.runtime.store.runs import load_events, load_run
from penstock.testing.clock import VirtualClock
from penstock.testing.crash import Crash
from penstock.workflows.context import Context
from penstock.workflows.events import Event
from penstock.workflows.execution import attempt, traceback_text
from penstock.workflows.run import Run
from penstock.workflows.worker import Worker
from penstock.workflows.workflow import Workflow
from tests.workflows.conftest import Machine
from tests.workflows.invariants import check_run

#: The events of one decision.
PACKED = msgspec.json.Decoder(list[Event])


class Order(msgspec.Struct):
    amount: float


class Booked(msgspec.Struct):
    number: int


class Total(TypedDict):
    total: float


def lone(body: object = None) -> Workflow:
    """A workflow of one task."""
    made = Workflow("lone")
    made.task(name="only")(body or (lambda: {"done": True}))  # type: ignore[call-overload]
    return made


async def stored(machine: Machine, run: Run) -> list[str]:
    """What the invariants say about a run in the store."""
    assert machine.store is not None
    assert machine.worker is not None
    row = await load_run(machine.store, run_number(run.id))
    return check_run(machine.worker._known(row.workflow).plan, row)


async def events(machine: Machine, run: Run) -> list[str]:
    """The names of the events of a run, with their tasks."""
    assert machine.store is not None
    rows = await load_events(machine.store, run_number(run.id))
    found = [event for row in rows for event in PACKED.decode(row.events)]
    return [f"{event.event} {event.task}" if event.task else event.event for event in found]


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


# -- failure ---------------------------------------------------------------------------------------------------


async def test_failed_run_raises_the_error_of_the_task(machine: Machine) -> None:
    def body() -> None:
        raise ZeroDivisionError("no")

    worker = await machine.open(lone(body))
    run = await worker.start("lone")
    with pytest.raises(RunFailed) as caught:
        await run.result()

    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert caught.value.failures == {"only": "ZeroDivisionError: no"}
    assert (run.status, run.error, run.output) == ("failed", "task 'only': ZeroDivisionError: no", None)
    assert await stored(machine, run) == []


async def test_dependents_of_a_failed_task_are_skipped_with_the_reason(machine: Machine) -> None:
    made = Workflow("w")

    @made.task
    def fetch() -> None:
        raise ValueError

    made.task(name="rate", dependencies=[fetch])(lambda: None)
    made.task(name="book", dependencies=["rate"])(lambda: None)
    made.task(name="other")(lambda: {"x": 1})
    worker = await machine.open(made)
    run = await worker.start(made)
    with pytest.raises(RunFailed, match="fetch: ValueError"):
        await run.result()

    assert {name: (task.status, task.error) for name, task in (await run.refresh()).tasks.items()} == {
        "other": ("completed", None),
        "fetch": ("failed", "ValueError"),
        "rate": ("skipped", "'fetch', which it depends on, failed"),
        "book": ("skipped", "'rate', which it depends on, was skipped"),
    }
    assert await stored(machine, run) == []


@pytest.mark.parametrize(
    "error", [SystemExit(1), StopAsyncIteration(), BaseException(), asyncio.CancelledError(), GeneratorExit()]
)
async def test_whatever_a_body_raises_fails_the_task_alone(machine: Machine, error: BaseException) -> None:
    async def body() -> None:
        raise error

    worker = await machine.open(lone(body))
    with pytest.raises(RunFailed):
        await (await worker.start("lone")).result()

    assert worker.statistics().tasks_failed == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt(), GeneratorExit(), StopIteration(), asyncio.CancelledError()])
async def test_whatever_a_thread_raises_fails_the_task_alone(machine: Machine, error: BaseException) -> None:
    worker = await machine.open(fails_with(error), inline=False)
    with pytest.raises(RunFailed):
        await (await worker.start("lone")).result()

    assert (worker.statistics().tasks_failed, worker.statistics().running) == (1, 0)


async def test_body_that_cancels_its_own_asyncio_task_fails(machine: Machine) -> None:
    async def body() -> None:
        mine = asyncio.current_task()
        assert mine is not None
        mine.cancel()
        await checkpoint()

    worker = await machine.open(lone(body))
    run = await worker.start("lone")
    with pytest.raises(RunFailed, match="'only' of workflow 'lone': it cancelled itself; raise an error instead"):
        await run.result()

    assert await stored(machine, run) == []


async def test_body_that_is_thrown_away_has_no_outcome(machine: Machine) -> None:
    await machine.open(made := lone(asyncio.Event().wait))
    assert machine.threads is not None
    coroutine = attempt(made.plan().tasks[0], "{}", machine.threads)
    waiting = asyncio.ensure_future(coroutine)
    await checkpoint()
    coroutine.close()
    waiting.cancel()
    await asyncio.wait([waiting])
    assert isinstance(waiting.exception(), RuntimeError)


async def test_failure_in_the_store_has_the_traceback(machine: Machine) -> None:
    def body() -> None:
        raise ZeroDivisionError

    worker = await machine.open(lone(body))
    run = await worker.start("lone")
    with pytest.raises(RunFailed):
        await run.result()

    assert machine.store is not None
    (row,) = await load_events(machine.store, run_number(run.id))
    failed = PACKED.decode(row.events)[1]
    assert failed.event == "task_failed"
    assert failed.traceback is not None
    assert "in body" in failed.traceback


# -- contexts --------------------------------------------------------------------------------------------------


async def test_branches_are_merged_where_they_join_and_in_the_output(machine: Machine) -> None:
    made = Workflow("w")
    seen: list[dict[str, object]] = []
    made.task(name="a")(lambda: {"a": 1, "log": ["a"]})

    @made.task(name="b", dependencies=["a"])
    def b(context: Context) -> None:
        context["log"].append("b")  # type: ignore[attr-defined]
        del context["a"]

    @made.task(name="c", dependencies=["a"])
    def c(context: Context) -> None:
        context["log"].append("c")  # type: ignore[attr-defined]
        context["c"] = 3

    @made.task(dependencies=[b, c])
    def join(context: Context) -> None:
        seen.append(context.to_dict())

    made.task(name="leaf", dependencies=["c"])(lambda: {"leaf": True})
    worker = await machine.open(made)
    run = await worker.start(made, {"x": 0})
    assert await run.result() == {"x": 0, "log": ["a", "b", "c"], "c": 3, "leaf": True}
    assert seen == [{"x": 0, "log": ["a", "b", "c"], "c": 3}]
    assert run.input == {"x": 0}


async def test_a_conflict_is_told_once(machine: Machine) -> None:
    made = Workflow("w")
    made.task(name="a")(lambda: {"k": 1})
    made.task(name="b")(lambda: {"k": 2})
    made.task(name="c", dependencies=["a", "b"])(lambda: None)
    made.task(name="d", dependencies=["a", "b"])(lambda: None)
    worker = await machine.open(made)
    run = await worker.start(made)
    assert await run.result() == {"k": 2}
    assert [text for text in await events(machine, run) if "conflict" in text] == ["context_conflict c"]


async def test_tasks_do_not_share_objects(machine: Machine) -> None:
    made = Workflow("w")
    made.task(name="a")(lambda: {"list": [1]})

    @made.task(name="b", dependencies=["a"])
    def b(context: Context) -> Context:
        context["list"].append(2)  # type: ignore[attr-defined]
        return Context()

    @made.task(dependencies=["a"])
    def c(context: Context) -> dict[str, object]:
        return {"seen": context["list"]}

    worker = await machine.open(made)
    assert (await (await worker.start(made)).result())["seen"] == [1]


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2], [2, 0, 3, 1]])
async def test_result_does_not_depend_on_which_branch_ends_first(
    machine: Machine, clock: VirtualClock, order: list[int]
) -> None:
    gates = [asyncio.Event() for _ in range(4)]
    made = Workflow("w")

    def branch(at: int) -> object:
        async def body(context: Context) -> None:
            await gates[at].wait()
            context["log"].append(at)  # type: ignore[attr-defined]
            context[f"own{at}"] = context["last"] = at

        return body

    for at in range(4):
        made.task(name=f"branch{at}")(branch(at))  # type: ignore[type-var]

    made.task(name="join", dependencies=["branch3", "branch1", "branch0"])(lambda: None)
    worker = await machine.open(made)
    run = await worker.start(made, {"log": []})
    for at in order:
        await clock.settle()
        gates[at].set()

    own = {f"own{at}": at for at in range(4)}
    assert await run.result() == {"log": [0, 1, 2, 3], "last": 3} | own


# -- graphs ----------------------------------------------------------------------------------------------------


def scoring() -> ComputationGraph:
    graph = ComputationGraph("scoring", inputs={"amount": float, "history": list[float]})

    @graph.node
    def score(amount: float, history: list[float]) -> Booked | Total:
        return Booked(int(amount)) if history else {"total": amount}

    @graph.node
    def number(score: Booked) -> int:
        return score.number

    @graph.node
    async def total(score: Total) -> float:
        return score["total"]

    return graph


async def test_invoked_graph_reads_keys_and_its_chosen_terminals_become_keys(machine: Machine) -> None:
    made = Workflow("w", input=Order)

    @made.task(invokes=scoring())
    def rate() -> dict[str, object]:
        return {"history": [1.0]}

    @made.task(dependencies=[rate])
    def book(number: int | None, total: float | None) -> dict[str, object]:
        return {"seen": [number, total]}

    worker = await machine.open(made)
    result = await (await worker.start(made, Order(3.0))).result()
    assert result == {"amount": 3.0, "history": [1.0], "number": 3, "seen": [3, None]}


async def test_input_that_a_graph_lacks_fails_the_task(machine: Machine) -> None:
    made = Workflow("w", input=Order)
    made.task(name="rate", invokes=scoring())(lambda: None)
    worker = await machine.open(made)
    with pytest.raises(RunFailed, match="history"):
        await (await worker.start(made, Order(3.0))).result()


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
    assert run.finished_at == run.created_at == clock.now()
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


# -- lost acknowledgements ---------------------------------------------------------------------------------------


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


async def test_status_that_does_not_exist_is_refused_with_those_that_do(machine: Machine) -> None:
    worker = await machine.open(lone())
    with pytest.raises(AppError, match=r"'compleeted' is no status of a run; there are 'running', 'completed', 'f"):
        worker.runs(status="compleeted")

    assert [run.id async for run in worker.runs(status="completed")] == []


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


# -- what no row can hold ------------------------------------------------------------------------------------------


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


# -- what bodies raise --------------------------------------------------------------------------------------------


class Silent(Exception):
    """An error that cannot be printed."""

    def __str__(self) -> str:
        raise AttributeError("no text")


class Untraceable(Exception):
    """An error whose traceback cannot be made."""

    @property
    def __cause__(self) -> BaseException:  # type: ignore[override]
        raise LookupError


def fails_with(error: BaseException) -> Workflow:
    """A workflow whose only task raises."""

    def body() -> None:
        raise error

    return lone(body)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("half \udcff"), r"ValueError: half \udcff"),
        (ValueError("a\0b"), r"ValueError: a\x00b"),
        (Silent(), "Silent: <its text cannot be shown: AttributeError>"),
        (Untraceable("bad"), "Untraceable: bad"),
        (ExceptionGroup("all \udcff", [Silent()]), r"ExceptionGroup: all \udcff (1 sub-exception)"),
    ],
)
async def test_task_that_raises_what_cannot_be_stored_fails_its_run_alone(
    machine: Machine, error: Exception, text: str
) -> None:
    worker = await machine.open(fails_with(error))
    run = await worker.start("lone")
    with pytest.raises(RunFailed):
        await run.result()

    assert (run.status, run.tasks["only"].error) == ("failed", text)
    assert await events(machine, run) == ["task_started only", "task_failed only", "run_failed"]
    assert machine.mistakes == []


class Interrupting(Exception):
    """An error during whose printing the process is told to end."""

    @property
    def __cause__(self) -> BaseException:  # type: ignore[override]
        raise KeyboardInterrupt


def test_end_of_the_process_is_not_held_up_by_a_traceback() -> None:
    with pytest.raises(KeyboardInterrupt):
        traceback_text(Interrupting())


def test_traceback_that_cannot_be_stored_is_kept_readable() -> None:
    assert traceback_text(ValueError("half \udcff")) == "ValueError: half \\udcff\n"
    assert traceback_text(Untraceable()) == "<the traceback of Untraceable cannot be shown: LookupError>"
