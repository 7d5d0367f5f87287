"""Which tasks run: a bounded number at once, the others in the order in which they became ready.

A slot is taken when a body starts and free when the body has ended. What has ended is not stored yet: so many outcomes
may be on their way into the store that its writer has a full group to commit while the next bodies run, and no more.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from datetime import datetime

from penstock.runtime.executors import Executors
from penstock.runtime.scheduler import Scheduler, Timer
from penstock.runtime.tasks import Tasks
from penstock.runtime.threads import Threads
from penstock.workflows.execution import Failure, Outcome, attempt, cancelled
from penstock.workflows.live import LiveRun
from penstock.workflows.task import Task

#: Seconds after which a running task is written down as running.
LONG = 1.0
#: For each slot, how many outcomes may be on their way into the store. When that hangs, no more bodies start; and when
#: the process dies, no more of them run a second time.
UNSTORED = 8


class Execution:
    """A body that runs."""

    __slots__ = ("begun", "handle", "interrupted", "live", "noted", "since", "started_at", "task")

    def __init__(self, live: LiveRun, task: int, started_at: datetime, since: float) -> None:
        self.live: LiveRun = live
        self.task: int = task
        self.started_at: datetime = started_at
        #: Monotonic seconds.
        self.since: float = since
        #: Whether it is written down as running.
        self.noted: bool = False
        self.handle: asyncio.Task[None] | None = None
        #: Whether the asyncio task has had its first turn. One that is cancelled before never gets to its own clean-up.
        self.begun: bool = False
        self.interrupted: bool = False

    @property
    def definition(self) -> Task:
        """The task as it was declared."""
        return self.live.definition.plan.tasks[self.task]

    def interrupt(self) -> None:
        """Cancel the body."""
        self.interrupted = True
        if self.begun and self.handle is not None:
            self.handle.cancel()


class Slots:
    """Runs the bodies of tasks.

    Args:
        limit: How many at once.
        started: Told before a body starts.
        ended: Told how a body ended; ``None`` when it was interrupted.
        count: Told of a task that has a slot, whose run was taken over: ``start`` starts it when that is counted.
        long: Told the bodies that have been running for a while, once each.
        on_error: Told mistakes of ours.

    Attributes:
        unstored: How many outcomes are on their way into the store; counted by who writes them.
    """

    def __init__(
        self,
        limit: int,
        *,
        scheduler: Scheduler,
        threads: Threads,
        executors: Executors | None,
        tasks: Tasks,
        started: Callable[[Execution], None],
        ended: Callable[[Execution, Outcome | None], None],
        count: Callable[[LiveRun, int], None],
        long: Callable[[list[Execution]], None],
        on_error: Callable[[BaseException], None],
    ) -> None:
        self.limit: int = limit
        self.closed: bool = False
        self.unstored: int = 0
        self._most_unstored = limit * UNSTORED
        self._scheduler = scheduler
        self._clock = scheduler.clock
        self._threads, self._executors = threads, executors
        self._tasks = tasks
        self._started, self._ended, self._count, self._long = started, ended, count, long
        self._on_error = on_error
        self._queue: deque[tuple[LiveRun, int]] = deque()
        self._running: set[Execution] = set()
        self._taken = 0
        self._watch: Timer | None = None

    @property
    def running(self) -> int:
        """How many bodies run."""
        return len(self._running)

    @property
    def taken(self) -> int:
        """How many slots are taken: by bodies, and by tasks whose run is being counted before they start."""
        return self._taken

    @property
    def queued(self) -> int:
        """How many tasks are ready and wait for a slot."""
        return len(self._queue)

    def put(self, live: LiveRun, task: int) -> None:
        """Let a task start as soon as there is a slot; call ``fill`` when all are put."""
        self._queue.append((live, task))

    def give_back(self, number: int = 1) -> None:
        """Give slots back; call ``fill`` then."""
        self._taken -= number

    def fill(self) -> None:
        """Start what may start."""
        queue = self._queue
        while queue and self._taken < self.limit and self.unstored < self._most_unstored and not self.closed:
            live, task = queue.popleft()
            if live.gone is None:
                self._taken += 1
                (self._count if live.uncounted else self.start)(live, task)

        if self._watch is None and self._running:
            self._watch = self._scheduler.after(LONG, self._look)

    def start(self, live: LiveRun, task: int) -> None:
        """Start the body of a task that has a slot."""
        if live.gone is not None or self.closed:
            self.give_back()
            return

        execution = Execution(live, task, self._clock.now(), self._clock.monotonic())
        self._running.add(execution)
        self._started(execution)
        execution.handle = self._tasks.start(self._carry_out(execution))

    def cancel(self, live: LiveRun | None = None) -> None:
        """Interrupt the bodies of a run, or all of them."""
        for execution in [*self._running]:
            if live is None or execution.live is live:
                execution.interrupt()

    def close(self) -> None:
        """Start nothing any more."""
        self.closed = True
        self._queue.clear()

    def stop_watching(self) -> None:
        """Forget the timer."""
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    async def _carry_out(self, execution: Execution) -> None:
        """Run a body; all in one coroutine, for each one more costs as much as the rest of what is done here."""
        execution.begun = True
        live, outcome = execution.live, None
        try:
            if not execution.interrupted:
                text = live.context_of(execution.task, execution.started_at)
                outcome = await attempt(execution.definition, text, self._threads, self._executors)
        except asyncio.CancelledError as error:
            # when nothing is to be stopped, it was the body, or code beside us, that cancelled the asyncio task
            outcome = None if self.closed else Failure(cancelled(execution.definition, error))
        # a damaged row, or a mistake of ours, fails its run: a slot that never came back would stop the others as well
        except Exception as error:  # noqa: BLE001
            outcome = Failure(error)

        if execution.interrupted and isinstance(outcome, Failure):
            outcome = None  # what a body raises because it is cancelled is no failure of its own

        self._running.discard(execution)
        self._taken -= 1
        try:
            self._ended(execution, outcome)
        except Exception as error:  # noqa: BLE001 - a mistake of ours, and nobody waits for this task
            self._on_error(error)

    def _look(self) -> None:
        """Find what runs long; one timer for all bodies."""
        self._watch = None
        bound = self._clock.monotonic() - LONG
        long = [execution for execution in self._running if not execution.noted and execution.since <= bound]
        for execution in long:
            execution.noted = True

        if long:
            self._long(long)

        if any(not execution.noted for execution in self._running):
            self._watch = self._scheduler.after(LONG, self._look)
