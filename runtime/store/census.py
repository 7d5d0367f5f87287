"""How much a store holds. The same queries on every database.

Each counts a whole table and may take a while on a large store; nothing here is called while serving, but for the
inbox at a start.
"""

from datetime import datetime
from typing import cast

import msgspec
from sqlalchemy import Table, func, select

from penstock.runtime.store.engine import Query
from penstock.runtime.store.kinds import Values
from penstock.runtime.store.rows import maybe_time
from penstock.runtime.store.schema import DEAD_LETTERS, DOMAINS, FIRINGS, INBOX, MIGRATIONS, NODES, RUNS, STATE
from penstock.runtime.store.store import Store


class Census(msgspec.Struct, frozen=True, kw_only=True):
    """A store in numbers."""

    schema: int
    #: How many times a process has opened it to serve.
    starts: int
    domains: int
    #: Rows of checkpointed state.
    state_rows: int
    #: Events that are journalled and not consumed, by accumulator.
    inbox: dict[str, int]
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
COUNTS = {table: count(table) for table in (NODES, DOMAINS, STATE, FIRINGS, DEAD_LETTERS)}
INBOX_BY_ACCUMULATOR = Query(
    select(INBOX.c.accumulator, func.count()).group_by(INBOX.c.accumulator).order_by(INBOX.c.accumulator),
    lambda row: (cast("str", row[0]), cast("int", row[1])),
)
RUNS_BY_STATUS = Query(
    select(RUNS.c.status, func.count()).group_by(RUNS.c.status).order_by(RUNS.c.status),
    lambda row: (cast("str", row[0]), cast("int", row[1])),
)
NEWEST_RUN = Query(select(func.max(RUNS.c.created_at)), lambda row: maybe_time(cast("int | None", row[0])))


async def take_inbox(store: Store) -> dict[str, int]:
    """Count the events that are journalled and not consumed, by accumulator: few, wherever an app runs."""
    return dict(await store.read(INBOX_BY_ACCUMULATOR))


async def take_census(store: Store) -> Census:
    """Count what a store holds."""
    counts = {table.name: (await store.read(query))[0] for table, query in COUNTS.items()}
    return Census(
        schema=(await store.read(SCHEMA))[0],
        starts=counts["nodes"],
        domains=counts["domains"],
        state_rows=counts["state"],
        inbox=await take_inbox(store),
        firings_in_flight=counts["firings"],
        dead_letters=counts["dead_letters"],
        runs=dict(await store.read(RUNS_BY_STATUS)),
        newest_run_at=(await store.read(NEWEST_RUN))[0],
    )
