"""PostgreSQL for tests: one server for each process of tests, started by the first that needs it, ended with them.

``PENSTOCK_TEST_POSTGRES_URL`` names a server that is there already; its user must be allowed to make databases.
"""

import asyncio
import itertools
import os
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from functools import cache
from typing import TypeVar

import asyncpg
from sqlalchemy.engine import make_url

from penstock.runtime.clock import Activity
from penstock.runtime.scheduler import Scheduler
from penstock.runtime.store.store import Store
from penstock.testing.clock import VirtualClock
from tests.postgres_binaries import missing_binaries
from tests.postgres_server import PATIENCE, PostgresServer

T = TypeVar("T")
Row = tuple[object, ...]

EXTERNAL = "PENSTOCK_TEST_POSTGRES_URL"
#: What our connections past the store are called.
ASIDE = "tests aside"
#: Ends all others who are connected to a database.
END = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE datname = current_database() AND application_name <> ?"""
#: Tables of the schema that have, or had, rows.
USED = """
SELECT oid::regclass::text FROM pg_class
WHERE relkind = 'r' AND relnamespace = to_regnamespace('penstock') AND relname <> 'migrations'
  AND pg_relation_size(oid) > 0"""
#: All that a test may change of a database, but rows: schemas, tables, rights, triggers, settings, the version.
SHAPE = """
SELECT string_agg(part, ';' ORDER BY part) FROM (
  SELECT concat_ws(' ', nspname, nspowner, nspacl) FROM pg_namespace
  UNION ALL
  SELECT concat_ws(' ', oid, relname, relkind, relowner, relacl, relnatts, reltriggers)
  FROM (SELECT c.*, (SELECT count(*) FROM pg_trigger WHERE tgrelid = c.oid) AS reltriggers FROM pg_class c) AS c
  WHERE relnamespace NOT IN (SELECT oid FROM pg_namespace WHERE nspname LIKE 'pg_%' OR nspname = 'information_schema')
  UNION ALL
  SELECT concat_ws(' ', datacl, datdba) FROM pg_database WHERE datname = current_database()
  UNION ALL
  SELECT concat_ws(' ', setrole, setconfig) FROM pg_db_role_setting
  WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
  UNION ALL
  SELECT concat_ws(' ', 'function', oid) FROM pg_proc WHERE oid > 16383
  UNION ALL
  SELECT concat_ws(' ', m.*) FROM penstock.migrations AS m
) AS parts (part)"""
#: Each table of the schema with the columns of its primary key, or its first column.
TABLES = """
SELECT c.relname::text,
       coalesce(string_agg(quote_ident(a.attname), ', ' ORDER BY array_position(i.indkey, a.attnum)), '1')
FROM pg_class c LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
                LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey)
