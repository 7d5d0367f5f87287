"""Follows the incidents of a demo by the facts that the app tells."""

from collections.abc import Callable, Mapping, Sequence

from penstock.demo.frame import RunLine, Task
from penstock.demo.words import duration
from penstock.runtime.clock import Clock
from penstock.runtime.observe import Fact, RunFinished, RunLeft, RunStarted, TaskFinished

#: What a task that has not ended is called.
WAITING = "waiting"
#: … and what one is called that has.
ENDED = {"completed", "failed", "skipped"}


class Incident:
    """One run, as far as it is known."""

    def __init__(self, run_id: str, tasks: Sequence[str], started: float, *, recovered: bool) -> None:
        self.run_id: str = run_id
        self.started: float = started
        self.recovered: bool = recovered
        self.status: str = "running"
        self.title: str = ""
        self.seconds: float | None = None
        self.tasks: dict[str, Task] = {name: Task(name=name, status=WAITING) for name in tasks}


class Incidents:
    """An observer that keeps track of the runs of one workflow.

    Args:
        workflow: Its name.
        tasks: The names of its tasks, in the order in which they are shown.
        say: Told in words what happens.
    """

    def __init__(self, workflow: str, tasks: Sequence[str], clock: Clock, say: Callable[[str], None]) -> None:
        self._workflow, self._tasks, self._clock, self._say = workflow, tasks, clock, say
        self._runs: dict[str, Incident] = {}

    def __call__(self, fact: Fact) -> None:
        """Take note of a fact."""
        if isinstance(fact, RunStarted) and fact.workflow == self._workflow:
            self._start(fact.run_id)
        elif isinstance(fact, TaskFinished) and fact.workflow == self._workflow:
            self._end_task(fact)
        elif isinstance(fact, RunFinished) and fact.workflow == self._workflow:
            self._end(fact.run_id, fact.status, fact.seconds)
        elif isinstance(fact, RunLeft) and fact.workflow == self._workflow:
            self._end(fact.run_id, fact.why, self._clock.monotonic() - self._known(fact.run_id).started)

    @property
    def ids(self) -> tuple[str, ...]:
        """The runs, in the order in which they were started."""
        return tuple(self._runs)

    @property
    def running(self) -> bool:
        """Whether one has not ended."""
        return any(run.seconds is None for run in self._runs.values())

    @property
    def untitled(self) -> tuple[str, ...]:
        """The runs of which it is not known what they are about."""
        return tuple(run.run_id for run in self._runs.values() if not run.title)

    def entitle(self, run_id: str, title: str) -> None:
        """Say what a run is about."""
        self._runs[run_id].title = title
        self._say(f"incident {run_id}: {title}")

    def take_over(self, run_id: str, statuses: Mapping[str, str]) -> None:
        """Take note of a run that an earlier demo has not ended, with the status of its tasks so far."""
        run = self._known(run_id)
        run.tasks |= {name: Task(name=name, status=status) for name, status in statuses.items() if status in ENDED}

    @property
    def recovered(self) -> int:
        """How many were taken over from an earlier demo."""
        return sum(run.recovered for run in self._runs.values())

    def count(self, status: str) -> int:
        """Return how many have this status."""
        return sum(run.status == status for run in self._runs.values())

    def lines(self) -> tuple[RunLine, ...]:
        """Return how they stand."""
        now = self._clock.monotonic()
        return tuple(
            RunLine(
                id=run.run_id,
                title=run.title,
                status=run.status,
                seconds=now - run.started if run.seconds is None else run.seconds,
                tasks=tuple(run.tasks.values()),
                recovered=run.recovered,
            )
            for run in self._runs.values()
        )

    def _start(self, run_id: str) -> None:
        self._runs[run_id] = Incident(run_id, self._tasks, self._clock.monotonic(), recovered=False)
        self._say(f"incident {run_id} opened")

    def _known(self, run_id: str) -> Incident:
        # a run that was in flight when an earlier demo was killed
        if run_id not in self._runs:
            self._runs[run_id] = Incident(run_id, self._tasks, self._clock.monotonic(), recovered=True)
            self._say(f"incident {run_id} taken over from an earlier demo, which did not end it")

        return self._runs[run_id]

    def _end_task(self, fact: TaskFinished) -> None:
        run = self._known(fact.run_id)
        run.tasks[fact.task] = Task(name=fact.task, status=fact.status, seconds=fact.seconds)
        reason = f": {fact.error}" if fact.error else f" in {duration(fact.seconds)}"
        self._say(f"incident {fact.run_id}: {fact.task} {fact.status}{reason}")

    def _end(self, run_id: str, status: str, seconds: float) -> None:
        run = self._known(run_id)
        run.status, run.seconds = status, seconds
        self._say(f"incident {run_id} {status} after {duration(seconds)}")
