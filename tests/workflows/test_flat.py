"""Flat contexts: wherever there is one, it is what the rules of merging come to, the order of keys included."""

import json
from copy import deepcopy
from random import Random

import pytest
from hypothesis import given, strategies as st

from penstock.workflows.delta import diff
from penstock.workflows.merging import Contexts
from tests.workflows.histories import HISTORIES, MANY, Author, History


class Careful(Author):
    """Writes histories in which tasks keep out of each other's way, nearly always."""

    def leaf(self) -> object:
        return self.random.choice([1, 2, True, None, "text", {"inside": 1}])

    def changed(self, old: dict[str, object], depth: int = 1) -> dict[str, object]:
        kept = {key: value for key, value in deepcopy(old).items() if self.happens(0.98)}
        return kept | {key: self.leaf() for key in self.random.sample("abcdefgh", 2) if self.happens(0.6)}


CAREFUL = st.randoms(use_true_random=True).map(Careful).map(History)


def text(values: dict[str, object]) -> str:
    return json.dumps(values)


@MANY
@given(st.one_of(CAREFUL, HISTORIES))
def test_a_flat_context_is_the_merged_one(history: History) -> None:
    contexts = Contexts(history.base, history.needs)
    for task, delta in enumerate(history.deltas):
        before = contexts.before(task)
        merged = contexts.merged(history.needs[task])
        assert (text(before.values), before.conflicts) == (text(merged.values), merged.conflicts)
        contexts.add(task, delta)

    inner = {need for needs in history.needs for need in needs}
    merged = contexts.merged([task for task in range(history.size) if task not in inner])
    assert (text(contexts.after_all().values), contexts.after_all().conflicts) == (
        text(merged.values),
        merged.conflicts,
    )


def test_most_careful_histories_are_flat() -> None:
    random = Random(1)
    histories = [History(Careful(random)) for _ in range(100)]
    flat = [left is not None for history in histories for left in history.contexts._flats.left.values()]
    assert len(flat) > sum(flat) > len(flat) / 2


@pytest.mark.parametrize(
    ("left", "right", "flat"),
    [
        ({"a": 1, "x": 2}, {"a": 1, "y": 3}, True),
        ({"a": 2}, {"a": 1}, True),
        ({"a": 2}, {"a": 3}, False),
        ({}, {"a": 1, "y": 3}, False),
        ({"a": [1]}, {"a": 1, "y": 1}, True),
    ],
    ids=["own keys", "one wrote", "both wrote", "deleted", "another kind of value"],
)
def test_what_is_flat(left: dict[str, object], right: dict[str, object], *, flat: bool) -> None:
    base = {"a": 1}
    contexts = Contexts(base, [[], [], [0, 1]])
    contexts.add(0, diff(base, left))
    contexts.add(1, diff(base, right))
    assert contexts.before(2) == contexts.merged([0, 1])
    assert (contexts._flats.values([0, 1], []) is not None) is flat
