"""Packets to and from a server vanish: no side hears of it, and only a time limit ends the waiting."""

import asyncio

import pytest
from sqlalchemy import func, select

from penstock.runtime.observe import Fact
from penstock.runtime.store import postgres_connections, schema
from penstock.runtime.store.engine import Query
from penstock.runtime.store.postgres import READERS
from penstock.runtime.store.store import Store
from penstock.testing.clock import VirtualClock
from tests.databases import postgres_only, rows
from tests.faults.proxy import Proxy
from tests.faults.writes import note, noted, push, pushed, retries

pytestmark = [postgres_only, pytest.mark.timeout(60)]
WRITERS = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'penstock writer%'"
LETTERS = Query(select(func.count()).select_from(schema.DEAD_LETTERS), lambda row: row[0])


@pytest.fixture
def url(proxy: Proxy) -> str:
    return proxy.url


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait less than ten seconds for a connection, and a minute for an answer."""
    monkeypatch.setattr(postgres_connections, "CONNECT_TIMEOUT", 0.4)
    monkeypatch.setattr(postgres_connections, "COMMAND_TIMEOUT", 0.3)


async def test_what_meets_silence_is_committed_once_when_packets_arrive_again(
    *, proxy: Proxy, store: Store, clock: VirtualClock, facts: list[Fact]
) -> None:
    await store.commit(push(store, "before"))
    proxy.silence()
    committing = [asyncio.ensure_future(store.commit(push(store, name))) for name in "abc"]
    await clock.advance(1.0)
    assert retries(facts) > 2
    assert not any(done.done() for done in committing)
    proxy.heal()
    await clock.advance(5.0)
    await asyncio.gather(*committing)
    assert pushed(proxy.behind) == ["before", *"abc"]
    assert len(rows(proxy.behind, WRITERS)) == 1, "the server still has a session that nobody uses"


async def test_a_query_that_meets_silence_is_asked_again_where_there_is_none(*, proxy: Proxy, store: Store) -> None:
    await store.commit(note(store, "a"))
    assert await asyncio.gather(*(store.read(LETTERS) for _ in range(READERS))) == [[1]] * READERS
    assert proxy.sessions("reader") == READERS
    proxy.silence("reader")
    assert await store.read(LETTERS) == [1]


async def test_a_store_is_closed_in_silence(*, proxy: Proxy, store: Store) -> None:
    await store.commit(note(store, "a"))
    proxy.silence()
    await store.close()
    assert store.open_connections() == 0
    assert noted(proxy.behind) == ["a"]
