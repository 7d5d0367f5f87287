"""Contexts, edits of them, and small DAGs of tasks, for property tests."""

from collections.abc import Mapping
from typing import cast

from hypothesis import strategies as st

KEYS = st.sampled_from(["a", "b", "c", "d"])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-2, 2)
    | st.integers(2**62, 2**80)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=3)
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)
MAPPINGS = st.dictionaries(KEYS, JSON, max_size=4)


@st.composite
def edited(draw: st.DrawFn, old: Mapping[str, object]) -> dict[str, object]:
    """What a task may make of a mapping: keys set and deleted, lists appended to, mappings changed inside."""
    new = {key: draw(_edited_value(value)) for key, value in old.items() if draw(st.integers(0, 4))}
    return new | draw(st.dictionaries(KEYS, JSON, max_size=1))


@st.composite
def _edited_value(draw: st.DrawFn, value: object) -> object:
    if draw(st.booleans()):
        return value

    if isinstance(value, list) and draw(st.integers(0, 2)):
        return [*cast("list[object]", value), *draw(st.lists(JSON, max_size=2))]

    if isinstance(value, dict) and draw(st.integers(0, 3)):
        return draw(edited(cast("dict[str, object]", value)))

    return draw(JSON)


@st.composite
def dependencies(draw: st.DrawFn, max_size: int = 6) -> list[list[int]]:
    """The positions of the tasks that each task depends on, in topological order."""
    size = draw(st.integers(1, max_size))
    return [sorted(draw(st.sets(st.integers(0, at - 1)))) if at else [] for at in range(size)]
