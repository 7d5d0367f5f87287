"""kill -9 in the write units of special runs: long ones, those whose workflow has changed, and those that kill."""

from pathlib import Path

import pytest

from tests.faults.kills import EACH_MOMENT, MOMENTS, Scene


@pytest.mark.timeout(120)
@EACH_MOMENT
def test_killed_while_it_notes_long_tasks_they_end_once(moment: str, tmp_path: Path, store_url: str) -> None:
    scene = Scene(tmp_path, store_url)
    wreck = scene.kill_at(f"run.started: {moment}", only="run", count=48, after=12, task=1.4)
    noted = scene.count("tasks WHERE status = 'running'")
    scene.finish()

    assert wreck.unfinished == 12
    assert (noted > 0) == (moment == "after commit")
    assert scene.check() == len(scene.acknowledged().runs) == 12


@pytest.mark.timeout(120)
def test_killed_again_and_again_while_it_parks_runs_they_go_on_with_the_old_code(
    tmp_path: Path, store_url: str
) -> None:
    scene = Scene(tmp_path, store_url)
    wreck = scene.kill_at("run.create: after commit", only="run", count=400, after=12, task=0.3)
    for moment in MOMENTS:
        scene.die(changed=True, crash=f"run.park: {moment}")
        assert (scene.count("runs WHERE owner IS NULL") > 0) == (moment == "after commit")

    parked = scene.finish(changed=True)
    assert parked == scene.count("runs WHERE finished_at IS NULL AND owner IS NULL") == wreck.unfinished
    assert scene.count("tasks") == 0

    assert scene.finish() == 0
    assert scene.check() == parked >= 12


@pytest.mark.timeout(120)
def test_killed_again_and_again_while_it_gives_a_run_up_it_is_given_up_once(tmp_path: Path, store_url: str) -> None:
    scene = Scene(tmp_path, store_url)
    scene.load(count=40, lethal="run")
    for _ in range(3):
        scene.die()

    assert scene.query("SELECT status, recoveries FROM runs WHERE workflow = 'lethal'") == [("running", 3)]
    for moment in MOMENTS:
        scene.die(crash=f"run.quarantine: {moment}")

    scene.finish()
    [(status, error)] = scene.query("SELECT status, error FROM runs WHERE workflow = 'lethal'")
    assert status == "quarantined"
    assert str(error).startswith("the process died each of the 3 times that this run was gone on with")
    assert scene.count("events WHERE events LIKE '%run_quarantined%'") == 1
    assert scene.check() > 0
