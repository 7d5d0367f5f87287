"""The owner of runs: decides their next steps at once, and writes every step through to the store.

A run lives in memory from its creation to its end; the store is the log that makes it durable, not a queue to ask.
What the planner decides is carried out here: a ready task goes to the slots, an outcome goes into a write unit, and
only what is committed is told: to dependents, to callers, to observers.

Everything here runs on the event loop, in one step each, so there are no locks.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from penstock.runtime.clock import Clock
from penstock.runtime.errors import AppError, LeaseLost, StoreError, WriteConflict
from penstock.runtime.executors import Executors
from penstock.runtime.foreign import error_text, is_cancelled
from penstock.runtime.scheduler import Scheduler
from penstock.runtime.store.rows import RunRow
from penstock.runtime.store.runs import count_recoveries, insert_run
from penstock.runtime.store.store import Store
from penstock.runtime.store.unit import Unit
from penstock.runtime.tasks import Tasks
from penstock.runtime.threads import Threads
from penstock.workflows.execution import Failure, Outcome
from penstock.workflows.live import Ending, LiveRun
from penstock.workflows.planner import (
    Began,
    Commit,
    Committed,
    Decision,
    Ended,
    Interrupted,
    Refused,
    Started,
    decide,
)
from penstock.workflows.recovery import MAX_RECOVERIES
from penstock.workflows.slots import Execution, Slots
from penstock.workflows.tally import Tally
from penstock.workflows.units import Creation, RunUnit, Step
from penstock.workflows.writing import write_decision, write_release, write_started

#: Seconds that cancelled tasks get to clean up, and then the store to let their runs go.
GRACE = 1.0
#: Runs that are remembered although nobody knows whether the store has them: a bound for a store that fails for hours.
MOST_DOUBTFUL = 100_000


U = TypeVar("U", bound=Unit)
#: The same for every run.
BEGAN = Began()


class Owner:
    """Carries out what the planner decides about the runs that are in memory.

    Attributes:
        live: The runs in memory, by id.
        uncommitted: How many units are on their way into the store.
        slots: Where bodies run.
    """

    def __init__(
        self,
        store: Store,
        scheduler: Scheduler,
        threads: Threads,
        tally: Tally,
        *,
        executors: Executors | None,
        limit: int,
        on_error: Callable[[BaseException], None],
    ) -> None:
        self.live: dict[int, LiveRun] = {}
        self.uncommitted: int = 0
        #: Runs that were written and of which no commit was told: it failed, or its acknowledgement was lost. Should
        #: a later unit find the key of one of them taken by that very run, it is ours, and nobody else executes it.
        self._doubtful: dict[int, LiveRun] = {}
        self.slots: Slots = Slots(
            limit,
            scheduler=scheduler,
            threads=threads,
            executors=executors,
            tasks=Tasks(),
            started=self._body_started,
            ended=self._body_ended,
            count=self._count,
            long=self._note_long,
            on_error=on_error,
        )
        #: Runs that have their last chance; one of them is in hand at a time, so that no other is given up for it.
        self._suspects: deque[LiveRun] = deque()
        self._suspect: LiveRun | None = None
        self._store: Store = store
        self._scheduler: Scheduler = scheduler
        self._clock: Clock = scheduler.clock
        self._tally: Tally = tally
        self._at_rest: list[asyncio.Future[None]] = []
        self._without_runs: list[asyncio.Future[None]] = []

    # -- taking in hand ------------------------------------------------------------------------------------

    @property
    def stopping(self) -> bool:
        """Whether no task starts any more."""
        return self.slots.closed

    def create(self, live: LiveRun) -> "asyncio.Future[int]":
        """Commit the creation of a run and take it in hand.

        Returns:
            What is done when it is committed, with the id of the run that has its key, or the store's error.
        """
        created: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        unit = Creation("run.create", self._clock, live)
        unit.told = created
        self.insert(unit, live)
        self._submit(unit, self._created)
        return created

    def _created(self, unit: Creation, error: StoreError | None) -> None:
        self.uncommitted -= 1
        # here and not where the caller waits: it may have been cancelled, and the run is durable all the same
        live, told = unit.live, unit.told
        if error is None:
            self.adopt_new(unit, (live,))
        elif isinstance(error, WriteConflict):
            self._doubtful.pop(live.number, None)  # this one is certain

        if not told.done():
            if error is None:
                told.set_result(unit.existing.get(live.number, live.number))
            else:
                told.set_exception(error)

        self._look_for_rest()

    def insert(self, unit: Unit, live: LiveRun) -> None:
        """Put the creation of a run into a unit; ``adopt_new`` must be called when that is committed."""
        insert_run(unit, live.created)
        if live.created.key is not None:
            self._doubtful[live.number] = live
            if len(self._doubtful) > MOST_DOUBTFUL:
                del self._doubtful[next(iter(self._doubtful))]

    def adopt_new(self, unit: Unit, created: Sequence[LiveRun]) -> None:
        """Take the runs in hand that a committed unit has really created, or that one before it had created."""
        if self._doubtful:
            for live in created:
                self._doubtful.pop(live.number, None)

        for live in self._really_created(unit, created) if unit.existing else created:
            # whoever came with the same key while this unit was not told yet has taken the run in hand already
            if live.created.owner is not None and not live.begun:
                self._tally.started(live)
                self._begin(live)

        self.slots.fill()

    def _really_created(self, unit: Unit, created: Sequence[LiveRun]) -> list[LiveRun]:
        """Leave out the runs whose key is taken, but not who has taken it when that is one of which nobody was told."""
        inserted = [live for live in created if live.number not in unit.existing]
        holders = dict.fromkeys(unit.existing.values())
        return inserted + [self._doubtful.pop(number) for number in holders if number in self._doubtful]

    def adopt(self, runs: Sequence[LiveRun]) -> None:
        """Go on with runs that were taken over."""
        for live in runs:
            self._begin(live)

        self._next_suspect()
        self.slots.fill()

    def _begin(self, live: LiveRun) -> None:
        # a run can be seen unfinished in the store just before its creation is acknowledged here
        if self.live.setdefault(live.number, live) is not live or live.begun:
            return

        live.begun = True
        if live.recoveries >= MAX_RECOVERIES - 1:
            self._suspects.append(live)
        else:
            self._carry_out(live, decide(live.progress, BEGAN))

    # -- runs that the process may die of ------------------------------------------------------------------

    def _next_suspect(self) -> None:
        """Go on with one run that has its last chance; the others wait until it has got further, or has ended."""
        while self._suspect is None and self._suspects:
            live = self._suspects.popleft()
            if live.gone is None:
                self._suspect = live
                self._carry_out(live, decide(live.progress, BEGAN))

    def _is_harmless(self, live: LiveRun) -> None:
        if self._suspect is live:
            self._suspect = None
            self._next_suspect()

    def _count(self, live: LiveRun, task: int) -> None:
        """Commit that a run is gone on with, before a body of it starts."""
        live.held_back = (*live.held_back, task)
        if len(live.held_back) == 1:
            unit = RunUnit("run.recover", self._clock, live)
            count_recoveries(unit, live.number, live.created.epoch, live.recoveries + 1)
            self._submit(unit, self._counted)

    def _counted(self, unit: RunUnit, error: StoreError | None) -> None:
        self.uncommitted -= 1
        live = unit.live
        tasks, live.held_back = live.held_back, ()
        if error is None:
            live.uncounted = False
            live.recoveries += 1
            for task in tasks:
                self.slots.start(live, task)
        else:
            self.slots.give_back(len(tasks))
            self._let_go(live, error)

        self.slots.fill()
        self._look_for_rest()

    # -- carrying out --------------------------------------------------------------------------------------

    def _carry_out(self, live: LiveRun, decisions: Sequence[Decision]) -> None:
        for decision in decisions:
            if isinstance(decision, Commit):
                self._commit(live, decision)
            else:
                self.slots.put(live, decision.task)

    def _commit(self, live: LiveRun, commit: Commit) -> None:
        unit = Step("run.step" if commit.end is None else "run.finish", self._clock, live)
        unit.commit = commit
        try:
            unit.end = write_decision(unit, live, commit, self._clock.now())
        # the output cannot be brought together: a run that would never end would count as running for ever
        except Exception as error:  # noqa: BLE001
            self._give_up(live, commit, error)
        else:
            self._submit(unit, self._committed)

    def _give_up(self, live: LiveRun, commit: Commit, error: Exception) -> None:
        """Fail the tasks whose outcome cannot be stored, so that this is stored; let the run go if that was tried."""
        reason = error.reason if isinstance(error, WriteConflict) else error_text(error)
        if live.refuse(commit.tasks, reason):
            self._carry_out(live, decide(live.progress, Refused(commit.tasks)))
        else:
            self.slots.unstored -= live.committed(commit)
            self._let_go(live, error)

    def _committed(self, unit: Step, error: StoreError | None) -> None:
        self.uncommitted -= 1
        live, commit = unit.live, unit.commit
        if isinstance(error, WriteConflict) and live.gone is None:
            self._give_up(live, commit, error)
        else:
            self.slots.unstored -= live.committed(commit)
            if error is not None:
                self._let_go(live, error)
            elif live.gone is None:
                self._go_on(live, commit, unit.end)

        self.slots.fill()
        self._look_for_rest()

    def _go_on(self, live: LiveRun, commit: Commit, end: RunRow | None) -> None:
        for task in commit.tasks:
            self._tally.task(live, live.rows[task])

        live.recoveries = 0
        self._carry_out(live, decide(live.progress, Committed(commit.tasks)))
        if end is not None:
            self.live.pop(live.number, None)
            self._tally.finished(end)
            live.finish(end)

        self._is_harmless(live)

    def _submit(self, unit: U, done: Callable[[U, StoreError | None], None]) -> None:
        self.uncommitted += 1
        self._store.submit(unit, done)

    def _body_started(self, execution: Execution) -> None:
        live = execution.live
        live.started_at = live.started_at or execution.started_at
        decide(live.progress, Started(execution.task))

    def _body_ended(self, execution: Execution, outcome: Outcome | None) -> None:
        live, task = execution.live, execution.task
        if live.gone is None and outcome is None:
            decide(live.progress, Interrupted(task))
        elif live.gone is None and outcome is not None:
            self.slots.unstored += 1
            live.ended(task, Ending(outcome, execution.started_at, self._clock.now()))
            self._carry_out(live, decide(live.progress, Ended(task, isinstance(outcome, Failure))))

        self.slots.fill()
        self._look_for_rest()

    def _note_long(self, executions: Sequence[Execution]) -> None:
        """Write down what has been running for a while."""
        by_run: dict[LiveRun, list[Execution]] = {}
        for execution in executions:
            by_run.setdefault(execution.live, []).append(execution)

        for live, running in by_run.items():
            unit = RunUnit("run.started", self._clock, live)
            write_started(unit, live, [(execution.task, execution.started_at) for execution in running])
            self._submit(unit, self._noted)

    def _noted(self, unit: RunUnit, error: StoreError | None) -> None:
        self.uncommitted -= 1
        if error is not None:
            self._let_go(unit.live, error)

        self._look_for_rest()

    def _let_go(self, live: LiveRun, reason: BaseException) -> None:
        """Forget a run that another owner has, or that the store cannot keep; touch nothing."""
        if live.gone is None and live.end is None:
            self.live.pop(live.number, None)
            self._tally.left(live.created, "lost" if isinstance(reason, LeaseLost) else "store", str(reason))
            live.go(reason)
            self.slots.cancel(live)
            if live.progress.held is not None:  # no unit will come back for these
                self.slots.unstored -= live.committed(Commit(live.progress.held))

            self._is_harmless(live)

    # -- stopping ------------------------------------------------------------------------------------------

    async def wait_idle(self) -> None:
        """Return when no run is in memory."""
        while self.live:
            idle: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._without_runs.append(idle)
            await idle

    async def drain(self, seconds: float) -> None:
        """Start no task any more, let those that run end in so many seconds, interrupt the rest, release their runs."""
        self.slots.close()
        await self._rest(seconds)
        self.slots.cancel()
        await self._rest(GRACE)
        self.slots.stop_watching()
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
        return bool(self.slots.running or self.uncommitted)

    def _look_for_rest(self) -> None:
        if self._at_rest and not self._busy:
            _wake_all(self._at_rest)

        if self._without_runs and not self.live:
            _wake_all(self._without_runs)

    async def _release(self) -> None:
        """Let the runs go that are not over: whoever takes them over counts no recovery."""
        left = [*self.live.values()]
        self.live.clear()
        # one unit each: a run that is lost already must not keep the others; one that cannot be released is merely
        # counted as recovered. A store in trouble would try for long: whoever closes it lets it try a last time.
        released = asyncio.gather(*map(self._release_run, left), return_exceptions=True)
        timer = self._scheduler.after(GRACE, partial(_cancel, released))
        try:
            await released
        except asyncio.CancelledError:
            if is_cancelled():
                raise
        finally:
            timer.cancel()

        for live in left:
            if live.end is None and live.gone is None:
                stopped = AppError(f"the app stopped before run {live.name} ended; it goes on at the next start")
                live.go(self._store.error or stopped)

        self._look_for_rest()

    async def _release_run(self, live: LiveRun) -> None:
        unit = self._store.unit("run.release")
        write_release(unit, live)
        await self._store.commit(unit)


def _cancel(waiting: "asyncio.Future[list[BaseException | None]]") -> None:
    waiting.cancel()


def _wake(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_result(None)


def _wake_all(waiters: "list[asyncio.Future[None]]") -> None:
    for waiter in waiters:
        _wake(waiter)

    waiters.clear()
