"""How a command opens a store beside the process that serves it."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import anyio

from penstock.cli.output import complain
from penstock.runtime.clock import Activity, SystemClock
from penstock.runtime.scheduler import Scheduler
from penstock.runtime.store.dialects import parse_url
from penstock.runtime.store.store import Store
from penstock.runtime.urls import SQLITE

T = TypeVar("T")


def file_of(url: str) -> Path:
    """Return the file behind a store's URL.

    Raises:
        ConfigError: It has none that this version can open.
    """
    return Path(parse_url(url).database or "").absolute()


def read(url: str, query: Callable[[Store], Awaitable[T]]) -> T:
    """Open a store beside whoever serves it, ask, and close it.

    Raises:
        ConfigError: The URL cannot be used, or there is no such folder.
        StoreError: The store is not there or cannot be read. It is never created, migrated or changed.
    """
    chosen = for_reading(url)

    async def ask() -> T:
        async with reading(chosen) as store:
            return await query(store)

    return anyio.run(ask)


def for_reading(url: str) -> str:
    """Return the URL by which a store is only read.

    ``mode=ro`` keeps a file as it is that was named by mistake: otherwise opening makes it a WAL database. The path is
    absolute, because the working directory is not asked for on an event loop.
    """
    return f"{SQLITE}{file_of(url)}?mode=ro" if url.startswith(SQLITE) else url


@asynccontextmanager
async def reading(url: str) -> AsyncGenerator[Store]:
    """Open a store beside whoever serves it."""
    scheduler = Scheduler(SystemClock(), on_error=lambda error: complain(f"penstock: {error}"))
    try:
        store = await Store.open(url, scheduler=scheduler, activity=Activity(), serve=False)
        try:
            yield store
        finally:
            await store.close()
    finally:
        scheduler.close()
