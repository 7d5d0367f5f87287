"""Faults happen where and when a test asks for them, and a test learns when they never did."""

import signal
import subprocess
import sys
import threading

import pytest

from penstock.testing.crash import Crash
from penstock.testing.faults import FaultPoints


@pytest.fixture
def faults() -> FaultPoints:
    return FaultPoints()


def outcomes(faults: FaultPoints, *points: str) -> list[str]:
    """Pass the points; return which of them raised what."""
    out: list[str] = []
    for point in points:
        try:
            faults(point)
        except (OSError, ValueError, Crash) as error:
            out.append(f"{point}: {error!r}")

    return out


def test_points_are_seen_in_order(faults: FaultPoints) -> None:
    assert outcomes(faults, "b", "a", "b") == []
    assert (faults.seen, faults.count("b"), faults.count("*")) == (["b", "a", "b"], 2, 3)


def test_fault_raises_at_its_point_only_and_once(faults: FaultPoints) -> None:
    fault = faults.fail("cut: before commit", error=OSError("disk"))
    assert outcomes(faults, "push: before commit", "cut: before commit", "cut: before commit") == [
        "cut: before commit: OSError('disk')"
    ]
    assert (fault.happened, len(faults.seen)) == (1, 3)


def test_fault_begins_and_ends_when_it_should(faults: FaultPoints) -> None:
    faults.fail("c", error=OSError(), after=2, times=2)
    assert [bool(outcomes(faults, "c")) for _ in range(5)] == [False, True, True, False, False]


def test_fault_may_last(faults: FaultPoints) -> None:
    faults.fail("c", times=None)
    assert len(outcomes(faults, *["c"] * 5)) == 5
    faults.clear()
    assert outcomes(faults, "c") == []


def test_pattern_is_a_glob_and_the_first_fault_wins(faults: FaultPoints) -> None:
    faults.fail("run.*: before *", error=OSError(), times=None)
    second = faults.fail("run.finish: before commit", error=ValueError())
    assert outcomes(faults, "run.finish: before commit", "run.finish: after commit", "run.create: before begin") == [
        "run.finish: before commit: OSError()",
        "run.create: before begin: OSError()",
    ]
    assert second.happened == 0


def test_error_is_nobodys_unless_given(faults: FaultPoints) -> None:
    faults.fail("c")
    with pytest.raises(Crash, match="scripted fault at 'c'"):
        faults("c")


def test_fault_that_never_happened_is_told(faults: FaultPoints) -> None:
    faults.fail("cut: before comit")
    faults.fail("push: *")
    outcomes(faults, "cut: before commit", "push: before begin", "push: before commit")
    with pytest.raises(AssertionError, match=r"never happened: 'cut: before comit'; .* 'cut: before commit', 'push"):
        faults.assert_all_happened()


def test_faults_that_happened_are_no_complaint(faults: FaultPoints) -> None:
    faults.fail("c")
    outcomes(faults, "c")
    faults.assert_all_happened()


def test_points_may_be_passed_on_any_thread(faults: FaultPoints) -> None:
    fault = faults.fail("c", after=500, times=100)
    threads = [threading.Thread(target=outcomes, args=(faults, *["c"] * 250)) for _ in range(4)]
    for thread in threads:
        thread.start()

    for thread in threads:
        thread.join()

    assert (fault.happened, faults.count("c")) == (100, 1000)


CRASH = """
import atexit
from penstock.testing import FaultPoints
atexit.register(print, "cleaned up")
faults = FaultPoints()
faults.crash("cut: *", after=2)
for point in ("cut: before commit", "push: before commit", "cut: after commit"):
    print(point, flush=True)
    faults(point)
print("survived")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_crash_kills_the_process_without_cleaning_up() -> None:
    done = subprocess.run([sys.executable, "-c", CRASH], check=False, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL
    assert done.stdout.splitlines() == ["cut: before commit", "push: before commit", "cut: after commit"]
