"""Durations: every form is read at the edge, and what is no duration says so."""

import math
from datetime import timedelta

import pytest
from hypothesis import given, strategies as st

from penstock.runtime.durations import FORMS, seconds, written
from penstock.runtime.errors import DefinitionError


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (5, 5.0),
        (0.25, 0.25),
        (timedelta(minutes=1, milliseconds=5), 60.005),
        ("250ms", 0.25),
        ("0.1s", 0.1),
        ("100ms", 0.1),
        ("5s", 5.0),
        ("1m30s", 90.0),
        ("1m 30s", 90.0),
        ("2h", 7200.0),
        ("1.5h", 5400.0),
        ("1d", 86_400.0),
        (" 1 d 2 h 3 m 4 s 5 ms ", 93_784.005),
    ],
)
def test_each_form_is_seconds(value: float | str | timedelta, expected: float) -> None:
    result = seconds(value, name="interval")
    assert result == expected
    assert type(result) is float


@pytest.mark.parametrize(
    "value",
    ["", " ", "5", "s", "5 sec", "5S", "-5s", "1e3s", "30s1m", "5s5s", ".5s", "5.s", "1d\x00", "\u0665s", "inf"],
)
def test_text_that_is_no_duration_names_the_forms(value: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        seconds(value, name="interval")

    assert str(caught.value) == f"interval: {value!r} is not a duration; {FORMS}"


@pytest.mark.parametrize("value", [True, False, math.nan, math.inf, -math.inf, 10**400, None, b"5s", [5]])
def test_what_is_no_finite_number_is_refused(value: object) -> None:
    with pytest.raises(DefinitionError, match="is not a duration"):
        seconds(value, name="interval")  # type: ignore[arg-type]  # what callers without a type checker do


def test_zero_is_refused_unless_allowed() -> None:
    assert seconds("0s", name="timeout", zero=True) == 0.0
    with pytest.raises(DefinitionError, match="timeout: 0 must be longer than 0s"):
        seconds(0, name="timeout")


def test_negative_is_refused_even_where_zero_is_allowed() -> None:
    with pytest.raises(DefinitionError, match="timeout: -1 must be at least 0s"):
        seconds(-1, name="timeout", zero=True)


def test_bounds_are_named_as_people_write_them() -> None:
    with pytest.raises(DefinitionError, match="poll: '1ms' must be longer than 10ms"):
        seconds("1ms", name="poll", minimum=0.01)

    with pytest.raises(DefinitionError, match="poll: '2d' must be at most 1d"):
        seconds("2d", name="poll", maximum=86_400)


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (0, "0s"),
        (0.25, "250ms"),
        (0.0001, "0s"),
        (5, "5s"),
        (1.5, "1.5s"),
        (90.25, "1m30.25s"),
        (59.9999, "1m"),
        (7200, "2h"),
        (90_061.001, "1d1h1m1.001s"),
        (-90, "-1m30s"),
        (math.inf, "forever"),
    ],
)
def test_written_as_people_do(length: float, text: str) -> None:
    assert written(length) == text


@given(st.integers(1, 10**12))
def test_what_is_written_is_read_back(milliseconds: int) -> None:
    assert seconds(written(milliseconds / 1000), name="interval") == milliseconds / 1000
