"""The worker: owns runs, decides their next steps at once, and writes every step through to the store.

A run lives in memory from its creation to its end; the store is the log that makes it durable, not a queue to ask.
What the planner decides is carried out here: a ready task goes to the slots, an outcome goes into a write unit, and
only what is committed is told: to dependents, to callers, to observers.

Everything here runs on the event loop, in one step each, so there are no locks.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial

from penstock.runtime.effects import Recorded
from penstock.runtime.errors import AppError, DefinitionError, LeaseLost, StoreError
from penstock.runtime.observe import Observer, silent
from penstock.runtime.scheduler import Scheduler
from penstock.runtime.store.rows import RunRow, run_number
from penstock.runtime.store.runs import insert_run, load_run, release_run
from penstock.runtime.store.store import Store
from penstock.runtime.store.unit import Unit
from penstock.runtime.tasks import Tasks
from penstock.runtime.threads import Threads
from penstock.workflows.execution import Failure, Outcome
from penstock.workflows.history import newest
from penstock.workflows.live import Definition, Ending, LiveRun
from penstock.workflows.planner import Began, Commit, Committed, Decision, Ended, Interrupted, Started, decide
from penstock.workflows.recovery import Recovery, orphan
from penstock.workflows.run import Run
from penstock.workflows.slots import Execution, Slots
from penstock.workflows.states import RunState
from penstock.workflows.tally import Tally, WorkerStatistics
from penstock.workflows.workflow import Workflow
from penstock.workflows.writing import write_decision, write_started

#: Seconds that cancelled tasks get to clean up when the worker is drained.
GRACE = 1.0


class Worker:
    """Executes runs.

    Args:
        store: Where runs are durable.
        scheduler: Waits for time, and holds the clock.
        threads: Where ``def`` tasks run.
        observer: Told what was committed.
        max_concurrent_tasks: How many tasks run at once.
        on_error: Told mistakes of ours in the background.
    """

    def __init__(
        self,
        store: Store,
        scheduler: Scheduler,
        threads: Threads,
        observer: Observer = silent,
        *,
        max_concurrent_tasks: int = 64,
        on_error: Callable[[BaseException], None] | None = None,
    ) -> None:
        self._store = store
        self._scheduler = scheduler
        self._clock = scheduler.clock
        self._definitions: dict[str, Definition] = {}
        self._live: dict[int, LiveRun] = {}
        self._parked: dict[int, str] = {}
        self._uncommitted = 0
        self._at_rest: list[asyncio.Future[None]] = []
        self._without_runs: list[asyncio.Future[None]] = []
        self._tally = Tally(observer)
        self._slots = Slots(
            max_concurrent_tasks,
            scheduler=scheduler,
            threads=threads,
            tasks=Tasks(on_error or _report),
            started=self._body_started,
            ended=self._body_ended,
            long=self._note_long,
        )

    # -- definitions ---------------------------------------------------------------------------------------

    def register(self, workflow: Workflow) -> None:
        """Make a workflow known; runs of it can be started and taken over from now on.

        Raises:
            DefinitionError: Something is wrong with it, or another one has its name.
        """
        known = self._definitions.get(workflow.name)
        if known is None:
            self._definitions[workflow.name] = Definition.of(workflow)
        elif known.workflow is not workflow:
            raise DefinitionError(f"two workflows are called {workflow.name!r}: give one of them another name")

    # -- starting runs -------------------------------------------------------------------------------------

    async def start(
        self, workflow: Workflow | str, value: object = None, *, key: str | None = None, origin: str = "app"
    ) -> Run:
        """Start a run; return when it is committed.

        Args:
            value: A mapping, or a value of the workflow's input type.
            key: When a run of the workflow has this key, that one is returned and none is started.
            origin: Who starts it.

        Raises:
            InputError: The input does not have the declared type.
            AppError: The workflow is not registered, or the worker is being drained.
            StoreError: The run could not be committed; none was started.
        """
        definition = self._known(workflow)
        if self._slots.closed:
            raise AppError(f"no run of {definition.workflow.name!r} was started: the app is stopping")

        start = definition.workflow.prepare(value)
        live = self._new(definition, start.input, key, origin)
        unit = self._store.unit("run.create")
        insert_run(unit, live.created)
        created: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._uncommitted += 1
        self._store.submit(unit, partial(self._created, live, created))
        number = await created
        return Run(self, live.created, live=live) if number == live.number else await self._run(number)

    def write(self, unit: Unit, effects: Sequence[Recorded]) -> Callable[[], None]:
        """Put the creation of runs into somebody else's unit.

        Returns:
            What must be called on the loop after the commit: it takes the runs in hand that were really created.
        """
        created: list[LiveRun] = []
        for recorded in effects:
            definition = self._definitions.get(recorded.effect.workflow)
            origin = f"firing {recorded.key.partition('/')[0]}"
            if definition is None:
                # wiring forbids it; should it happen, the run is kept for a start that knows the workflow
                insert_run(unit, orphan(self._store, recorded, origin))
            else:
                created.append(self._new(definition, recorded.effect.input, recorded.key, origin))
                insert_run(unit, created[-1].created)

        return partial(self._adopt_new, unit, created)

    def _known(self, workflow: Workflow | str) -> Definition:
        name = workflow if isinstance(workflow, str) else workflow.name
        definition = self._definitions.get(name)
        if definition is None or (isinstance(workflow, Workflow) and definition.workflow is not workflow):
            known = ", ".join(map(repr, self._definitions)) or "none"
            raise AppError(f"workflow {name!r} is not registered; registered: {known}. Add it to the app's parts")

        return definition

    def _new(self, definition: Definition, given: str, key: str | None, origin: str) -> LiveRun:
        row = RunRow(
            id=self._store.new_run_id(),
            workflow=definition.workflow.name,
            structure_version=definition.structure_version,
            code_version=definition.code_version,
            status=RunState.RUNNING,
            input=given,
            origin=origin,
            key=key,
            # whoever stops does not own it: the next start takes it over, and that is no recovery
            owner=None if self._slots.closed else self._store.node,
            created_at=self._clock.now(),
        )
        return LiveRun(definition, row)

    def _created(self, live: LiveRun, created: "asyncio.Future[int]", unit: Unit, error: StoreError | None) -> None:
        self._uncommitted -= 1
        # here and not where the caller waits: it may have been cancelled, and the run is durable all the same
        if error is None:
            self._adopt_new(unit, [live])

        if error is not None and not created.done():
            created.set_exception(error)
        elif not created.done():
            created.set_result(unit.existing.get(live.number, live.number))

        self._look_for_rest()

    def _adopt_new(self, unit: Unit, created: Sequence[LiveRun]) -> None:
        for live in created:
            if live.number not in unit.existing and live.created.owner is not None:
                self._tally.started(live)
                self._adopt(live)

        self._slots.fill()

    def _adopt(self, live: LiveRun) -> None:
        self._live[live.number] = live
        self._carry_out(live, decide(live.progress, Began()))

    # -- taking runs over ----------------------------------------------------------------------------------

    async def recover(self) -> None:
        """Take over every unfinished run in the store and go on with what was not committed. Called once, after open.

        Raises:
            StoreError: The store cannot be read or written.
        """
        recovered = await Recovery(self._store, self._definitions).claim(self._live)
        for row, reason in recovered.parked:
            self._parked[row.id] = reason
            self._tally.left(row, "parked", reason)

        for row in recovered.quarantined:
            self._tally.finished(row)

        for live in recovered.live:
            self._tally.recovered()
            self._adopt(live)

        self._slots.fill()

    # -- carrying out --------------------------------------------------------------------------------------

    def _carry_out(self, live: LiveRun, decisions: Sequence[Decision]) -> None:
        for decision in decisions:
            if isinstance(decision, Commit):
                self._commit(live, decision)
            else:
                self._slots.put(live, decision.task)

    def _commit(self, live: LiveRun, commit: Commit) -> None:
        unit = self._store.unit("run.step" if commit.end is None else "run.finish")
        end = write_decision(unit, live, commit, self._clock.now())
        self._uncommitted += 1
        self._store.submit(unit, partial(self._committed, live, commit, end))

    def _committed(
        self, live: LiveRun, commit: Commit, end: RunRow | None, _unit: Unit, error: StoreError | None
    ) -> None:
        self._uncommitted -= 1
        self._slots.give_back(live.committed(commit))
        if error is not None:
            self._let_go(live, error)
        elif live.gone is None:
            for task in commit.tasks:
                self._tally.task(live, live.rows[task])

            self._carry_out(live, decide(live.progress, Committed(commit.tasks)))
            if end is not None:
                self._finish(live, end)

        self._slots.fill()
        self._look_for_rest()

    def _body_started(self, execution: Execution) -> None:
        self._carry_out(execution.live, decide(execution.live.progress, Started(execution.task)))

    def _body_ended(self, execution: Execution, outcome: Outcome | None) -> None:
        live, task = execution.live, execution.task
        if live.gone is not None:
            self._slots.give_back()
        elif outcome is None:
            self._slots.give_back()
            self._carry_out(live, decide(live.progress, Interrupted(task)))
        else:
            live.ended(task, Ending(outcome, execution.started_at, self._clock.now()))
            self._carry_out(live, decide(live.progress, Ended(task, isinstance(outcome, Failure))))

        self._slots.fill()
        self._look_for_rest()

    def _note_long(self, executions: Sequence[Execution]) -> None:
        """Write down what has been running for a while."""
        by_run: dict[LiveRun, list[Execution]] = {}
        for execution in executions:
            by_run.setdefault(execution.live, []).append(execution)

        for live, running in by_run.items():
            unit = self._store.unit("run.started")
            write_started(unit, live, [(execution.task, execution.started_at) for execution in running])
            self._uncommitted += 1
            self._store.submit(unit, partial(self._noted, live))

    def _noted(self, live: LiveRun, _unit: Unit, error: StoreError | None) -> None:
        self._uncommitted -= 1
        if error is not None:
            self._let_go(live, error)

        self._look_for_rest()

    def _finish(self, live: LiveRun, end: RunRow) -> None:
        self._live.pop(live.number, None)
        self._tally.finished(end)
        live.finish(end)

    def _let_go(self, live: LiveRun, reason: BaseException) -> None:
        """Forget a run that another owner has, or that the store cannot keep; touch nothing."""
        if live.gone is None and live.end is None:
            self._live.pop(live.number, None)
            self._tally.left(live.created, "lost" if isinstance(reason, LeaseLost) else "store", str(reason))
            live.go(reason)
            self._slots.cancel(live)

    # -- looking -------------------------------------------------------------------------------------------

    async def run(self, run_id: str) -> Run:
        """Return a run as it stands now.

        Raises:
            RunNotFound: The store holds no such run.
        """
        return await self._run(run_number(run_id))

    async def _run(self, number: int) -> Run:
        live = self._live.get(number)
        if live is not None:
            return Run(self, live.created, live=live)

        return self._seen(await load_run(self._store, number))

    def _seen(self, row: RunRow) -> Run:
        live = self._live.get(row.id)
        return Run(self, row if live is None else live.created, live=live, parked=self._parked.get(row.id))

    async def runs(
        self, workflow: str | None = None, status: str | None = None, limit: int | None = None
    ) -> AsyncIterator[Run]:
        """Iterate over the runs in the store, the newest first.

        Args:
            workflow: Only runs of this one. status: Only runs with this one. limit: At most so many.
        """
        left = sys.maxsize if limit is None else limit
        async for row in newest(self._store, workflow, status, self._parked):
            if not left:
                return

            left -= 1
            yield self._seen(row)

    async def result(self, run_id: str) -> dict[str, object]:
        """Wait for the end of a run and return its output; raises what ``Run.result`` raises."""
        run = await self.run(run_id)
        return await run.result()

    async def until_end(self, live: LiveRun) -> None:
        """Return when a run in memory has ended.

        Raises:
            StoreError: The run was lost, or the store failed.
            AppError: The worker stopped before the end.
        """
        if live.end is None and live.gone is None:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            live.waiters.append(waiter)
            await waiter

        if live.gone is not None:
            raise live.gone

    def statistics(self) -> WorkerStatistics:
        """Return what the worker does and has done."""
        return self._tally.statistics(
            live=len(self._live),
            queued=self._slots.queued,
            running=self._slots.running,
            uncommitted=self._uncommitted,
            parked=len(self._parked),
        )

    # -- stopping ------------------------------------------------------------------------------------------

    async def wait_idle(self) -> None:
        """Return when no run is in memory: all have ended, or wait for code that fits them."""
        while self._live:
            idle: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._without_runs.append(idle)
            await idle

    async def drain(self, timeout: float) -> None:  # noqa: ASYNC109 - how long tasks may go on, not how long to wait
        """Stop: start no task any more, let those that run end, then interrupt them, and release their runs.

        What is not over goes on at the next start; nothing counts as an attempt or a recovery.

        Args:
            timeout: Seconds that running tasks get.
        """
        self._slots.close()
        await self._rest(timeout)
        self._slots.cancel()
        await self._rest(GRACE)
        self._slots.stop_watching()
        await self._release()

    async def _rest(self, seconds: float) -> None:
        """Wait until nothing runs and nothing is on its way into the store, a bounded time."""
        if not self._busy:
            return

        rest: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._at_rest.append(rest)
        timer = self._scheduler.after(seconds, partial(_wake, rest))
        await rest
        timer.cancel()

    @property
    def _busy(self) -> bool:
        return bool(self._slots.running or self._uncommitted)

    def _look_for_rest(self) -> None:
        if not self._busy:
            _wake_all(self._at_rest)

        if not self._live:
            _wake_all(self._without_runs)

    async def _release(self) -> None:
        """Let the runs go that are not over: whoever takes them over counts no recovery."""
        left = [*self._live.values()]
        self._live.clear()
        # one unit each: a run that is lost already must not keep the others; one that cannot be released is merely
        # counted as recovered
        await asyncio.gather(*map(self._release_run, left), return_exceptions=True)
        for live in left:
            live.go(AppError(f"the app stopped before run {live.name} ended; it goes on at the next start"))

        self._look_for_rest()

    async def _release_run(self, live: LiveRun) -> None:
        unit = self._store.unit("run.release")
        release_run(unit, live.number, live.created.epoch)
        await self._store.commit(unit)


def _wake(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_result(None)


def _wake_all(waiters: "list[asyncio.Future[None]]") -> None:
    for waiter in waiters:
        _wake(waiter)

    waiters.clear()


def _report(error: BaseException) -> None:
    asyncio.get_running_loop().call_exception_handler({"message": "a mistake of Penstock's", "exception": error})
