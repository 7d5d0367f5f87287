"""Coroutines that are started and end by themselves: somebody owns them until then.

A task group of anyio costs three times as much per task and cancels all when one fails; this is for work that comes by
the thousand and whose failures are handled inside it.
"""

import asyncio
import contextvars
from collections.abc import Callable, Coroutine


class Tasks:
    """Owns running asyncio tasks.

    Each runs in a copy of the context variables that were set where this was made, not in those of whoever starts it:
    what starts a task is often a commit that somebody else waited for.

    Args:
        on_error: Told what a coroutine raised; the others are not affected.
    """

    def __init__(self, on_error: Callable[[BaseException], None]) -> None:
        self._on_error = on_error
        self._context = contextvars.copy_context()
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, coroutine: Coroutine[object, object, None]) -> asyncio.Task[None]:
        """Start a coroutine, and own it until it ends."""
        task = asyncio.get_running_loop().create_task(coroutine, context=self._context.copy())
        self._tasks.add(task)
        task.add_done_callback(self._note)
        return task

    def _note(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._on_error(error)
