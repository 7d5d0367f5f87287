"""Stores on real files, virtual time. A second dialect becomes a second parameter of ``url``."""

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Protocol

import pytest

from penstock.runtime.observe import Fact
from penstock.runtime.scheduler import Scheduler
from penstock.runtime.store.store import Store
from penstock.testing.clock import VirtualClock

Table = list[tuple[object, ...]]


class OpenStore(Protocol):
    """Opens a store on the test's database; what is still open at the end of the test is closed."""

    def __call__(self, **options: object) -> Awaitable[Store]: ...


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def scheduler(clock: VirtualClock) -> Iterator[Scheduler]:
    raised: list[BaseException] = []
    scheduler = Scheduler(clock, on_error=raised.append)
    yield scheduler
    scheduler.close()
    assert raised == []


@pytest.fixture
def facts() -> list[Fact]:
    return []


@pytest.fixture(params=["sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/store.db"


@pytest.fixture
async def open_store(
    url: str, scheduler: Scheduler, clock: VirtualClock, facts: list[Fact]
) -> AsyncIterator[OpenStore]:
    stores: list[Store] = []

    async def open_one(**options: object) -> Store:
        given = {"url": url, "scheduler": scheduler, "activity": clock.activity, "observer": facts.append, **options}
        stores.append(await Store.open(**given))  # type: ignore[arg-type]
        return stores[-1]

    yield open_one
    for store in stores:
        await store.close()

    assert [store.open_connections() for store in stores] == [0] * len(stores)
    assert clock.activity.count == 0


@pytest.fixture
async def store(open_store: OpenStore) -> Store:
    return await open_store()


@pytest.fixture
def dump(url: str) -> Callable[[], dict[str, Table]]:
    """Read every row of every table, past the store."""

    def read() -> dict[str, Table]:
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
            return {name: connection.execute(f"SELECT * FROM {name}").fetchall() for (name,) in tables}  # noqa: S608

    return read
