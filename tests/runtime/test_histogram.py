"""Latencies: percentiles are right to within a bucket, counts are exact."""

import math

import pytest
from hypothesis import given, strategies as st

from penstock.runtime.histogram import PARTS, SIZE, Histogram, bucket, edge

SECONDS = st.floats(min_value=1e-9, max_value=1e5)
MANY = st.lists(SECONDS, min_size=1, max_size=200)


def filled(values: list[float]) -> Histogram:
    histogram = Histogram()
    for value in values:
        histogram.record(value)

    return histogram


def test_each_edge_begins_its_bucket() -> None:
    assert [bucket(edge(index)) for index in range(SIZE)] == list(range(SIZE))
    assert [bucket(math.nextafter(edge(index + 1), 0)) for index in range(SIZE)] == list(range(SIZE))


def test_bucket_is_at_most_a_sixteenth_wide() -> None:
    assert max(edge(index + 1) / edge(index) for index in range(SIZE)) == 1 + 1 / PARTS


@given(MANY, st.floats(0, 100))
def test_percentile_is_never_too_short_and_at_most_a_bucket_too_long(values: list[float], q: float) -> None:
    exact = sorted(values)[max(1, math.ceil(len(values) * q / 100)) - 1]
    assert exact <= filled(values).percentile(q) <= exact * (1 + 1 / PARTS)


@given(MANY)
def test_count_sum_and_maximum_are_exact(values: list[float]) -> None:
    histogram = filled(values)
    assert (histogram.count, histogram.maximum) == (len(values), max(values))
    assert histogram.sum == pytest.approx(sum(values))
    assert histogram.percentile(100) == max(values)


@given(MANY, MANY)
def test_merged_is_as_recorded_in_one(first: list[float], second: list[float]) -> None:
    merged, whole = filled(first), filled(first + second)
    merged.merge(filled(second))
    assert (merged.counts, merged.maximum) == (whole.counts, whole.maximum)
    assert merged.sum == pytest.approx(whole.sum)


def test_copy_goes_its_own_way() -> None:
    histogram = filled([1.0])
    twin = histogram.copy()
    histogram.record(2.0)
    assert (twin.count, twin.sum, histogram.count) == (1, 1.0, 2)


@given(MANY)
def test_cumulative_counts_are_exact_at_powers_of_two(values: list[float]) -> None:
    bounds = [2.0**power for power in range(-20, 11, 2)]
    assert filled(values).cumulative(bounds) == [(bound, sum(value < bound for value in values)) for bound in bounds]


def test_nothing_recorded_is_zero() -> None:
    histogram = Histogram()
    assert (histogram.count, histogram.sum, histogram.percentile(50), histogram.percentile(100)) == (0, 0.0, 0.0, 0.0)


def test_what_is_out_of_range_is_counted_at_the_end() -> None:
    histogram = filled([0.0, -1.0, 1e-12, 1e9])
    assert (histogram.counts[0], histogram.counts[-1]) == (3, 1)
    assert histogram.percentile(99) == 1e9


@pytest.mark.parametrize("q", [-1, 101, math.nan])
def test_percentile_out_of_range_is_refused(q: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 100"):
        Histogram().percentile(q)
