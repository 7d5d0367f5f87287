"""Crashes at every commit point, stops, lost runs, failing stores: what is taken over, and what runs again."""

import asyncio
from contextlib import suppress

import msgspec
import pytest

from penstock.runtime.effects import Recorded, Start
from penstock.runtime.errors import (
    AppError,
    LeaseLost,
    RunFailed,
    RunNotFound,
    RunParked,
    StoreError,
    StoreFull,
    StoreUnavailable,
)
from penstock.runtime.observe import Fact, RunLeft
from penstock.runtime.store.rows import run_number
from penstock.runtime.store.runs import load_run
from penstock.testing.clock import VirtualClock
from penstock.testing.faults import FaultPoints
from penstock.workflows.context import Context
from penstock.workflows.worker import Worker
from penstock.workflows.workflow import Workflow
from tests.databases import rows
from tests.workflows.conftest import Machine
from tests.workflows.invariants import check_run


class Bodies:
    """A diamond whose bodies note that they ran; ``b`` fails when told so."""

    def __init__(self, *, failing: bool = False) -> None:
        self.ran: list[str] = []
        self.failing = failing
        self.workflow = Workflow("diamond")
        needs = {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]}
        for name, own in needs.items():
            self.workflow.task(name=name, dependencies=own)(self._body(name))

    def _body(self, name: str) -> object:
        def body(context: Context) -> None:
            self.ran.append(name)
            context[name] = 1
            if self.failing and name == "b":
                raise ValueError(name)

        return body


async def committed(machine: Machine) -> set[str]:
    """The tasks of the first run that the store has."""
    assert machine.store is not None
    try:
        row = await load_run(machine.store, run_number("1-1"))
    except RunNotFound:
        return set()

    return {task.task for task in row.tasks if task.status != "running"}


@pytest.fixture(params=["run.create", "run.step", "run.finish"])
def label(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["before begin", "before commit", "after commit"])
def point(request: pytest.FixtureRequest, label: str) -> str:
    return f"{label}: {request.param}"


@pytest.mark.parametrize("failing", [False, True])
@pytest.mark.parametrize("after", [1, 2, 3])
async def test_crash_at_a_commit_repeats_only_what_was_not_committed(
    machine: Machine, faults: FaultPoints, point: str, *, after: int, failing: bool
) -> None:
    bodies = Bodies(failing=failing)
    worker = await machine.open(bodies.workflow)
    faults.fail(point, after=after)
    with suppress(StoreError, RunFailed):
        await (await worker.start(bodies.workflow, {"x": 0})).result()

    faults.clear()
    ran = len(bodies.ran)
    worker = await machine.open(bodies.workflow, recover=False)
    before = await committed(machine)
    await worker.recover()
    await worker.wait_idle()
    assert before.isdisjoint(bodies.ran[ran:])
    for run in [run async for run in worker.runs()]:
        assert run.output == (None if failing else {"x": 0, "a": 1, "b": 1, "c": 1, "d": 1})
        assert check_run(bodies.workflow.plan(), run._stored) == []

    acknowledged = ran > 0 or point == "run.create: after commit"
    assert len([run async for run in worker.runs()]) == acknowledged


async def test_many_runs_survive_a_crash_each_exactly_once(
    machine: Machine, faults: FaultPoints, clock: VirtualClock
) -> None:
    bodies = Bodies()
    worker = await machine.open(bodies.workflow)
    faults.fail("run.step: before commit", after=3)
    runs = await asyncio.gather(*(worker.start(bodies.workflow, {"n": n}) for n in range(50)))
    await clock.settle()
    faults.clear()
    worker = await machine.open(bodies.workflow)
    await worker.wait_idle()
    results = [await (await worker.run(run.id)).result() for run in runs]
    assert [result["n"] for result in results] == list(range(50))
    assert worker.statistics().completed == worker.statistics().recovered > 0


async def crash(worker: Worker, machine: Machine) -> None:
    """Let the store go without a word to the worker."""
    assert machine.store is not None
    await machine.store.close()


class Named(msgspec.Struct):
    name: str


def hanging() -> tuple[Workflow, asyncio.Event, list[str]]:
    """A workflow whose second task waits for a gate."""
    gate, ran, made = asyncio.Event(), list[str](), Workflow("w")
    made.task(name="first")(lambda: ran.append("first"))

    @made.task(dependencies=["first"])
    async def second() -> None:
        ran.append("second")
        await gate.wait()

    return made, gate, ran


