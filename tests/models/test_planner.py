"""A model of runs: random DAGs, random outcomes, every order in which things may happen."""

from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from penstock.workflows.plan import Plan
from penstock.workflows.planner import (
    Began,
    Commit,
    Committed,
    Ended,
    Event,
    Interrupted,
    Progress,
    Refused,
    Start,
    Started,
    decide,
)
from penstock.workflows.states import FINAL, RunState, TaskState
from penstock.workflows.task import Task
from tests.workflows.invariants import check_progress
from tests.workflows.strategies import dependencies


def expected(needs: list[list[int]], failing: frozenset[int]) -> list[TaskState]:
    """What must become of each task: it does not depend on any order."""
    states = list[TaskState]()
    for task, own in enumerate(needs):
        if any(states[need] is not TaskState.COMPLETED for need in own):
            states.append(TaskState.SKIPPED)
        else:
            states.append(TaskState.FAILED if task in failing else TaskState.COMPLETED)

    return states


class Runs(RuleBasedStateMachine):
    """One run; the rules are what the world may do next."""

    @initialize(needs=dependencies(8), failing=st.frozensets(st.integers(0, 7)), data=st.data())
    def create(self, needs: list[list[int]], failing: frozenset[int], data: st.DataObject) -> None:
        self.needs, self.failing = needs, failing
        self.expected = expected(needs, failing)
        self.plan = Plan(
            [
                Task(
                    workflow="w",
                    name=str(at),
                    fn=print,
                    is_async=False,
                    arguments=(),
                    dependencies=tuple(map(str, own)),
                    produces={},
                )
                for at, own in enumerate(needs)
            ]
        )
        self.stored = dict[int, TaskState]()
        self.end: RunState | None = None
        self.take_over()

    def take_over(self) -> None:
        """Begin with what is in the store."""
        self.progress = Progress(self.plan, self.stored)
        self.ready, self.running, self.units = list[int](), list[int](), list[Commit]()
        self.take(Began())

    def take(self, event: Event) -> None:
        for decision in decide(self.progress, event):
            if isinstance(decision, Start):
                assert all(self.stored.get(need) is TaskState.COMPLETED for need in self.needs[decision.task])
                self.ready.append(decision.task)
            else:
                self.units.append(decision)

    @precondition(lambda self: self.ready)
    @rule(data=st.data())
    def start(self, data: st.DataObject) -> None:
        task = data.draw(st.sampled_from(self.ready))
        self.ready.remove(task)
        self.running.append(task)
        self.take(Started(task))

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def return_or_raise(self, data: st.DataObject) -> None:
        task = data.draw(st.sampled_from(self.running))
        self.running.remove(task)
        self.take(Ended(task, failed=task in self.failing))

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def interrupt(self, data: st.DataObject) -> None:
        task = data.draw(st.sampled_from(self.running))
        self.running.remove(task)
        self.ready.append(task)
        self.take(Interrupted(task))

    @precondition(lambda self: self.units)
    @rule()
    def commit(self) -> None:
        unit = self.units.pop(0)  # the store keeps the order
        assert self.end is None
        for task in unit.tasks:
            assert task not in self.stored
            outcome = TaskState.FAILED if task in self.failing else TaskState.COMPLETED
            skipped = self.progress.states[task] is TaskState.PASSED_OVER
            self.stored[task] = TaskState.SKIPPED if skipped else outcome

        self.end = unit.end
        self.take(Committed(unit.tasks))

    @precondition(lambda self: self.units and self.returned_in(self.units[0]))
    @rule()
    def refuse(self) -> None:
        unit = self.units.pop(0)
        self.failing |= self.returned_in(unit)
        self.expected = expected(self.needs, self.failing)
        self.take(Refused(unit.tasks))

    def returned_in(self, unit: Commit) -> set[int]:
        return {task for task in unit.tasks if self.progress.states[task] is TaskState.RETURNED}

    @precondition(lambda self: self.end is None)
    @rule()
    def crash(self) -> None:
        self.take_over()

    @precondition(lambda self: self.end is not None)
    @rule()
    def rest(self) -> None:
        """Nothing happens to a run that is over."""

    @invariant()
    def nothing_is_wrong(self) -> None:
        assert check_progress(self.progress) == []
        assert all(self.progress.states[task] is state and state in FINAL for task, state in self.stored.items())
        assert all(state is self.expected[task] for task, state in self.stored.items())

    @invariant()
    def something_can_happen_until_the_end(self) -> None:
        assert bool(self.ready or self.running or self.units) == (self.end is None)

    def teardown(self) -> None:
        while self.ready or self.running or self.units:
            for task in [*self.ready]:
                self.ready.remove(task)
                self.running.append(task)
                self.take(Started(task))

            for task in [*self.running]:
                self.running.remove(task)
                self.take(Ended(task, failed=task in self.failing))

            while self.units:
                self.commit()

        assert [self.stored[task] for task in range(len(self.needs))] == self.expected
        assert self.end is (RunState.FAILED if TaskState.FAILED in self.expected else RunState.COMPLETED)


TestRuns = Runs.TestCase
TestRuns.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
