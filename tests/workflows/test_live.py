"""Contexts of a run: the same while it goes on, and after it was taken over."""

from datetime import UTC, datetime

import msgspec
from hypothesis import given, strategies as st

from penstock.runtime.store.rows import RunRow, TaskRow
from penstock.workflows.delta import apply, delta_to_text
from penstock.workflows.execution import Success
from penstock.workflows.live import Definition, Ending, LiveRun
from penstock.workflows.values import to_text
from penstock.workflows.workflow import Workflow
from tests.workflows.histories import HISTORIES, MANY, History

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def noop() -> None:
    """Do nothing: the tests say what tasks left."""


def definition_of(history: History) -> Definition:
    made = Workflow("w")
    for task, needs in enumerate(history.needs):
        made.task(name=f"t{task}", dependencies=[f"t{need}" for need in needs])(noop)

    return Definition.of(made)


def created(history: History, *completed: int) -> RunRow:
    rows = tuple(
        TaskRow(run_id=1, task=f"t{task}", status="completed", delta=delta_to_text(history.deltas[task]))
        for task in completed
    )
    return RunRow(
        id=1,
        workflow="w",
        structure_version="",
        code_version="",
        status="running",
        input=to_text(history.base),
        created_at=NOW,
        tasks=rows,
    )


def go_on(live: LiveRun, history: History, tasks: list[int]) -> dict[int, str]:
    """Let tasks run; return what each got, and what all left together."""
    got = dict[int, str]()
    for task in tasks:
        got[task] = live.context_of(task, NOW)
        output = to_text(apply(msgspec.json.decode(got[task]), history.deltas[task]))
        live.ended(task, Ending(Success(history.deltas[task], output), NOW, NOW))

    return got | {-1: live.output(NOW)}


@MANY
@given(HISTORIES, st.data())
def test_a_run_that_was_taken_over_gives_its_tasks_what_they_would_have_got(
    history: History, data: st.DataObject
) -> None:
    definition, tasks = definition_of(history), list(range(history.size))
    without = go_on(LiveRun(definition, created(history)), history, tasks)
    done = data.draw(st.integers(1, history.size))
    after = go_on(LiveRun(definition, created(history, *tasks[:done])), history, tasks[done:])
    assert after == {task: text for task, text in without.items() if task not in tasks[:done]}
