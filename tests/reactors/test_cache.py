"""How keys and values are written."""

import pytest
from hypothesis import given, strategies as st

from penstock.accumulators.passthrough import passthrough_accumulator
from penstock.reactors import cache
from penstock.runtime.errors import DecodeError, StateIncompatible


@passthrough_accumulator
def a(event: float) -> float:
    return event


@passthrough_accumulator
def b(event: str) -> str:
    return event


INPUTS = {"a": a, "b": b}


@given(st.none() | st.text() | st.integers())
def test_a_key_comes_back_as_it_was(key: str | int | None) -> None:
    assert cache.key_of(cache.key_text(key), "r") == key


@given(st.none() | st.text() | st.integers(), st.none() | st.text() | st.integers())
def test_different_keys_are_written_differently(one: str | int | None, other: str | int | None) -> None:
    assert (cache.key_text(one) == cache.key_text(other)) == (one == other)
    assert cache.key_text(one) not in {cache.ACCUMULATOR_KEY, cache.BROADCAST_KEY}


def test_a_text_that_is_no_key_is_named() -> None:
    with pytest.raises(StateIncompatible, match="'r'"):
        cache.key_of("?", "r")


@given(st.floats(allow_nan=False), st.text(), st.sets(st.sampled_from(["a", "b"])))
def test_values_come_back_as_they_were(number: float, text: str, new: set[str]) -> None:
    values: dict[str, object] = {"a": number, "b": text}
    assert cache.decode(cache.encode(values, sorted(new), INPUTS), INPUTS) == (values, sorted(new), [])


def test_inputs_that_are_gone_are_named_and_left_out() -> None:
    data = cache.encode({"a": 1.0, "b": "x"}, ["a", "b"], INPUTS)
    assert cache.decode(data, {"b": b}) == ({"b": "x"}, ["b"], ["a"])


def test_a_value_of_another_type_is_refused_when_written_and_when_read() -> None:
    with pytest.raises(DecodeError):
        cache.encode({"a": "text"}, [], INPUTS)

    with pytest.raises(StateIncompatible, match="'b'"):
        cache.decode(cache.encode({"b": "x"}, [], INPUTS).replace(b"x", b"\xff"), INPUTS)
