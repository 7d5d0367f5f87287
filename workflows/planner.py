"""What happens next in a run: (progress, event) → decisions. Decides only; the worker carries out.

The rules:

- A task starts when everything it depends on is committed as completed.
- When everything it depends on has ended and something of it failed or was skipped, it is skipped, in the same write
  unit as the last of these ends; so are those that depend on it, down the DAG.
- The end of a run is committed together with the last task that ends, and only when everything else is committed: that
  unit is held back while others are on their way. A lone task thus costs one unit, and no run ends without its tasks.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import cast

import msgspec

from penstock.runtime.errors import InvariantError
from penstock.workflows.plan import Plan
from penstock.workflows.states import BARRED, TASK_TRANSITIONS, RunState, TaskState, TaskStep

# -- events ------------------------------------------------------------------------------------------------


class Began(msgspec.Struct, frozen=True, gc=False):
    """The run is in memory: created, or taken over from the store."""


class Started(msgspec.Struct, frozen=True, gc=False):
    """A ready task got its slot."""

    task: int


class Ended(msgspec.Struct, frozen=True, gc=False):
    """The body of a task returned, or raised."""

    task: int
    failed: bool


class Interrupted(msgspec.Struct, frozen=True, gc=False):
    """The app stops, and a running task was cancelled."""

    task: int


class Committed(msgspec.Struct, frozen=True, gc=False):
    """What ``Commit`` asked for is in the store."""

    tasks: tuple[int, ...]


class Refused(msgspec.Struct, frozen=True, gc=False):
    """What ``Commit`` asked for can never be stored as it is; nothing of it was."""

    tasks: tuple[int, ...]


Event = Began | Started | Ended | Interrupted | Committed | Refused

# -- decisions ---------------------------------------------------------------------------------------------


class Start(msgspec.Struct, frozen=True, gc=False):
    """Run a task as soon as there is a slot."""

    task: int


class Commit(msgspec.Struct, frozen=True, gc=False):
    """Write the outcomes of tasks, and the end of the run, as one unit."""

    tasks: tuple[int, ...]
    #: The run's last state, when it is over with this unit.
    end: RunState | None = None


Decision = Start | Commit


class Progress:
    """How far a run is. Changed by ``decide`` alone.

    Attributes:
        plan: The DAG.
        states: The state of each task, by position.
        unended: How many tasks have not ended.
        in_flight: How many tasks have ended and are on their way into the store.
        held: The unit that ends the run, while it waits for what is in flight.
        failed: Whether a task failed.
        end: The run's last state, once its unit is on its way.
    """

    __slots__ = (
        "barred",
        "end",
        "failed",
        "held",
        "in_flight",
        "plan",
        "states",
        "uncommitted",
        "undecided",
        "unended",
    )

    def __init__(self, plan: Plan, committed: Mapping[int, TaskState] | None = None) -> None:
        """Start a run, or take over one of which some tasks are committed."""
        self.plan: Plan = plan
        self.states: list[TaskState] = [TaskState.WAITING] * plan.size
        #: By position: how many of the tasks it depends on have not ended; are not committed. Where no task depends on
        #: another nobody counts, and thousands of runs share one list.
        self.undecided: list[int] = plan.needs[:] if plan.has_edges else plan.needs
        self.uncommitted: list[int] = plan.needs[:] if plan.has_edges else plan.needs
        #: By position, as 0 and 1: something that it depends on failed or was skipped.
        self.barred: bytearray = bytearray(plan.size)
        self.unended: int = plan.size
        self.in_flight: int = 0
        self.held: tuple[int, ...] | None = None
        self.failed: bool = False
        self.end: RunState | None = None
        if committed:
            for task, state in committed.items():
                self._restore(task, state)

    def _restore(self, task: int, state: TaskState) -> None:
        self.states[task] = state
        self.unended -= 1
        self.failed |= state is TaskState.FAILED
        for dependent in self.plan.dependents[task]:
            self.undecided[dependent] -= 1
            self.uncommitted[dependent] -= 1
            self.barred[dependent] |= state in BARRED


def decide(progress: Progress, event: Event) -> list[Decision]:
    """Take an event, and return what to do now.

    Raises:
        InvariantError: The event cannot happen in this state.
    """
    return _DECIDERS[type(event)](progress, event)


def _step(progress: Progress, task: int, step: TaskStep) -> TaskState:
    state = TASK_TRANSITIONS.get((progress.states[task], step))
    if state is None:
        raise InvariantError(f"task {progress.plan.names[task]!r} is {progress.states[task]}: it cannot {step}")

    progress.states[task] = state
    return state


def _began(progress: Progress, _event: Began) -> list[Decision]:
    """Start the roots; of a run that was taken over, look at every task, for nothing of it is under way."""
    if progress.unended == len(progress.states):
        return _start(progress, progress.plan.root_positions)

    waiting = [task for task, state in enumerate(progress.states) if state is TaskState.WAITING]
    passed = [task for task in waiting if progress.barred[task] and not progress.undecided[task]]
    group = _pass_over(progress, passed)
    ready = [task for task in waiting if not progress.uncommitted[task] and progress.states[task] is TaskState.WAITING]
    decisions = _commit(progress, group) if group or not progress.unended else []
    return [*decisions, *_start(progress, ready)]


def _started(progress: Progress, event: Started) -> list[Decision]:
    _step(progress, event.task, TaskStep.START)
    return []


def _interrupted(progress: Progress, event: Interrupted) -> list[Decision]:
    _step(progress, event.task, TaskStep.INTERRUPT)
    return []


def _ended(progress: Progress, event: Ended) -> list[Decision]:
    _step(progress, event.task, TaskStep.RAISE if event.failed else TaskStep.RETURN)
    progress.failed |= event.failed
    hopeless = _settle(progress, event.task)
    return _commit(progress, (event.task, *_pass_over(progress, hopeless)) if hopeless else (event.task,))


def _settle(progress: Progress, task: int) -> list[int]:
    """Count a task as ended; return the dependents that can only be skipped now."""
    progress.unended -= 1
    barred = progress.states[task] in BARRED
    hopeless: list[int] = []
    for dependent in progress.plan.dependents[task]:
        progress.undecided[dependent] -= 1
        progress.barred[dependent] |= barred
        if progress.barred[dependent] and not progress.undecided[dependent]:
            hopeless.append(dependent)

    return hopeless


def _pass_over(progress: Progress, tasks: Iterable[int]) -> tuple[int, ...]:
    """Skip tasks, and those that depend on them; return all of them."""
    stack = list(tasks)
    passed: list[int] = []
    while stack:
        task = stack.pop()
        _step(progress, task, TaskStep.SKIP)
        passed.append(task)
        stack += _settle(progress, task)

    return tuple(sorted(passed))


def _commit(progress: Progress, tasks: tuple[int, ...]) -> list[Decision]:
    if progress.unended:
        progress.in_flight += len(tasks)
        return [Commit(tasks)]

    if progress.in_flight:
        progress.held = tasks
        return []

    progress.in_flight += len(tasks)
    progress.end = RunState.FAILED if progress.failed else RunState.COMPLETED
    return [Commit(tasks, progress.end)]


def _committed(progress: Progress, event: Committed) -> list[Decision]:
    progress.in_flight -= len(event.tasks)
    ready: list[int] = []
    for task in event.tasks:
        _step(progress, task, TaskStep.COMMIT)
        for dependent in progress.plan.dependents[task]:
            progress.uncommitted[dependent] -= 1
            if not (progress.uncommitted[dependent] or progress.barred[dependent]):
                ready.append(dependent)

    if progress.held is not None and not progress.in_flight:
        held, progress.held = progress.held, None
        return _commit(progress, held)

    return _start(progress, ready)


def _refused(progress: Progress, event: Refused) -> list[Decision]:
    """Fail what returned, and hold nothing back that waited for it."""
    tasks = event.tasks
    hopeless: list[int] = []
    for task in tasks:
        if progress.states[task] is TaskState.RETURNED:
            _step(progress, task, TaskStep.REFUSE)
            hopeless += _bar(progress, task)

    progress.failed = True
    progress.in_flight -= len(tasks)
    held, progress.held = progress.held or (), None
    return _commit(progress, (*held, *tasks, *_pass_over(progress, hopeless)))


def _bar(progress: Progress, task: int) -> list[int]:
    """Bar what depends on a task that ended long ago; return what can only be skipped now."""
    hopeless: list[int] = []
    for dependent in progress.plan.dependents[task]:
        if not (progress.barred[dependent] or progress.undecided[dependent]):
            hopeless.append(dependent)

        progress.barred[dependent] = True

    return hopeless


def _start(progress: Progress, tasks: Iterable[int]) -> list[Decision]:
    decisions: list[Decision] = []
    for task in tasks:
        _step(progress, task, TaskStep.READY)
        decisions.append(Start(task))

    return decisions


_Decider = Callable[[Progress, Event], list[Decision]]
_DECIDERS = cast(
    "dict[type[Event], _Decider]",
    {
        Began: _began,
        Started: _started,
        Ended: _ended,
        Interrupted: _interrupted,
        Committed: _committed,
        Refused: _refused,
    },
)


def skip_reason(progress: Progress, task: int) -> str:
    """Return why a task is skipped: the first of what it depends on that failed or was skipped."""
    need = next(need for need in progress.plan.dependencies[task] if progress.states[need] in BARRED)
    failed = progress.states[need] in {TaskState.RAISED, TaskState.FAILED}
    return f"{progress.plan.names[need]!r}, which it depends on, {'failed' if failed else 'was skipped'}"
