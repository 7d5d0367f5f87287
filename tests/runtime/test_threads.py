"""Threads of our own: results come back as they are, callers may leave, and closing tells what still runs."""

import asyncio
import contextlib
import contextvars
import functools
import threading
import weakref
from collections.abc import AsyncIterator, Callable

import pytest
from anyio.lowlevel import checkpoint

from penstock.runtime.clock import Activity
from penstock.runtime.errors import AppError
from penstock.runtime.threads import Threads

USER = contextvars.ContextVar[str]("USER")


class Gate:
    """A function that runs until it is let go."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.entered = asyncio.Event()
        self._open = threading.Event()

    def __call__(self, result: object = None) -> object:
        self.loop.call_soon_threadsafe(self.entered.set)
        self._open.wait()
        return result

    def let_go(self) -> None:
        self._open.set()


@contextlib.asynccontextmanager
async def opened(limit: int = 4, *, activity: Activity | None = None, inline: bool = False) -> AsyncIterator[Threads]:
    threads = Threads("test", limit, activity=activity, inline=inline)
    try:
        yield threads
    finally:
        await threads.close()


@contextlib.asynccontextmanager
async def running(threads: Threads, fn: Callable[..., object], *args: object) -> AsyncIterator[asyncio.Task[object]]:
    task = asyncio.ensure_future(threads.run(fn, *args))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_function_runs_in_a_thread_of_the_pool() -> None:
    async with opened() as threads:
        assert await threads.run(lambda: threading.current_thread().name) == "penstock-test-1"


async def test_arguments_and_result_are_passed_on() -> None:
    async with opened() as threads:
        assert await threads.run(divmod, 7, 2) == (3, 1)
        assert await threads.run(int, "10", base=2) == 2


async def test_context_of_the_caller_is_carried() -> None:
    USER.set("ada")
    async with opened() as threads:
        assert await threads.run(USER.get) == "ada"
        assert await threads.run(lambda: USER.set("eve")) is not None
        assert USER.get() == "ada"


@pytest.mark.parametrize("inline", [False, True])
@pytest.mark.parametrize(
    "error", [ValueError("no"), KeyboardInterrupt(), SystemExit(3), asyncio.CancelledError("mine")]
)
async def test_error_comes_back_as_it_is(error: BaseException, inline: bool) -> None:
    def fail() -> None:
        raise error

    async with opened(inline=inline) as threads:
        with pytest.raises(type(error)) as caught:
            await threads.run(fail)

        assert caught.value is error
        assert await threads.run(int) == 0


async def test_stop_iteration_does_not_break_the_pool() -> None:
    def fail() -> None:
        raise StopIteration(1)

    async with opened(limit=1) as threads:
        with pytest.raises(RuntimeError) as caught:  # a coroutine cannot raise it as it is
            await threads.run(fail)

        assert isinstance(caught.value.__cause__, StopIteration)
        assert await threads.run(int) == 0


async def test_threads_are_started_as_needed_up_to_the_limit() -> None:
    async with opened(limit=2) as threads:
        assert threads.statistics().threads == 0
        await threads.run(int)
        await threads.run(int)
        assert threads.statistics().threads == 1
        gate = Gate()
        async with running(threads, gate), running(threads, gate), running(threads, gate):
            await gate.entered.wait()
            await checkpoint()
            found = threads.statistics()
            assert (found.pool, found.limit, found.threads) == ("test", 2, 2)
            assert found.running + found.waiting == 3
            gate.let_go()


async def test_waiting_functions_run_in_the_order_of_their_calls() -> None:
    gate, order = Gate(), list[object]()
    async with opened(limit=1) as threads, running(threads, gate):
        calls = [threads.run(order.append, number) for number in range(10)]
        waiting = asyncio.gather(*calls)
        await gate.entered.wait()
        assert threads.statistics().waiting == 10
        gate.let_go()
        await waiting

    assert order == list(range(10))


async def test_cancelled_caller_leaves_at_once_and_the_pool_goes_on() -> None:
    gate = Gate()
    async with opened(limit=1) as threads:
        async with running(threads, gate):
            await gate.entered.wait()

        assert threads.statistics().running == 1
        gate.let_go()
        assert await threads.run(int) == 0
        found = threads.statistics()
        assert (found.running, found.waiting, found.finished, found.abandoned) == (0, 0, 2, 1)


async def test_function_of_a_cancelled_caller_does_not_begin() -> None:
    gate, begun = Gate(), list[int]()
    async with opened(limit=1) as threads, running(threads, gate) as first:
        async with running(threads, begun.append, 1):
            await gate.entered.wait()

        gate.let_go()
        await first
        assert await threads.run(int) == 0
        assert begun == []
        assert threads.statistics().abandoned == 0


async def test_activity_counts_what_is_away() -> None:
    activity, gate = Activity(), Gate()
    async with opened(limit=1, activity=activity) as threads:
        async with running(threads, gate), running(threads, int):
            await gate.entered.wait()
            assert activity.count == 2

        assert activity.count == 2, "the thread has not come back, whoever waits for it"
        gate.let_go()
        await activity.wait_idle()
        assert threads.statistics().running == 0


async def test_inline_runs_on_the_loop_in_a_context_of_its_own() -> None:
    USER.set("ada")
    async with opened(inline=True) as threads:
        assert await threads.run(threading.get_ident) == threading.get_ident()
        await threads.run(USER.set, "eve")
        assert USER.get() == "ada"
        assert threads.statistics().threads == 0


@pytest.mark.parametrize("inline", [False, True])
async def test_closed_pool_takes_nothing(inline: bool) -> None:
    async with opened(inline=inline) as threads:
        await threads.run(int)

    with pytest.raises(AppError, match="thread pool 'test' is closed"):
        await threads.run(int)

    assert await threads.close() == ()


async def test_closing_waits_for_what_runs_and_for_what_waits() -> None:
    gate = Gate()
    async with opened(limit=1) as threads, running(threads, gate, "one") as first, running(threads, str, 2) as second:
        await gate.entered.wait()
        closing = asyncio.ensure_future(threads.close())
        await checkpoint()
        assert not closing.done()
        gate.let_go()
        assert await closing == ()
        assert (await first, await second) == ("one", "2")


async def test_closing_with_a_bound_reports_what_still_runs() -> None:
    gate, bound = Gate(), asyncio.Event()
    async with opened() as threads, running(threads, functools.partial(gate)) as first, running(threads, gate):
        await gate.entered.wait()
        closing = asyncio.ensure_future(threads.close(bound.wait()))
        await checkpoint()
        bound.set()
        assert await closing == ("Gate", "partial")
        gate.let_go()
        await first


async def test_closing_leaves_no_task_when_it_is_cancelled() -> None:
    gate = Gate()
    async with opened() as threads, running(threads, gate):
        await gate.entered.wait()
        closing = asyncio.ensure_future(threads.close(asyncio.Event().wait()))
        await checkpoint()
        closing.cancel()
        await asyncio.wait([closing])
        gate.let_go()


async def test_threads_end_after_closing() -> None:
    names = set[str]()
    async with opened(limit=1) as threads:
        names.add(await threads.run(lambda: threading.current_thread().name))

    # the guard waits for threads that were told to end, and fails the test if they do not
    assert names == {"penstock-test-1"}


async def test_idle_thread_keeps_nothing_alive() -> None:
    released, loop = asyncio.Event(), asyncio.get_running_loop()

    def use(gate: Gate) -> None:
        weakref.finalize(gate, loop.call_soon_threadsafe, released.set)

    async with opened(limit=1) as threads:
        await threads.run(use, Gate())
        await released.wait()


def test_thread_outlives_a_loop_that_was_closed() -> None:
    entered, let_go, seen = threading.Event(), threading.Event(), list[threading.Thread]()

    def wait() -> None:
        seen.append(threading.current_thread())
        entered.set()
        let_go.wait()

    async def leave() -> Threads:
        threads = Threads("test", 1)
        task = asyncio.ensure_future(threads.run(wait))
        await checkpoint()
        task.cancel()
        return threads

    threads = asyncio.run(leave())
    entered.wait()
    let_go.set()
    asyncio.run(close_with(threads))
    seen[0].join()
    assert not seen[0].is_alive()


async def close_with(threads: Threads) -> None:
    done = asyncio.Event()
    done.set()
    await threads.close(done.wait())
