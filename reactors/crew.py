"""The long-lived tasks of a reactor: they run the firings of graphs that wait.

A task is started when it is needed first and then stays; a firing is handed to one that is idle. How many there are
bounds how many keys are in flight together.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from penstock.accumulators.ports import INSIDE
from penstock.reactors.flight import Flight
from penstock.runtime.supervise import Part, Supervisor


class Crew:
    """Runs flights one after the other in each of some tasks.

    Args:
        name: The reactor's name; tasks are named after it.
        run: Runs one flight to its end; raises nothing but cancellation.
        close: Told the end of a flight, when its task is free again.
        limit: The most tasks there may be.
        supervisor: Starts them.
    """

    def __init__(
        self,
        name: str,
        run: Callable[[Flight], Awaitable[None]],
        close: Callable[[Flight], None],
        *,
        limit: int,
        supervisor: Supervisor,
    ) -> None:
        self._name = name
        self._run = run
        self._close = close
        self._limit = limit
        self._supervisor = supervisor
        self._idle: deque[asyncio.Future[Flight]] = deque()
        self._given: deque[Flight] = deque()  # to tasks that have not had their first turn
        self._parts: list[Part] = []
        self.running: int = 0

    @property
    def parts(self) -> tuple[Part, ...]:
        """The tasks, as the supervisor sees them."""
        return tuple(self._parts)

    @property
    def free(self) -> bool:
        """Whether another firing would run at once."""
        return self.running < self._limit

    def give(self, flight: Flight) -> None:
        """Run a firing; ``free`` was true, or one task more than there may be is needed."""
        self.running += 1
        while self._idle:
            waiter = self._idle.popleft()
            if not waiter.done():
                waiter.set_result(flight)
                return

        self._given.append(flight)
        if len(self._parts) < self.running:
            name = f"reactor {self._name} {len(self._parts) + 1}"
            self._parts.append(self._supervisor.start(name, self._work))

    def stop(self) -> None:
        """Cancel the tasks, and what they run."""
        for part in self._parts:
            part.cancel()

        self._parts.clear()
        self._given.clear()
        self._idle.clear()

    async def _work(self) -> None:
        INSIDE.set(self._name)
        while True:
            flight = self._given.popleft() if self._given else await self._next()
            try:
                await self._run(flight)
            finally:
                self.running -= 1

            self._close(flight)

    def _next(self) -> "asyncio.Future[Flight]":
        waiter: asyncio.Future[Flight] = asyncio.get_running_loop().create_future()
        self._idle.append(waiter)
        return waiter
