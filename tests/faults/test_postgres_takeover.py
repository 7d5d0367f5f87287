"""Who serves a store on PostgreSQL, when a process stands still or the clocks of machines are wrong.

Only the clock of the database decides: those of the processes here are ten minutes from it, each the wrong way.
"""

import json
import signal
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from anyio.lowlevel import checkpoint

from penstock.runtime.errors import StoreInUse, StoreTakenOver
from penstock.runtime.store.postgres import ALIVE
from penstock.runtime.store.store import Store
from penstock.testing.clock import VirtualClock
from tests.databases import dump, postgres_only, rows
from tests.faults import kills
from tests.faults.shorter import LEASE
from tests.faults.test_store_faults import Scene, end, wait_for_acknowledgements
from tests.faults.writes import note, noted
from tests.runtime.store.conftest import OpenStore
from tests.victims import Victim

pytestmark = [postgres_only, pytest.mark.slow, pytest.mark.timeout(60)]
#: Seconds by which clocks are wrong.
WRONG = 600.0
NODES = "SELECT id, lost_at IS NULL FROM nodes ORDER BY id"
AHEAD = "SELECT (lease_until - extract(epoch FROM clock_timestamp()) * 1000000) / 1000000 FROM nodes"


@pytest.fixture
def url(store_url: str) -> str:
    return store_url


@pytest.fixture
def scene(tmp_path: Path, store_url: str) -> Scene:
    return Scene(tmp_path, store_url)


@pytest.fixture
def clock(request: pytest.FixtureRequest) -> VirtualClock:
    """Return the clock of the one that wants to take over: by it, all leases are good, or have run out long ago."""
    return VirtualClock(datetime.now(UTC) + timedelta(seconds=getattr(request, "param", 0.0)))  # noqa: TID251 - it is wrong


ahead = pytest.mark.parametrize("clock", [WRONG], indirect=True, ids=["ahead"])
behind = pytest.mark.parametrize("clock", [-WRONG], indirect=True, ids=["behind"])


def halted(scene: Scene, victim: Victim, how: str) -> bool:
    """Tell whether a victim stands still."""
    assert victim.poll() is None, "the victim ended before it stood still"
    state = Path(f"/proc/{victim.pid}/stat").read_text().rpartition(")")[2].split()[0]
    return scene.acknowledged.with_suffix(".halted").exists() and (how == "hang" or state == "T")


def let_go_on(scene: Scene, victim: Victim) -> None:
    scene.acknowledged.with_suffix(".go_on").touch()
    victim.send_signal(signal.SIGCONT)


async def take_over(open_store: OpenStore) -> tuple[Store, int]:
    """Try to take over until it is granted; return how often it was refused."""
    refused = 0
    while True:
        try:
            return await open_store(), refused
        except StoreInUse:
            refused += 1


@behind
@pytest.mark.parametrize(
    ("how", "moment"),
    [
        ("pause", "before commit"),
        ("hang", "before commit"),
        *(
            pytest.param(how, moment, marks=pytest.mark.chaos)
            for how in ("pause", "hang")
            for moment in ("before begin", "after commit")
        ),
    ],
)
async def test_who_stands_still_for_longer_than_a_lease_changes_nothing_afterwards(
    *, how: str, moment: str, scene: Scene, open_store: OpenStore
) -> None:
    victim = scene.start("--short", "--shift", WRONG, "--halt", how, "--at", f"unit?: {moment}", "--hits", 20)
    try:
        while not halted(scene, victim, how):
            await checkpoint()

        told = scene.told()
        other, refused = await take_over(open_store)
        await other.commit(note(other, "other"))
        left = {table: found for table, found in dump(scene.url).items() if table != "nodes"}
        nodes = rows(scene.url, NODES)
        let_go_on(scene, victim)
        status = victim.end(30)
    finally:
        victim.kill()

    assert (status, refused > 0) == (1, True)
    assert "StoreTakenOver: store " in victim.errors
    assert {table: found for table, found in dump(scene.url).items() if table != "nodes"} == left
    assert rows(scene.url, NODES) == nodes == [(1, False), (2, True)]
    await other.commit(note(other, "again"))
    assert noted(scene.url)[-2:] == ["other", "again"]
    assert len(told) > 0
    assert set(scene.told()) <= set(scene.stored()["runs"])


@ahead
async def test_a_living_process_is_not_taken_over_by_one_whose_clock_is_ahead(
    *, scene: Scene, open_store: OpenStore
) -> None:
    victim = scene.start("--short", "--shift", -WRONG, "--count", 100_000)
    try:
        wait_for_acknowledgements(scene, victim, 1)
        until = time.monotonic() + LEASE * 1.2  # noqa: TID251 - the victim lives in real time
        while time.monotonic() < until:  # noqa: TID251
            with pytest.raises(StoreInUse, match=f"process {victim.pid} "):
                await open_store()

        assert victim.poll() is None
    finally:
        victim.kill()
        end(victim)

    scene.check(1)


@behind
async def test_a_dead_process_is_taken_over_by_one_whose_clock_is_behind(
    *, scene: Scene, open_store: OpenStore
) -> None:
    victim = scene.start("--shift", WRONG)
    wait_for_acknowledgements(scene, victim, 1)
    victim.kill()
    end(victim)
    [(seconds,)] = rows(scene.url, AHEAD)
    assert 0 < float(str(seconds)) <= 30, "the lease of the dead one is good for a while, by the clock that counts"
    other = await open_store()
    await other.commit(note(other, "other"))
    assert rows(scene.url, NODES) == [(1, False), (2, True)]


async def test_what_was_committed_before_the_takeover_was_noticed_is_acknowledged(
    url: str, open_store: OpenStore
) -> None:
    def notice(point: str) -> None:
        if point == "note: after commit":
            store._writer.give_up(StoreTakenOver("taken"))

    store = await open_store(faults=notice)
    await store.commit(note(store, "a"))
    assert noted(url) == ["a"]
    with pytest.raises(StoreTakenOver):
        await store.commit(note(store, "b"))

    assert noted(url) == ["a"]


def test_an_app_that_was_paused_leaves_its_work_to_the_next_one(tmp_path: Path, store_url: str) -> None:
    scene = kills.Scene(tmp_path, store_url)
    with scene.paused_after(100, count=100_000, short=True) as paused:
        while rows(store_url, f"SELECT FROM nodes WHERE {ALIVE}"):
            assert paused.poll() is None

        scene.finish()
        assert scene.check() > 0
        left = dump(store_url)
        paused.send_signal(signal.SIGCONT)
        status = paused.end(30)

    assert status == 1
    assert "StoreTakenOver: store " in paused.errors
    assert dump(store_url) == left
    # what it told of when it woke up was committed before
    booked = {int(str(run)): json.loads(str(given)) for run, given in scene.query("SELECT id, input FROM runs")}
    kills.check_numbers(scene.acknowledged(), booked)
