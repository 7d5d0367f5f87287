"""Coroutines that are started and end by themselves: whoever starts one keeps it, and handles what it raises in it.

A task group of anyio costs three times as much per task and cancels all when one fails; this is for work that comes by
the thousand and whose failures are handled inside it.
"""

import asyncio
import contextvars
from collections.abc import Coroutine


class Tasks:
    """Starts asyncio tasks.

    Each runs in a copy of the context variables that were set where this was made, not in those of whoever starts it:
    what starts a task is often a commit that somebody else waited for.
    """

    def __init__(self) -> None:
        self._context = contextvars.copy_context()

    def start(self, coroutine: Coroutine[object, object, None]) -> asyncio.Task[None]:
        """Start a coroutine. The event loop alone would let the task be collected as garbage: keep it until it ends."""
        return asyncio.get_running_loop().create_task(coroutine, context=self._context.copy())
