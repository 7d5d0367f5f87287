"""The store of a test, whichever database it is: made, and looked at past the store."""

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import asyncpg
import pytest

from tests.postgres import Row, databases, is_postgres

DIALECTS = ("sqlite", "postgres")
#: For tests whose stores come from ``new_stores`` or ``store_url``, and of whose facts only one database has any.
sqlite_only = pytest.mark.parametrize("new_stores", ["sqlite"], indirect=True)
postgres_only = pytest.mark.parametrize("new_stores", ["postgres"], indirect=True)


class Stores:
    """Makes stores of one dialect for one test; they are removed with it."""

    def __init__(self, dialect: str, folder: Path) -> None:
        self.dialect = dialect
        self._folder = folder
        self._made: list[str] = []

    def new(self, *, empty: bool = False) -> str:
        """Return the URL of a new store that nothing has served; on PostgreSQL with its schema, unless it is empty."""
        if self.dialect == "postgres":
            url = databases().create(empty=empty)
        else:
            url = f"sqlite:///{self._folder}/store{len(self._made) or ''}.db"

        self._made.append(url)
        return url

    def drop(self, url: str) -> None:
        """Remove one before the test ends."""
        self._made.remove(url)
        if is_postgres(url):
            databases().drop(url)

    def close(self) -> None:
        """Remove them all."""
        for url in self._made:
            if is_postgres(url):
                databases().give_back(url)

        self._made.clear()


@contextmanager
def stores(dialect: str, folder: Path) -> Iterator[Stores]:
    """Make stores until the end of the block."""
    made = Stores(dialect, folder)
    try:
        yield made
    finally:
        made.close()


@contextmanager
def sqlite_store() -> Iterator[str]:
    """Make one store on SQLite inside of a property, of which there is one per example."""
    with tempfile.TemporaryDirectory() as folder:
        yield f"sqlite:///{folder}/store.db"


def trouble(url: str, kind: str) -> Exception:
    """Return what the driver of a store raises when it is ``busy``, ``full`` or ``damaged``."""
    if is_postgres(url):
        errors = {"busy": asyncpg.LockNotAvailableError, "full": asyncpg.DiskFullError}
        return (errors | {"damaged": asyncpg.DataCorruptedError})[kind]("trouble")

    error = sqlite3.DatabaseError("trouble") if kind == "damaged" else sqlite3.OperationalError("trouble")
    codes = {"busy": sqlite3.SQLITE_BUSY, "full": sqlite3.SQLITE_FULL, "damaged": sqlite3.SQLITE_CORRUPT}
    error.sqlite_errorcode = codes[kind]
    return error


def rows(url: str, text: str, *values: object) -> list[Row]:
    """Run one statement past the store, in a transaction of its own; return what it gives. Values stand for ``?``.

    Waits: in an async test the loop stands still meanwhile, as it does for no longer than a file is read.
    """
    if is_postgres(url):
        return databases().rows(url, text, *values)

    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection, connection:
        return connection.execute(text, values).fetchall()


def dump(url: str) -> dict[str, list[Row]]:
    """Return every row of every table, past the store."""
    if is_postgres(url):
        return databases().dump(url)

    names = rows(url, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    return {str(name): rows(url, f"SELECT * FROM {name}") for (name,) in names}  # noqa: S608
