"""Every statement of the writer: one kind per purpose, each over a table ``given`` of rows.

All of them run inside one write transaction (SQLite: BEGIN IMMEDIATE), so no other writer comes between two of them;
the races they close are those with what was decided before the transaction began.
"""

from operator import itemgetter

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Table,
    and_,
    bindparam,
    case,
    column,
    delete,
    exists,
    func,
    literal_column,
    null,
    select,
    true,
    tuple_,
    update,
    values,
)
from sqlalchemy.dialects.sqlite import Insert, insert
from sqlalchemy.sql.expression import ClauseElement

from penstock.runtime.errors import LeaseLost, StoreError
from penstock.runtime.store import schema
from penstock.runtime.store.kinds import Kind, Role, Values
from penstock.runtime.store.rows import run_name

#: A name has one type in all tables.
TYPES = {column.name: column.type for table in schema.METADATA.sorted_tables for column in table.columns}
TYPES["up_to"] = BigInteger()
# Part of the text: the only parameters of a statement are the given rows.
ZERO, ONE = literal_column("0", BigInteger()), literal_column("1", BigInteger())


def given_table(names: tuple[str, ...]) -> CTE:
    """Return the table of given rows, with one row of parameters; the engine gives it as many as there are."""
    columns = [column(name, TYPES[name]) for name in names]
    row = tuple(bindparam(name, type_=TYPES[name]) for name in names)
    return values(*columns, name="given").data([row]).cte("given")


def write(table: Table, given: CTE) -> Insert:
    """Insert the given rows; a row that is there already is an error."""
    names = [column.name for column in given.columns]
    # SQLite reads the ON of an ON CONFLICT that follows as a join condition unless there is a WHERE.
    return insert(table).from_select(names, select(given).where(true()))


def put(table: Table, given: CTE) -> Insert:
    """Insert the given rows, or replace what stands under their primary keys."""
    statement = write(table, given)
    keys = [column.name for column in table.primary_key]
    changes = {column.name: column for column in statement.excluded if column.name not in keys}
    return statement.on_conflict_do_update(index_elements=keys, set_=changes)


def drop(table: Table, given: CTE) -> ClauseElement:
    """Delete the rows with the given keys, found by the primary key."""
    keys: list[ColumnElement[object]] = [table.c[column.name] for column in given.columns]
    return delete(table).where(tuple_(*keys).in_(select(given)))


def insert_kind(table: Table, names: tuple[str, ...], *, role: Role = Role.WRITE) -> Kind:
    """Return the kind of a table whose rows are only ever inserted."""
    return Kind(name=f"insert {table.name}", rank=3, columns=names, build=lambda given: write(table, given), role=role)


# -- domains -------------------------------------------------------------------------------------------------


def hold(table: Table, given: CTE, *conditions: object) -> ClauseElement:
    """Count the given rows that are there as the guard expects; locks them where the database locks rows."""
    names: list[str] = [column.name for column in given.columns]
    matches = and_(true(), *(table.c[name] == given.c[name] for name in names))
    held = select(table.primary_key.columns[0]).join(given, matches).where(true(), *conditions)  # type: ignore[arg-type]
    return select(func.count()).select_from(held.with_for_update(of=table).subquery("held"))


def domain_lost(row: Values) -> StoreError:
    """Say that a domain has another owner."""
    domain, shard, epoch = row
    return LeaseLost(f"domain {domain!r}" + (f", shard {shard}" if shard else ""), int(str(epoch)))


# Closes the race of a cut with a take-over: the epoch that the cut was made in must still be the domain's. Index:
# primary key of domains.
FENCE_DOMAIN = Kind(
    name="fence domain",
    rank=1,
    columns=("domain", "shard", "epoch"),
    build=lambda given: hold(schema.DOMAINS, given),
    role=Role.GUARD,
    slot="domain",
    key=itemgetter(0, 1),
    once=True,
    ordered=True,
    refusal=domain_lost,
)


def stop_domain(given: CTE) -> ClauseElement:
    """Note that the owner stops in order."""
    domains = schema.DOMAINS
    return (
        update(domains)
        .where(domains.c.domain == given.c.domain, domains.c.shard == given.c.shard)
        .values(stopped_at=given.c.stopped_at)
    )


