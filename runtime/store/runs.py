"""Runs, their tasks and events: what the worker writes, what recovery claims, what people look at."""

from datetime import datetime
from typing import cast

import msgspec

from penstock.runtime.errors import RunNotFound
from penstock.runtime.store.engine import Query
from penstock.runtime.store.kinds import Values
from penstock.runtime.store.rows import (
    EventsRow,
    RunRow,
    TaskRow,
    from_micros,
    maybe_micros,
    maybe_time,
    run_name,
    to_micros,
)
from penstock.runtime.store.run_kinds import (
    APPEND_EVENTS,
    CLAIM_RUNS,
    COUNT_RECOVERIES,
    FENCE_RUN,
    FINISH_RUN,
    INSERT_RUN,
    PUT_TASK,
    RELEASE_RUN,
)
from penstock.runtime.store.store import Store
from penstock.runtime.store.unit import Unit
from penstock.runtime.texts import is_text

#: Larger than any id.
NO_BOUND = 2**63 - 1

# -- writing -------------------------------------------------------------------------------------------------


def insert_run(unit: Unit, row: RunRow) -> None:
    """Create a run, unless a run of the workflow has its key: then ``unit.existing`` names that one, once committed.

    Args:
        row: What happens later (start, end, output, error) is not taken from it.
    """
    unit.add(
        INSERT_RUN,
        (
            *(row.id, row.workflow, row.structure_version, row.code_version, row.status, row.input),
            *(row.origin, row.key, row.owner, row.epoch, row.recoveries, maybe_micros(row.lease_until)),
            to_micros(row.created_at),
        ),
    )


def fence_run(unit: Unit, run_id: int, epoch: int) -> None:
    """Refuse the unit (LeaseLost) unless the run is unfinished and in this epoch."""
    unit.add(FENCE_RUN, (run_id, epoch))


def put_task(unit: Unit, row: TaskRow) -> None:
    """Store a task of a run, or how far it is now."""
    times = maybe_micros(row.started_at), maybe_micros(row.finished_at)
    unit.add(PUT_TASK, (row.run_id, row.task, row.status, row.attempts, row.delta, row.error, *times))


def append_events(unit: Unit, run_id: int, seq: int, at: datetime, events: str) -> None:
    """Store the events of one decision, as JSON text; the owner of the run numbers its decisions."""
    unit.add(APPEND_EVENTS, (run_id, seq, to_micros(at), events))


def finish_run(
    unit: Unit,
    run_id: int,
    epoch: int,
    *,
    status: str,
    output: str | None = None,
    error: str | None = None,
    started_at: datetime | None = None,
    finished_at: datetime,
) -> None:
    """Give a run its last status; its own fence: LeaseLost unless the run is unfinished and in this epoch.

    Args:
        started_at: When its first task started; a run that is not over has no row to spare for that.
    """
    unit.add(FINISH_RUN, (run_id, epoch, status, output, error, maybe_micros(started_at), to_micros(finished_at)))


def release_run(unit: Unit, run_id: int, epoch: int) -> None:
    """Let an unfinished run go at an orderly stop: whoever claims it charges no recovery. Its own fence."""
    unit.add(RELEASE_RUN, (run_id, epoch))


# -- recovery ------------------------------------------------------------------------------------------------


def count_recoveries(unit: Unit, run_id: int, epoch: int, recoveries: int) -> None:
    """Note how often a run was gone on with and got no further; refuse the unit as ``fence_run`` does."""
    unit.add(COUNT_RECOVERIES, (run_id, epoch, recoveries))


async def claim_unfinished(store: Store) -> list[RunRow]:
    """Become the owner of every unfinished run that this node does not own; return them with their tasks, by id.

    Each has its epoch raised. That is committed before this returns.
    """
    unit = store.unit("claim")
    unit.add(CLAIM_RUNS, (store.node,))
    await store.commit(unit)
    runs = await store.read(OWNED_RUNS, owner=store.node)
    tasks: dict[int, list[TaskRow]] = {}
    for task in await store.read(OWNED_TASKS, owner=store.node):
        tasks.setdefault(task.run_id, []).append(task)

    return [with_tasks(run, tasks.get(run.id, [])) for run in runs]


def with_tasks(run: RunRow, tasks: list[TaskRow]) -> RunRow:
    """Return the run with its tasks."""
    return msgspec.structs.replace(run, tasks=tuple(tasks))


# -- looking -------------------------------------------------------------------------------------------------


async def load_run(store: Store, run_id: int) -> RunRow:
    """Return a run with its tasks.

    Raises:
        RunNotFound: There is none of this id.
    """
    found = await store.read(RUN, id=run_id)
    if not found:
        raise RunNotFound(run_name(run_id))

    return with_tasks(found[0], await store.read(TASKS_OF, id=run_id))


async def load_events(store: Store, run_id: int) -> list[EventsRow]:
    """Return what was decided about a run, in order."""
    return await store.read(EVENTS_OF, id=run_id)


async def list_runs(
    store: Store,
    workflow: str | None = None,
    status: str | None = None,
    *,
    limit: int = 100,
    before: int | None = None,
) -> list[RunRow]:
    """Return runs without their tasks, the newest first.

    Args:
        before: Only runs with a smaller id: the last of the page before.
    """
    if workflow is not None and not is_text(workflow):
        return []  # no store has a row with it, but not every database can be asked for one

    bound = NO_BOUND if before is None else before
    return await store.read(NEWEST_RUNS, workflow=workflow, status=status, before=bound, limit=limit)


def decode_run(row: Values) -> RunRow:
    """Return a run without its tasks."""
    run_id, workflow, structure_version, code_version, status, given, output, error, origin, key = cast(
        "tuple[int, str, str, str, str, str, str | None, str | None, str, str | None]", row[:10]
    )
    owner, epoch, recoveries, lease_until, created_at, started_at, finished_at = cast(
        "tuple[int | None, int, int, int | None, int, int | None, int | None]", row[10:]
    )
    return RunRow(
        id=run_id,
        workflow=workflow,
        structure_version=structure_version,
        code_version=code_version,
        status=status,
        input=given,
        output=output,
        error=error,
        origin=origin,
        key=key,
        owner=owner,
        epoch=epoch,
        recoveries=recoveries,
        lease_until=maybe_time(lease_until),
        created_at=from_micros(created_at),
        started_at=maybe_time(started_at),
        finished_at=maybe_time(finished_at),
    )


def decode_task(row: Values) -> TaskRow:
    """Return a task."""
    run_id, task, status, attempts, delta, error, started_at, finished_at = cast(
        "tuple[int, str, str, int, str | None, str | None, int | None, int | None]", row
    )
    return TaskRow(
        run_id=run_id,
        task=task,
        status=status,
        attempts=attempts,
        delta=delta,
        error=error,
        started_at=maybe_time(started_at),
        finished_at=maybe_time(finished_at),
    )


def decode_events(row: Values) -> EventsRow:
    """Return packed events."""
    run_id, seq, at, events = cast("tuple[int, int, int, str]", row)
    return EventsRow(run_id=run_id, seq=seq, at=from_micros(at), events=events)


RUN = Query("run", decode_run)
NEWEST_RUNS = Query("newest runs", decode_run)
OWNED_RUNS = Query("unfinished runs of an owner", decode_run)
OWNED_TASKS = Query("tasks of unfinished runs of an owner", decode_task)
TASKS_OF = Query("tasks of a run", decode_task)
EVENTS_OF = Query("events of a run", decode_events)
