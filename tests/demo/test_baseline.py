import pytest
from hypothesis import given, strategies as st

from penstock.demo.baseline import Rule, Subject, baseline, deviation, newcomer, saturation
from tests.demo.samples import process

SUBJECT = Subject(key="cpu", name="CPU", unit="%")
RULE = Rule(floor=25.0, spreads=6.0, sustained=3, warm_up=6)
QUIET = [4.0, 6.0, 5.0, 7.0, 3.0, 5.0, 6.0]
percentages = st.floats(0.0, 100.0)


def test_baseline_is_the_median_of_all_but_the_latest() -> None:
    normal = baseline([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 90.0, 90.0, 90.0], RULE)
    assert normal is not None
    assert (normal.centre, normal.limit) == (4.0, 29.0)


def test_there_is_no_baseline_before_the_warm_up() -> None:
    assert baseline([1.0] * 8, RULE) is None
    assert baseline([1.0] * 9, RULE) is not None


def test_the_noisier_the_signal_the_wider_is_what_is_normal() -> None:
    normal = baseline([10.0, 20.0, 30.0] * 10, RULE)
    assert normal is not None
    assert normal.limit == pytest.approx(20.0 + 6.0 * 1.4826 * 10.0)


def test_signal_with_two_habits_is_normal_in_both() -> None:
    values = [*[10.0, 10.0, 10.0, 70.0] * 6, 70.0, 70.0, 70.0]
    assert deviation(SUBJECT, values, RULE) is None


def test_few_outliers_are_no_habit() -> None:
    assert deviation(SUBJECT, [90.0, *QUIET, *QUIET, 60.0, 61.0, 62.0], RULE) is not None


def test_sustained_rise_is_a_deviation_and_one_sample_is_noise() -> None:
    assert deviation(SUBJECT, [*QUIET, 60.0, 61.0, 62.0], RULE) is not None
    assert deviation(SUBJECT, [*QUIET, 5.0, 100.0, 62.0], RULE) is None
    assert deviation(SUBJECT, [*QUIET, 60.0, 61.0, 20.0], RULE) is None


def test_deviation_says_what_would_have_been_normal() -> None:
    found = deviation(SUBJECT, [*QUIET, 60.0, 61.0, 62.0], RULE)
    assert found is not None
    assert (found.name, found.value, found.centre, found.limit) == ("CPU", 61.0, 5.0, 30.0)
    assert found.severity == 56.0 / 25.0


def test_falling_is_no_deviation() -> None:
    assert deviation(SUBJECT, [90.0, 92.0, 91.0, 90.0, 93.0, 91.0, 92.0, 1.0, 1.0, 1.0], RULE) is None


@given(st.lists(percentages, max_size=40))
def test_what_stays_within_the_floor_is_never_a_deviation(values: list[float]) -> None:
    assert deviation(SUBJECT, [value * 0.25 for value in values], RULE) is None


@given(st.lists(percentages, min_size=9, max_size=40))
def test_limit_is_never_nearer_than_the_floor(values: list[float]) -> None:
    normal = baseline(values, RULE)
    assert normal is not None
    assert normal.limit >= normal.centre + RULE.floor
    assert min(values) <= normal.centre <= max(values)


@given(st.lists(percentages, min_size=9, max_size=40), st.floats(0.0, 1000.0))
def test_no_single_sample_raises_an_alarm(values: list[float], spike: float) -> None:
    calm = [value * 0.2 for value in values]
    assert deviation(SUBJECT, [*calm, spike], RULE) is None


def test_saturation_is_being_full_for_long() -> None:
    assert saturation(SUBJECT, [100.0] * 31, limit=95.0, sustained=32) is None
    found = saturation(SUBJECT, [20.0, *[99.0] * 32], limit=95.0, sustained=32)
    assert found is not None
    assert (found.value, found.limit) == (99.0, 95.0)
    assert saturation(SUBJECT, [*[100.0] * 31, 50.0], limit=95.0, sustained=32) is None


def test_process_that_begins_to_use_much_is_a_newcomer() -> None:
    found = newcomer(process([0.0, 0.0, 40.0, 98.0, 99.0]), share=60.0)
    assert found is not None
    assert (found.name, found.pid, found.value, found.centre) == ("process burn (7)", 7, 98.5, 0.0)


def test_process_that_was_busy_before_is_no_newcomer() -> None:
    assert newcomer(process([90.0, 90.0, 95.0, 98.0, 99.0]), share=60.0) is None
    assert newcomer(process([0.0, 20.0, 95.0, 98.0, 99.0]), share=60.0) is None


def test_process_that_was_busy_in_one_poll_only_is_no_newcomer() -> None:
    assert newcomer(process([0.0, 0.0, 0.0, 98.0]), share=60.0) is None
    assert newcomer(process([0.0, 0.0, 0.0, 98.0, 10.0]), share=60.0) is None


def test_process_is_not_judged_before_it_was_seen_idle_or_absent() -> None:
    assert newcomer(process([0.0, 50.0, 98.0, 99.0]), share=60.0) is None
