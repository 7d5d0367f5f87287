"""A connection to PostgreSQL that is cut in the worst moment: each commit happens once."""

import asyncio
from collections.abc import Iterator

import pytest

from penstock.runtime.observe import Fact, StoreRetried
from penstock.runtime.store import checkpoints
from penstock.runtime.store.rows import LetterRow
from penstock.runtime.store.store import Store
from penstock.runtime.store.unit import Unit
from penstock.testing.clock import VirtualClock
from tests.databases import Stores, postgres_only, rows
from tests.faults.proxy import Cut, Proxy
from tests.runtime.store.conftest import OpenStore

pytestmark = [postgres_only, pytest.mark.timeout(30)]
INBOX = "SELECT convert_from(payload, 'UTF8') FROM inbox ORDER BY seq"
LETTERS = "SELECT error FROM dead_letters ORDER BY id"


@pytest.fixture
def proxy(store_url: str) -> Iterator[Proxy]:
    with Proxy(store_url) as proxy:
        yield proxy


@pytest.fixture
def url(proxy: Proxy) -> str:
    return proxy.url


def push(store: Store, name: str) -> Unit:
    """Return a unit of which nothing is refused when it comes twice; its number is asked for within a transaction."""
    unit = store.unit("push")
    checkpoints.add_inbox(unit, "d", 0, "a", name.encode())
    checkpoints.add_letter(unit, letter(store, name))
    return unit


def note(store: Store, name: str) -> Unit:
    """Return one of which nothing is asked: a whole transaction may be one statement."""
    unit = store.unit("note")
    checkpoints.add_letter(unit, letter(store, name))
    return unit


def letter(store: Store, name: str) -> LetterRow:
    now = store.scheduler.clock.now()
    return LetterRow(domain="d", part="p", reason="decode", error=name, payload=b"", created_at=now)


async def commit_in_time(store: Store, clock: VirtualClock, unit: Unit) -> None:
    """Commit while time passes, so that what fails is tried again."""
    committing = asyncio.ensure_future(store.commit(unit))
    while not committing.done():
        await clock.advance(1.0)

    await committing


def retries(facts: list[Fact]) -> int:
    return sum(isinstance(fact, StoreRetried) for fact in facts)


@pytest.mark.parametrize("serve", [True, False], ids=["serving", "visiting"])
async def test_a_commit_that_is_cut_happens_once(
    *, serve: bool, proxy: Proxy, open_store: OpenStore, clock: VirtualClock, facts: list[Fact]
) -> None:
    store = await open_store(serve=serve)
    for cut in Cut:
        for kind in (push, note):
            proxy.cut(cut)
            await commit_in_time(store, clock, kind(store, f"{kind.__name__} {cut.name}"))

    assert rows(proxy.behind, INBOX) == [(f"push {cut.name}",) for cut in Cut]
    assert rows(proxy.behind, LETTERS) == [(f"{kind} {cut.name}",) for cut in Cut for kind in ("push", "note")]
    assert proxy.made == [cut for cut in Cut for _ in range(2)]
    assert retries(facts) >= len(proxy.made)


@pytest.mark.parametrize("empty", [True, False], ids=["migration", "start"])
async def test_a_start_that_is_cut_is_made_again(
    *, empty: bool, new_stores: Stores, open_store: OpenStore, clock: VirtualClock, facts: list[Fact]
) -> None:
    with Proxy(new_stores.new(empty=empty)) as proxy:
        # what is not committed first: the others get on with the start itself
        proxy.cut(*Cut)
        opening = asyncio.ensure_future(open_store(url=proxy.url))
        while not opening.done():
            await clock.advance(1.0)

        store = await opening
        await store.commit(push(store, "first"))
        assert rows(proxy.behind, INBOX) == [("first",)]
        assert rows(proxy.behind, "SELECT id FROM nodes WHERE lost_at IS NULL") == [(store.node,)]
        assert rows(proxy.behind, "SELECT version FROM migrations ORDER BY version") == [(1,), (2,)]
        assert (proxy.made, retries(facts)) == (list(Cut), len(Cut))
        await store.close()
