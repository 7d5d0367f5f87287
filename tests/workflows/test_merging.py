"""Joining contexts: every change once, what a task saw stays settled, and no clock in the result."""

import json
from collections.abc import Callable, Sequence
from copy import deepcopy

import pytest
from hypothesis import given, strategies as st

from penstock.workflows.delta import Delta, delta_from_text, delta_to_text, diff
from penstock.workflows.merging import Conflict, Contexts
from tests.workflows.strategies import JSON, KEYS, MAPPINGS, dependencies, edited

Values = dict[str, object]
Body = Callable[[Values], object]


class Ran:
    """Tasks that ran in order; what each got, what it left, and its delta."""

    def __init__(
        self, base: Values, needs: Sequence[Sequence[int]], bodies: Sequence[Callable[[Values], Values]]
    ) -> None:
        self.base, self.needs = base, needs
        self.contexts = Contexts(base, needs)
        self.got: list[Values] = []
        self.left: list[Values] = []
        self.deltas: list[Delta] = []
        for task, body in enumerate(bodies):
            self.got.append(self.contexts.before(task).values)
            self.left.append(body(deepcopy(self.got[task])))
            self.deltas.append(diff(self.got[task], self.left[task]))
            self.contexts.add(task, self.deltas[task])

    @property
    def end(self) -> Values:
        return self.contexts.after_all().values


def changing(body: Body) -> Callable[[Values], Values]:
    """Return a body that leaves what it made of its context."""

    def left(values: Values) -> Values:
        body(values)
        return values

    return left


def ran(base: Values, *tasks: tuple[Sequence[int], Body]) -> Ran:
    return Ran(base, [needs for needs, _ in tasks], [changing(body) for _, body in tasks])


def together(base: Values, *left: Values) -> tuple[Values, list[Conflict]]:
    """Join what unordered tasks left of one base."""
    own = Ran(base, [()] * len(left), [lambda _, values=values: values for values in left])  # type: ignore[misc]
    merged = own.contexts.after_all()
    return merged.values, list(merged.conflicts)


@st.composite
def histories(draw: st.DrawFn) -> Ran:
    """Some tasks in some order, each of which edits what it gets."""
    needs = draw(dependencies(max_size=4))
    return Ran(draw(MAPPINGS), needs, [lambda values: draw(edited(values))] * len(needs))


# -- laws, for any values; test_merging_laws.py has the others ----------------------------------------------------


@given(histories(), st.data())
def test_what_a_task_left_is_what_its_only_dependent_gets(own: Ran, data: st.DataObject) -> None:
    task = data.draw(st.sampled_from(range(len(own.needs))))
    contexts = Contexts(own.base, [*own.needs, [task]])
    for at, delta in enumerate(own.deltas):
        contexts.add(at, delta)

    after = contexts.before(len(own.needs))
    assert identical(after.values, own.left[task])
    assert after.conflicts == ()


@given(histories(), st.data())
def test_a_restart_gives_what_would_have_been_without_it(own: Ran, data: st.DataObject) -> None:
    contexts = Contexts(json.loads(json.dumps(own.base)), own.needs)
    for task in data.draw(st.permutations(range(len(own.needs)))):
        contexts.add(task, delta_from_text(delta_to_text(own.deltas[task])))

    for task in data.draw(st.permutations(range(len(own.needs)))):
        assert identical(contexts.before(task).values, own.got[task])

    assert identical(contexts.after_all().values, own.end)


