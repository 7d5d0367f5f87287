"""Where functions run that must not run on the loop, and how long they may take."""

import functools
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Literal, cast

from penstock.runtime.clock import Activity, SystemClock
from penstock.runtime.deadline import Deadline
from penstock.runtime.errors import InvariantError
from penstock.runtime.processes import Processes
from penstock.runtime.scheduler import Scheduler
from penstock.runtime.threads import Threads

#: Where a ``def`` may run.
Executor = Literal["thread", "process"]
EXECUTORS = ("thread", "process")
#: Threads of what runs without an app.
ALONE = 32


class Executors:
    """The pools of an app and its scheduler.

    Args:
        threads: For functions that block.
        processes: For functions that compute.
        scheduler: Ends what takes too long.
    """

    def __init__(self, threads: Threads, processes: Processes, scheduler: Scheduler) -> None:
        self.threads: Threads = threads
        self.processes: Processes = processes
        self.scheduler: Scheduler = scheduler

    def bind(
        self, fn: Callable[..., object], *, executor: Executor | None, timeout: float | None
    ) -> Callable[..., Awaitable[object]]:
        """Return an async function that calls another one where it is to run, within its time.

        A call that takes too long raises ``TimedOut``. A function in a thread cannot be stopped: it keeps its thread
        until it ends. One in a process is killed.
        """
        if executor == "thread":
            placed: Callable[..., Awaitable[object]] = functools.partial(self.threads.run, fn)
        elif executor == "process":
            placed = functools.partial(self.processes.run, fn)
        else:
            placed = cast("Callable[..., Awaitable[object]]", fn)

        return placed if timeout is None else self._bounded(placed, timeout)

    def _bounded(self, fn: Callable[..., Awaitable[object]], timeout: float) -> Callable[..., Awaitable[object]]:
        async def bounded(*args: object, **kwargs: object) -> object:
            async with Deadline(self.scheduler, timeout):
                return await fn(*args, **kwargs)

            raise InvariantError("a deadline swallowed an error")

        return bounded


@asynccontextmanager
async def alone() -> AsyncGenerator[Executors]:
    """Open executors for one call without an app, in real time.

    A function in a thread that took too long is left behind.
    """
    clock = SystemClock()
    scheduler = Scheduler(clock, on_error=_raise)
    executors = Executors(Threads("alone", ALONE, activity=Activity()), Processes("alone"), scheduler)
    try:
        yield executors
    finally:
        await executors.threads.close(scheduler.sleep(0.0))
        await executors.processes.close(scheduler.sleep(0.0))
        scheduler.close()


def _raise(error: BaseException) -> None:
    raise error
