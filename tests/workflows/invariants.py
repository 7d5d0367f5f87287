"""What is always true of a run, as code; the tests ask after every step."""

from collections.abc import Iterator, Sequence

from penstock.runtime.store.rows import RunRow
from penstock.workflows.plan import Plan
from penstock.workflows.planner import Progress
from penstock.workflows.states import BARRED, ENDED, FINAL, FINAL_RUNS, RunState, TaskState

#: States of a task that has got its chance.
_BEGUN = frozenset(TaskState) - BARRED - {TaskState.WAITING} | {TaskState.RAISED, TaskState.FAILED}


def check_progress(progress: Progress) -> list[str]:
    """Return what is wrong with a run in memory: always nothing."""
    return [*_tasks(progress), *_counts(progress)]


def check_run(plan: Plan, row: RunRow) -> list[str]:
    """Return what is wrong with a run as it is stored: always nothing.

    Args:
        row: With its tasks.
    """
    stored = {task.task: TaskState(task.status) for task in row.tasks}
    states = [stored.get(name, TaskState.WAITING) for name in plan.names]
    return [*_stored(plan, row, states), *_order(plan, states, {TaskState.COMPLETED})]


def _tasks(progress: Progress) -> Iterator[str]:
    yield from _order(progress.plan, progress.states, {TaskState.COMPLETED})
    for task, state in enumerate(progress.states):
        if state in {TaskState.PASSED_OVER, TaskState.SKIPPED} and not progress.barred[task]:
            yield f"{progress.plan.names[task]} is {state} without a reason"


def _order(plan: Plan, states: Sequence[TaskState], done: set[TaskState]) -> Iterator[str]:
    for task, state in enumerate(states):
        needed = {states[need] for need in plan.dependencies[task]}
        if state in _BEGUN and not needed <= done:
            yield f"{plan.names[task]} is {state}, but what it depends on is {sorted(needed)}"

        if state in {TaskState.PASSED_OVER, TaskState.SKIPPED} and not needed & BARRED:
            yield f"{plan.names[task]} is {state}, but what it depends on is {sorted(needed)}"


def _counts(progress: Progress) -> Iterator[str]:
    states = progress.states
    ended = sum(state in ENDED for state in states)
    if progress.unended != sum(state not in ENDED | FINAL for state in states):
        yield f"{progress.unended} tasks count as not ended: {states}"

    if progress.in_flight + len(progress.held or ()) != ended:
        yield f"{progress.in_flight} tasks are in flight and {progress.held} are held, but {ended} have ended"

    if progress.held is not None and (progress.unended or not progress.in_flight):
        yield "the end is held back for nothing"

    if progress.end is not None and progress.unended:
        yield "the run is over, but tasks are not"


def _stored(plan: Plan, row: RunRow, states: Sequence[TaskState]) -> Iterator[str]:
    final = all(state in FINAL for state in states)
    over = row.status in FINAL_RUNS
    if over != (row.finished_at is not None):
        yield f"run is {row.status}, finished at {row.finished_at}"

    if over and row.status != RunState.QUARANTINED and not final:
        yield f"run is {row.status}, its tasks are {states}"

    if final and not over:
        yield f"all tasks are final, but the run is {row.status}"

    if (row.status == RunState.COMPLETED) != (row.output is not None):
        yield f"run is {row.status} with output {row.output}"

    if row.status == RunState.FAILED and TaskState.FAILED not in states:
        yield "run is failed without a failed task"

    for task in row.tasks:
        if task.task not in plan.position or (task.status == TaskState.COMPLETED) != (task.delta is not None):
            yield f"task {task.task} is {task.status} with delta {task.delta}"