# Runs behind FENCE_DOMAIN in the same transaction: only the owner gets here. Index: primary key of domains.
STOP_DOMAIN = Kind(
    name="stop domain",
    rank=5,
    columns=("domain", "shard", "stopped_at"),
    build=stop_domain,
    slot="domain",
    key=itemgetter(0, 1),
    last_wins=True,
    ordered=True,
)


def take_domain(given: CTE) -> ClauseElement:
    """Give the domain an epoch above that of every domain; remember whether the last owner stopped in order.

    Above every domain, because a component may come from a domain of another name: its firings are numbered by epoch,
    and a number must not come twice.
    """
    domains = schema.DOMAINS
    epoch = select(func.coalesce(func.max(domains.c.epoch), ZERO) + ONE).scalar_subquery()
    statement = insert(domains).from_select(
        ["domain", "shard", "owner", "epoch", "clean"],
        select(given.c.domain, given.c.shard, given.c.owner, epoch, ONE).where(true()),
    )
    changes = {
        "owner": statement.excluded.owner,
        "epoch": statement.excluded.epoch,
        "clean": domains.c.stopped_at.is_not(None),
        "stopped_at": null(),
    }
    statement = statement.on_conflict_do_update(index_elements=["domain", "shard"], set_=changes)
    return statement.returning(domains.c.epoch)


# Closes the race of two owners: one statement compares and sets, the epoch that it returns belongs to one caller only.
# Index: primary key of domains.
TAKE_DOMAIN = Kind(
    name="take domain",
    rank=0,
    columns=("domain", "shard", "owner"),
    build=take_domain,
    role=Role.RETURNS,
    alone=True,
)


def raise_crashes(given: CTE) -> ClauseElement:
    """Count a crash for each firing that was in flight when its owner died."""
    firings, domains = schema.FIRINGS, schema.DOMAINS
    stopped = exists().where(
        domains.c.domain == firings.c.domain, domains.c.shard == firings.c.shard, domains.c.stopped_at.is_not(None)
    )
    mine = tuple_(firings.c.reactor, firings.c.shard).in_(select(given.c.component, given.c.shard))
    return update(firings).where(mine, ~stopped).values(crashes=firings.c.crashes + ONE)


# Runs before TAKE_DOMAIN, which forgets whether the last owner stopped in order; committed before a firing is run
# again, so that a firing that kills the process is counted. Scans firings: only what is in flight is in there.
RAISE_CRASHES = Kind(
    name="raise crashes", rank=0, columns=("domain", "shard", "component"), build=raise_crashes, alone=True
)


def move(table: Table, component: str, identity: tuple[str, ...]) -> Kind:
    """Return the kind that moves rows of a component from domains of other names to this one.

    A domain is named after its parts, so its name changes when parts are added. Each row lies under a name that
    ``domains`` has, so the rows are found by the index that begins with (domain, shard). Where the new domain has the
    same row already, the old one stays where it is: it is older.
    """

    def build(given: CTE) -> ClauseElement:
        there = table.alias("there")
        taken = exists().where(
            there.c.domain == given.c.domain,
            there.c.shard == given.c.shard,
            *(there.c[name] == table.c[name] for name in identity),
        )
        return (
            update(table)
            .where(
                table.c.domain.in_(select(schema.DOMAINS.c.domain)),
                table.c.domain != given.c.domain,
                table.c.shard == given.c.shard,
                table.c[component] == given.c.component,
                *([~taken] if identity else []),
            )
            .values(domain=given.c.domain)
        )

    return Kind(name=f"move {table.name}", rank=0, columns=("domain", "shard", "component"), build=build, alone=True)


# All four run in the transaction of TAKE_DOMAIN: nobody sees the rows under neither name.
MOVES = (
    move(schema.STATE, "component", ("component", "key")),
    move(schema.LOG, "component", ("component", "key", "seq")),
    move(schema.INBOX, "accumulator", ()),
    move(schema.FIRINGS, "reactor", ("firing",)),
)

# -- what a cut writes ---------------------------------------------------------------------------------------

