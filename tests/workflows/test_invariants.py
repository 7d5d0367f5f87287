"""The invariants find what they are there for."""

from datetime import UTC, datetime

import msgspec
import pytest

from penstock.runtime.store.rows import RunRow, TaskRow
from penstock.workflows.planner import Progress
from penstock.workflows.states import RunState, TaskState
from tests.workflows.invariants import check_progress, check_run
from tests.workflows.test_planner import plan_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PLAN = plan_of(a="", b="a")


def task(name: str, status: str, delta: str | None = "{}") -> TaskRow:
    return TaskRow(run_id=1, task=name, status=status, delta=delta if status == "completed" else None)


RUN = RunRow(
    id=1,
    workflow="w",
    structure_version="",
    code_version="",
    status="completed",
    input="{}",
    output="{}",
    created_at=NOW,
    finished_at=NOW,
    tasks=(task("a", "completed"), task("b", "completed")),
)


def test_nothing_is_wrong_with_a_completed_run() -> None:
    assert check_run(PLAN, RUN) == []


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"finished_at": None}, "run is completed, finished at None"),
        ({"output": None}, "run is completed with output None"),
        ({"tasks": (task("a", "completed"),)}, "run is completed, its tasks are"),
        ({"status": "running", "output": None, "finished_at": None}, "all tasks are final, but the run is running"),
        ({"status": "failed", "output": None}, "run is failed without a failed task"),
        ({"tasks": (task("a", "completed", None), task("b", "completed"))}, "task a is completed with delta None"),
        ({"tasks": (task("a", "failed"), task("b", "completed"))}, "b is completed, but what it depends on is"),
        ({"tasks": (task("a", "completed"), task("b", "skipped"))}, "b is skipped, but what it depends on is"),
    ],
)
def test_what_is_wrong_with_a_stored_run_is_found(changes: dict[str, object], found: str) -> None:
    assert any(problem.startswith(found) for problem in check_run(PLAN, msgspec.structs.replace(RUN, **changes)))


@pytest.mark.parametrize(
    ("states", "fields", "found"),
    [
        (["waiting", "running"], {}, "b is running, but what it depends on is"),
        (["completed", "skipped"], {}, "b is skipped without a reason"),
        (["waiting", "waiting"], {"unended": 1}, "1 tasks count as not ended"),
        (["returned", "waiting"], {"unended": 1}, "0 tasks are in flight"),
        (["returned", "waiting"], {"unended": 1, "held": (0,)}, "the end is held back for nothing"),
        (["waiting", "waiting"], {"end": RunState.FAILED}, "the run is over, but tasks are not"),
    ],
)
def test_what_is_wrong_with_a_run_in_memory_is_found(states: list[str], fields: dict[str, object], found: str) -> None:
    progress = Progress(PLAN)
    progress.states = [TaskState(state) for state in states]
    for name, value in fields.items():
        setattr(progress, name, value)

    assert any(problem.startswith(found) for problem in check_progress(progress))
