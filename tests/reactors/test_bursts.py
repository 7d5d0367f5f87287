"""Which firings are noted: all of a reactor that fires now and then, of bursts some."""

from collections.abc import Callable

from penstock.accumulators.gate import Gate
from penstock.reactors.firing import NOWHERE, Firing
from penstock.reactors.history import History


class Time:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def noted(history: History, time: Time, gaps: list[float], *, seconds: float = 0.0) -> int:
    """Fire after each gap, and return how many of the firings were noted."""
    before = history.noted
    for gap in gaps:
        time.now += gap
        start = time.now
        if start > history.look_from and history.look(start):
            time.now += seconds
            history.close(Firing("r", "r", None, {}, frozenset(), start, NOWHERE))

    return history.noted - before


def of(time: Callable[[], float]) -> History:
    return History(time, 10, Gate(time))


def test_each_of_those_that_come_now_and_then_is_noted() -> None:
    time = Time()
    assert noted(of(time), time, [0.06] * 1000) == 1000


def test_of_a_burst_one_in_each_half_millisecond_is_noted() -> None:
    time = Time()
    assert noted(of(time), time, [1e-6] * 1000) == 2


def test_of_one_that_goes_on_one_in_each_longer_time_is_noted_until_it_has_rested() -> None:
    time = Time()
    history = of(time)
    assert 200 <= noted(history, time, [0.001] * 1000) <= 220
    assert noted(history, time, [0.001] * 1000) in {19, 20, 21}
    assert noted(history, time, [10.0, *[0.001] * 150]) == 151


def test_all_are_noted_while_somebody_listens() -> None:
    time = Time()
    history = of(time)
    leave = history.listen(lambda _: None)
    assert noted(history, time, [1e-6] * 1000) == 1000
    leave()
    assert noted(history, time, [1e-6] * 1000) < 10


def test_time_slice_ends_in_the_middle_of_a_burst() -> None:
    time = Time()
    gate = Gate(time)
    history = History(time, 10, gate)
    gate.begin_slice()
    noted(history, time, [0.001] * 4)
    assert not gate.shut
    noted(history, time, [1e-6, 0.0011])
    assert gate.shut
