"""The worker: the door to runs. Knows the workflows, starts and takes over runs, and shows them."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial

from penstock.runtime import texts
from penstock.runtime.clock import Clock
from penstock.runtime.effects import Recorded
from penstock.runtime.errors import AppError, DefinitionError
from penstock.runtime.executors import Executors
from penstock.runtime.foreign import value_text
from penstock.runtime.observe import Observer, silent
from penstock.runtime.scheduler import Scheduler
from penstock.runtime.store.rows import RunRow, run_number
from penstock.runtime.store.runs import insert_run, load_run
from penstock.runtime.store.store import Store
from penstock.runtime.store.unit import Unit
from penstock.runtime.threads import Threads
from penstock.workflows.history import newest
from penstock.workflows.live import Definition, LiveRun
from penstock.workflows.owner import Owner
from penstock.workflows.recovery import Recovery, orphan
from penstock.workflows.run import Run
from penstock.workflows.states import RunState, run_state
from penstock.workflows.tally import Tally, WorkerStatistics
from penstock.workflows.workflow import Workflow

#: As the rows of runs hold it.
RUNNING = RunState.RUNNING.value


class Worker:
    """Executes runs.

    Args:
        store: Where runs are durable.
        scheduler: Waits for time, and holds the clock.
        threads: Where ``def`` tasks run.
        observer: Told what was committed.
        max_concurrent_tasks: How many tasks run at once.
        executors: Where nodes of the graphs run that tasks invoke; pools of their own for each, when there are none.
        on_error: Told mistakes of ours in the background.
    """

    def __init__(
        self,
        store: Store,
        scheduler: Scheduler,
        threads: Threads,
        observer: Observer = silent,
        *,
        executors: Executors | None = None,
        max_concurrent_tasks: int = 64,
        on_error: Callable[[BaseException], None] | None = None,
    ) -> None:
        self._store: Store = store
        self._clock: Clock = scheduler.clock
        self._definitions: dict[str, Definition] = {}
        self._parked: dict[int, str] = {}
        self._tally: Tally = Tally(observer)
        self._owner: Owner = Owner(
            store,
            scheduler,
            threads,
            self._tally,
            executors=executors,
            limit=max_concurrent_tasks,
            on_error=on_error or _report,
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
            AppError: The workflow is not registered, the key cannot be one, or the worker is being drained.
            StoreError: The run could not be committed; none was started.
        """
        definition = self._known(workflow)
        if self._owner.stopping:
            raise AppError(f"no run of {definition.workflow.name!r} was started: the app is stopping")

        if key is not None and not texts.is_key(key):
            raise AppError(
                f"no run of {definition.workflow.name!r} was started: its key is {value_text(key)}, not {texts.KEY}"
            )

        start = definition.workflow.prepare(value)
        live = self._new(definition, start.input, key, origin)
        number = await self._owner.create(live)
        if number != live.number:
            return await self._run(number)

        # another one is in memory when the run was taken over from the store in the same moment
        return Run(self, live.created, live=self._owner.live.get(number, live))

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
                self._owner.insert(unit, created[-1])

        return partial(self._owner.adopt_new, unit, created)

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
            status=RUNNING,
            input=given,
            origin=origin,
            key=key,
            # whoever stops does not own it: the next start takes it over, and that is no recovery
            owner=None if self._owner.stopping else self._store.node,
            created_at=self._clock.now(),
        )
        return LiveRun(definition, row)

    # -- taking runs over ----------------------------------------------------------------------------------

    async def recover(self) -> None:
        """Take over every unfinished run in the store and go on with what was not committed. Called once, after open.

        Raises:
            StoreError: The store cannot be read or written.
        """
        recovered = await Recovery(self._store, self._definitions).claim(self._owner.live)
        for row, reason in recovered.parked:
            self._parked[row.id] = reason
            self._tally.left(row, "parked", reason)

        for row in recovered.quarantined:
            self._tally.finished(row)

        self._tally.recovered(len(recovered.live))
        self._owner.adopt(recovered.live)

    # -- looking -------------------------------------------------------------------------------------------

    async def run(self, run_id: str) -> Run:
        """Return a run as it stands now.

        Raises:
            RunNotFound: The store holds no such run.
        """
        return await self._run(run_number(run_id))

    async def _run(self, number: int) -> Run:
        live = self._owner.live.get(number)
        if live is not None:
            return Run(self, live.created, live=live)

        return self._seen(await load_run(self._store, number))

    def _seen(self, row: RunRow) -> Run:
        live = self._owner.live.get(row.id)
        return Run(self, row if live is None else live.created, live=live, parked=self._parked.get(row.id))

    def runs(
        self, workflow: str | None = None, status: str | None = None, limit: int | None = None
    ) -> AsyncIterator[Run]:
        """Iterate over the runs in the store, the newest first.

        Args:
            workflow: Only runs of this one. status: Only runs with this one. limit: At most so many.

        Raises:
            AppError: There is no such status.
        """
        state = None if status is None else run_state(status)
        return self._newest(workflow, state, sys.maxsize if limit is None else limit)

    async def _newest(self, workflow: str | None, state: RunState | None, left: int) -> AsyncIterator[Run]:
        async for row in newest(self._store, workflow, state, self._parked):
            if not left:
                return

            left -= 1
            yield self._seen(row)

    async def result(self, run_id: str) -> dict[str, object]:
        """Wait for the end of a run and return its output; raises what ``Run.result`` raises."""
        run = await self.run(run_id)
        return await run.result()

    def statistics(self) -> WorkerStatistics:
        """Return what the worker does and has done."""
        return self._tally.statistics(
            live=len(self._owner.live),
            queued=self._owner.slots.queued,
            running=self._owner.slots.running,
            uncommitted=self._owner.uncommitted,
            parked=len(self._parked),
        )

    @property
    def is_idle(self) -> bool:
        """Whether no run is in memory; each that leaves is told as a fact."""
        return not self._owner.live

    async def wait_idle(self) -> None:
        """Return when no run is in memory: all have ended, or wait for code that fits them."""
        await self._owner.wait_idle()

    async def drain(self, timeout: float) -> None:  # noqa: ASYNC109 - how long tasks may go on, not how long to wait
        """Stop: start no task any more, let those that run end, then interrupt them, and release their runs.

        What is not over goes on at the next start; nothing counts as an attempt or a recovery.

        Args:
            timeout: Seconds that running tasks get.
        """
        await self._owner.drain(timeout)


def _report(error: BaseException) -> None:
    asyncio.get_running_loop().call_exception_handler({"message": "a mistake of Penstock's", "exception": error})
