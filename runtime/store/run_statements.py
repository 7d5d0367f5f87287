"""The statements about runs, their tasks and events. See ``statements``."""

from operator import itemgetter

from sqlalchemy import (
    CTE,
    and_,
    case,
    null,
    select,
    update,
)
from sqlalchemy.sql.expression import ClauseElement

from penstock.runtime.errors import LeaseLost, StoreError
from penstock.runtime.store import schema
from penstock.runtime.store.kinds import Kind, Role, Values
from penstock.runtime.store.rows import run_name
from penstock.runtime.store.statements import ONE, ZERO, hold, insert_kind, put, write


def run_lost(row: Values) -> StoreError:
    """Say that a run has another owner, or is over."""
    run_id, owner_or_epoch = int(str(row[0])), int(str(row[1]))
    return LeaseLost(f"run {run_name(run_id)}", owner_or_epoch)


def insert_run(given: CTE) -> ClauseElement:
    """Insert runs, but those whose key is taken."""
    runs = schema.RUNS
    return write(runs, given).on_conflict_do_nothing(
        index_elements=["workflow", "key"], index_where=runs.c.key.is_not(None)
    )


RUN_COLUMNS = (
    *("id", "workflow", "structure_version", "code_version", "status", "input", "output", "error", "origin", "key"),
    *("owner", "epoch", "recoveries", "lease_until", "created_at", "started_at", "finished_at"),
)
# Closes the race of two creations with one key: the database decides which is first. Index: runs_key.
INSERT_RUN = Kind(
    name="insert run",
    rank=0,
    columns=RUN_COLUMNS,
    build=insert_run,
    role=Role.UNLESS_TAKEN,
    slot="run",
    key=itemgetter(0),
    ordered=True,
)


def holders(given: CTE) -> ClauseElement:
    """Return (given id, id of the run that holds the key)."""
    runs = schema.RUNS
    same = and_(runs.c.workflow == given.c.workflow, runs.c.key == given.c.key)
    return select(given.c.id, runs.c.id).select_from(given).join(runs, same).where(runs.c.id != given.c.id)


# Runs only when INSERT_RUN left rows out, in its transaction. Index: runs_key.
KEY_HOLDERS = Kind(
    name="key holders", rank=0, columns=("id", "workflow", "key"), build=holders, role=Role.RETURNS, alone=True
)

# Closes the race of a run write with a claim by another node, and with the run's own end. Index: primary key of runs.
FENCE_RUN = Kind(
    name="fence run",
    rank=1,
    columns=("id", "epoch"),
    build=lambda given: hold(schema.RUNS, given, schema.RUNS.c.finished_at.is_(None)),
    role=Role.GUARD,
    slot="run",
    key=itemgetter(0),
    once=True,
    ordered=True,
    refusal=run_lost,
)


def owned(given: CTE) -> tuple[object, ...]:
    """Return the conditions under which a run is still the writer's."""
    runs = schema.RUNS
    return runs.c.id == given.c.id, runs.c.epoch == given.c.epoch, runs.c.finished_at.is_(None)


def finish_run(given: CTE) -> ClauseElement:
    """Give runs their last status."""
    changes = {name: given.c[name] for name in ("status", "output", "error", "finished_at")}
    return update(schema.RUNS).where(*owned(given)).values(changes)  # type: ignore[arg-type]


# Its own guard: the same race as FENCE_RUN, and the end of a run happens once. Before the rows that stand behind it, so
# that a late owner is told that it is late, and not that its rows are there. Index: primary key of runs.
FINISH_RUN = Kind(
    name="finish run",
    rank=2,
    columns=("id", "epoch", "status", "output", "error", "finished_at"),
    build=finish_run,
    role=Role.GUARD,
    slot="run",
    key=itemgetter(0),
    ordered=True,
    refusal=run_lost,
)


def release_run(given: CTE) -> ClauseElement:
    """Let runs go: any node may claim them, and that counts as no recovery."""
    return update(schema.RUNS).where(*owned(given)).values(owner=null(), lease_until=null())  # type: ignore[arg-type]


# The same race as FENCE_RUN. Index: primary key of runs.
RELEASE_RUN = Kind(
    name="release run",
    rank=2,
    columns=("id", "epoch"),
    build=release_run,
    role=Role.GUARD,
    slot="run",
    key=itemgetter(0),
    ordered=True,
    refusal=run_lost,
)


def claim_runs(given: CTE) -> ClauseElement:
    """Take all unfinished runs of others."""
    runs = schema.RUNS
    died = case((runs.c.owner.is_(None), ZERO), else_=ONE)
    return (
        update(runs)
        .where(runs.c.finished_at.is_(None), runs.c.owner.is_distinct_from(given.c.owner))
        .values(owner=given.c.owner, epoch=runs.c.epoch + ONE, recoveries=runs.c.recoveries + died)
    )


# Closes the race with the old owner: from here on its writes carry an epoch that matches nothing. The recovery count is
# committed before a run resumes. Index: runs_unfinished.
CLAIM_RUNS = Kind(name="claim runs", rank=0, columns=("owner",), build=claim_runs, alone=True)

# Behind FENCE_RUN or FINISH_RUN of its unit. Index: the primary keys.
PUT_TASK = Kind(
    name="put task",
    rank=3,
    columns=("run_id", "task", "status", "attempts", "delta", "error", "started_at", "finished_at"),
    build=lambda given: put(schema.TASKS, given),
    slot="task",
    key=itemgetter(0, 1),
    last_wins=True,
)
APPEND_EVENTS = insert_kind(schema.EVENTS, ("run_id", "seq", "at", "events"))