async def test_run_is_quarantined_after_three_recoveries(machine: Machine, clock: VirtualClock) -> None:
    made, gate, ran = hanging()
    worker = await machine.open(made)
    run_id = (await worker.start(made)).id
    for recoveries in range(1, 4):
        await clock.settle()
        await crash(worker, machine)
        worker = await machine.open(made)
        await clock.settle()
        assert (await worker.run(run_id)).recoveries == recoveries

    await crash(worker, machine)
    gate.set()
    worker = await machine.open(made)
    run = await worker.run(run_id)
    assert (run.status, run.error) == (
        "quarantined",
        (
            "the process died each of the 3 times that this run was gone on with, and it got no further;"
            " look at its running tasks"
        ),
    )
    assert ran == ["first", *["second"] * 4]
    with pytest.raises(RunFailed, match="recovery: the process died each of the 3 times"):
        await run.result()


async def test_run_that_gets_further_is_not_given_up(machine: Machine, clock: VirtualClock) -> None:
    made, gate, ran = Workflow("w"), asyncio.Semaphore(0), list[int]()
    for task in range(6):

        @made.task(name=f"t{task}", dependencies=[f"t{task - 1}"] if task else [])
        async def body(context: Context) -> None:
            await gate.acquire()
            ran.append(len(context))
            context[str(len(context))] = True

    worker = await machine.open(made)
    run_id = (await worker.start(made)).id
    for _ in range(5):
        gate.release()
        await clock.settle()
        await crash(worker, machine)
        worker = await machine.open(made)

    gate.release()
    await worker.wait_idle()
    run = await worker.run(run_id)
    assert (run.status, run.recoveries, ran) == ("completed", 0, [0, 1, 2, 3, 4, 5])


async def test_run_that_never_began_is_not_blamed(machine: Machine, clock: VirtualClock) -> None:
    made, _, ran = hanging()
    queued = Workflow("queued")
    queued.task(name="only")(lambda: ran.append("queued"))
    worker = await machine.open(made, queued, limit=1)
    guilty, innocent = [await worker.start(each) for each in (made, queued)]
    for _ in range(5):
        await clock.settle()
        await crash(worker, machine)
        worker = await machine.open(made, queued, limit=1)

    await worker.wait_idle()
    runs = [await worker.run(run.id) for run in (guilty, innocent)]
    assert [run.status for run in runs] == ["quarantined", "completed"]


async def test_runs_that_have_their_last_chance_go_on_one_at_a_time(machine: Machine, clock: VirtualClock) -> None:
    made, running = Workflow("w", input=Named), list[str]()
    gates = {name: asyncio.Event() for name in "abc"}

    @made.task
    async def body(name: str) -> None:
        running.append(name)
        await gates[name].wait()

    worker = await machine.open(made)
    runs = [(await worker.start(made, {"name": name})).id for name in "abc"]
    for _ in range(3):
        await clock.settle()
        assert running == ["a", "b", "c"]
        running.clear()
        await crash(worker, machine)
        worker = await machine.open(made)

    for name in "abc":
        await clock.settle()
        assert running == [name]
        running.clear()
        gates[name].set()

    await worker.wait_idle()
    assert [(await worker.run(run)).status for run in runs] == ["completed"] * 3


async def test_last_chance_of_the_next_run_comes_when_one_is_lost(machine: Machine, clock: VirtualClock) -> None:
    made, running = Workflow("w", input=Named), list[str]()

    @made.task
    async def body(name: str) -> None:
        running.append(name)
        await asyncio.Event().wait()

    worker = await machine.open(made)
    runs = [(await worker.start(made, {"name": name})).id for name in "ab"]
    for _ in range(3):
        await clock.settle()
        await crash(worker, machine)
        worker = await machine.open(made)

    running.clear()
    await clock.settle()
    assert running == ["a"]
    rows(machine.url, "UPDATE runs SET epoch = 99 WHERE id = ?", run_number(runs[0]))
    await clock.advance(1.5)  # it is written down as running, and found to have another owner
    assert running[-1] == "b"


async def test_stop_lets_running_tasks_end(machine: Machine, clock: VirtualClock) -> None:
    made, gate, ran = hanging()
    worker = await machine.open(made)
    run = await worker.start(made)
    await clock.settle()
    draining = asyncio.ensure_future(worker.drain(10.0))
    await clock.advance(5.0)
    assert not draining.done()
    gate.set()
    await draining
    assert (run.status, ran) == ("completed", ["first", "second"])
    with pytest.raises(AppError, match="the app is stopping"):
        await worker.start(made)


