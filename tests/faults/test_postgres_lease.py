"""The lease of a serving process: kept while the process lives, whatever its connections and its loop go through."""

import asyncio
import time

import pytest
from anyio.lowlevel import checkpoint

from penstock.runtime.store import postgres_lease
from penstock.runtime.store.postgres import ALIVE
from penstock.runtime.store.postgres_lease import NOW
from penstock.runtime.store.store import Store
from penstock.testing.clock import VirtualClock
from tests.databases import postgres_only, rows
from tests.faults.proxy import Proxy
from tests.faults.shorter import LEASE, shorten
from tests.faults.writes import commit_in_time, push, pushed
from tests.runtime.store.conftest import OpenStore

pytestmark = [postgres_only, pytest.mark.timeout(30)]
ACTIVITY = "FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'penstock"
WRITERS = f"SELECT state {ACTIVITY} writer%'"
END_LEASES = f"SELECT pg_terminate_backend(pid, 5000) {ACTIVITY} lease%'"
HOLDERS = """
    SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND granted AND datname = current_database()"""


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    shorten(monkeypatch.setattr)


@pytest.fixture
def url(proxy: Proxy) -> str:
    return proxy.url


def alive(url: str) -> bool:
    return bool(rows(url, f"SELECT FROM nodes WHERE {ALIVE}"))


def lease_until(url: str) -> int:
    return int(str(rows(url, "SELECT max(lease_until) FROM nodes")[0][0]))


async def renewed(url: str) -> None:
    """Wait for the next renewal, as long as the time limit of a test."""
    before = lease_until(url)
    while lease_until(url) <= before:
        await checkpoint()


@pytest.mark.usefixtures("short", "store")
async def test_a_lease_whose_connection_goes_silent_is_kept_by_another_one(proxy: Proxy) -> None:
    holders, before = rows(proxy.behind, HOLDERS), lease_until(proxy.behind)
    assert len(holders) == 1
    proxy.silence("lease")
    while lease_until(proxy.behind) == before:
        assert rows(proxy.behind, f"SELECT FROM nodes WHERE lease_until > {NOW}"), "the lease ran out"
        await checkpoint()

    # by its name: that of the silent session, which the server took for a living one, and that of the new one
    assert rows(proxy.behind, HOLDERS) == holders
    assert alive(proxy.behind)


@pytest.mark.usefixtures("short")
async def test_a_lease_whose_connection_is_ended_is_held_again_at_once(
    url: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_lease, "RENEWAL", 3600.0)
    await renewed(url)  # the last one for an hour
    for _ in range(3):
        assert rows(url, END_LEASES) == [(True,)]
        while not rows(url, HOLDERS):
            await checkpoint()

    assert alive(url)


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("states", [["idle"], ["idle in transaction"]], ids=["between commits", "in a commit"])
async def test_a_loop_that_is_blocked_for_longer_than_a_lease_keeps_it(
    *, states: list[str], proxy: Proxy, open_store: OpenStore, clock: VirtualClock
) -> None:
    """In a commit, our own transaction holds the row that is to be renewed."""
    seen: list[bool] = []

    def block() -> None:
        assert [state for (state,) in rows(proxy.behind, WRITERS)] == states
        until = time.monotonic() + LEASE * 1.15  # noqa: TID251 - a loop is blocked in real time
        while time.monotonic() < until and all(seen):  # noqa: TID251
            seen.append(alive(proxy.behind))
            time.sleep(0.05)  # noqa: TID251

    def meet(_point: str) -> None:
        """Block the loop in its next turn: the server has begun the transaction by then."""
        if not seen:
            asyncio.get_running_loop().call_soon(block)

    store = await open_store(faults=meet if states == ["idle in transaction"] else None)
    if states == ["idle"]:
        block()

    await commit_in_time(store, clock, push(store, "a"))
    assert seen
    assert all(seen)
    assert pushed(proxy.behind) == ["a"]
