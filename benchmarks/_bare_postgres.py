"""Plain asyncpg: prepared statements on one connection.

One row goes into a statement with one parameter for each column, many go into one with an array for each (``unnest``).
"""

from typing import NamedTuple

import asyncpg
from _bare import ENDS, EVENTS, RUNS, TASKS, Bare, Completion, Rows, names
from asyncpg.prepared_stmt import PreparedStatement
from sqlalchemy import BigInteger, Table, make_url
from typing_extensions import override

from penstock.runtime.store.postgres_driver import PLANNER
from penstock.runtime.store.postgres_url import read_options


class Statement(NamedTuple):
    """One statement in two forms."""

    one: str
    many: str


def kinds(table: Table, columns: tuple[str, ...]) -> list[str]:
    """Return the types of some columns."""
    return ["bigint" if isinstance(table.c[name].type, BigInteger) else "text" for name in columns]


def arrays(table: Table, columns: tuple[str, ...]) -> str:
    """Return a table of parameters, one array for each column."""
    return f"unnest({', '.join(f'${n}::{kind}[]' for n, kind in enumerate(kinds(table, columns), 1))})"


def insert(table: Table) -> Statement:
    """Return the statement that inserts rows."""
    columns = tuple(table.columns.keys())
    marks = ", ".join(f"${n}" for n in range(1, len(columns) + 1))
    into = f"INSERT INTO {table.name} ({names(table)})"
    many = f"{into} SELECT * FROM {arrays(table, columns)}"  # noqa: S608 - our own table
    return Statement(f"{into} VALUES ({marks})", many)


INSERT_RUN, INSERT_TASK, INSERT_EVENT = insert(RUNS), insert(TASKS), insert(EVENTS)
# A plan that is made while the table is nearly empty stays. With a plain IS NULL that plan reads the whole index of
# unfinished runs, for one row as for many; by this condition the planner cannot choose it.
UNFINISHED = "coalesce(runs.finished_at, -1) = -1"
END = Statement(
    "UPDATE runs SET status=$1, output=$2, error=$3, started_at=$4, finished_at=$5 "  # noqa: S608 - ours
    f"WHERE id=$6 AND epoch=$7 AND {UNFINISHED}",
    "UPDATE runs SET status=n.status, output=n.output, error=n.error, started_at=n.started_at, "  # noqa: S608 - ours
    "finished_at=n.finished_at "
    f"FROM {arrays(RUNS, ENDS)} AS n({', '.join(ENDS)}) WHERE runs.id=n.id AND runs.epoch=n.epoch AND {UNFINISHED}",
)


class BarePostgres(Bare):
    """One connection, whose planner is set as that of the store: rows are found by an index, plans are made once."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self._connection = connection
        self._prepared: dict[str, PreparedStatement[asyncpg.Record]] = {}

    @classmethod
    async def open(cls, url: str) -> "BarePostgres":
        """Connect to the schema that the URL of a store names."""
        options = read_options(make_url(url), synchronous="full", serve=False)
        return cls(await asyncpg.connect(options.dsn, server_settings={"search_path": options.schema, **PLANNER}))

    @override
    async def create(self, runs: Rows) -> None:
        if len(runs) == 1:
            await self._write(INSERT_RUN, runs)  # commits itself: one round trip
            return

        await self._connection.execute("BEGIN")
        await self._write(INSERT_RUN, runs)
        await self._connection.execute("COMMIT")

    @override
    async def complete(self, done: Completion) -> None:
        await self._connection.execute("BEGIN")
        await self._write(INSERT_TASK, done.tasks)
        await self._write(INSERT_EVENT, done.events)
        await self._write(END, done.ends)
        await self._connection.execute("COMMIT")

    async def _write(self, statement: Statement, rows: Rows) -> None:
        if len(rows) == 1:
            await (await self._prepare(statement.one)).fetch(*rows[0])
        else:
            await (await self._prepare(statement.many)).fetch(*zip(*rows, strict=True))

    async def _prepare(self, text: str) -> "PreparedStatement[asyncpg.Record]":
        if text not in self._prepared:
            self._prepared[text] = await self._connection.prepare(text)

        return self._prepared[text]

    @override
    async def rows(self, text: str) -> Rows:
        return [tuple(row) for row in await self._connection.fetch(text)]

    @override
    async def close(self) -> None:
        await self._connection.close()