def identical(one: object, other: object) -> bool:
    """Tell whether two values are written the same, whatever the order of their keys."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


# -- rules -------------------------------------------------------------------------------------------------------


@given(MAPPINGS, st.lists(st.dictionaries(KEYS, JSON, max_size=3), min_size=1, max_size=4))
def test_disjoint_changes_are_all_there(base: Values, changes: list[Values]) -> None:
    own = [{f"{key}{task}": value for key, value in each.items()} for task, each in enumerate(changes)]
    values, conflicts = together(base, *(base | each for each in own))
    assert conflicts == []
    assert values == {key: value for each in (base, *own) for key, value in each.items()}


@given(MAPPINGS, st.integers(2, 9))
def test_last_declared_wins_a_conflict(base: Values, rivals: int) -> None:
    values, conflicts = together(base, *(base | {"k": f"of task {task}"} for task in range(rivals)))
    assert values == base | {"k": f"of task {rivals - 1}"}
    assert conflicts == [Conflict(path=("k",), tasks=tuple(range(rivals)))]


def test_deletion_survives_an_untouched_copy() -> None:
    assert together({"k": 1, "x": 1}, {"x": 1}, {"k": 1, "x": 2}) == ({"x": 2}, [])


@pytest.mark.parametrize("changed", [{"k": {"a": 1, "b": 3}}, {"k": 5}, {"k": {"a": 1}}])
def test_change_beats_deletion(changed: Values) -> None:
    base: Values = {"k": {"a": 1, "b": 2}}
    assert together(base, {}, changed) == together(base, changed, {}) == (changed, [])


def test_a_deletion_ordered_after_the_change_stands_against_it_alone() -> None:
    change, delete = changing(lambda own: own.update(k=1)), changing(lambda own: own.pop("k"))
    assert Ran({}, [(), (0,)], [change, delete]).end == {}
    assert Ran({}, [(), (0,), ()], [change, delete, changing(lambda own: own.update(k=2))]).end == {"k": 2}


def test_appends_concatenate_in_declared_order() -> None:
    base: Values = {"log": [0]}
    assert together(base, {"log": [0, 1]}, {"log": [0, 2, 3]}) == ({"log": [0, 1, 2, 3]}, [])


def test_equal_appends_are_both_kept() -> None:
    assert together({"log": []}, {"log": [1]}, {"log": [1]}) == ({"log": [1, 1]}, [])


def test_append_to_a_list_that_another_task_replaced_is_a_conflict() -> None:
    conflict = Conflict(path=("log",), tasks=(0, 1))
    assert together({"log": [0]}, {"log": [9]}, {"log": [0, 1]}) == ({"log": [0, 1]}, [conflict])


def test_lists_made_by_two_tasks_are_a_conflict() -> None:
    assert together({}, {"log": [1]}, {"log": [2]}) == ({"log": [2]}, [Conflict(path=("log",), tasks=(0, 1))])


def test_mappings_made_by_two_tasks_are_merged() -> None:
    assert together({}, {"m": {"a": {"x": 1}}}, {"m": {"a": {"y": 2}}}) == ({"m": {"a": {"x": 1, "y": 2}}}, [])


def test_conflict_inside_a_mapping_names_its_path() -> None:
    merged = together({"m": {"a": 0}}, {"m": {"a": 1, "b": 1}}, {"m": {"a": 2, "c": 2}})
    assert merged == ({"m": {"a": 2, "b": 1, "c": 2}}, [Conflict(path=("m", "a"), tasks=(0, 1))])


def test_equal_changes_are_no_conflict() -> None:
    assert together({"k": 0}, {"k": [1, {"a": 2}]}, {"k": [1, {"a": 2}]}) == ({"k": [1, {"a": 2}]}, [])


def test_one_and_true_are_a_conflict() -> None:
    values, conflicts = together({}, {"k": 1}, {"k": True})
    assert values["k"] is True
    assert len(conflicts) == 1


def test_thousand_appends_in_a_chain_are_merged_once_each() -> None:
    contexts = Contexts({"log": []}, [[], *([task] for task in range(1000)), []])
    for task in range(1001):
        contexts.add(task, Delta(appended={"log": [task]}))

    contexts.add(1001, Delta(appended={"log": ["beside"]}))
    assert contexts.after_all().values == {"log": [*range(1001), "beside"]}


def test_thousand_tasks_side_by_side_are_all_there() -> None:
    contexts = Contexts({str(task): 0 for task in range(1000)}, [[]] * 1000)
    for task in range(1000):
        contexts.add(task, Delta(changed={str(task): 1}))

    assert contexts.after_all().values == {str(task): 1 for task in range(1000)}


def test_a_task_without_a_delta_hands_on_what_comes_together_before_it() -> None:
    contexts = Contexts({}, [[], [], [0, 1], [2]])
    contexts.add(0, Delta(changed={"a": 1, "k": 0}))
    contexts.add(1, Delta(changed={"b": 1, "k": 1}))
    assert contexts.before(3).values == {"a": 1, "b": 1, "k": 1}


def test_what_a_task_was_told_is_not_told_again_after_it() -> None:
    own = ran({}, ((), lambda own: own.update(k=0)), ((), lambda own: own.update(k=1)), ((0, 1), dict))
    assert own.contexts.before(2).conflicts == (Conflict(path=("k",), tasks=(0, 1)),)
    assert own.contexts.after_all().conflicts == ()


# -- what was settled --------------------------------------------------------------------------------------------


def test_a_deletion_that_was_beaten_stays_beaten() -> None:
    own = ran(
        {"c": {"a": 1, "b": 2, "c": 3}},
        ((), lambda own: own.pop("c")),
        ((), lambda own: own.update(c={"b": 2, "c": 3})),
        ((0, 1), lambda own: own.update(c={"b": 2})),
        ((), lambda own: own.update(c={"a": 1, "b": 2, "c": 3, "z": 1})),
    )
    assert own.got[2] == {"c": {"b": 2, "c": 3}}
    assert own.end == {"c": {"b": 2, "z": 1}}


def test_an_empty_mapping_clears_what_the_task_saw() -> None:
    own = ran(
        {"d": 0},
        ((), lambda own: own.update(d={"a": 1})),
        ((), lambda own: own.update(d="two")),
        ((0, 1), lambda own: own.update(d={})),
    )
    assert own.got[2] == {"d": "two"}
    assert own.end == {"d": {}}


def test_a_mapping_clears_only_what_the_task_saw() -> None:
    own = ran(
        {"d": {"a": 1, "l": [0]}},
        ((), lambda own: own.update(d="text")),
        ((0,), lambda own: own.update(d={"x": 1})),
        ((), lambda own: own.update(d={"a": 1, "l": [0, 1], "y": 1})),
    )
    assert own.end == {"d": {"x": 1, "l": [0, 1], "y": 1}}


def test_what_lost_a_conflict_does_not_come_back_inside_the_winner() -> None:
    own = ran(
        {"d": {"l": [0]}},
        ((), lambda own: own.update(d={"l": "text"})),
        ((0,), lambda own: own.pop("d")),
        ((), lambda own: own.update(d={"l": [0], "b": 1})),
        ((1, 2), lambda own: own.update(d={"l": [0, 9], "b": 1})),
        ((0,), lambda own: own.update(d={"l": "text", "e": 1})),
    )
    assert own.got[3] == {"d": {"l": [0], "b": 1}}
    assert own.end == {"d": {"l": [0, 9], "b": 1, "e": 1}}


def test_what_lost_does_not_come_back_with_a_task_that_was_declared_before_the_one_that_saw_it_lose() -> None:
    own = ran(
        {"d": {"l": [0]}},
        ((), lambda own: own.update(d={"l": "text"})),
        ((0,), lambda own: own.pop("d")),
        ((), lambda own: own.update(d={"l": [0], "b": 1})),
        ((0,), lambda own: own.update(d={"l": "text", "e": 1})),
        ((1, 2), dict),
    )
    assert own.got[4] == {"d": {"l": [0], "b": 1}}
    assert own.end == {"d": {"l": [0], "b": 1, "e": 1}}


def test_what_a_beaten_deletion_had_deleted_stays_when_the_key_is_made_anew_after_it() -> None:
    own = ran(
        {"c": {"a": 1, "b": 2}},
        ((), lambda own: own.pop("c")),
        ((), lambda own: own.update(c={"a": 5, "b": 2})),
        ((0, 1), dict),
        ((0,), lambda own: own.update(c={"q": 1})),
    )
    assert own.got[2] == {"c": {"a": 5, "b": 2}}
    assert own.end == {"c": {"a": 5, "b": 2, "q": 1}}


def test_a_mapping_that_lost_to_another_value_does_not_come_back_inside_the_mapping_made_of_that() -> None:
    own = ran(
        {"b": "text"},
        ((), lambda own: own.update(b={"x": 1, "y": 2})),
        ((), lambda own: own.update(b=[2])),
        ((0, 1), lambda own: own.update(b={})),
        ((0,), lambda own: own.update(b={"y": 2})),
    )
    assert own.got[2] == {"b": [2]}
    assert own.end == {"b": {}}


def test_a_rivalry_that_two_tasks_settled_differently_is_decided_once_more() -> None:
    # the first outweighs the second, which outweighs the deletion, which comes after the first
    own = ran(
        {"k": 0},
        ((), lambda own: own.update(k="second")),
        ((), lambda own: own.update(k="first")),
        ((1,), lambda own: own.pop("k")),
        ((0, 1), dict),
        ((3, 2), dict),
        ((0, 2), dict),
    )
    assert [own.got[task].get("k") for task in (3, 4, 5)] == ["first", None, "second"]
    assert own.end == {"k": "second"}


def test_an_append_stays_with_its_list_when_that_wins_against_another_value() -> None:
    own = ran(
        {"log": [0]},
        ((), lambda own: own.update(log=[0, 1])),
        ((0,), lambda own: own.update(log="closed")),
        ((0,), lambda own: own.update(log=[0, 1, 2])),
    )
    assert own.end == {"log": [0, 1, 2]}


def test_a_tail_that_was_seen_to_lose_does_not_come_back_with_a_later_one() -> None:
    own = ran(
        {"d": {"log": [0]}},
        ((), lambda own: own.update(d={"log": [0, 1]})),
        ((0,), lambda own: own.pop("d")),
        ((), lambda own: own.update(d={"log": [0], "b": 1})),
        ((1, 2), dict),
        ((0,), lambda own: own.update(d={"log": [0, 1, 5]})),
    )
    assert own.got[3] == {"d": {"log": [0], "b": 1}}
    assert own.end == {"d": {"log": [0, 5], "b": 1}}


def test_a_writer_that_was_overwritten_does_not_protect_an_equal_value_from_deletion() -> None:
    own = ran(
        {},
        ((), lambda own: own.update(k=5)),
        ((0,), lambda own: own.update(k=6)),
        ((), lambda own: own.update(k=5)),
        ((0, 2), dict),
        ((3, 1), dict),
        ((2,), lambda own: own.pop("k")),
    )
    assert own.got[4] == {"k": 5}
    assert own.end == {}


def test_a_writer_that_was_overwritten_has_no_part_in_who_wins() -> None:
    own = ran(
        {},
        ((), lambda own: own.update(k=5)),
        ((), lambda own: own.update(k=7)),
        ((), lambda own: own.update(k=5)),
        ((2,), lambda own: own.pop("k")),
        ((0, 2), dict),
    )
    merged = own.contexts.after_all()
    assert merged.values == {"k": 7}
    assert merged.conflicts == (Conflict(path=("k",), tasks=(0, 1)),)
