"""Which tasks run: a bounded number at once, the others in the order in which they became ready.

A slot is taken when a body starts and given back when its outcome is committed, so that what has ended but is not
stored is bounded as well.
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
        ended: Told how a body ended; ``None`` when it was interrupted. The slot stays taken until ``give_back``.
        count: Told of a task that has a slot, whose run was taken over: ``start`` starts it when that is counted.
        long: Told the bodies that have been running for a while, once each.
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
    ) -> None:
        self.limit = limit
        self.closed: bool = False
        self._scheduler = scheduler
        self._clock = scheduler.clock
        self._threads, self._executors = threads, executors
        self._tasks = tasks
        self._started, self._ended, self._count, self._long = started, ended, count, long
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
        """How many slots are taken: by bodies, and by outcomes on their way into the store."""
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
        while self._queue and self._taken < self.limit and not self.closed:
            live, task = self._queue.popleft()
            if live.gone is None:
                self._taken += 1
                (self._count if live.uncounted else self.start)(live, task)

        self._look_soon()

    def start(self, live: LiveRun, task: int) -> None:
        """Start the body of a task that has a slot."""
        if live.gone is not None or self.closed:
            self.give_back()
        else:
            self._start(Execution(live, task, self._clock.now(), self._clock.monotonic()))

    def _look_soon(self) -> None:
        if self._running and self._watch is None:
            self._watch = self._scheduler.after(LONG, self._look)

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

    def _start(self, execution: Execution) -> None:
        self._running.add(execution)
        self._started(execution)
        execution.handle = self._tasks.start(self._carry_out(execution))

    async def _carry_out(self, execution: Execution) -> None:
        execution.begun = True
        try:
            outcome = None if execution.interrupted else await self._attempt(execution)
        except asyncio.CancelledError as error:
            # when nothing is to be stopped, it was the body, or code beside us, that cancelled the asyncio task
            outcome = None if self.closed else Failure(cancelled(execution.definition, error))

        if execution.interrupted and isinstance(outcome, Failure):
            outcome = None  # what a body raises because it is cancelled is no failure of its own

        self._running.discard(execution)
        self._ended(execution, outcome)

    async def _attempt(self, execution: Execution) -> Outcome:
        live = execution.live
        try:
            text = live.context_of(execution.task, execution.started_at)
        # a damaged row, or a mistake of ours, fails its run: a slot that never came back would stop the others as well
        except Exception as error:  # noqa: BLE001
            return Failure(error)

        return await attempt(execution.definition, text, self._threads, self._executors)

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
