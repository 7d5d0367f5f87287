"""The statements about runs, their tasks and events. See ``statements``."""

from collections.abc import Mapping

from sqlalchemy import (
    CTE,
    BigInteger,
    and_,
    func,
    literal_column,
    null,
    select,
    update,
)
from sqlalchemy.sql.expression import ClauseElement

from penstock.runtime.store import run_kinds, schema
from penstock.runtime.store.kinds import Kind
from penstock.runtime.store.statements import ONE, Build, hold, put, write

# Says "finished_at IS NULL" without these words, in which the planner would see the index of unfinished runs: among
# tables of which it knows nothing it takes that one, and reads all of it, instead of looking up the id.
NEVER = literal_column("-1", BigInteger())
UNFINISHED = func.coalesce(schema.RUNS.c.finished_at, NEVER) == NEVER


def insert_run(given: CTE) -> ClauseElement:
    """Insert runs, but those whose key is taken."""
    runs = schema.RUNS
    return write(runs, given).on_conflict_do_nothing(
        index_elements=["workflow", "key"], index_where=runs.c.key.is_not(None)
    )


def holders(given: CTE) -> ClauseElement:
    """Return (given id, id of the run that holds the key)."""
    runs = schema.RUNS
    same = and_(runs.c.workflow == given.c.workflow, runs.c.key == given.c.key)
    return select(given.c.id, runs.c.id).select_from(given).join(runs, same).where(runs.c.id != given.c.id)


def owned(given: CTE) -> tuple[object, ...]:
    """Return the conditions under which a run is still the writer's."""
    runs = schema.RUNS
    return runs.c.id == given.c.id, runs.c.epoch == given.c.epoch, UNFINISHED


def finish_run(given: CTE) -> ClauseElement:
    """Give runs their last status."""
    changes = {name: given.c[name] for name in ("status", "output", "error", "started_at", "finished_at")}
    return update(schema.RUNS).where(*owned(given)).values(changes)  # type: ignore[arg-type]


def release_run(given: CTE) -> ClauseElement:
    """Let runs go: any node may claim them."""
    return update(schema.RUNS).where(*owned(given)).values(owner=null(), lease_until=null())  # type: ignore[arg-type]


def count_recoveries(given: CTE) -> ClauseElement:
    """Note how often runs were gone on with and got no further."""
    changes = {"recoveries": given.c.recoveries}
    return update(schema.RUNS).where(*owned(given)).values(changes)  # type: ignore[arg-type]


def claim_runs(given: CTE) -> ClauseElement:
    """Take all unfinished runs of others."""
    runs = schema.RUNS
    return (
        update(runs)
        .where(runs.c.finished_at.is_(None), runs.c.owner.is_distinct_from(given.c.owner))
        .values(owner=given.c.owner, epoch=runs.c.epoch + ONE)
    )


STATEMENTS: Mapping[Kind, Build] = {
    run_kinds.INSERT_RUN: insert_run,
    run_kinds.KEY_HOLDERS: holders,
    run_kinds.FENCE_RUN: lambda given: hold(schema.RUNS, given, UNFINISHED),
    run_kinds.FINISH_RUN: finish_run,
    run_kinds.RELEASE_RUN: release_run,
    run_kinds.COUNT_RECOVERIES: count_recoveries,
    run_kinds.CLAIM_RUNS: claim_runs,
    run_kinds.PUT_TASK: lambda given: put(schema.TASKS, given),
    run_kinds.APPEND_EVENTS: lambda given: write(schema.EVENTS, given),
}
