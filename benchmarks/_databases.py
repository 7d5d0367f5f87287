"""The databases of a benchmark: where stores are made, how they are opened, and how the bare driver gets to them."""

import argparse
import asyncio
import importlib
import shutil
import sqlite3
import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

from _bare import Bare
from _bare_sqlite import BareSqlite
from _servers import Missing, check_driver, one_line, postgres_server
from sqlalchemy import make_url
from typing_extensions import override

from penstock.runtime.clock import SystemClock
from penstock.runtime.errors import PenstockError
from penstock.runtime.scheduler import Scheduler
from penstock.runtime.store.dialects import parse_url
from penstock.runtime.store.store import Store
from penstock.runtime.urls import masked


class Database(ABC):
    """A place for many stores.

    Attributes:
        name: How tables call it.
    """

    name: str

    @abstractmethod
    def new(self) -> str:
        """Return the URL of a store that is not there yet."""

    @abstractmethod
    async def open(self, url: str) -> Store:
        """Open a store, as its serving process."""

    @abstractmethod
    async def connect(self, url: str) -> Bare:
        """Connect to the tables of a store, past the store."""

    @abstractmethod
    async def drop(self, url: str) -> None:
        """Remove a store, if it is there."""

    @abstractmethod
    async def facts(self) -> dict[str, object]:
        """Return versions and settings."""

    @asynccontextmanager
    async def store(self) -> AsyncGenerator[tuple[Store, Bare]]:
        """Open a new store, and a connection past it for looking at its rows; remove both after the block."""
        async with AsyncExitStack() as stack:
            url = self.new()
            stack.push_async_callback(self.drop, url)
            store = await self.open(url)
            stack.push_async_callback(close, store)
            past = await self.connect(url)
            stack.push_async_callback(past.close)
            yield store, past

    @asynccontextmanager
    async def bare(self) -> AsyncGenerator[Bare]:
        """Connect to the tables that a store has made and left empty; remove them after the block."""
        async with AsyncExitStack() as stack:
            url = self.new()
            stack.push_async_callback(self.drop, url)
            await close(await self.open(url))
            bare = await self.connect(url)
            stack.push_async_callback(bare.close)
            yield bare


async def open_store(url: str, *, synchronous: str = "full", retry_timeout: float = 30.0) -> Store:
    """Open a store with a clock and a scheduler of its own."""
    clock = SystemClock()
    scheduler = Scheduler(clock, on_error=partial(print, file=sys.stderr))
    return await Store.open(
        url, scheduler=scheduler, activity=clock.activity, synchronous=synchronous, retry_timeout=retry_timeout
    )


async def close(store: Store) -> None:
    """Close a store and its scheduler."""
    await store.close()
    store.scheduler.close()


class Sqlite(Database):
    """Files, each in a folder of its own."""

    name = "SQLite"

    def __init__(self, folder: Path, synchronous: str) -> None:
        self._folders = (folder / str(number) for number in count())
        self._synchronous = synchronous

    @override
    def new(self) -> str:
        folder = next(self._folders)
        folder.mkdir()
        return f"sqlite:///{folder}/store.db"

    @override
    async def open(self, url: str) -> Store:
        return await open_store(url, synchronous=self._synchronous)

    @override
    async def connect(self, url: str) -> Bare:
        return BareSqlite(path_of(url), self._synchronous)

    @override
    async def drop(self, url: str) -> None:
        shutil.rmtree(path_of(url).parent)

    @override
    async def facts(self) -> dict[str, object]:
        return {"SQLite": f"{sqlite3.sqlite_version}, synchronous={self._synchronous}"}


def path_of(url: str) -> Path:
    """Return the file of a store."""
    return Path(url.removeprefix("sqlite:///"))


class Postgres(Database):
    """Schemas of one database."""

    name = "PostgreSQL"

    def __init__(self, url: str, server: str) -> None:
        self._url = parse_url(url)
        self._server = server
        self._names = (f"penstock_benchmark_{uuid4().hex[:8]}_{number}" for number in count())
        if "schema" in self._url.query:
            raise Missing("the URL names a schema, but benchmarks make schemas of their own: leave it out")

    @override
    def new(self) -> str:
        url = self._url.update_query_dict({"schema": next(self._names)})
        return url.render_as_string(hide_password=False)

    @override
    async def open(self, url: str) -> Store:
        return await open_store(url)

    @override
    async def connect(self, url: str) -> Bare:
        # here, not above: it imports a driver that may be missing
        bare: Bare = await importlib.import_module("_bare_postgres").BarePostgres.open(url)
        return bare

    @override
    async def drop(self, url: str) -> None:
        past = await self.connect(url)
        await past.rows(f"DROP SCHEMA IF EXISTS {make_url(url).query['schema']} CASCADE")
        await past.close()

    @override
    async def facts(self) -> dict[str, object]:
        names = ("server_version", "fsync", "synchronous_commit", "full_page_writes", "shared_buffers")
        asked = ", ".join(f"current_setting('{name}')" for name in names)
        past = await self.connect(self.new())
        ((version, *values),) = await past.rows(f"SELECT {asked}")
        await past.close()
        said = ", ".join(f"{name}={value}" for name, value in zip(names[1:], values, strict=True))
        return {
            "PostgreSQL": f"{version}, {self._server}, {said}",
            "asyncpg": importlib.import_module("asyncpg").__version__,
        }

    async def check(self) -> None:
        """See that stores can be made.

        Raises:
            PenstockError: They cannot.
        """
        url = self.new()
        await close(await open_store(url, retry_timeout=0.0))
        await self.drop(url)


# -- which of them -------------------------------------------------------------------------------------------


class Chosen(NamedTuple):
    """The databases that are measured, and what to say about them all."""

    databases: list[Database]
    facts: dict[str, object]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Let the command line choose the databases."""
    parser.add_argument("--store", choices=["both", "sqlite", "postgres"], default="both")
    parser.add_argument("--postgres", metavar="URL", help="a server that is there, instead of one of our own")
    parser.add_argument("--synchronous", choices=["full", "normal", "extra", "off"], default="full", help="of SQLite")


@contextmanager
def chosen(options: argparse.Namespace) -> Generator[Chosen]:
    """Prepare the databases that were chosen; say in one line when PostgreSQL cannot be had.

    The program ends with that line when nothing else was asked for, or when the server was named.
    """
    if options.store == "sqlite" and options.postgres is not None:
        sys.exit("--postgres names a server, but --store sqlite leaves it out: give one of them only")

    with ExitStack() as stack:
        found = Chosen([], {})
        if options.store != "postgres":
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="penstock-")))
            found.databases.append(Sqlite(folder, options.synchronous))

        if options.store != "sqlite":
            try:
                found.databases.append(postgres(stack, options.postgres))
            except Missing as missing:
                line = f"PostgreSQL is not measured: {missing}"
                if options.store == "postgres" or options.postgres is not None:
                    sys.exit(line)

                print(line, file=sys.stderr)
                found.facts["PostgreSQL"] = f"not measured: {missing}"

        for database in found.databases:
            found.facts.update(asyncio.run(database.facts()))

        yield found


def postgres(stack: ExitStack, url: str | None) -> Postgres:
    """Return the database at a URL, or on a server of our own that lives as long as the stack.

    Raises:
        Missing: It cannot be had.
    """
    check_driver()
    try:
        if url is None:
            database = Postgres(stack.enter_context(postgres_server()), "our own server")
        else:
            database = Postgres(url, masked(url))

        asyncio.run(database.check())
    except PenstockError as error:
        raise Missing(one_line(error)) from error

    return database
