"""Fixtures that fail a test for what it leaves behind: a blocked loop, a task, a thread, a changed interpreter."""

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Iterator

import pytest
from anyio.lowlevel import checkpoint
from blockbuster import blockbuster_ctx

#: By name, each of them: the guard looks at the folder of a package, and the layers are not inside penstock/.
GUARDED = [
    "penstock",
    "penstock.accumulators",
    "penstock.graphs",
    "penstock.reactors",
    "penstock.runtime",
    "penstock.workflows",
]
#: Turns of the loop in which what was cancelled last may end.
TURNS = 5
#: Seconds in which a thread of ours that was told to stop may end.
PATIENCE = 2.0


@pytest.fixture(scope="session", autouse=True)
def guard_blocking_calls() -> Iterator[None]:
    """Fail on a call from our code that blocks the event loop: file, socket, database, lock, sleep."""
    with blockbuster_ctx(GUARDED) as guard:
        # an App may be made on the loop, and reads its settings there, once: a small file, before anything runs
        guard.functions["io.BufferedReader.read"].can_block_in("runtime/config.py", "_read")
        # asyncpg looks for ~/.pgpass and for certificates when it connects: small files, if they are there at all
        for name, function in guard.functions.items():
            if name.startswith(("os.", "io.")):
                function.can_block_in("asyncpg/connect_utils.py", "_parse_connect_dsn_and_args")

        # coverage takes its lock in whatever line of ours is the first of a file, when threads begin to run it at once
        guard.functions["threading.Lock.acquire"].can_block_in("coverage/collector.py", "lock_data")
        yield


def is_ours(task: asyncio.Task[object]) -> bool:
    """Tell a task of the test from the one by which the anyio plugin drives the loop, new for each call."""
    return getattr(task.get_coro(), "__qualname__", "") != "TestRunner._call_in_runner_task"


@pytest.fixture
async def guard_tasks() -> AsyncIterator[None]:
    """Fail a test that ends while a task runs that it, or a fixture of it, has started."""
    before = asyncio.all_tasks()
    yield
    for _ in range(TURNS):
        await checkpoint()

    if leaked := sorted(repr(task) for task in asyncio.all_tasks() - before if is_ours(task)):
        pytest.fail(f"tasks left running: {', '.join(leaked)}")


def own_threads() -> set[threading.Thread]:
    """Return the running threads that Penstock has started."""
    return {thread for thread in threading.enumerate() if thread.name.startswith("penstock-")}


@pytest.fixture(autouse=True)
def guard_leaks(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves a task, a thread of ours or another switch interval behind."""
    if "anyio_backend" in request.fixturenames:
        # asked for here, not by a mark: it is then torn down after all other fixtures, and Hypothesis accepts it
        request.getfixturevalue("guard_tasks")

    threads, interval = own_threads(), sys.getswitchinterval()
    yield
    leaked = own_threads() - threads
    for thread in leaked:
        thread.join(PATIENCE)

    if running := sorted(thread.name for thread in leaked if thread.is_alive()):
        pytest.fail(f"threads left running: {', '.join(running)}")

    if sys.getswitchinterval() != interval:
        sys.setswitchinterval(interval)
        pytest.fail("the interpreter's switch interval was left changed")
