"""kill -9 of the whole app under load: what was acknowledged happened, once."""

from pathlib import Path

import pytest

from tests.faults.kills import MOMENTS, Scene, Wreck, instants

#: Seconds that a node takes, at most: longer than a commit, so that cuts find firings in flight; shorter than each
#: victim lives, for a firing that outlives no process is taken for the one that kills it.
NODE = 0.012


@pytest.mark.timeout(120)
@pytest.mark.parametrize("unit", ["push", "cut", "run.create", "run.step", "run.finish"])
def test_killed_at_each_commit_point_of_a_unit_nothing_acknowledged_is_lost_or_done_twice(
    unit: str, tmp_path: Path, store_url: str
) -> None:
    scene = Scene(tmp_path, store_url)
    early, in_the_middle, late = (
        scene.kill_at(f"{unit}: {moment}", after=after, hits=hits, count=4000)
        for moment, after, hits in zip(MOMENTS, (120, 40, 80), (7, 1, 3), strict=True)
    )
    scene.finish()

    assert scene.check() > 0
    assert early.busy
    assert in_the_middle.busy
    assert late.busy
    if unit == "cut":  # it has the outbox in its hands until it is committed
        assert early.outbox or in_the_middle.outbox


@pytest.mark.timeout(120)
def test_killed_at_random_instants_nothing_acknowledged_is_lost_or_done_twice(tmp_path: Path, store_url: str) -> None:
    kill_at_instants(Scene(tmp_path, store_url), seed=1, count=5)


@pytest.mark.chaos
@pytest.mark.timeout(1200)
def test_killed_at_a_hundred_random_instants_nothing_acknowledged_is_lost_or_done_twice(
    tmp_path: Path, store_url: str
) -> None:
    kill_at_instants(Scene(tmp_path, store_url), seed=2, count=100)


def kill_at_instants(scene: Scene, seed: int, count: int) -> None:
    wrecks: list[Wreck] = []
    # an idle process is easy to kill: these have to die with work of every kind on their hands, so there may be more
    for instant in instants(seed, count * 3):
        if len(wrecks) >= count and not idle_kinds(wrecks):
            break

        wrecks.append(scene.kill_after(*instant, count=4000, node=NODE, slow=0.004))

    scene.finish()
    bookings = scene.check()
    figures = [f"{kind} {sum(held)} in {sum(map(bool, held))} wrecks" for kind, held in held_by(wrecks).items()]
    print(f"{len(wrecks)} kills; left in flight: {', '.join(figures)}; {bookings} bookings, each once")  # noqa: T201 - for `make chaos`
    assert all(wreck.busy for wreck in wrecks)
    assert idle_kinds(wrecks) == []


def held_by(wrecks: list[Wreck]) -> dict[str, list[int]]:
    """Return how much of each kind of work each wreck had on its hands."""
    return {kind: [getattr(wreck, kind) for wreck in wrecks] for kind in Wreck.__dataclass_fields__}


def idle_kinds(wrecks: list[Wreck]) -> list[str]:
    """Return the kinds of work that none of them had."""
    return [kind for kind, held in held_by(wrecks).items() if not any(held)]
