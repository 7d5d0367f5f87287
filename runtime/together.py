"""Running a few coroutines at once, with nothing left behind: all of them end before the caller goes on."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Literal, cast


async def together(*coroutines: Coroutine[object, object, None] | Literal[False]) -> None:
    """Run coroutines concurrently; ``False`` stands for one that is not needed. A lone one gets no task of its own.

    Returns when all have ended. When one raises, the others are cancelled; its error is raised when they have ended,
    and what else went wrong is noted at it. When the caller is cancelled, so are all.

    An asyncio task group would wrap every error in a group and an anyio one costs three times as much.
    """
    wanted = [coroutine for coroutine in coroutines if coroutine is not False]
    if len(wanted) == 1:
        await wanted[0]
    elif wanted:
        await _Band(wanted).run()


def close(task: asyncio.Task[None]) -> None:
    """End a task by force, where it waits: it swallows its cancellation."""
    with suppress(RuntimeError):  # it waits on, whatever is thrown at it
        cast("Coroutine[object, object, None]", task.get_coro()).close()

    task.cancel()  # wakes it, so that it finds itself closed


class _Band:
    """The tasks that run together for one caller."""

    def __init__(self, coroutines: list[Coroutine[object, object, None]]) -> None:
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(coroutine) for coroutine in coroutines]
        self._running = len(self._tasks)
        self._failed: list[BaseException] = []
        self._stopping = False
        #: Set for as long as somebody waits: when the last task has ended.
        self._ended: asyncio.Future[None] | None = None
        for task in self._tasks:
            task.add_done_callback(self._note)

    def _note(self, task: asyncio.Task[None]) -> None:
        self._running -= 1
        if task.cancelled():
            # nobody asked it to stop: it cancelled itself, and that goes up as from any other await
            if not self._stopping:
                self._failed.append(asyncio.CancelledError())
                self._stop()
        elif error := task.exception():
            self._failed.append(error)
            self._stop()

        if not self._running and self._ended is not None and not self._ended.done():
            self._ended.set_result(None)

    def _stop(self) -> None:
        if not self._stopping:
            self._stopping = True
            for task in self._tasks:
                task.cancel()

    async def run(self) -> None:
        cancelled: asyncio.CancelledError | None = None
        while self._running:
            self._ended = asyncio.get_running_loop().create_future()
            try:
                await self._ended
            except asyncio.CancelledError as error:
                # not swallowed but put off: the tasks are told, and end before it goes up
                cancelled = error
                self._stop()
            except GeneratorExit:  # the caller is closed by force: so are they
                for task in self._tasks:
                    close(task)

                raise

        try:
            if cancelled is not None:
                raise cancelled

            self._raise_first()
        finally:
            self._failed.clear()  # an error that keeps its traceback, hence this frame, hence itself: no garbage

    def _raise_first(self) -> None:
        if not self._failed:
            return

        first, *others = sorted(self._failed, key=lambda error: isinstance(error, Exception))
        for other in others:
            first.add_note(f"at the same time: {type(other).__name__}: {other}")

        raise first