# No race of their own: each stands behind the fence of its cut. Index: the primary key of the table.
PUT_STATE = Kind(
    name="put state",
    rank=3,
    columns=("domain", "shard", "component", "key", "value"),
    build=lambda given: put(schema.STATE, given),
    slot="state",
    key=itemgetter(0, 1, 2, 3),
    last_wins=True,
)
DROP_STATE = Kind(
    name="drop state",
    rank=3,
    columns=("domain", "shard", "component", "key"),
    build=lambda given: drop(schema.STATE, given),
    slot="state",
    key=itemgetter(0, 1, 2, 3),
    last_wins=True,
)
PUT_FIRING = Kind(
    name="put firing",
    rank=3,
    columns=(
        *("domain", "shard", "firing", "reactor", "key", "snapshot", "done", "attempts", "crashes", "started_at"),
    ),
    build=lambda given: put(schema.FIRINGS, given),
    slot="firing",
    key=itemgetter(0, 1, 2),
    last_wins=True,
)
DROP_FIRING = Kind(
    name="drop firing",
    rank=3,
    columns=("domain", "shard", "firing"),
    build=lambda given: drop(schema.FIRINGS, given),
    slot="firing",
    key=itemgetter(0, 1, 2),
    last_wins=True,
)


def trim_log(given: CTE) -> ClauseElement:
    """Delete rows up to a number, found by the primary key of log."""
    log = schema.LOG
    same = and_(*(log.c[name] == given.c[name] for name in ("domain", "shard", "component", "key")))
    keys = list(log.primary_key)
    old = select(*keys).select_from(given).join(log, and_(same, log.c.seq <= given.c.up_to))
    return delete(log).where(tuple_(*keys).in_(old))


def consume_inbox(given: CTE) -> ClauseElement:
    """Delete rows up to a number, found by inbox_accumulator."""
    inbox = schema.INBOX
    same = and_(*(inbox.c[name] == given.c[name] for name in ("domain", "shard", "accumulator")))
    used = select(inbox.c.seq).select_from(given).join(inbox, and_(same, inbox.c.seq <= given.c.up_to))
    return delete(inbox).where(inbox.c.seq.in_(used))


# Deleting before appending, and a wave of its own when a unit deletes what an earlier one in the group has appended.
TRIM_LOG = Kind(
    name="trim log",
    rank=2,
    columns=("domain", "shard", "component", "key", "up_to"),
    build=trim_log,
    slot="log",
    key=itemgetter(0, 1, 2, 3),
    once=True,
    ordered=True,
)
APPEND_LOG = Kind(
    name="append log",
    rank=3,
    columns=("domain", "shard", "component", "key", "seq", "value"),
    build=lambda given: write(schema.LOG, given),
    slot="log",
    key=itemgetter(0, 1, 2, 3),
    ordered=True,
)
CONSUME_INBOX = Kind(
    name="consume inbox",
    rank=2,
    columns=("domain", "shard", "accumulator", "up_to"),
    build=consume_inbox,
    slot="inbox",
    key=itemgetter(0, 1, 2),
    once=True,
    ordered=True,
)
# The numbers come from AUTOINCREMENT: a deleted number is never given again, so a position in the inbox means one event
# for ever.
ADD_INBOX = Kind(
    name="add inbox",
    rank=3,
    columns=("domain", "shard", "accumulator", "payload"),
    build=lambda given: write(schema.INBOX, given),
    role=Role.NUMBERED,
    slot="inbox",
    key=itemgetter(0, 1, 2),
    ordered=True,
)
ADD_LETTER = insert_kind(
    schema.DEAD_LETTERS,
    ("domain", "shard", "part", "reason", "error", "payload", "position", "created_at"),
)

# -- runs ----------------------------------------------------------------------------------------------------


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

# -- commands ------------------------------------------------------------------------------------------------

ADD_COMMAND = insert_kind(
    schema.COMMANDS,
    ("verb", "target", "arguments", "status", "answer", "created_at", "answered_at"),
    role=Role.NUMBERED,
)


def answer_command(given: CTE) -> ClauseElement:
    """Answer commands that wait."""
    commands = schema.COMMANDS
    changes = {name: given.c[name] for name in ("status", "answer", "answered_at")}
    return (
        update(commands)
        .where(commands.c.id == given.c.id, commands.c.status == literal_column("'waiting'"))
        .values(changes)
    )


def answered(row: Values) -> StoreError:
    """Say that a command was answered already."""
    return LeaseLost(f"command {row[0]}", 0)


# Closes the race of two owners that apply one command: the first answer counts. Index: primary key of commands.
ANSWER_COMMAND = Kind(
    name="answer command",
    rank=5,
    columns=("id", "status", "answer", "answered_at"),
    build=answer_command,
    role=Role.GUARD,
    slot="command",
    key=itemgetter(0),
    ordered=True,
    refusal=answered,
)
