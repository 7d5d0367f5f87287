"""Where two values differ is named; where they are the same, nothing is."""

import copy
import math
from dataclasses import dataclass

import msgspec
import pytest
from hypothesis import given, strategies as st

from penstock.runtime.compare import difference


class Pair(msgspec.Struct, eq=False):
    left: object
    right: object


@dataclass(eq=False)
class Mark:
    at: float


class Sub(Mark):
    pass


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=8,
)


@given(VALUES)
def test_nothing_differs_from_itself(value: object) -> None:
    assert difference(value, copy.deepcopy(value)) is None


@pytest.mark.parametrize(
    ("value", "back"),
    [(1, 1.0), (math.nan, -math.nan), ([math.nan], [math.nan]), (Pair(1, [2]), Pair(1, [2])), (Mark(1.0), Mark(1.0))],
)
def test_same_values_have_no_difference(value: object, back: object) -> None:
    assert difference(value, back) is None


@pytest.mark.parametrize(
    ("value", "back", "text"),
    [
        (1, 2, "1 would come back as 2 (at `$`)"),
        (1, True, "int would come back as bool (at `$`)"),
        (1.0, 1, "float would come back as int (at `$`)"),
        (1, "1", "int would come back as str (at `$`)"),
        (1, 1.5, "int would come back as float (at `$`)"),
        ((1,), [1], "tuple would come back as list (at `$`)"),
        ({"a": [1, 2]}, {"a": [1, 3]}, "2 would come back as 3 (at `$['a'][1]`)"),
        ({1: 1}, {"1": 1}, "$[1] would come back as $['1']"),
        (Pair(1, [2]), Pair(1, [3]), "2 would come back as 3 (at `$.right[0]`)"),
        (Mark(1.0), Mark(2.0), "1.0 would come back as 2.0 (at `$.at`)"),
        (Sub(1.0), Mark(1.0), "Sub would come back as Mark (at `$`)"),
        ([1], [1, 2], "[1] would come back as [1, 2] (at `$`)"),
        ({"a": 1}, {}, "{'a': 1} would come back as {} (at `$`)"),
    ],
)
def test_first_difference_is_named(value: object, back: object, text: str) -> None:
    assert difference(value, back) == text
