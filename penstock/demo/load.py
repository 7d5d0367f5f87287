"""Makes the load spike of the demo: short, bounded, and ended for sure.

Three bounds, each enough by itself: the burning processes end when their time is up, they end when this process is
gone, and they are killed here as soon as nobody waits for them any more.
"""

import os
import sys
from pathlib import Path

import anyio
from anyio.abc import Process

from penstock.demo import burn

#: The spike never lasts longer, whatever was asked for, in seconds.
LONGEST = 5.0
#: The spike never takes more cores.
MOST = 4


def workers(cores: int) -> int:
    """Return how many cores the spike takes: half of them, at least one, at most four."""
    return min(max(cores // 2, 1), MOST)


async def make_load(seconds: float, count: int) -> None:
    """Keep ``count`` cores busy for some seconds; when this is cancelled, the load ends at once.

    Raises:
        OSError: No process can be started.
    """
    processes: list[Process] = []
    try:
        # shielded: a process that has just been started would be nobody's
        with anyio.CancelScope(shield=True):
            for _ in range(count):
                processes.append(await _start(min(seconds, LONGEST)))  # noqa: PERF401 - those so far are to be ended

        for process in processes:
            await process.wait()
    finally:
        for process in processes:
            await _end(process)


async def _start(seconds: float) -> Process:
    # a session of its own: Ctrl-C in the terminal is for the demo, which ends its load itself
    return await anyio.open_process(
        [sys.executable, "-I", "-S", str(Path(burn.__file__)), str(seconds), str(os.getpid())],
        stdin=None,
        stdout=None,
        stderr=None,
        start_new_session=True,
    )


async def _end(process: Process) -> None:
    if process.returncode is None:
        process.kill()

    # even a cancelled demo waits for what was killed: no zombie stays behind
    with anyio.CancelScope(shield=True):
        await process.wait()
        await process.aclose()
