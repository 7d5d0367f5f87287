"""Time is an argument: the only file that reads it.

Two scales, never mixed: wall-clock times are aware UTC datetimes (``now``), deadlines inside the process are
monotonic float seconds (``monotonic``). Whoever waits for time asks the scheduler, which asks its clock for one alarm
at the earliest deadline.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from penstock.runtime.errors import InvariantError


class Alarm(Protocol):
    """One pending wake-up of a clock."""

    def cancel(self) -> None:
        """Forget the wake-up; a second call does nothing."""


class Activity:
    """Counts the work that has left the event loop and will come back: threads, the store's writer, drivers.

    Raised and lowered on the loop only. A virtual clock steps only while the count is zero; that is what makes tests
    with a real database deterministic.
    """

    def __init__(self) -> None:
        self._count = 0
        self._idle: asyncio.Event | None = None

    @property
    def count(self) -> int:
        """How many pieces of work are away."""
        return self._count

    def leave(self) -> None:
        """Note that a piece of work leaves the loop."""
        self._count += 1

    def come_back(self) -> None:
        """Note that it has come back, with or without success.

        Raises:
            InvariantError: Nothing is away.
        """
        if self._count == 0:
            raise InvariantError("work came back to the event loop that had never left it")

        self._count -= 1
        if self._count == 0 and self._idle is not None:
            self._idle.set()
            self._idle = None

    async def wait_idle(self) -> None:
        """Return when nothing is away (at once, when nothing is)."""
        while self._count:
            self._idle = self._idle or asyncio.Event()
            await self._idle.wait()


class Clock(Protocol):
    """Where time comes from. ``SystemClock`` in production, ``penstock.testing.VirtualClock`` in tests."""

    @property
    def activity(self) -> Activity:
        """The work that is away from the loop and for which a virtual clock waits."""
        ...

    def now(self) -> datetime:
        """Return the wall-clock time as an aware UTC datetime."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back, from an arbitrary start."""
        ...

    def call_at(self, deadline: float, wake: Callable[[], None]) -> Alarm:
        """Call ``wake`` on the running event loop when ``monotonic()`` has reached ``deadline``, not before."""
        ...


class SystemClock:
    """The time of the machine."""

    def __init__(self) -> None:
        self._activity = Activity()

    @property
    def activity(self) -> Activity:
        """The work that is away from the loop; nobody waits for it here."""
        return self._activity

    def now(self) -> datetime:
        """Return the wall-clock time as an aware UTC datetime."""
        return datetime.now(UTC)

    #: Return the machine's monotonic seconds, the scale of asyncio's loops. Not wrapped: it is read for every firing.
    monotonic: "staticmethod[[], float]" = staticmethod(time.monotonic)

    def call_at(self, deadline: float, wake: Callable[[], None]) -> Alarm:
        """Set a timer of the running event loop."""
        return asyncio.get_running_loop().call_at(deadline, wake)