async def test_stop_interrupts_after_its_time_and_charges_nothing(machine: Machine, clock: VirtualClock) -> None:
    made, gate, ran = hanging()
    run_id = ""
    for _ in range(5):
        worker = await machine.open(made)
        run = await worker.run(run_id) if run_id else await worker.start(made)
        run_id = run.id
        waiting = asyncio.ensure_future(run.result())
        await clock.settle()
        draining = asyncio.ensure_future(worker.drain(10.0))
        await clock.advance(10.0)
        await draining
        with pytest.raises(AppError, match="it goes on at the next start"):
            await waiting

    gate.set()
    worker = await machine.open(made)
    await worker.wait_idle()
    run = await worker.run(run_id)
    assert (run.status, run.recoveries, run.tasks["second"].attempts) == ("completed", 0, 1)
    assert ran == ["first", *["second"] * 6]


async def test_what_a_body_raises_because_it_is_interrupted_is_no_failure(
    machine: Machine, clock: VirtualClock
) -> None:
    gate, made = asyncio.Event(), Workflow("w")

    @made.task
    async def tidy() -> None:
        try:
            await gate.wait()
        except asyncio.CancelledError:
            raise ConnectionError("closed while waiting") from None

    worker = await machine.open(made)
    run = await worker.start(made)
    await clock.settle()
    await worker.drain(0.0)
    gate.set()
    worker = await machine.open(made)
    await worker.wait_idle()
    assert (await worker.run(run.id)).status == "completed"


async def test_task_that_is_interrupted_before_its_first_turn_does_not_run(machine: Machine) -> None:
    made, gate, ran = hanging()
    worker = await machine.open(made)
    assert machine.store is not None
    unit = machine.store.unit("cut")
    adopt = worker.write(unit, [Recorded(key="k", effect=Start(workflow="w", input="{}"))])
    await machine.store.commit(unit)
    adopt()
    worker._owner.slots.cancel()
    await worker.drain(0.0)
    assert (ran, worker.statistics().running) == ([], 0)
    gate.set()
    worker = await machine.open(made)
    await worker.wait_idle()
    assert [run.status async for run in worker.runs()] == ["completed"]


async def test_stop_does_not_start_what_waits(machine: Machine, clock: VirtualClock) -> None:
    made, gate, ran = hanging()
    worker = await machine.open(made, limit=1)
    runs = [await worker.start(made) for _ in range(3)]
    await clock.settle()
    gate.set()
    await worker.drain(10.0)
    assert len(ran) < 6
    worker = await machine.open(made)
    await worker.wait_idle()
    assert [(await worker.run(run.id)).status for run in runs] == ["completed"] * 3


async def test_body_that_swallows_its_cancellation_does_not_hold_up_the_stop(
    machine: Machine, clock: VirtualClock
) -> None:
    gate, made = asyncio.Event(), Workflow("w")

    @made.task
    async def stubborn() -> None:
        with suppress(asyncio.CancelledError):
            await gate.wait()

        await gate.wait()

    worker = await machine.open(made)
    run = await worker.start(made)
    await clock.settle()
    draining = asyncio.ensure_future(worker.drain(1.0))
    await clock.advance(2.0)
    await draining
    gate.set()
    await clock.settle()
    assert run.status == "running"


async def test_stop_does_not_wait_for_a_store_in_trouble(machine: Machine, clock: VirtualClock) -> None:
    made, gate, _ = hanging()
    worker = await machine.open(made)
    waiting = asyncio.ensure_future((await worker.start(made)).result())
    await clock.settle()
    machine.faults.fail("run.*: before commit", error=StoreFull("store", "no space"), times=None)
    gate.set()
    draining = asyncio.ensure_future(worker.drain(1.0))
    await clock.advance(3.0)
    assert draining.done()
    with pytest.raises(AppError, match="the app stopped before"):
        await waiting


async def test_stop_can_be_cancelled_while_it_lets_runs_go(machine: Machine, clock: VirtualClock) -> None:
    worker = await machine.open(hanging()[0])
    await worker.start("w")
    await clock.settle()
    machine.faults.fail("run.*: before commit", error=StoreFull("store", "no space"), times=None)
    draining = asyncio.ensure_future(worker.drain(1.0))
    await clock.advance(2.5)
    draining.cancel()
    await asyncio.wait([draining])
    assert draining.cancelled()


