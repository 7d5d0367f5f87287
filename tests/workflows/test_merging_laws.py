"""Laws of joining contexts, for any tasks in any order that do anything to their contexts."""

import json
from collections.abc import Iterator, Sequence

from hypothesis import given, strategies as st

from penstock.workflows.delta import Delta, apply, delta_from_text, delta_to_text
from penstock.workflows.merging import Contexts
from penstock.workflows.values import is_mapping
from tests.workflows import joining_reference as reference
from tests.workflows.histories import HISTORIES, MANY, History

Path = tuple[str, ...]

NOTHING = "nothing"


def written(value: object) -> str:
    """Return how a value is written: with the order of its keys, and ``1`` is not ``True``."""
    return json.dumps(value)


def replayed(history: History, more: Sequence[Sequence[int]] = ()) -> Contexts:
    """Return the contexts as another process makes them of what is stored, with more tasks that change nothing."""
    contexts = Contexts(json.loads(json.dumps(history.base)), [*history.needs, *more])
    for task, delta in enumerate(history.deltas):
        contexts.add(task, delta_from_text(delta_to_text(delta)))

    return contexts


def paths(value: object, path: Path = ()) -> Iterator[Path]:
    if is_mapping(value):
        for key, inner in value.items():
            yield (*path, key)
            yield from paths(inner, (*path, key))


def at(value: object, path: Path) -> object:
    """Return what stands at a path; text that no task writes is nothing."""
    for key in path:
        value = value.get(key, NOTHING) if is_mapping(value) else NOTHING

    return value


def writes(delta: Delta, path: Path = ()) -> Iterator[Path]:
    for key in (*delta.changed, *delta.deleted, *delta.appended):
        yield (*path, key)

    for key, inner in delta.within.items():
        yield from writes(inner, (*path, key))


def concerned(history: History, tasks: set[int], path: Path) -> set[int]:
    """Return the tasks that wrote at a path, below it, or at something that it is in."""
    return {
        task
        for task in tasks
        for each in writes(history.deltas[task])
        if each == path[: len(each)] or each[: len(path)] == path
    }


@MANY
@given(HISTORIES, st.data())
def test_the_order_in_which_deltas_and_dependencies_are_named_does_not_matter(
    history: History, data: st.DataObject
) -> None:
    contexts = Contexts(history.base, [data.draw(st.permutations(needs)) for needs in history.needs])
    for task in data.draw(st.permutations(range(history.size))):
        contexts.add(task, history.deltas[task])

    merged = contexts.after_all()
    assert merged == history.contexts.after_all()
    assert written(merged.values) == written(history.contexts.after_all().values)


@MANY
@given(HISTORIES, st.data())
def test_a_task_that_runs_after_a_restart_gets_what_it_would_have_got(history: History, data: st.DataObject) -> None:
    contexts = replayed(history)
    for task in data.draw(st.permutations(range(history.size))):
        assert written(contexts.before(task).values) == written(history.got[task])

    assert contexts.after_all() == history.contexts.after_all()


@MANY
@given(HISTORIES)
def test_the_only_dependent_gets_what_the_task_left(history: History) -> None:
    size = history.size
    contexts = replayed(history, [[task] for task in range(size)])
    for task, left in enumerate(history.left):
        got = contexts.before(size + task).values
        assert sorted_text(got) == sorted_text(left)
        # in the very order that it has when it is handed on without a join
        assert written(got) == written(apply(history.got[task], history.deltas[task]))


def sorted_text(value: object) -> str:
    return json.dumps(value, sort_keys=True)


@MANY
@given(HISTORIES)
def test_what_no_task_wrote_is_the_input(history: History) -> None:
    end = history.contexts.after_all().values
    for path in {*paths(history.base), *paths(end)}:
        if not concerned(history, set(range(history.size)), path):
            assert sorted_text(at(end, path)) == sorted_text(at(history.base, path))


@MANY
@given(HISTORIES)
def test_what_one_task_alone_wrote_is_as_it_left_it_for_all_after_it(history: History) -> None:
    for task, got in enumerate(history.got):
        for path in {path for seen in history.seen[task] for path in writes(history.deltas[seen])}:
            writers = concerned(history, history.seen[task], path)
            if len(writers) == 1:
                left = history.left[writers.pop()]
                assert sorted_text(at(got, path)) == sorted_text(at(left, path))


@MANY
@given(HISTORIES)
def test_what_was_settled_for_a_task_stays_settled_for_all_after_it(history: History) -> None:
    for task, got in enumerate(history.got):
        seen = history.seen[task]
        for seer in seen:
            since = [other for other in seen if other != seer and other not in history.seen[seer]]
            for path in {*paths(got), *paths(history.left[seer])}:
                writers = concerned(history, seen, path)
                if not is_mapping(at(history.left[seer], path[:-1])) or not writers <= history.seen[seer] | {seer}:
                    continue  # somebody wrote since, or may have brought back what it is in

                changers = {
                    writer
                    for writer in writers
                    if sorted_text(at(history.got[writer], path)) != sorted_text(at(history.left[writer], path))
                }
                beside = [other for other in since if seer not in history.seen[other]]
                if any(changers <= history.seen[other] | {other} for other in beside):
                    continue  # it was settled for another as well, and may have been settled differently

                assert sorted_text(at(got, path)) == sorted_text(at(history.left[seer], path)), path


@MANY
@given(HISTORIES, st.data())
def test_a_task_that_changes_nothing_has_no_part_in_what_its_dependency_left(
    history: History, data: st.DataObject
) -> None:
    size = history.size
    seer = data.draw(st.sampled_from(range(size)))
    contexts = replayed(history, [history.needs[seer], [seer, size]])
    assert sorted_text(contexts.before(size + 1).values) == sorted_text(history.left[seer])


@MANY
@given(HISTORIES)
def test_contexts_and_conflicts_are_those_of_the_reference(history: History) -> None:
    left = list[reference.View]()
    for task, needs in enumerate(history.needs):
        view, conflicts = reference.joined([left[need] for need in sorted(needs)], history.base)
        merged = history.contexts.before(task)
        assert sorted_text(merged.values) == sorted_text(reference.plain(view))
        assert merged.conflicts == tuple(conflicts)
        left.append(reference.left(view, history.left[task], task))
