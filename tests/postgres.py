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
        server_settings={"search_path": str(parts.query.get("schema", "penstock"))},
    )


class Databases:
    """Databases on one server: a new one for each test, copied from a template with the schema, or empty."""

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

    def create(self, *, empty: bool = False) -> str:
        """Make a database and return its URL; it holds the schema, but no row, unless it is to be empty."""
        name, template = next(self._names), "template0" if empty else self._filled()
        # copying files is twice as fast as logging pages
        self._do(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        return self._url(name)

    def drop(self, url: str) -> None:
        """Remove a database, whoever is connected to it."""
        self._do(f"DROP DATABASE IF EXISTS {make_url(url).database} WITH (FORCE)")

    def close(self) -> None:
        """Remove what is left, and end the server if it is ours."""
        try:
            if self._template is not None:
                self._do(f"DROP DATABASE {self._template} WITH (FORCE)")

            self.aside.run(self._admin.close())
        finally:
            self.aside.close()
            if self.server is not None:
                self.server.remove()

    def rows(self, url: str, text: str, *values: object) -> list[Row]:
        """Return what a statement gives, past the store; its values stand for ``?``."""

        async def ask() -> list[Row]:
            connection = await connect(url)
            try:
                return [tuple(row) for row in await connection.fetch(numbered(text), *values)]
            finally:
                await connection.close()

        return self.aside.run(ask())

    def dump(self, url: str) -> dict[str, list[Row]]:
        """Return every row of every table, in the order of the primary keys."""

        async def read() -> dict[str, list[Row]]:
            connection = await connect(url)
            try:
                return {
                    table: [tuple(row) for row in await connection.fetch(f"SELECT * FROM {table} ORDER BY {keys}")]  # noqa: S608
                    for table, keys in await connection.fetch(TABLES)
                }
            finally:
                await connection.close()

        return self.aside.run(read())

    def _do(self, text: str) -> None:
        self.aside.run(self._admin.execute(text))

    def _url(self, name: str) -> str:
        return make_url(self._base).set(database=name).render_as_string(hide_password=False)

    def _filled(self) -> str:
        if self._template is None:
            url = self.create(empty=True)
            self.aside.run(prepare(url))
            self.rows(url, "TRUNCATE nodes RESTART IDENTITY")
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
