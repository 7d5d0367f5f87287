"""The rows of a run: what each unit puts into the store.

A run is one row when it is created. A decision is one row per task that ended, one row of packed events, and the update
that ends the run; or a fence, which is no row.
"""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from penstock.runtime.store.rows import RunRow, TaskRow
from penstock.runtime.store.runs import append_events, count_recoveries, fence_run, finish_run, put_task, release_run
from penstock.runtime.store.unit import Unit
from penstock.workflows.events import Event, events_to_text
from penstock.workflows.execution import Failure
from penstock.workflows.live import DECISIONS, LiveRun
from penstock.workflows.planner import Commit
from penstock.workflows.states import RunState, TaskState

#: As the rows of runs hold them.
COMPLETED, FAILED = RunState.COMPLETED.value, RunState.FAILED.value


def write_decision(unit: Unit, live: LiveRun, commit: Commit, now: datetime) -> RunRow | None:
    """Put the outcomes of tasks, and the end of the run, into a unit; return the row of the ended run."""
    # first: when it cannot be made, nothing is changed
    output = live.output(now) if commit.end is RunState.COMPLETED else None
    events = live.take_noted()
    for task in commit.tasks:
        row = live.task_row(task, now)
        live.rows[task] = row
        put_task(unit, row)
        _tell(events, live, task, row)

    end = None
    if commit.end is not None:
        end = _end(unit, live, commit.end, output, now)
        completed = commit.end is RunState.COMPLETED
        events.append(Event(event="run_completed" if completed else "run_failed", at=now, reason=end.error))

    if live.recoveries:  # it gets further
        count_recoveries(unit, live.number, live.created.epoch, 0)
    elif end is None:
        fence_run(unit, live.number, live.created.epoch)

    append_events(unit, live.number, live.next_decision(), now, events_to_text(events))
    return end


def write_release(unit: Unit, live: LiveRun) -> None:
    """Let a run go; that it was stopped in order before it got further counts for nothing."""
    if live.recoveries > live.created.recoveries:
        count_recoveries(unit, live.number, live.created.epoch, live.created.recoveries)

    release_run(unit, live.number, live.created.epoch)


def write_started(unit: Unit, live: LiveRun, tasks: Sequence[tuple[int, datetime]]) -> None:
    """Put down which tasks of a run have been running for a while, for those who look."""
    fence_run(unit, live.number, live.created.epoch)
    for task, started_at in tasks:
        name = live.definition.plan.names[task]
        row = TaskRow(run_id=live.number, task=name, status=TaskState.RUNNING, started_at=started_at)
        live.rows[task] = row
        put_task(unit, row)


def write_quarantine(unit: Unit, row: RunRow) -> None:
    """Give a run up; the row says why and when."""
    now = row.finished_at or row.created_at
    started_at = min((task.started_at for task in row.tasks if task.started_at), default=None)
    finish_run(unit, row.id, row.epoch, status=row.status, error=row.error, started_at=started_at, finished_at=now)
    event = Event(event="run_quarantined", at=now, reason=row.error)
    append_events(unit, row.id, row.epoch * DECISIONS, now, events_to_text([event]))


def _tell(events: list[Event], live: LiveRun, task: int, row: TaskRow) -> None:
    """Add what became of a task to the events of its decision."""
    ending = live.endings.get(task)
    if ending is None:
        at = row.finished_at or live.created.created_at
        events.append(Event(event="task_skipped", at=at, task=row.task, reason=row.error))
        return

    events.append(Event(event="task_started", at=ending.started_at, task=row.task))
    if isinstance(ending.outcome, Failure):
        event = Event(
            event="task_failed",
            at=ending.finished_at,
            task=row.task,
            reason=row.error,
            traceback=ending.outcome.traceback,
        )
    else:
        event = Event(event="task_completed", at=ending.finished_at, task=row.task)

    events.append(event)


def _end(unit: Unit, live: LiveRun, state: RunState, output: str | None, now: datetime) -> RunRow:
    completed = state is RunState.COMPLETED
    error = None if completed else "; ".join(f"task {name!r}: {text}" for name, text in live.failures().items())
    end = msgspec.structs.replace(
        live.created,
        status=COMPLETED if completed else FAILED,
        output=output,
        error=error,
        started_at=live.started_at,
        finished_at=now,
    )
    finish_run(
        unit,
        end.id,
        end.epoch,
        status=end.status,
        output=output,
        error=error,
        started_at=end.started_at,
        finished_at=now,
    )
    return end
