"""A bound on how long something may take, in the time of the app's clock."""

import asyncio
from types import TracebackType
from typing import Self

from penstock.runtime.durations import written
from penstock.runtime.errors import TimedOut
from penstock.runtime.scheduler import Scheduler, Timer


class Deadline:
    """Cancels what runs inside ``async with`` when its time is up, and says so by ``TimedOut``.

    A cancellation from outside goes its own way, also when both come at once.

    Args:
        scheduler: Waits for the time.
        seconds: How long it may take.
    """

    __slots__ = ("_cancelling", "_expired", "_scheduler", "_seconds", "_task", "_timer")

    def __init__(self, scheduler: Scheduler, seconds: float) -> None:
        self._scheduler, self._seconds = scheduler, seconds
        self._expired = False
        self._timer: Timer | None = None
        self._task: asyncio.Task[object] | None = None
        self._cancelling = 0

    async def __aenter__(self) -> Self:
        self._task = asyncio.current_task()
        if self._task is not None:
            self._cancelling = self._task.cancelling()

        self._timer = self._scheduler.after(self._seconds, self._expire)
        return self

    def _expire(self) -> None:
        self._expired = True
        if self._task is not None:
            self._task.cancel()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()

        task, self._task = self._task, None
        if not self._expired or task is None:
            return

        # our own cancellation is taken back; what is left was asked for by somebody else
        if task.uncancel() <= self._cancelling and isinstance(error, asyncio.CancelledError):
            raise TimedOut(f"it took longer than {written(self._seconds)}") from error
