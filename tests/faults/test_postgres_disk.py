"""A real disk that is full: the server cannot extend the file of a table, which is a link to ``/dev/full``."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from penstock.runtime.errors import StoreFull
from penstock.runtime.observe import Fact, StoreRetried
from penstock.runtime.store.store import Store
from penstock.runtime.store.unit import Unit
from penstock.testing.clock import VirtualClock
from tests.databases import rows
from tests.faults.writes import note, noted, push
from tests.postgres_server import PostgresServer
from tests.runtime.store.conftest import OpenStore

pytestmark = [pytest.mark.timeout(60)]
END_WRITERS = (
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name LIKE 'penstock writer%'"
)


@pytest.fixture
def url(server_url: str) -> str:
    return server_url


@contextmanager
def full_disk(server: PostgresServer, url: str, table: str) -> Iterator[None]:
    """Leave no room for the rows of an empty table until the block ends."""
    path = server.data / str(rows(url, "SELECT pg_relation_filepath(?::regclass)", table)[0][0])
    assert path.stat().st_size == 0
    kept = path.with_suffix(".kept")
    path.rename(kept)
    path.symlink_to("/dev/full")
    rows(url, END_WRITERS)
    try:
        yield
    finally:
        kept.replace(path)
        rows(url, END_WRITERS)  # a session keeps a file open


@pytest.mark.parametrize("kind", [push, note])
async def test_what_meets_a_full_disk_is_committed_once_when_there_is_room_again(
    *,
    kind: Callable[[Store, str], Unit],
    server: PostgresServer,
    open_store: OpenStore,
    clock: VirtualClock,
    facts: list[Fact],
) -> None:
    store = await open_store()
    with full_disk(server, store.url, "dead_letters"):
        committing = [asyncio.ensure_future(store.commit(kind(store, name))) for name in "abc"]
        await clock.advance(10.0)
        assert not any(done.done() for done in committing)
        assert [fact for fact in facts if isinstance(fact, StoreRetried) and "No space left on device" in fact.error]

    await clock.advance(5.0)
    await asyncio.gather(*committing)
    assert noted(store.url) == ["a", "b", "c"]


@pytest.mark.parametrize("kind", [push, note])
async def test_a_disk_that_stays_full_fails_the_store(
    *, kind: Callable[[Store, str], Unit], server: PostgresServer, open_store: OpenStore, clock: VirtualClock
) -> None:
    store = await open_store(retry_timeout=5.0)
    with full_disk(server, store.url, "dead_letters"):
        committing = [asyncio.ensure_future(store.commit(kind(store, name))) for name in "abc"]
        await clock.advance(10.0)
        for done in [*committing, store.commit(kind(store, "late"))]:
            with pytest.raises(StoreFull, match="No space left on device"):
                await done

        assert isinstance(store.failed.result(), StoreFull)
        await store.close()

    again = await open_store()
    await again.commit(kind(again, "again"))
    assert noted(store.url) == ["again"]