async def test_run_of_an_unregistered_workflow_is_parked_and_visible(
    machine: Machine, clock: VirtualClock, facts: list[Fact]
) -> None:
    made, gate, ran = hanging()
    worker = await machine.open(made)
    run_id = (await worker.start(made)).id
    await clock.settle()
    await crash(worker, machine)
    for _ in range(5):  # waiting for code is no recovery
        worker = await machine.open()

    run = await worker.run(run_id)
    assert (run.status, run.error) == (
        "parked",
        "workflow 'w' is not registered; it goes on when the app has it among its parts",
    )
    assert [parked.id async for parked in worker.runs(status="parked")] == [run_id]
    assert [running.id async for running in worker.runs(status="running")] == []
    assert worker.statistics().parked == 1
    assert any(isinstance(fact, RunLeft) and fact.why == "parked" for fact in facts)
    with pytest.raises(RunParked):
        await run.result()

    gate.set()
    worker = await machine.open(made)
    await worker.wait_idle()
    run = await worker.run(run_id)
    assert (run.status, run.recoveries, ran) == ("completed", 0, ["first", "second", "second"])


async def test_changed_structure_parks_the_run(machine: Machine, clock: VirtualClock) -> None:
    made, _, ran = hanging()
    worker = await machine.open(made)
    run_id = (await worker.start(made)).id
    await clock.settle()
    await crash(worker, machine)
    changed, _, ran = hanging()
    changed.task(name="third", dependencies=["second"])(lambda: None)
    worker = await machine.open(changed)
    run = await worker.run(run_id)
    assert run.status == "parked"
    assert run.error is not None
    assert "have changed since it was started" in run.error
    assert ran == []


async def test_run_whose_stored_changes_are_damaged_is_parked(machine: Machine, clock: VirtualClock) -> None:
    made, _, ran = hanging()
    worker = await machine.open(made)
    run_id = (await worker.start(made)).id
    await clock.settle()
    await crash(worker, machine)
    rows(machine.url, "UPDATE tasks SET delta = '{'")
    worker = await machine.open(made)
    run = await worker.run(run_id)
    assert run.status == "parked"
    assert run.error is not None
    assert "its stored changes cannot be read" in run.error
    assert ran == ["first", "second"]


async def test_damaged_input_fails_the_run_and_not_the_worker(machine: Machine, clock: VirtualClock) -> None:
    made, gate, _ = hanging()
    made.task(name="other")(lambda: None)
    made.task(name="join", dependencies=["first", "other"])(gate.wait)
    worker = await machine.open(made)
    run_id = (await worker.start(made)).id
    await clock.settle()
    await crash(worker, machine)
    rows(machine.url, "UPDATE runs SET input = '{'")
    gate.set()
    worker = await machine.open(made)
    await worker.wait_idle()
    run = await worker.run(run_id)
    assert (run.status, run.tasks["join"].status, run.tasks["second"].status) == ("failed", "failed", "failed")


async def test_changed_code_goes_on_and_an_event_says_so(machine: Machine, clock: VirtualClock) -> None:
    made, _, _ = hanging()
    worker = await machine.open(made)
    run_id = (await worker.start(made)).id
    await clock.settle()
    await crash(worker, machine)
    changed = Workflow("w")
    changed.task(name="first")(lambda: None)
    changed.task(name="second", dependencies=["first"])(lambda: {"new": True})
    worker = await machine.open(changed)
    assert await worker.result(run_id) == {"new": True}
    text = "".join(str(events) for (events,) in rows(machine.url, "SELECT events FROM events"))
    assert "code_changed" in text
    assert "run_recovered" in text


async def test_lost_run_is_forgotten_and_told(machine: Machine, clock: VirtualClock, facts: list[Fact]) -> None:
    made, gate, _ = hanging()
    worker = await machine.open(made)
    run = await worker.start(made)
    await clock.settle()
    rows(machine.url, "UPDATE runs SET epoch = epoch + 1")
    gate.set()
    with pytest.raises(LeaseLost):
        await run.result()

    assert [fact.why for fact in facts if isinstance(fact, RunLeft)] == ["lost"]
    assert (worker.statistics().live, worker.statistics().left) == (0, 1)
    assert await committed(machine) == {"first"}


async def test_store_that_fails_is_what_results_raise(
    machine: Machine, faults: FaultPoints, clock: VirtualClock
) -> None:
    made, gate, _ = hanging()
    worker = await machine.open(made)
    run = await worker.start(made)
    await clock.settle()
    faults.fail("run.finish: before commit", error=StoreUnavailable("db", "gone"), times=None)
    gate.set()
    waiting = asyncio.ensure_future(run.result())
    await clock.advance(60.0)
    with pytest.raises(StoreUnavailable):
        await waiting

    with pytest.raises(StoreError):
        await worker.start(made)

    faults.clear()
    worker = await machine.open(made)
    await worker.wait_idle()
    assert (await worker.run(run.id)).status == "completed"
