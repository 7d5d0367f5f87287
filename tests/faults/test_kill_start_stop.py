"""kill -9 of an app that takes over what another one left, or that stops in order."""

from pathlib import Path

import pytest

from tests.faults.kills import EACH_MOMENT, MOMENTS, Scene, Wreck

#: Long enough for a task, or a node, which takes a third of it at least, to be cut off by every stop.
LONG = 1.2


@pytest.mark.timeout(120)
@pytest.mark.parametrize("unit", ["take over", "claim"])
def test_killed_again_and_again_while_it_takes_over_nothing_is_lost_or_done_twice(
    unit: str, tmp_path: Path, store_url: str
) -> None:
    scene = Scene(tmp_path, store_url)
    left = leave_work(scene)
    wrecks = [scene.die(crash=f"{unit}: {moment}") for moment in MOMENTS]
    scene.finish()

    # nothing of it ran meanwhile
    assert [(wreck.inbox, wreck.firings, wreck.unfinished) for wreck in wrecks] == [
        (left.inbox, left.firings, left.unfinished)
    ] * len(MOMENTS)
    assert scene.count("runs WHERE recoveries > 2") == 0
    assert scene.check() > 0


@pytest.mark.timeout(120)
@EACH_MOMENT
def test_killed_while_it_counts_what_runs_again_nothing_is_lost_or_done_twice(
    moment: str, tmp_path: Path, store_url: str
) -> None:
    scene = Scene(tmp_path, store_url)
    left = leave_work(scene)
    scene.die(crash=f"cut: {moment}")
    counted = scene.count("firings WHERE crashes = 1")
    scene.finish()

    assert counted == (left.firings if moment == "after commit" else 0)
    assert scene.check() > 0


def leave_work(scene: Scene) -> Wreck:
    """Leave something of everything for the next start."""
    wreck = scene.kill_at("cut: before commit", after=150, hits=3, count=4000, node=0.1)
    assert wreck.inbox
    assert wreck.firings
    assert wreck.unfinished
    return wreck


@pytest.mark.timeout(120)
@EACH_MOMENT
def test_killed_in_the_last_cut_what_was_cut_off_happens_once(moment: str, tmp_path: Path, store_url: str) -> None:
    scene = Scene(tmp_path, store_url)
    # no cut before the stop: nothing that takes so long has ended, and the interval is an hour
    wreck = scene.kill_at(f"cut: {moment}", only="push", count=40, after=30, node=LONG, interval=3600.0, drain=0.0)
    stopped = scene.count("domains WHERE stopped_at IS NOT NULL")
    scene.finish()

    assert (wreck.inbox, wreck.firings, stopped) == ((0, 16, 1) if moment == "after commit" else (30, 0, 0))
    assert len(scene.acknowledged().pushes) == 30
    assert scene.check() == 20


@pytest.mark.timeout(120)
@EACH_MOMENT
def test_killed_while_it_lets_runs_go_they_end_once(moment: str, tmp_path: Path, store_url: str) -> None:
    scene = Scene(tmp_path, store_url)
    wreck = scene.kill_at(f"run.release: {moment}", only="run", count=80, after=20, task=LONG, drain=0.0)
    released = scene.count("runs WHERE owner IS NULL")
    scene.finish()

    assert wreck.unfinished == 20
    assert released == (20 if moment == "after commit" else 0)
    assert scene.count("runs WHERE recoveries > 0") == 0
    assert scene.check() == len(scene.acknowledged().runs) == 20
