"""Plain ``sqlite3`` in the thread that calls: its methods are coroutines that never wait."""

import sqlite3
from pathlib import Path

from _bare import EVENTS, RUNS, TASKS, Bare, Completion, Rows, names
from sqlalchemy import Table
from typing_extensions import override

END = (
    "UPDATE runs SET status=?, output=?, error=?, started_at=?, finished_at=? "
    "WHERE id=? AND epoch=? AND finished_at IS NULL"
)


def insert(table: Table) -> str:
    """Return the statement that inserts one row."""
    marks = ", ".join("?" * len(table.columns))
    return f"INSERT INTO {table.name} ({names(table)}) VALUES ({marks})"  # noqa: S608 - our own table


INSERT_RUN, INSERT_TASK, INSERT_EVENT = insert(RUNS), insert(TASKS), insert(EVENTS)


class BareSqlite(Bare):
    """One connection; ``executemany`` runs a statement once for each row, and the file stays in WAL mode."""

    def __init__(self, path: Path, synchronous: str) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute(f"PRAGMA synchronous={synchronous}")

    @override
    async def create(self, runs: Rows) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany(INSERT_RUN, runs)
        self._connection.execute("COMMIT")

    @override
    async def complete(self, done: Completion) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany(INSERT_TASK, done.tasks)
        self._connection.executemany(INSERT_EVENT, done.events)
        self._connection.executemany(END, done.ends)
        self._connection.execute("COMMIT")

    @override
    async def rows(self, text: str) -> Rows:
        return self._connection.execute(text).fetchall()

    @override
    async def close(self) -> None:
        self._connection.close()
