"""The planner: events in, decisions out."""

import pytest

from penstock.runtime.errors import InvariantError
from penstock.workflows.plan import Plan
from penstock.workflows.planner import (
    Began,
    Commit,
    Committed,
    Decision,
    Ended,
    Event,
    Interrupted,
    Progress,
    Start,
    Started,
    decide,
    skip_reason,
)
from penstock.workflows.states import ENDED, FINAL, TASK_TRANSITIONS, RunState, TaskState
from penstock.workflows.task import Task


def plan_of(**needs: str) -> Plan:
    """``plan_of(a="", b="a")``: each letter is a task."""
    return Plan(
        [
            Task(workflow="w", name=name, fn=print, is_async=False, arguments=(), dependencies=tuple(own), produces={})
            for name, own in needs.items()
        ]
    )


def run(progress: Progress, *events: Event) -> list[Decision]:
    """Take events, and return the decisions about the last one."""
    decisions: list[Decision] = []
    for event in events:
        decisions = decide(progress, event)

    return decisions


def test_lone_task_and_the_end_of_its_run_are_one_unit() -> None:
    progress = Progress(plan_of(a=""))
    assert run(progress, Began()) == [Start(0)]
    assert run(progress, Started(0), Ended(0, failed=False)) == [Commit((0,), RunState.COMPLETED)]
    assert run(progress, Committed((0,))) == []


def test_dependent_starts_after_the_commit() -> None:
    progress = Progress(plan_of(a="", b="a"))
    assert run(progress, Began(), Started(0), Ended(0, failed=False)) == [Commit((0,))]
    assert progress.states[1] is TaskState.WAITING
    assert run(progress, Committed((0,))) == [Start(1)]


def test_roots_start_together_in_declared_order() -> None:
    assert run(Progress(plan_of(a="", b="", c="ab")), Began()) == [Start(0), Start(1)]


def test_dependents_of_a_failed_task_are_skipped_in_its_unit() -> None:
    progress = Progress(plan_of(a="", b="a", c="b"))
    assert run(progress, Began(), Started(0), Ended(0, failed=True)) == [Commit((0, 1, 2), RunState.FAILED)]
    assert skip_reason(progress, 1) == "'a', which it depends on, failed"
    assert skip_reason(progress, 2) == "'b', which it depends on, was skipped"


def test_task_is_skipped_only_when_all_it_depends_on_has_ended() -> None:
    progress = Progress(plan_of(a="", b="", c="ab"))
    assert run(progress, Began(), Started(0), Started(1), Ended(1, failed=True)) == [Commit((1,))]
    assert run(progress, Committed((1,))) == []
    assert run(progress, Ended(0, failed=False)) == [Commit((0, 2), RunState.FAILED)]
    assert skip_reason(progress, 2) == "'b', which it depends on, failed"


def test_end_is_held_back_until_everything_else_is_committed() -> None:
    progress = Progress(plan_of(a="", b=""))
    run(progress, Began(), Started(0), Started(1))
    assert run(progress, Ended(0, failed=False)) == [Commit((0,))]
    assert run(progress, Ended(1, failed=False)) == []
    assert run(progress, Committed((0,))) == [Commit((1,), RunState.COMPLETED)]


def test_other_branches_go_on_after_a_failure() -> None:
    progress = Progress(plan_of(a="", b="", c="b"))
    run(progress, Began(), Started(0), Started(1), Ended(0, failed=True), Ended(1, failed=False), Committed((0,)))
    assert run(progress, Committed((1,))) == [Start(2)]


def test_interrupted_task_is_ready_again() -> None:
    progress = Progress(plan_of(a=""))
    assert run(progress, Began(), Started(0), Interrupted(0)) == []
    assert progress.states == [TaskState.READY]


def test_run_that_is_taken_over_goes_on_where_it_was() -> None:
    plan = plan_of(a="", b="a", c="b")
    progress = Progress(plan, {0: TaskState.COMPLETED})
    assert run(progress, Began()) == [Start(1)]


def test_taken_over_run_skips_what_a_failure_left() -> None:
    progress = Progress(plan_of(a="", b="a", c=""), {0: TaskState.FAILED})
    assert run(progress, Began()) == [Commit((1,)), Start(2)]


def test_taken_over_run_without_anything_left_ends() -> None:
    progress = Progress(plan_of(a=""), {0: TaskState.COMPLETED})
    assert run(progress, Began()) == [Commit((), RunState.COMPLETED)]


def test_nothing_leads_out_of_a_final_state() -> None:
    assert FINAL.isdisjoint({state for state, _ in TASK_TRANSITIONS})
    assert set(TASK_TRANSITIONS.values()) | {TaskState.WAITING} == set(TaskState)
    assert {to for (_, step), to in TASK_TRANSITIONS.items() if step == "commit"} == FINAL
    assert {state for (state, step) in TASK_TRANSITIONS if step == "commit"} == ENDED


def test_impossible_event_is_a_mistake_of_ours() -> None:
    progress = Progress(plan_of(a=""))
    with pytest.raises(InvariantError, match="task 'a' is waiting: it cannot start"):
        run(progress, Started(0))


def test_long_chain_is_skipped_without_recursion() -> None:
    chain = Plan(
        [
            Task(
                workflow="w",
                name=str(at),
                fn=print,
                is_async=False,
                arguments=(),
                dependencies=(str(at - 1),) if at else (),
                produces={},
            )
            for at in range(5000)
        ]
    )
    (commit,) = run(Progress(chain), Began(), Started(0), Ended(0, failed=True))
    assert isinstance(commit, Commit)
    assert len(commit.tasks) == 5000
