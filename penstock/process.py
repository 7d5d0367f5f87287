"""The life of an app as a process: until a signal comes, or until some work is done."""

import asyncio
import signal
from collections.abc import Awaitable, Generator
from contextlib import AsyncExitStack, contextmanager, suppress
from inspect import iscoroutine
from typing import Protocol, TypeVar

import anyio

from penstock.portal import Door

T = TypeVar("T")


class Served(Door, Protocol):
    """An app."""

    async def serve(self) -> None:
        """Serve until a signal comes."""


async def run(app: Served, work: Awaitable[T] | None) -> T | None:
    """Open an app until a signal comes, or until some work is done.

    Raises:
        SystemExit: SIGTERM came before that; the app has stopped in order.
    """
    with cancelled_by(signal.SIGTERM):
        return await run_inside(app, work)


async def run_inside(app: Served, work: Awaitable[T] | None) -> T | None:
    """Do the same, for as long as nothing cancels it."""
    if work is None:
        await app.serve()
        return None

    try:
        await app.__aenter__()
    except BaseException:
        if iscoroutine(work):
            work.close()  # nobody will await it, and that is not its maker's fault

        raise

    async with AsyncExitStack() as opened:
        opened.push_async_exit(app)
        return await work


async def a_signal() -> None:
    """Wait for SIGINT or SIGTERM."""
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            return


@contextmanager
def cancelled_by(number: signal.Signals) -> Generator[None]:
    """Cancel the running task when a signal comes, once; the next one ends the process.

    Raises:
        SystemExit: The signal came.
    """
    loop, task, received = asyncio.get_running_loop(), asyncio.current_task(), list[signal.Signals]()

    def cancel() -> None:
        received.append(number)
        loop.remove_signal_handler(number)
        if task is not None:
            task.cancel()

    # neither outside the main thread nor on Windows
    with suppress(NotImplementedError, RuntimeError, ValueError):
        loop.add_signal_handler(number, cancel)

    try:
        yield
    except asyncio.CancelledError:
        if received:
            raise SystemExit(128 + number) from None

        raise
    finally:
        with suppress(NotImplementedError, RuntimeError, ValueError):
            loop.remove_signal_handler(number)
