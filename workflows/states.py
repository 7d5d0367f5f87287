"""The states of tasks and runs, and their transitions as tables. Pure.

A task, in memory:

    waiting ──ready──► ready ──start──► running ──return──► returned ──commit──► completed
       │                 ▲                 │ │                                      (row in the store)
       │                 └───interrupt─────┘ └────raise───► raised ────commit──► failed
       └──────────────────skip───────────────────────────► passed_over ─commit─► skipped

What returned and cannot be stored (its changes are larger than a row may be) has raised: returned ──refuse──► raised.

*Ended* and *committed* are two things. A task that returned, raised or was passed over has ended: its outcome is known
to the owner alone. Only when the store has it may anybody rely on it: a dependent, a caller, whoever waits for a slot.
The states right of ``commit`` are final; nothing leads out of them.
"""

from enum import StrEnum
from typing import Literal

from penstock.runtime.errors import AppError


class TaskState(StrEnum):
    """Where a task of a run stands."""

    #: Something that it depends on has not committed yet.
    WAITING = "waiting"
    #: May start as soon as there is a slot.
    READY = "ready"
    RUNNING = "running"
    #: Ended well; not committed yet.
    RETURNED = "returned"
    #: Ended with an error; not committed yet.
    RAISED = "raised"
    #: Will not run, because of what it depends on; not committed yet.
    PASSED_OVER = "passed_over"
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"


class TaskStep(StrEnum):
    """What happens to a task."""

    #: All that it depends on is committed as completed.
    READY = "ready"
    START = "start"
    RETURN = "return"
    RAISE = "raise"
    #: The app stops; the attempt does not count.
    INTERRUPT = "interrupt"
    #: Something that it depends on failed or was skipped.
    SKIP = "skip"
    COMMIT = "commit"
    #: The store refuses what it left.
    REFUSE = "refuse"


class RunState(StrEnum):
    """Where a run stands."""

    RUNNING = "running"
    #: Every task is completed.
    COMPLETED = "completed"
    #: A task failed; everything that could run ran.
    FAILED = "failed"
    #: Given up: the process died too often while it ran.
    QUARANTINED = "quarantined"
    #: Waits, untouched, for code that fits it. Never stored: the next start of the app decides anew.
    PARKED = "parked"


#: The same for type checkers, as the texts that people write and see.
RunStatus = Literal["running", "completed", "failed", "quarantined", "parked"]


def run_state(status: str) -> RunState:
    """Return the state that a text names.

    Raises:
        AppError: It names none.
    """
    try:
        return RunState(status)
    except ValueError:
        known = ", ".join(repr(state.value) for state in RunState)
        raise AppError(f"{status!r} is no status of a run; there are {known}") from None


TASK_TRANSITIONS: dict[tuple[TaskState, TaskStep], TaskState] = {
    (TaskState.WAITING, TaskStep.READY): TaskState.READY,
    (TaskState.WAITING, TaskStep.SKIP): TaskState.PASSED_OVER,
    (TaskState.READY, TaskStep.START): TaskState.RUNNING,
    (TaskState.RUNNING, TaskStep.RETURN): TaskState.RETURNED,
    (TaskState.RUNNING, TaskStep.RAISE): TaskState.RAISED,
    (TaskState.RUNNING, TaskStep.INTERRUPT): TaskState.READY,
    (TaskState.RETURNED, TaskStep.REFUSE): TaskState.RAISED,
    (TaskState.RETURNED, TaskStep.COMMIT): TaskState.COMPLETED,
    (TaskState.RAISED, TaskStep.COMMIT): TaskState.FAILED,
    (TaskState.PASSED_OVER, TaskStep.COMMIT): TaskState.SKIPPED,
}

#: Ended: the outcome is known, and not committed yet.
ENDED = frozenset({TaskState.RETURNED, TaskState.RAISED, TaskState.PASSED_OVER})
#: Committed: final.
FINAL = frozenset({TaskState.COMPLETED, TaskState.FAILED, TaskState.SKIPPED})
#: Because of these, whatever depends on the task is skipped.
BARRED = frozenset({TaskState.RAISED, TaskState.PASSED_OVER, TaskState.FAILED, TaskState.SKIPPED})
#: What a run ends in.
FINAL_RUNS = frozenset({RunState.COMPLETED, RunState.FAILED, RunState.QUARANTINED})
