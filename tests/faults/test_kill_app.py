"""kill -9 of the whole app under load: what was acknowledged happened, once."""

from pathlib import Path

import pytest

from tests.faults.kills import Wreck, check, finish, inspect, instants, kill_after, kill_at, read_acknowledged

#: Where a write unit can be cut off, by the label of the unit. "before commit" of a cut has the outbox in its hands.
POINTS = [
    f"{unit}: {moment}"
    for unit in ("push", "cut", "run.create", "run.step", "run.finish")
    for moment in ("before begin", "before commit", "after commit")
]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("point", POINTS)
def test_killed_at_a_commit_point_nothing_acknowledged_is_lost_or_done_twice(point: str, tmp_path: Path) -> None:
    store, told = tmp_path / "store.db", tmp_path / "acknowledged"
    died = [kill_at(point, hits, store, told, first=1000 * n) for n, hits in enumerate((1, 7, 20))]
    finish(store)

    assert any(died), f"the victim never reached {point!r}"
    assert check(store, read_acknowledged(told)) > 0


@pytest.mark.timeout(120)
def test_killed_at_random_instants_nothing_acknowledged_is_lost_or_done_twice(tmp_path: Path) -> None:
    wrecks = kill_at_instants(tmp_path, seed=1, count=3)

    # An idle process is easy to kill: these died with work on their hands.
    assert sum(wreck.inbox for wreck in wrecks) > 0
    assert sum(wreck.unfinished for wreck in wrecks) > 0


@pytest.mark.chaos
@pytest.mark.timeout(1200)
def test_killed_at_a_hundred_random_instants_nothing_acknowledged_is_lost_or_done_twice(tmp_path: Path) -> None:
    wrecks = kill_at_instants(tmp_path, seed=2, count=100)

    assert sum(wreck.inbox for wreck in wrecks) > 0
    assert sum(wreck.firings for wreck in wrecks) > 0
    assert sum(wreck.unfinished for wreck in wrecks) > 0


def kill_at_instants(folder: Path, seed: int, count: int) -> list[Wreck]:
    store, told = folder / "store.db", folder / "acknowledged"
    wrecks: list[Wreck] = []

    for n, (acknowledgements, pause) in enumerate(instants(seed, count)):
        if kill_after(acknowledgements, pause, store, told, first=10_000 * n):
            wrecks.append(inspect(store))

    finish(store)
    runs = check(store, read_acknowledged(told))
    print(f"{len(wrecks)} kills, {runs} runs, each once; left in flight: {wrecks}")  # noqa: T201 - the figures of `make chaos`
    return wrecks