WHERE c.relkind = 'r' AND c.relnamespace = to_regnamespace(current_schema())
GROUP BY 1 ORDER BY 1"""


class Aside:
    """An event loop in a thread of its own: lets tests, async or not, ask a database and wait for the answer."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="tests-aside", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[object, object, T]) -> T:
        """Run a coroutine there, and return its result."""
        done: Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return done.result(PATIENCE)

    def close(self) -> None:
        """End the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()


def missing() -> str | None:
    """Say why there is no PostgreSQL for tests."""
    if EXTERNAL in os.environ:
        return None

    reason = missing_binaries()
    return reason and f"{reason}, and {EXTERNAL} names no server"


def is_postgres(url: str) -> bool:
    """Tell a URL of PostgreSQL from one of SQLite."""
    return url.startswith("postgresql")


async def connect(url: str) -> asyncpg.Connection:
    """Connect to a database past the store, with the search path of its schema."""
    parts = make_url(url)
    address = {"host": parts.query.get("host", parts.host), "port": int(parts.query.get("port", parts.port or 5432))}
    return await asyncpg.connect(
        **address,
        user=parts.username,
        password=parts.password,
        database=parts.database,
        statement_cache_size=0,  # tests change tables
        server_settings={"search_path": str(parts.query.get("schema", "penstock")), "application_name": ASIDE},
    )


class Databases:
    """Databases on one server: one for each test, copied from a template with the schema, or empty.

    Making one takes longer than most tests. So one whose test has left it as it was made, but for rows, is emptied and
    given to the next.
    """

    def __init__(self) -> None:
        """Start the server, unless there is one."""
        self.aside = Aside()
        self.server = None if EXTERNAL in os.environ else PostgresServer()
        if self.server is not None:
            self.server.start()

        self._base = self.server.url() if self.server is not None else os.environ[EXTERNAL]
        self._names = (f"penstock_test_{os.getpid()}_{number}" for number in itertools.count())
        self._admin = self.aside.run(connect(self._base))
        self._template: str | None = None
        self._connections: dict[str, asyncpg.Connection] = {}
        #: The shape of those that were copied from the template; those that wait for the next test.
        self._shapes: dict[str, str] = {}
        self._free: list[str] = []

    def create(self, *, empty: bool = False) -> str:
        """Make a database and return its URL; it holds the schema, but no row, unless it is to be empty."""
        if empty:
            return self._copy("template0")

        if self._free:
            return self._free.pop()

        url = self._copy(self._filled())
        self._shapes[url] = self._shape(url)
        return url

    def give_back(self, url: str) -> None:
        """Take a database back after its test."""
        self.rows(url, END, ASIDE)
        if url in self._shapes and self._shapes[url] == self._shape(url):
            if used := ", ".join(str(name) for (name,) in self.rows(url, USED)):
                self.rows(url, f"TRUNCATE {used} RESTART IDENTITY")

            self._free.append(url)
        else:
            self.drop(url)

    def drop(self, url: str) -> None:
        """Remove a database, whoever is connected to it."""
        self._shapes.pop(url, None)
        self._leave(url)
        self._do(f"DROP DATABASE IF EXISTS {make_url(url).database} WITH (FORCE)")

    def close(self) -> None:
        """Remove what is left, and end the server if it is ours."""
        try:
            for url in self._free:
                self.drop(url)

            for url in list(self._connections):
                self._leave(url)

            if self._template is not None:
                self._do(f"DROP DATABASE {self._template} WITH (FORCE)")

            self.aside.run(self._admin.close())
        finally:
            self.aside.close()
            if self.server is not None:
                self.server.remove()

    def rows(self, url: str, text: str, *values: object) -> list[Row]:
        """Return what a statement gives, past the store; its values stand for ``?``."""
        return self.aside.run(self._rows(url, numbered(text), *values))

    def dump(self, url: str) -> dict[str, list[Row]]:
        """Return every row of every table, in the order of the primary keys."""

        async def read() -> dict[str, list[Row]]:
            return {
                str(table): await self._rows(url, f"SELECT * FROM {table} ORDER BY {keys}")  # noqa: S608
                for table, keys in await self._rows(url, TABLES)
            }

        return self.aside.run(read())

    async def _rows(self, url: str, text: str, *values: object) -> list[Row]:
        """Ask on a connection that stays open."""
        connection = self._connections.get(url)
        if connection is None or connection.is_closed():  # a test has ended it
            connection = self._connections[url] = await connect(url)

        return [tuple(row) for row in await connection.fetch(text, *values)]

    def _leave(self, url: str) -> None:
        """Close the connection to a database."""
        if (connection := self._connections.pop(url, None)) is not None:
            self.aside.run(connection.close())

    def _shape(self, url: str) -> str:
        """Return what tells whether a database is as it was made, but for rows."""
        return str(self.rows(url, SHAPE)[0][0])

    def _copy(self, template: str) -> str:
        name = next(self._names)
        # copying files is twice as fast as logging pages
        self._do(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        return make_url(self._base).set(database=name).render_as_string(hide_password=False)

    def _do(self, text: str) -> None:
        self.aside.run(self._admin.execute(text))

    def _filled(self) -> str:
        if self._template is None:
            url = self._copy("template0")
            self.aside.run(prepare(url))
            self.rows(url, "TRUNCATE nodes RESTART IDENTITY")
            self._leave(url)
            self._template = str(make_url(url).database)

        return self._template


async def prepare(url: str) -> None:
    """Let a store make its schema."""
    scheduler = Scheduler(VirtualClock(), on_error=print)
    store = await Store.open(url, scheduler=scheduler, activity=Activity())
    await store.close()
    scheduler.close()


def numbered(text: str) -> str:
    """Turn the placeholders of SQLite into those of PostgreSQL."""
    numbers = itertools.count(1)
    return "".join(f"${next(numbers)}" if letter == "?" else letter for letter in text)


@cache
def databases() -> Databases:
    """Return the databases that all tests of this process share; ``close_databases`` ends them."""
    return Databases()


def close_databases() -> None:
    """End what ``databases`` has started, if it has."""
    if databases.cache_info().currsize:
        databases().close()
        databases.cache_clear()
