"""Listening for what other processes want, through losses of the connection."""

import asyncio
import contextlib
from collections.abc import Callable

from penstock.runtime.clock import Activity
from penstock.runtime.errors import PenstockError
from penstock.runtime.observe import Observer, StoreRetried
from penstock.runtime.scheduler import Scheduler
from penstock.runtime.store.engine import Engine

#: Seconds before the first and at most before a further try to connect again.
FIRST_DELAY, LONGEST_DELAY = 0.1, 5.0


class Listening:
    """Calls back when another process has added a command, or may have, since the connection was lost meanwhile."""

    def __init__(
        self,
        engine: Engine,
        heard: Callable[[], None],
        *,
        scheduler: Scheduler,
        activity: Activity,
        observer: Observer,
    ) -> None:
        self._engine = engine
        self._heard = heard
        self._scheduler = scheduler
        self._activity = activity
        self._observer = observer
        self._task = asyncio.create_task(self._listen(), name="penstock-listening")

    async def _listen(self) -> None:
        tries = 0
        while True:
            try:
                ended = await self._open()
            except PenstockError as error:
                delay = min(FIRST_DELAY * 2 ** min(tries, 10), LONGEST_DELAY)
                tries += 1
                self._observer(StoreRetried(store=self._engine.name, attempt=tries, delay=delay, error=str(error)))
                await self._scheduler.sleep(delay)
            else:
                tries = 0
                self._heard()  # whatever came while nobody listened
                await ended

    async def _open(self) -> asyncio.Future[None]:
        self._activity.leave()
        try:
            return await self._engine.listen(self._heard)
        finally:
            self._activity.come_back()

    async def close(self) -> None:
        """Stop listening."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
