"""Deltas: what a task changed, as stored."""

import json
import math

import pytest
from hypothesis import given, strategies as st

from penstock.workflows.delta import NOTHING, Delta, apply, delta_from_text, delta_to_text, diff
from tests.workflows.strategies import MAPPINGS, edited


def identical(left: object, right: object) -> bool:
    """Equal, and of the same types all the way down."""
    return left == right and json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True)


@given(st.data())
def test_delta_leads_from_the_old_values_to_the_new(data: st.DataObject) -> None:
    old = data.draw(MAPPINGS)
    new = data.draw(edited(old))
    assert identical(apply(old, diff(old, new)), new)


@given(st.data())
def test_stored_delta_is_the_delta(data: st.DataObject) -> None:
    old = data.draw(MAPPINGS)
    delta = diff(old, data.draw(edited(old)))
    assert identical(apply(old, delta_from_text(delta_to_text(delta))), apply(old, delta))


@given(MAPPINGS)
def test_nothing_changed_is_an_empty_delta(values: dict[str, object]) -> None:
    assert diff(values, values) == NOTHING
    assert delta_to_text(NOTHING) == "{}"


@given(st.data())
def test_the_base_is_not_changed(data: st.DataObject) -> None:
    old = data.draw(MAPPINGS)
    before = json.dumps(old)
    apply(old, diff(old, data.draw(edited(old))))
    assert json.dumps(old) == before


def test_delta_has_the_documented_shape() -> None:
    old: dict[str, object] = {"gone": 1, "log": [1], "deep": {"a": 1, "b": 2}, "kept": [1]}
    new: dict[str, object] = {"log": [1, 2], "deep": {"a": 1, "b": 3}, "kept": [1], "new": None}
    assert json.loads(delta_to_text(diff(old, new))) == {
        "changed": {"new": None},
        "deleted": ["gone"],
        "appended": {"log": [2]},
        "within": {"deep": {"changed": {"b": 3}}},
    }


@pytest.mark.parametrize("new", [True, 1.0, "1", [1], None])
def test_another_type_is_a_change(new: object) -> None:
    assert diff({"k": 1}, {"k": new}) == Delta(changed={"k": new})


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": {1, 2}}, r"context\['k'\]\['a'\] cannot hold a value of type set: write it as a list"),
        ([1, math.nan], r"context\['k'\]\[1\] cannot hold nan"),
        ({1: 2}, r"context\['k'\] cannot have the key 1"),
    ],
)
def test_what_json_cannot_hold_is_named_with_its_place(value: object, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        diff({}, {"k": value})


def test_bad_value_deep_in_an_inherited_mapping_is_named() -> None:
    with pytest.raises(TypeError, match=r"context\['k'\]\['a'\]\[1\] cannot hold a value of type bytes"):
        diff({"k": {"a": [1]}}, {"k": {"a": [1, b""]}})
