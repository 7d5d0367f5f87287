"""What a doctor asks a store: how it is set up, whether it is sound, and how much it holds.

Every query counts whole tables and may take a while on a large store; nothing here is called while serving.
"""

import os
from datetime import datetime
from pathlib import Path
from typing import cast

import msgspec
from sqlalchemy import Table, Text, column, func, select

from penstock.runtime.store.engine import Query
from penstock.runtime.store.kinds import Values
from penstock.runtime.store.lock import read_holder, try_lock
from penstock.runtime.store.rows import maybe_time
from penstock.runtime.store.schema import DEAD_LETTERS, DOMAINS, FIRINGS, INBOX, MIGRATIONS, NODES, RUNS, STATE
from penstock.runtime.store.store import Store


class Census(msgspec.Struct, frozen=True, kw_only=True):
    """A store in numbers."""

    #: The database and its version.
    engine: str
    schema: int
    #: How many times a process has opened it to serve.
    starts: int
    domains: int
    #: Rows of checkpointed state.
    state_rows: int
    #: Events that are journalled and not consumed.
    inbox_rows: int
    firings_in_flight: int
    dead_letters: int
    #: Runs by status.
    runs: dict[str, int]
    #: When the newest run was created.
    newest_run_at: datetime | None


def first(row: Values) -> int:
    """Return the number that is a row."""
    return cast("int", row[0]) or 0


def count(table: Table) -> Query[int]:
    """Return the query that counts the rows of a table."""
    return Query(select(func.count()).select_from(table), first)


SCHEMA = Query(select(func.max(MIGRATIONS.c.version)), first)
COUNTS = {table: count(table) for table in (NODES, DOMAINS, STATE, INBOX, FIRINGS, DEAD_LETTERS)}
RUNS_BY_STATUS = Query(
    select(RUNS.c.status, func.count()).group_by(RUNS.c.status).order_by(RUNS.c.status),
    lambda row: (cast("str", row[0]), cast("int", row[1])),
)
NEWEST_RUN = Query(select(func.max(RUNS.c.created_at)), lambda row: maybe_time(cast("int | None", row[0])))
ENGINE = Query(select(func.sqlite_version()), lambda row: f"SQLite {row[0]}")
#: SQLite's own check of its pages and indexes; one row that says "ok", or one per problem.
QUICK_CHECK = Query(
    select(column("quick_check", Text)).select_from(func.pragma_quick_check().table_valued("quick_check")),
    lambda row: str(row[0]),
)


async def take_census(store: Store) -> Census:
    """Count what a store holds."""
    counts = {table.name: (await store.read(query))[0] for table, query in COUNTS.items()}
    return Census(
        engine=(await store.read(ENGINE))[0],
        schema=(await store.read(SCHEMA))[0],
        starts=counts["nodes"],
        domains=counts["domains"],
        state_rows=counts["state"],
        inbox_rows=counts["inbox"],
        firings_in_flight=counts["firings"],
        dead_letters=counts["dead_letters"],
        runs=dict(await store.read(RUNS_BY_STATUS)),
        newest_run_at=(await store.read(NEWEST_RUN))[0],
    )


def find_server(file: Path) -> str | None:
    """Return which process serves a store, in words; nothing when none does.

    Asking takes the lock for an instant: an app that starts exactly then is refused, and only has to start again.
    """
    try:
        descriptor = os.open(file.with_name(f"{file.name}.lock"), os.O_RDONLY)
    except OSError:
        return None

    try:
        return None if try_lock(descriptor) else read_holder(descriptor)
    finally:
        os.close(descriptor)


async def find_damage(store: Store) -> list[str]:
    """Return what is wrong with the file of a store; nothing when it is sound."""
    return [problem for problem in await store.read(QUICK_CHECK) if problem != "ok"]
