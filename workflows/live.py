"""A run in the memory of its owner."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

import msgspec

from penstock.runtime.errors import TaskFailed
from penstock.runtime.store.rows import RunRow, TaskRow, run_name
from penstock.workflows.delta import Delta, delta_from_text, delta_to_text
from penstock.workflows.events import Event, Kind
from penstock.workflows.execution import Failure, Outcome, Success
from penstock.workflows.merging import Contexts, Merged
from penstock.workflows.plan import Plan
from penstock.workflows.planner import Commit, Progress, skip_reason
from penstock.workflows.states import RunState, TaskState
from penstock.workflows.values import mapping_from_text, to_text
from penstock.workflows.workflow import Workflow

#: How the states of memory look from outside: what is not committed has not happened.
_SEEN = {
    TaskState.RETURNED: TaskState.RUNNING,
    TaskState.RAISED: TaskState.RUNNING,
    TaskState.PASSED_OVER: TaskState.WAITING,
}
#: As rows hold them: the drivers take a text as it is, and have to look what else could be one.
COMPLETED, FAILED, SKIPPED = (state.value for state in (TaskState.COMPLETED, TaskState.FAILED, TaskState.SKIPPED))
#: Decisions of one epoch; the number of a decision is unique and grows in all epochs together.
DECISIONS = 2**32


class Definition(msgspec.Struct, frozen=True, eq=False):
    """A registered workflow, with what every run of it needs."""

    workflow: Workflow
    plan: Plan
    structure_version: str
    code_version: str

    @classmethod
    def of(cls, workflow: Workflow) -> "Definition":
        """Check a workflow.

        Raises:
            DefinitionError: Something is wrong with it.
        """
        return cls(workflow, workflow.plan(), workflow.structure_version, workflow.code_version)


class Ending(msgspec.Struct, frozen=True):
    """How the body of a task ended."""

    outcome: Outcome
    started_at: datetime
    finished_at: datetime


class LiveRun:
    """One run and everything that the next step needs.

    Attributes:
        definition: Its workflow.
        created: The row it was created with, or taken over.
        number: Its id.
        progress: Where its tasks stand.
        endings: By position: how the bodies ended that are not committed yet.
        rows: By position: the tasks that are committed, or known to run.
        begun: Whether its owner has taken it in hand.
        end: The row of the ended run, once that is committed.
        gone: Why this owner has nothing to do with the run any more.
        started_at: When its first body started.
        recoveries: How often it was gone on with after a death of its process and got no further, as the store has it.
        uncounted: Whether it was taken over, and that it goes on is not counted yet.
        held_back: Tasks that start when that is counted.

    There are thousands of these at a time: what a run may never need is made when it does, for the garbage collector
    looks into every list and set that is there.
    """

    __slots__ = (
        "_conflicts",
        "_contexts",
        "_decisions",
        "_deltas",
        "_noted",
        "_outputs",
        "_unread",
        "_waiters",
        "begun",
        "cause",
        "created",
        "definition",
        "end",
        "endings",
        "gone",
        "held_back",
        "number",
        "progress",
        "recoveries",
        "rows",
        "started_at",
        "uncounted",
    )

    def __init__(self, definition: Definition, created: RunRow) -> None:
        """Bring a run into memory.

        Raises:
            msgspec.DecodeError: A stored delta is damaged.
        """
        plan = definition.plan
        self.definition: Definition = definition
        self.created: RunRow = created
        self.number: int = created.id
        self.rows: dict[int, TaskRow] = {}
        self.endings: dict[int, Ending] = {}
        self.begun: bool = False
        self.end: RunRow | None = None
        self.gone: BaseException | None = None
        #: The error of the first task that failed in this process.
        self.cause: BaseException | None = None
        self.started_at: datetime | None = created.started_at
        self.recoveries: int = created.recoveries
        self.uncounted: bool = False
        self.held_back: tuple[int, ...] = ()
        self._deltas: dict[int, Delta] = {}
        self._outputs: dict[int, str] = {}
        #: By position: how many dependents have not taken the context that a task left.
        self._unread: dict[int, int] = {}
        self._contexts: Contexts | None = None
        self._conflicts: set[tuple[tuple[str, ...], tuple[str, ...]]] | None = None
        #: What happened since the last decision was written.
        self._noted: list[Event] | None = None
        self._waiters: list[asyncio.Future[None]] | None = None
        self._decisions = created.epoch * DECISIONS
        self.progress: Progress = Progress(plan, self._take_over(created)) if created.tasks else Progress(plan)

    def _take_over(self, created: RunRow) -> dict[int, TaskState]:
        """Read what is committed; a task that was only known to run did not."""
        committed: dict[int, TaskState] = {}
        for row in created.tasks:
            task = self.definition.plan.position[row.task]
            if row.status != TaskState.RUNNING:
                self.rows[task] = row
                committed[task] = TaskState(row.status)
                self._deltas[task] = delta_from_text(row.delta)

        started = [row.started_at for row in created.tasks if row.started_at is not None]
        self.started_at = min(started, default=self.started_at)
        return committed

    @property
    def name(self) -> str:
        """Its id as people write it."""
        return run_name(self.number)

    @property
    def workflow(self) -> str:
        """The name of its workflow."""
        return self.created.workflow

    # -- contexts ------------------------------------------------------------------------------------------

    def context_of(self, task: int, now: datetime) -> str:
        """Return the context that a task gets, as JSON text: the input and the changes of all its ancestors."""
        plan = self.definition.plan
        needs = plan.dependencies[task]
        if not needs:
            return self.created.input

        text = self._outputs.get(needs[0]) if len(needs) == 1 else None
        if text is None:
            text = self._told(self._joined().before(task), plan.names[task], now)

        self._forget(needs)
        return text

    def _forget(self, needs: Sequence[int]) -> None:
        """Drop the contexts that all dependents have taken."""
        for need in needs:
            unread = self._unread.get(need, 0) - 1
            self._unread[need] = unread
            if unread <= 0:
                self._outputs.pop(need, None)

    def output(self, now: datetime) -> str:
        """Return the context in which all completed tasks come together, as JSON text."""
        leaf = self.definition.plan.single_leaf
        ending = self.endings.get(leaf) if leaf is not None else None
        if ending is not None and isinstance(ending.outcome, Success):
            return ending.outcome.output

        return self._told(self._joined().after_all(), None, now)

    def _joined(self) -> Contexts:
        """Return what joins contexts; most runs never need it."""
        if self._contexts is None:
            plan = self.definition.plan
            self._contexts = Contexts(mapping_from_text(self.created.input), plan.dependencies)
            for task, delta in self._deltas.items():
                self._contexts.add(task, delta)

        return self._contexts

    def _told(self, merged: Merged, for_task: str | None, now: datetime) -> str:
        """Tell each conflict once a run, not at each task that comes after it; return the context as JSON text."""
        names = self.definition.plan.names
        if merged.conflicts and self._conflicts is None:
            self._conflicts = set()

        for conflict in merged.conflicts:
            tasks = tuple(names[task] for task in conflict.tasks)
            if self._conflicts is not None and (conflict.path, tasks) not in self._conflicts:
                self._conflicts.add((conflict.path, tasks))
                self._note(Event(event="context_conflict", at=now, task=for_task, path=conflict.path, tasks=tasks))

        return to_text(merged.values)

    # -- steps ---------------------------------------------------------------------------------------------

    def ended(self, task: int, ending: Ending) -> None:
        """Note how a body ended; nobody else may rely on it yet."""
        self.endings[task] = ending
        if isinstance(ending.outcome, Success):
            self._deltas[task] = ending.outcome.delta
            if self._contexts is not None:
                self._contexts.add(task, ending.outcome.delta)

            if readers := len(self.definition.plan.dependents[task]):
                self._outputs[task] = ending.outcome.output
                self._unread[task] = readers
        elif self.cause is None:
            self.cause = ending.outcome.error

    def committed(self, commit: Commit) -> int:
        """Note that outcomes are stored; return how many bodies had run for them."""
        before = len(self.endings)
        for task in commit.tasks:
            self.endings.pop(task, None)

        return before - len(self.endings)

    def refuse(self, tasks: Sequence[int], reason: str) -> bool:
        """Make failures of the outcomes that cannot be stored; return whether there was one."""
        refused = False
        for task in tasks:
            ending = self.endings.get(task)
            if ending is not None and isinstance(ending.outcome, Success):
                self._deltas.pop(task, None)
                self._outputs.pop(task, None)
                self._contexts = None  # it may hold what the task left
                failed = TaskFailed(
                    self.workflow,
                    self.definition.plan.names[task],
                    f"what it left cannot be stored: {reason}; keep large data elsewhere, and its place here",
                )
                self.ended(task, msgspec.structs.replace(ending, outcome=Failure(failed)))
                refused = True

        return refused

    def next_decision(self) -> int:
        """Number the next decision."""
        self._decisions += 1
        return self._decisions

    def note(self, event: Kind, at: datetime, task: int | None = None, reason: str | None = None) -> None:
        """Add an event to the next decision."""
        name = None if task is None else self.definition.plan.names[task]
        self._note(Event(event=event, at=at, task=name, reason=reason))

    def _note(self, event: Event) -> None:
        self._noted = self._noted or []
        self._noted.append(event)

    def take_noted(self) -> list[Event]:
        """Return what was noted for the next decision, which is being written."""
        noted, self._noted = self._noted, None
        return noted or []

    def finish(self, row: RunRow) -> None:
        """End the run, and wake whoever waits for that."""
        self.end = row
        self._wake()

    def go(self, reason: BaseException) -> None:
        """Give the run up, and wake whoever waits for its end."""
        self.gone = reason
        self._wake()

    async def until_end(self) -> None:
        """Return when the run has ended.

        Raises:
            StoreError: The run was lost, or the store failed.
            AppError: The owner stopped before the end.
        """
        if self.end is None and self.gone is None:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters = self._waiters or []
            self._waiters.append(waiter)
            await waiter

        if self.gone is not None:
            raise self.gone

    def _wake(self) -> None:
        for waiter in self._waiters or ():
            if not waiter.done():
                waiter.set_result(None)

        self._waiters = None

    # -- rows ----------------------------------------------------------------------------------------------

    def task_row(self, task: int, now: datetime) -> TaskRow:
        """Return the row of a task that has ended."""
        name, ending = self.definition.plan.names[task], self.endings.get(task)
        if ending is None:
            reason = skip_reason(self.progress, task)
            return TaskRow(run_id=self.number, task=name, status=SKIPPED, attempts=0, error=reason, finished_at=now)

        outcome, delta, error = ending.outcome, None, None
        if isinstance(outcome, Success):
            delta = delta_to_text(outcome.delta)
        else:
            error = outcome.text

        return TaskRow(
            run_id=self.number,
            task=name,
            status=COMPLETED if error is None else FAILED,
            delta=delta,
            error=error,
            started_at=ending.started_at,
            finished_at=ending.finished_at,
        )

    def failures(self) -> dict[str, str]:
        """Return the errors of the failed tasks whose rows are written, in declared order."""
        return {
            self.rows[task].task: self.rows[task].error or ""
            for task in sorted(self.rows)
            if self.rows[task].status == TaskState.FAILED
        }

    def row(self) -> RunRow:
        """Return the run as it looks from outside: what is not committed has not happened."""
        return msgspec.structs.replace(self.end or self.created, tasks=tuple(self._seen()), recoveries=self.recoveries)

    def _seen(self) -> list[TaskRow]:
        plan, states = self.definition.plan, self.progress.states
        return [
            self.rows[task]
            if task in self.rows and task not in self.endings
            else TaskRow(run_id=self.number, task=name, status=_SEEN.get(states[task], states[task]), attempts=0)
            for task, name in enumerate(plan.names)
        ]

    @property
    def status(self) -> RunState:
        """Where the run stands."""
        return RunState.RUNNING if self.end is None else RunState(self.end.status)
