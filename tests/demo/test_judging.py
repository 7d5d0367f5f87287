from datetime import timedelta

import pytest

from penstock.demo import judging
from penstock.demo.judging import Reading, Snapshot, history, newcomers, saturated, unusual, worst_first
from penstock.demo.signals import Memory, Processes
from tests.demo.samples import START, cpu, process, strange, track


def snapshot(*readings: Reading | None) -> Snapshot:
    return judging.snapshot(*readings, since=START)


QUIET = [5.0] * 10
FULL = [100.0] * 10


def test_reading_that_an_earlier_demo_has_left_is_not_judged() -> None:
    old = Memory(used=track([1.0], start=START - timedelta(seconds=1)), total_bytes=2**30, swap=None)
    seen = snapshot(cpu(QUIET), old, None, None, None)
    assert seen.readings == (cpu(QUIET),)
    assert snapshot(None, old, None, None, None).readings == ()


def test_reading_of_a_poll_that_hangs_is_not_judged() -> None:
    old = Memory(used=track([1.0]), total_bytes=2**30, swap=None)
    late = Processes(at=START + timedelta(hours=1), total=1, busiest=())
    assert snapshot(None, old, None, None, late).readings == (late,)


def test_readings_that_are_missing_are_missing_from_the_snapshot() -> None:
    assert snapshot(cpu(QUIET), None, None, None, None).readings == (cpu(QUIET),)


def test_cpu_that_rises_is_unusual_and_cpu_that_does_not_is_not() -> None:
    assert [each.subject for each in unusual(snapshot(cpu([*QUIET, 55.0, 60.0, 58.0]), None, None, None, None))] == [
        "cpu"
    ]
    assert unusual(snapshot(cpu(QUIET), None, None, None, None)) == ()


def test_machine_that_is_full_for_eight_seconds_is_saturated() -> None:
    assert len(saturated(snapshot(cpu([100.0] * 32), None, None, None, None))) == 1
    assert saturated(snapshot(cpu([100.0] * 31), None, None, None, None)) == ()


@pytest.mark.parametrize(("load", "found"), [(QUIET, 0), (FULL, 1)])
def test_on_a_full_machine_less_makes_a_newcomer(load: list[float], found: int) -> None:
    busiest = (process([0.0, 0.0, 10.0, 33.0, 30.0]), process([99.0] * 5, pid=8))
    readings = Processes(at=START, total=2, busiest=busiest)
    assert len(newcomers(snapshot(cpu(load), None, None, None, readings))) == found


def test_demo_does_not_judge_itself() -> None:
    readings = Processes(at=START, total=1, busiest=(process([0.0, 0.0, 50.0, 99.0, 99.0], role="self"),))
    assert newcomers(snapshot(None, None, None, None, readings)) == ()


def test_worst_comes_first_and_a_signal_once() -> None:
    assert worst_first([strange(40.0), strange(90.0), strange(60.0)]) == (strange(90.0),)


def test_history_is_that_of_the_signal_or_of_the_process() -> None:
    readings = Processes(at=START, total=1, busiest=(process([0.0, 99.0], pid=7),))
    seen = snapshot(cpu([1.0, 2.0]), None, None, None, readings)
    assert [each.value for each in history(strange(), seen)] == [1.0, 2.0]
    assert [each.value for each in history(strange(pid=7), seen)] == [0.0, 99.0]
