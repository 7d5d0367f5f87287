"""Real stores, virtual time; each test once for each database, except those of what only one of them has."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Protocol

import pytest

from penstock.runtime.observe import Fact
from penstock.runtime.scheduler import Scheduler
from penstock.runtime.store.store import Store
from penstock.testing.clock import VirtualClock
from tests.databases import dump as read_all

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


@pytest.fixture
def url(store_url: str) -> str:
    return store_url


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
    return lambda: read_all(url)
