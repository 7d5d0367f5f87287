"""What a worker tells and counts: each fact once, after the commit that made it true."""

from datetime import datetime

import msgspec

from penstock.runtime.observe import Observer, RunFinished, RunLeft, RunStarted, TaskFinished, silent
from penstock.runtime.store.rows import RunRow, TaskRow, run_name
from penstock.workflows.live import LiveRun
from penstock.workflows.states import RunState, TaskState


class WorkerStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker does now, and what it has done since it was made."""

    #: Runs in memory.
    live: int
    #: Tasks that wait for a slot.
    queued: int
    #: Bodies that run.
    running: int
    #: Units on their way into the store.
    uncommitted: int
    #: Runs that wait for code that fits them.
    parked: int
    started: int
    recovered: int
    completed: int
    failed: int
    quarantined: int
    #: Runs that were given up without an end: lost to another owner, or to a store that failed.
    left: int
    tasks_completed: int
    tasks_failed: int
    tasks_skipped: int


class Tally:
    """Counts, and tells the observer."""

    def __init__(self, observer: Observer) -> None:
        #: Nobody who listens: then no fact is made, for there are several to each run.
        self._observer = None if observer is silent else observer
        self._started = self._recovered = self._left = 0
        # by text, as rows have it: making a state of it would cost more than counting
        self._runs: dict[str, int] = dict.fromkeys(RunState, 0)
        self._tasks: dict[str, int] = dict.fromkeys(TaskState, 0)

    def started(self, live: LiveRun) -> None:
        """A run was created."""
        self._started += 1
        if self._observer is not None:
            self._observer(RunStarted(workflow=live.workflow, run_id=live.name, origin=live.created.origin))

    def recovered(self, runs: int) -> None:
        """Runs were taken over."""
        self._recovered += runs

    def task(self, live: LiveRun, row: TaskRow) -> None:
        """A task was committed with its last status."""
        self._tasks[row.status] += 1
        if self._observer is not None:
            self._observer(
                TaskFinished(
                    workflow=live.workflow,
                    run_id=live.name,
                    task=row.task,
                    status=row.status,
                    seconds=_seconds(row.started_at, row.finished_at),
                    error=row.error,
                )
            )

    def finished(self, row: RunRow) -> None:
        """A run was committed with its last status."""
        self._runs[row.status] += 1
        if self._observer is not None:
            seconds = _seconds(row.created_at, row.finished_at)
            self._observer(
                RunFinished(workflow=row.workflow, run_id=run_name(row.id), status=row.status, seconds=seconds)
            )

    def left(self, row: RunRow, why: str, reason: str) -> None:
        """A run is not in this worker's hands any more."""
        self._left += why != "parked"
        if self._observer is not None:
            self._observer(RunLeft(workflow=row.workflow, run_id=run_name(row.id), why=why, reason=reason))

    def statistics(self, *, live: int, queued: int, running: int, uncommitted: int, parked: int) -> WorkerStatistics:
        """Return what was counted, beside what is now."""
        return WorkerStatistics(
            live=live,
            queued=queued,
            running=running,
            uncommitted=uncommitted,
            parked=parked,
            started=self._started,
            recovered=self._recovered,
            completed=self._runs[RunState.COMPLETED],
            failed=self._runs[RunState.FAILED],
            quarantined=self._runs[RunState.QUARANTINED],
            left=self._left,
            tasks_completed=self._tasks[TaskState.COMPLETED],
            tasks_failed=self._tasks[TaskState.FAILED],
            tasks_skipped=self._tasks[TaskState.SKIPPED],
        )


def _seconds(start: datetime | None, end: datetime | None) -> float:
    return 0.0 if start is None or end is None else (end - start).total_seconds()
