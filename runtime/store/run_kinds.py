"""The kinds of rows about runs, their tasks and events."""

from operator import itemgetter

from penstock.runtime.errors import LeaseLost, StoreError
from penstock.runtime.store.kinds import Kind, Role, Values, insert_kind
from penstock.runtime.store.rows import run_name

RUN_COLUMNS = (
    *("id", "workflow", "structure_version", "code_version", "status", "input", "output", "error", "origin", "key"),
    *("owner", "epoch", "recoveries", "lease_until", "created_at", "started_at", "finished_at"),
)
#: What is known when a run is created; the others are null until something happens.
CREATED_COLUMNS = tuple(name for name in RUN_COLUMNS if name not in {"output", "error", "started_at", "finished_at"})


def run_lost(row: Values) -> StoreError:
    """Say that a run has another owner, or is over."""
    run_id, owner_or_epoch = int(str(row[0])), int(str(row[1]))
    return LeaseLost(f"run {run_name(run_id)}", owner_or_epoch)


# Closes the race of two creations with one key: the database decides which is first. Index: runs_key.
INSERT_RUN = Kind(
    name="insert run",
    rank=0,
    columns=CREATED_COLUMNS,
    role=Role.UNLESS_TAKEN,
    slot="run",
    key=itemgetter(0),
    ordered=True,
)

# Runs only when INSERT_RUN left rows out, in its transaction. Index: runs_key.
KEY_HOLDERS = Kind(name="key holders", rank=0, columns=("id", "workflow", "key"), role=Role.RETURNS, alone=True)

# Closes the race of a run write with a claim by another node, and with the run's own end. Index: primary key of runs.
FENCE_RUN = Kind(
    name="fence run",
    rank=1,
    columns=("id", "epoch"),
    role=Role.GUARD,
    slot="run",
    key=itemgetter(0),
    once=True,
    ordered=True,
    refusal=run_lost,
)

# Its own guard: the same race as FENCE_RUN, and the end of a run happens once. Before the rows that stand behind it, so
# that a late owner is told that it is late, and not that its rows are there. Index: primary key of runs.
FINISH_RUN = Kind(
    name="finish run",
    rank=2,
    columns=("id", "epoch", "status", "output", "error", "started_at", "finished_at"),
    role=Role.GUARD,
    slot="run",
    key=itemgetter(0),
    ordered=True,
    refusal=run_lost,
)

# The same race as FENCE_RUN. Index: primary key of runs.
RELEASE_RUN = Kind(
    name="release run",
    rank=2,
    columns=("id", "epoch"),
    role=Role.GUARD,
    slot="run",
    key=itemgetter(0),
    ordered=True,
    refusal=run_lost,
)

# The same race as FENCE_RUN. Committed before a run that was taken over goes on. Index: primary key of runs.
COUNT_RECOVERIES = Kind(
    name="count recoveries",
    rank=1,
    columns=("id", "epoch", "recoveries"),
    role=Role.GUARD,
    slot="run",
    key=itemgetter(0),
    ordered=True,
    refusal=run_lost,
)

# Closes the race with the old owner: from here on its writes carry an epoch that matches nothing. Index:
# runs_unfinished.
CLAIM_RUNS = Kind(name="claim runs", rank=0, columns=("owner",), alone=True)

# Behind FENCE_RUN or FINISH_RUN of its unit. Index: the primary keys.
PUT_TASK = Kind(
    name="put task",
    rank=3,
    columns=("run_id", "task", "status", "attempts", "delta", "error", "started_at", "finished_at"),
    slot="task",
    key=itemgetter(0, 1),
    last_wins=True,
)

APPEND_EVENTS = insert_kind("events", ("run_id", "seq", "at", "events"))
