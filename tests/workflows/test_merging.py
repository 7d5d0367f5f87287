"""Merging: every change once, and no clock in the result."""

import pytest
from hypothesis import given, strategies as st

from penstock.workflows.delta import diff
from penstock.workflows.merging import Conflict, Contribution, Merger, merge
from tests.workflows.strategies import JSON, KEYS, MAPPINGS, ancestors_of, dependencies, edited


def contribution(task: int, base: dict[str, object], left: dict[str, object], ancestors: int = 0) -> Contribution:
    return Contribution(task, ancestors, diff(base, left))


def together(base: dict[str, object], *left: dict[str, object]) -> tuple[dict[str, object], list[Conflict]]:
    """Merge what unordered tasks left of one base."""
    merged = merge(base, [contribution(task, base, values) for task, values in enumerate(left)])
    return merged.values, list(merged.conflicts)


@given(st.data())
def test_what_a_task_left_is_what_its_only_dependent_gets(data: st.DataObject) -> None:
    base, needs = data.draw(MAPPINGS), data.draw(dependencies())
    masks, done = ancestors_of(needs), list[Contribution]()
    for task, mask in enumerate(masks):
        got = merge(base, [item for item in done if mask >> item.task & 1]).values
        left = data.draw(edited(got))
        done.append(contribution(task, got, left, mask))
        assert merge(base, [item for item in done if mask >> item.task & 1 or item.task == task]).values == left


@given(st.data())
def test_a_join_that_starts_from_a_known_context_gives_the_same(data: st.DataObject) -> None:
    base, needs = data.draw(MAPPINGS), data.draw(dependencies())
    masks = ancestors_of(needs)
    merger, done, left = Merger(base, masks), list[Contribution](), dict[int, dict[str, object]]()
    for task, mask in enumerate(masks):
        whole = merge(base, [item for item in done if mask >> item.task & 1])
        assert merger.merge(mask) == whole
        for need in needs[task]:
            joined = merger.merge(mask, left[need], masks[need] | 1 << need)
            assert joined.values == whole.values
            assert set(joined.conflicts) <= set(whole.conflicts)

        left[task] = data.draw(edited(whole.values))
        done.append(contribution(task, whole.values, left[task], mask))
        merger.add(task, done[-1].delta)


@given(st.data())
def test_order_of_arrival_does_not_matter(data: st.DataObject) -> None:
    base, needs = data.draw(MAPPINGS), data.draw(dependencies())
    done = [
        contribution(task, base, data.draw(edited(base)), mask)
        for task, mask in enumerate(ancestors_of(needs))
        if not mask
    ]
    expected = merge(base, done)
    shuffled = merge(base, data.draw(st.permutations(done)))
    assert shuffled == expected
    assert list(shuffled.values) == list(expected.values)


@given(MAPPINGS, st.lists(st.dictionaries(KEYS, JSON, max_size=3), min_size=1, max_size=4))
def test_disjoint_changes_are_all_there(base: dict[str, object], changes: list[dict[str, object]]) -> None:
    own = [{f"{key}{task}": value for key, value in each.items()} for task, each in enumerate(changes)]
    values, conflicts = together(base, *(base | each for each in own))
    assert conflicts == []
    assert values == {key: value for each in (base, *own) for key, value in each.items()}


@given(MAPPINGS, st.permutations(range(4)))
def test_last_declared_wins_a_conflict(base: dict[str, object], order: list[int]) -> None:
    done = [contribution(task, base, base | {"k": task}) for task in order]
    merged = merge(base, done)
    assert merged.values == base | {"k": 3}
    assert merged.conflicts == (Conflict(path=("k",), tasks=(0, 1, 2, 3)),)


def test_deletion_survives_an_untouched_copy() -> None:
    assert together({"k": 1, "x": 1}, {"x": 1}, {"k": 1, "x": 2}) == ({"x": 2}, [])


@pytest.mark.parametrize("changed", [{"k": {"a": 1, "b": 3}}, {"k": 5}, {"k": {"a": 1}}])
def test_change_beats_deletion(changed: dict[str, object]) -> None:
    base: dict[str, object] = {"k": {"a": 1, "b": 2}}
    assert together(base, {}, changed) == together(base, changed, {}) == (changed, [])


def test_a_deletion_ordered_after_the_change_stands_against_it_alone() -> None:
    base: dict[str, object] = {}
    first = contribution(0, base, {"k": 1})
    second = contribution(1, {"k": 1}, {}, 0b1)
    other = contribution(2, base, {"k": 2})
    assert merge(base, [first, second]).values == {}
    assert merge(base, [first, second, other]).values == {"k": 2}


def test_appends_concatenate_in_declared_order() -> None:
    base: dict[str, object] = {"log": [0]}
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
    lists = [list(range(length)) for length in range(1001)]
    chain = [
        contribution(task, {"log": lists[task]}, {"log": lists[task + 1]}, (1 << task) - 1) for task in range(1000)
    ]
    assert merge({"log": []}, chain).values == {"log": lists[-1]}
