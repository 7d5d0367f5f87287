"""Events that come on time, whatever the engine does: how late are their firings over?"""

import argparse
import time
from collections.abc import Callable
from contextlib import AsyncExitStack

import anyio
from _figures import quantile
from _streams import BOOK, direct, open_domains, source

from penstock.reactors.reactor import Reactor

#: Seconds between two events.
PACE = 0.001
TURNS = 15


async def run_pace(options: argparse.Namespace) -> list[dict[str, object]]:
    """Measure from the moment at which an event was due to the end of its firing, cuts of the state included.

    The same with direct calls, in turns, is what the machine and the loop add: a busy machine takes the process away.
    """
    async with AsyncExitStack() as stack:
        [domain] = await open_domains(stack, [Reactor("plain", [source()])])
        calls = {
            "event to the end of its firing, one every ms (target p99 100)": domain.accumulators["orderbook"].accept,
            "direct calls": direct,
        }
        late: dict[str, list[float]] = {name: [] for name in calls}
        number = max(10, round(options.seconds * 2 / PACE))
        for _ in range(TURNS):
            for name, call in calls.items():
                late[name] += await paced(call, number)

    shares = {"p50_us": 0.5, "p95_us": 0.95, "p99_us": 0.99}
    return [
        {"what": name, **{share: round(quantile(each, at), 2) for share, at in shares.items()}}
        for name, each in late.items()
    ]


async def paced(call: Callable[[object], object], number: int) -> list[float]:
    """Return how many microseconds after it was due each event was over.

    Between two events the loop has turn after turn, so that it does not sleep when the next one is due: how exactly the
    machine wakes a process is not the question.
    """
    late: list[float] = []
    due = time.perf_counter() + PACE
    for _ in range(number):
        while time.perf_counter() < due:
            await anyio.lowlevel.checkpoint()

        call(BOOK)
        late.append((time.perf_counter() - due) * 1e6)
        due += PACE

    return late
