"""The context: a mapping that takes JSON values and nothing else."""

import math
from datetime import UTC, datetime
from enum import Enum

import msgspec
import pytest
from hypothesis import given

from penstock.runtime.errors import DecodeError
from penstock.workflows.context import Context
from tests.workflows.strategies import MAPPINGS


class Point(msgspec.Struct):
    x: int


class Colour(Enum):
    RED = "red"


@given(MAPPINGS)
def test_values_survive_json(values: dict[str, object]) -> None:
    assert Context.from_json(Context(values).to_json()) == values


def test_stored_null_is_read_as_none() -> None:
    context = Context({"k": None})
    assert context["k"] is None
    assert "k" in context


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ((1, 2), [1, 2]),
        (Point(1), {"x": 1}),
        ({"p": [Point(1)]}, {"p": [{"x": 1}]}),
        (Colour.RED, "red"),
        (datetime(2026, 1, 1, tzinfo=UTC), "2026-01-01T00:00:00Z"),
        (2**100, 2**100),
        ("ü ☃ \x00", "ü ☃ \x00"),
    ],
)
def test_value_is_kept_as_json_knows_it(value: object, stored: object) -> None:
    assert Context({"k": value}).to_dict() == Context.from_json(Context({"k": value}).to_json()) == {"k": stored}


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        ({1, 2}, TypeError, r"context\['k'\] cannot hold a value of type set: write it as a list"),
        (b"x", TypeError, r"write it as text, \.hex\(\) or \.decode\(\)"),
        (object(), TypeError, "a context holds JSON values"),
        (Point, TypeError, "a context holds JSON values"),
        (math.nan, ValueError, "cannot hold nan: JSON has finite numbers only"),
        ([math.inf], ValueError, r"context\['k'\]\[0\] cannot hold inf"),
        ({1: 2}, TypeError, "cannot have the key 1: keys are text, write '1'"),
        ("\ud800", ValueError, "half a surrogate pair"),
    ],
)
def test_what_json_cannot_hold_is_refused_at_the_call(value: object, error: type[Exception], message: str) -> None:
    context = Context({"k": 1})
    with pytest.raises(error, match=message):
        context["k"] = value

    assert context == {"k": 1}


def test_value_that_contains_itself_is_refused() -> None:
    endless: list[object] = []
    endless.append(endless)
    with pytest.raises(ValueError, match="contains itself"):
        Context({"k": endless})


def test_key_that_is_no_text_is_refused() -> None:
    with pytest.raises(TypeError, match="keys are text"):
        Context()[1] = 2  # type: ignore[index]


def test_value_is_a_copy() -> None:
    mine = [1]
    context = Context({"k": mine})
    mine.append(2)
    assert context["k"] == [1]


def test_insert_wants_a_new_key() -> None:
    context = Context()
    context.insert("k", 1)
    with pytest.raises(KeyError, match="is in the context already"):
        context.insert("k", 2)

    assert context == {"k": 1}


def test_replace_wants_a_known_key() -> None:
    context = Context({"k": 1})
    context.replace("k", 2)
    with pytest.raises(KeyError, match="is not in the context"):
        context.replace("z", 2)

    assert context == {"k": 2}


def test_missing_keys() -> None:
    context = Context()
    assert (context.get("k"), context.remove("k"), context.get_as("k", int)) == (None, None, None)
    with pytest.raises(KeyError):
        del context["k"]

    with pytest.raises(KeyError):
        context.require("k", int)


def test_values_are_read_as_a_type() -> None:
    context = Context({"p": Point(1), "n": 3})
    assert context.require("p", Point) == Point(1)
    assert context.get_as("n", float) == 3.0
    with pytest.raises(DecodeError, match="'p'"):
        context.require("p", int)


def test_text_that_is_no_object_is_refused() -> None:
    with pytest.raises(DecodeError, match="a JSON object"):
        Context.from_json("[1]")


def test_context_shows_its_values() -> None:
    assert repr(Context({"k": 1})) == "Context({'k': 1})"
