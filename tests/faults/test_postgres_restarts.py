"""A server that ends under load, in each way there is: the store goes on when it is back."""

import asyncio
import random
import time
from functools import partial
from pathlib import Path

import pytest
from anyio import to_thread
from anyio.lowlevel import checkpoint

from penstock.runtime.errors import StoreUnavailable
from penstock.runtime.observe import Fact
from penstock.runtime.scheduler import Scheduler
from penstock.runtime.store.store import Store
from penstock.testing.clock import VirtualClock
from tests.faults.kills import Scene
from tests.faults.load import Load
from tests.faults.proxy import Cut, Proxy
from tests.faults.writes import commit_in_time, note, noted, push, pushed, retries
from tests.postgres_server import PostgresServer
from tests.runtime.store.conftest import OpenStore

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]
MODES = ("fast", "immediate", "kill")


@pytest.fixture
def url(server_url: str) -> str:
    return server_url


async def test_a_server_that_starts_later_is_waited_for(
    server: PostgresServer, server_url: str, open_store: OpenStore, clock: VirtualClock, facts: list[Fact]
) -> None:
    server.stop()
    opening = asyncio.ensure_future(open_store(url=server_url, retry_timeout=10.0))
    await clock.advance(5.0)
    assert not opening.done()
    server.start()
    await clock.advance(2.0)
    store = await opening
    await store.commit(push(store, "a"))
    await store.close()
    assert pushed(server_url) == ["a"]
    assert retries(facts) > 3


async def test_a_server_that_does_not_start_is_named_without_the_password(
    server: PostgresServer, server_url: str, open_store: OpenStore, clock: VirtualClock
) -> None:
    server.stop()
    opening = asyncio.ensure_future(open_store(url=server_url.replace("postgres@", "me:secret@"), retry_timeout=10.0))
    await clock.advance(10.0)
    with pytest.raises(StoreUnavailable, match=f"@127.0.0.1:{server.port}/postgres") as caught:
        await opening

    assert "secret" not in str(caught.value)
    assert "check that the server runs" in str(caught.value)


def end(server: PostgresServer, mode: str, away: float = 0.0) -> None:
    """Let a server end, and start it again after some seconds."""
    if mode == "kill":
        server.kill()
    else:
        server.stop(mode)

    time.sleep(away)  # noqa: TID251 - the server lives in real time
    server.start()


async def end_under_load(server: PostgresServer, store: Store, modes: list[str], seed: int = 0) -> None:
    chance, load = random.Random(seed), Load(store)
    async with load.run():
        for mode in modes:
            await load.more(chance.randrange(20, 200))
            await to_thread.run_sync(end, server, mode)

        await load.more(100)

    load.check(store.url)


@pytest.mark.parametrize("mode", MODES)
async def test_a_server_that_ends_under_load_loses_and_repeats_nothing(
    mode: str, server: PostgresServer, open_store: OpenStore, live: Scheduler, facts: list[Fact]
) -> None:
    await end_under_load(server, await open_store(scheduler=live), [mode] * 2)
    assert retries(facts) >= 2


@pytest.mark.chaos
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(5))
async def test_a_server_that_ends_again_and_again_loses_and_repeats_nothing(
    seed: int, server: PostgresServer, open_store: OpenStore, live: Scheduler
) -> None:
    modes = random.Random(seed).choices(MODES, k=20)
    await end_under_load(server, await open_store(scheduler=live), modes, seed)


@pytest.mark.parametrize("others", [0, 3], ids=["alone", "beside an app"])
async def test_a_visitor_whose_commit_is_lost_with_the_server_commits_once(
    *, others: int, server: PostgresServer, server_url: str, open_store: OpenStore, clock: VirtualClock
) -> None:
    """After a crash, numbers of transactions that left no trace are given again, to those of others."""
    serving = await open_store()
    later = VirtualClock()
    with Proxy(server_url) as proxy:
        visitor = await open_store(url=proxy.url, serve=False, scheduler=Scheduler(later, on_error=print))
        proxy.cut(Cut.BEFORE_UNHEARD)
        committing = asyncio.ensure_future(visitor.commit(push(visitor, "visitor")))
        while not proxy.made:
            await checkpoint()

        end(server, "kill")
        for n in range(others):
            await commit_in_time(serving, clock, note(serving, f"other {n}"))

        await later.advance(10.0)
        await committing
        await visitor.close()

    assert pushed(server_url) == ["visitor"]
    assert len(noted(server_url)) == others + 1


@pytest.mark.timeout(120)
def test_an_app_goes_on_when_its_server_is_back(server: PostgresServer, server_url: str, tmp_path: Path) -> None:
    scene = Scene(tmp_path, server_url)
    # the first time for a while in which everything is looked for that an app looks for now and then
    ends = [partial(end, server, "fast", 1.5), partial(end, server, "kill")]
    scene.survive(ends, every=60, count=300)
    scene.finish()
    assert scene.check() == 225
    assert len(scene.acknowledged().pushes) + len(scene.acknowledged().runs) == 300
