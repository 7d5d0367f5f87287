"""Threads of our own for functions that block: bounded, named, and never the event loop's default pool."""

import asyncio
import contextvars
import queue
import threading
from collections.abc import Awaitable, Callable
from typing import TypeVar, cast

import msgspec
from typing_extensions import ParamSpec

from penstock.runtime.clock import Activity
from penstock.runtime.errors import AppError

P = ParamSpec("P")
T = TypeVar("T")


class ThreadsStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """What a pool does."""

    pool: str
    #: How many threads there may be.
    limit: int
    #: How many there are; they are started when they are needed first, and stay.
    threads: int
    #: Functions that run now.
    running: int
    #: Functions among those for which nobody waits any more: their callers were cancelled, or their time was up.
    overdue: int
    #: Functions that wait for a free thread.
    waiting: int
    #: Functions that ended, one way or the other, since the start.
    finished: int
    #: Functions among those whose caller was cancelled meanwhile; nobody took the result.
    abandoned: int


class Work:
    """One call on its way to a thread and back. The thread sets the outcome, the event loop reads it."""

    __slots__ = ("call", "error", "future", "name", "result", "started")

    def __init__(self, name: str, call: Callable[[], object], future: asyncio.Future[None]) -> None:
        self.name: str = name
        self.call: Callable[[], object] = call
        self.future: asyncio.Future[None] = future
        self.started: bool = False
        self.result: object = None
        self.error: BaseException | None = None

    def run(self) -> None:
        """Call the function, unless whoever waited for it is gone."""
        self.started = not self.future.cancelled()
        if not self.started:
            return

        try:
            self.result = self.call()
        except BaseException as error:  # noqa: BLE001  the thread is a bridge: whatever comes goes to the caller
            self.error = error


class Threads:
    """A bounded pool of daemon threads, driven from one event loop.

    Args:
        pool: The threads are named ``penstock-<pool>-<number>``.
        limit: How many functions run at the same time; more wait in the order of their calls.
        activity: Told what is away, so that a virtual clock waits for it.
        inline: Deterministic mode: functions run in-line, on the loop.
    """

    def __init__(self, pool: str, limit: int, *, activity: Activity | None = None, inline: bool = False) -> None:
        self.pool = pool
        self.limit = limit
        self.inline = inline
        self._activity = activity or Activity()
        self._queue: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._away: set[Work] = set()
        self._empty: asyncio.Event | None = None
        self._closed = False
        self._finished = self._abandoned = 0

    async def run(self, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function in a thread, with the context variables of the caller, and return what it returns.

        A cancelled caller leaves at once. Its function does not run if it has not begun; otherwise it runs to its end
        and holds its thread so long, for a thread cannot be stopped.

        Raises:
            AppError: The pool is closed.
            BaseException: Whatever the function raises, as it is.
        """
        if self._closed:
            raise AppError(f"thread pool {self.pool!r} is closed")

        context = contextvars.copy_context()
        if self.inline:
            return context.run(fn, *args, **kwargs)

        loop = asyncio.get_running_loop()
        name = getattr(fn, "__qualname__", type(fn).__name__)
        work = Work(name, lambda: context.run(fn, *args, **kwargs), loop.create_future())
        self._send(work, loop)
        await work.future
        return cast("T", _outcome(work))

    async def close(self, bound: Awaitable[object] | None = None) -> tuple[str, ...]:
        """Take no more calls, wait for those that run, and let the threads end. A second call only waits.

        Calls that wait for a thread are still carried out: whoever drains decides before what to cancel.

        Args:
            bound: What ends the waiting: ``scheduler.sleep(10.0)``. Without it, the functions decide.

        Returns:
            The names of the functions that still run; their threads end with them, or with the process.
        """
        if not self._closed:
            self._closed = True
            for _ in self._threads:
                self._queue.put(None)

        self._empty = self._empty or asyncio.Event()
        if not self._away:
            self._empty.set()

        await _first(self._empty.wait(), bound)
        return tuple(sorted(work.name for work in self._away))

    def statistics(self) -> ThreadsStatistics:
        """Return what the pool does now."""
        running = sum(work.started for work in self._away)
        return ThreadsStatistics(
            pool=self.pool,
            limit=self.limit,
            threads=len(self._threads),
            running=running,
            overdue=sum(work.started and work.future.cancelled() for work in self._away),
            waiting=len(self._away) - running,
            finished=self._finished,
            abandoned=self._abandoned,
        )

    def _send(self, work: Work, loop: asyncio.AbstractEventLoop) -> None:
        def carry_out() -> None:
            work.run()
            try:
                loop.call_soon_threadsafe(self._come_back, work)
            except RuntimeError:
                # the loop is closed, so nobody waits any more; an error here would only be printed
                return

        self._activity.leave()
        self._away.add(work)
        self._queue.put(carry_out)
        if len(self._away) > len(self._threads) < self.limit:
            self._start_thread()

    def _come_back(self, work: Work) -> None:
        """On the loop: wake the caller. Exactly once per call, whether anybody still waits or not."""
        self._away.discard(work)
        self._finished += work.started
        if work.future.cancelled():
            self._abandoned += work.started
        else:
            work.future.set_result(None)

        if not self._away and self._empty is not None:
            self._empty.set()

        self._activity.come_back()

    def _start_thread(self) -> None:
        name = f"penstock-{self.pool}-{len(self._threads) + 1}"
        thread = threading.Thread(target=_serve, args=(self._queue,), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()


def _serve(work: "queue.SimpleQueue[Callable[[], None] | None]") -> None:
    """Carry out what comes until told to end; the body of a thread."""
    while (carry_out := work.get()) is not None:
        carry_out()
        del carry_out  # it holds arguments and result; an idle thread must not keep them alive


def _outcome(work: Work) -> object:
    error = work.error
    try:
        if error is not None:
            raise error

        return work.result
    finally:
        # the traceback of the error holds this frame: without this, a cycle that lives until the next collection
        del error, work


async def _first(wanted: Awaitable[object], bound: Awaitable[object] | None) -> None:
    """Wait for the one, or for the other; what is not done then is cancelled."""
    tasks = {asyncio.ensure_future(each) for each in (wanted, bound) if each is not None}
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
