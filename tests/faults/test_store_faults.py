"""``kill -9`` of a process that commits: what it acknowledged is there, once and whole; the next one goes on."""

import random
import signal
import time
from pathlib import Path

import pytest

from tests.databases import Stores, dump, rows
from tests.faults import store_victim
from tests.postgres import is_postgres
from tests.victims import Victim

#: No victim lives longer.
PATIENCE = 60.0
#: Callers of the victim: with each of them at most one unit is not acknowledged yet.
CALLERS = 24
NAMED = {"inbox": "payload", "dead_letters": "error", "runs": "key"}


class Scene:
    """One database, and what was acknowledged of it over all victims."""

    def __init__(self, folder: Path, url: str) -> None:
        self.url = url
        self.acknowledged = folder / "acknowledged"

    def start(self, *options: object) -> Victim:
        return Victim(store_victim.main, [self.url, self.acknowledged, *options], self.acknowledged.parent)

    def told(self) -> list[str]:
        lines = self.acknowledged.read_text().splitlines() if self.acknowledged.exists() else []
        return [line for line in lines if line != "open"]

    def stored(self) -> dict[str, list[str]]:
        if not is_postgres(self.url):
            assert rows(self.url, "PRAGMA integrity_check") == [("ok",)]

        return {
            table: sorted(text(name) for (name,) in rows(self.url, f"SELECT {column} FROM {table}"))  # noqa: S608
            for table, column in NAMED.items()
        }

    def check(self, victims: int) -> None:
        """Each acknowledged unit is there once; each unit is there whole; only what was in flight is uncertain."""
        stored, told = self.stored(), self.told()
        assert stored["inbox"] == stored["dead_letters"] == stored["runs"] == sorted(set(stored["runs"]))
        assert set(told) <= set(stored["runs"])
        assert len(told) == len(set(told))
        assert len(stored["runs"]) - len(told) <= CALLERS * victims


def text(name: object) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)


def wait_for_acknowledgements(scene: Scene, process: Victim, number: int) -> None:
    give_up = time.monotonic() + PATIENCE  # noqa: TID251  the victim is another process and lives in real time
    before = len(scene.told())
    while len(scene.told()) - before < number and process.poll() is None:
        assert time.monotonic() < give_up, "the victim does not get on"  # noqa: TID251
        time.sleep(0.005)  # noqa: TID251


def end(process: Victim) -> int:
    status = process.end(PATIENCE)
    assert status in {0, -signal.SIGKILL}, process.errors
    return status


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("point", ["before begin", "before commit", "after commit"])
def test_killed_at_a_commit_point_it_loses_and_repeats_nothing(tmp_path: Path, store_url: str, point: str) -> None:
    scene = Scene(tmp_path, store_url)
    for victims, hits in enumerate([1, 5], start=1):
        assert end(scene.start("--crash", f"unit?: {point}", "--hits", hits)) == -signal.SIGKILL
        scene.check(victims)

    assert end(scene.start("--count", 3)) == 0
    scene.check(3)
    assert len([name for name in scene.told() if name.startswith("3-")]) == 3 * CALLERS


def kill_at_random(scene: Scene, seed: int, victims: int) -> None:
    chance = random.Random(seed)
    for victim in range(1, victims + 1):
        process = scene.start()
        wait_for_acknowledgements(scene, process, chance.randint(1, 300))
        time.sleep(chance.uniform(0, 0.02))  # noqa: TID251  anywhere within a commit or two
        process.kill()
        assert end(process) == -signal.SIGKILL
        scene.check(victim)

    assert len(scene.told()) > victims


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_killed_at_random_it_loses_and_repeats_nothing(tmp_path: Path, store_url: str) -> None:
    kill_at_random(Scene(tmp_path, store_url), seed=1, victims=3)


@pytest.mark.chaos
@pytest.mark.parametrize("seed", range(10))
def test_killed_at_a_hundred_random_instants_it_loses_and_repeats_nothing(
    tmp_path: Path, store_url: str, seed: int
) -> None:
    kill_at_random(Scene(tmp_path, store_url), seed=seed + 100, victims=10)


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_a_killed_process_leaves_the_lock_free_and_a_living_one_does_not(tmp_path: Path, store_url: str) -> None:
    scene = Scene(tmp_path, store_url)
    serving = scene.start()
    wait_for_acknowledgements(scene, serving, 1)
    second = scene.start()
    assert second.end(PATIENCE) == 1
    assert "StoreInUse: store " in second.errors
    assert f" is already served by process {serving.pid}" in second.errors
    serving.kill()
    end(serving)
    assert end(scene.start("--count", 1)) == 0


@pytest.mark.slow
@pytest.mark.timeout(60)
@pytest.mark.parametrize("point", ["before begin", "1: applied", "before commit", "after commit"])
def test_killed_while_it_migrates_it_leaves_the_old_version_or_the_new(
    tmp_path: Path, new_stores: Stores, point: str
) -> None:
    scene = Scene(tmp_path, new_stores.new(empty=True))
    pattern = f"migration {point}" if point[0].isdigit() else f"migration: {point}"
    assert end(scene.start("--crash", pattern)) == -signal.SIGKILL
    assert ("runs" in dump(scene.url)) == (point == "after commit")
    assert end(scene.start("--count", 1)) == 0
    scene.check(1)
