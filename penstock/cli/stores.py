"""Which store a command looks at, and how it is opened beside the process that serves it."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import anyio

from penstock.cli.output import complain
from penstock.runtime.clock import Activity, SystemClock
from penstock.runtime.config import Settings, load
from penstock.runtime.scheduler import Scheduler
from penstock.runtime.store.store import Store

T = TypeVar("T")


def settings(store: str | None) -> Settings:
    """Return the settings as an app in this directory would see them.

    Raises:
        ConfigError: A setting cannot be used; all problems are named.
    """
    given = {} if store is None else {"store": store_url(store)}
    return load(given, os.environ, Path.cwd())


def store_url(text: str) -> str:
    """Return the URL of a store that may be given as the path of a SQLite file."""
    return text if "://" in text else f"sqlite:///{text}"


def read(url: str, query: Callable[[Store], Awaitable[T]]) -> T:
    """Open a store beside whoever serves it, ask, and close it.

    Raises:
        StoreError: The store is not there or cannot be read. It is never created, migrated or changed.
    """

    async def ask() -> T:
        async with reading(url) as store:
            return await query(store)

    return anyio.run(ask)


@asynccontextmanager
async def reading(url: str) -> AsyncIterator[Store]:
    """Open a store for reading."""
    scheduler = Scheduler(SystemClock(), on_error=lambda error: complain(f"penstock: {error}"))
    try:
        store = await Store.open(url, scheduler=scheduler, activity=Activity(), serve=False)
        try:
            yield store
        finally:
            await store.close()
    finally:
        scheduler.close()
