"""Every select of the readers, by the name under which ``Query`` knows it. Compiled once per dialect."""

from collections.abc import Mapping

from sqlalchemy import Table, and_, bindparam, or_, select
from sqlalchemy.sql.expression import ClauseElement

from penstock.runtime.store.run_kinds import RUN_COLUMNS
from penstock.runtime.store.schema import (
    COMMANDS,
    DEAD_LETTERS,
    DOMAINS,
    EVENTS,
    FIRINGS,
    HISTORY,
    INBOX,
    LOG,
    RUNS,
    STATE,
    TASKS,
)


def of_domain(table: Table, *names: str, order: tuple[str, ...] = ()) -> ClauseElement:
    """Return the select of a domain's rows, by an index that begins with (domain, shard)."""
    columns = [table.c[name] for name in names]
    where = table.c.domain == bindparam("domain"), table.c.shard == bindparam("shard")
    return select(*columns).where(*where).order_by(*(table.c[name] for name in order))


def newest_runs() -> ClauseElement:
    """Return the select of ``list_runs``: walks the primary key downwards; a parameter that is None filters nothing."""
    workflow, status = bindparam("workflow", type_=RUNS.c.workflow.type), bindparam("status", type_=RUNS.c.status.type)
    return (
        select(*ALL_OF_RUNS)
        .where(
            RUNS.c.id < bindparam("before"),
            or_(workflow.is_(None), RUNS.c.workflow == workflow),
            or_(status.is_(None), RUNS.c.status == status),
        )
        .order_by(RUNS.c.id.desc())
        .limit(bindparam("limit"))
    )


def newest_letters() -> ClauseElement:
    """Return the select of ``list_letters``: walks the primary key downwards; a part that is None filters nothing."""
    part = bindparam("part", type_=DEAD_LETTERS.c.part.type)
    return (
        select(*DEAD_LETTERS.c)
        .where(DEAD_LETTERS.c.id < bindparam("before"), or_(part.is_(None), DEAD_LETTERS.c.part == part))
        .order_by(DEAD_LETTERS.c.id.desc())
        .limit(bindparam("limit"))
    )


def newest_history() -> ClauseElement:
    """Return the select of ``list_history``: walks the primary key downwards."""
    return (
        select(*HISTORY.c)
        .where(
            HISTORY.c.reactor == bindparam("reactor"),
            HISTORY.c.shard == bindparam("shard"),
            HISTORY.c.number < bindparam("before"),
        )
        .order_by(HISTORY.c.number.desc())
        .limit(bindparam("limit"))
    )


ALL_OF_RUNS = [RUNS.c[name] for name in RUN_COLUMNS]
#: Unfinished runs of a node, by the index runs_unfinished.
OWNED = and_(RUNS.c.owner == bindparam("owner"), RUNS.c.finished_at.is_(None))
#: By the index commands_open: costs nothing when nothing waits.
OPEN = COMMANDS.c.answered_at.is_(None)

QUERIES: Mapping[str, ClauseElement] = {
    "domain": of_domain(DOMAINS, "epoch"),
    "end of a domain": of_domain(DOMAINS, "stopped_at"),
    "state of a domain": of_domain(STATE, "component", "key", "value"),
    "firings of a domain": of_domain(
        FIRINGS,
        *("reactor", "firing", "key", "snapshot", "done", "attempts", "crashes", "started_at"),
        order=("started_at", "firing"),
    ),
    "inbox of a domain": of_domain(INBOX, "seq", "accumulator", "payload", order=("seq",)),
    "log of a domain": of_domain(LOG, "component", "key", "seq", "value", order=("component", "key", "seq")),
    "run": select(*ALL_OF_RUNS).where(RUNS.c.id == bindparam("id")),
    "newest runs": newest_runs(),
    "unfinished runs of an owner": select(*ALL_OF_RUNS).where(OWNED).order_by(RUNS.c.id),
    "tasks of unfinished runs of an owner": (
        select(*TASKS.c).join(RUNS, RUNS.c.id == TASKS.c.run_id).where(OWNED).order_by(TASKS.c.run_id)
    ),
    "tasks of a run": select(*TASKS.c).where(TASKS.c.run_id == bindparam("id")).order_by(TASKS.c.started_at),
    "events of a run": select(*EVENTS.c).where(EVENTS.c.run_id == bindparam("id")).order_by(EVENTS.c.seq),
    "newest letters": newest_letters(),
    "letter": select(*DEAD_LETTERS.c).where(DEAD_LETTERS.c.id == bindparam("id")),
    "newest of a history": newest_history(),
    "open commands": select(*COMMANDS.c).where(OPEN).order_by(COMMANDS.c.id),
    "command": select(*COMMANDS.c).where(COMMANDS.c.id == bindparam("id")),
}
