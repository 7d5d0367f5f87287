"""A connection to PostgreSQL that is cut in the worst moment: each commit happens once."""

import asyncio
import random

import pytest

from penstock.runtime.observe import Fact
from penstock.runtime.scheduler import Scheduler
from penstock.runtime.store import postgres_connections
from penstock.runtime.store.migrations import MIGRATIONS
from penstock.testing.clock import VirtualClock
from tests.databases import Stores, postgres_only, rows
from tests.faults.load import Load
from tests.faults.proxy import Cut, Proxy
from tests.faults.writes import commit_in_time, note, noted, push, pushed, retries
from tests.runtime.store.conftest import OpenStore

pytestmark = [postgres_only, pytest.mark.timeout(60)]


@pytest.fixture
def url(proxy: Proxy) -> str:
    return proxy.url


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait less than a minute for an answer that does not come."""
    monkeypatch.setattr(postgres_connections, "COMMAND_TIMEOUT", 0.3)


@pytest.mark.parametrize("serve", [True, False], ids=["serving", "visiting"])
async def test_a_commit_that_is_cut_happens_once(
    *, serve: bool, proxy: Proxy, open_store: OpenStore, clock: VirtualClock, facts: list[Fact]
) -> None:
    store = await open_store(serve=serve)
    for cut in Cut:
        for kind in (push, note):
            proxy.cut(cut)
            await commit_in_time(store, clock, kind(store, f"{kind.__name__} {cut.name}"))

    assert pushed(proxy.behind) == [f"push {cut.name}" for cut in Cut]
    assert noted(proxy.behind) == [f"{kind} {cut.name}" for cut in Cut for kind in ("push", "note")]
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
        assert pushed(proxy.behind) == ["first"]
        assert rows(proxy.behind, "SELECT id FROM nodes WHERE lost_at IS NULL") == [(store.node,)]
        versions = [(step.version,) for step in MIGRATIONS]
        assert rows(proxy.behind, "SELECT version FROM migrations ORDER BY version") == versions
        assert (proxy.made, retries(facts)) == (list(Cut), len(Cut))
        await store.close()


@pytest.mark.chaos
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("serve", [True, False], ids=["serving", "visiting"])
async def test_commits_that_are_cut_again_and_again_under_load_happen_once(
    *, seed: int, serve: bool, proxy: Proxy, open_store: OpenStore, live: Scheduler
) -> None:
    chance, store = random.Random(seed), await open_store(serve=serve, scheduler=live)
    load = Load(store)
    async with load.run():
        for _ in range(60):
            proxy.cut(*chance.choices(list(Cut), k=chance.choice([1, 1, 1, 2, 3])))
            await load.more(chance.randrange(1, 100))

    load.check(proxy.behind)
    assert set(proxy.made) == set(Cut)
