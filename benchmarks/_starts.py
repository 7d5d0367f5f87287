"""From an event to a durable run: until its start is committed, one event alone, and many at once."""

import argparse
import asyncio
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from _figures import quantile, spread
from _streams import Book
from msgspec.structs import asdict

import penstock as ps
from penstock.runtime.observe import CutCommitted, Fact

LONE = 200
MANY = 5000


class Committed:
    """Counts the effects that cuts have committed."""

    def __init__(self) -> None:
        self.count = 0
        self._until, self._done = 0, asyncio.Event()

    def __call__(self, fact: Fact) -> None:
        """Be told what happens."""
        if isinstance(fact, CutCommitted):
            self.count += fact.effects
            if self.count >= self._until:
                self._done.set()

    def until(self, count: int) -> asyncio.Event:
        """Return what is set when so many are committed."""
        self._until, self._done = count, asyncio.Event()
        return self._done


@asynccontextmanager
async def starting() -> AsyncGenerator[tuple[ps.App, Committed]]:
    """Open an app in which each book starts a run, on SQLite that survives a loss of power."""
    workflow = ps.Workflow("enter", input=Book)

    @workflow.task
    async def enter(bid: float) -> dict[str, float]:
        return {"entered": bid}

    @ps.passthrough_accumulator
    def book(event: Book) -> Book:
        return event

    graph = ps.ComputationGraph("starting", reactor=ps.Reactor("market", [book], strategy="sequential"))

    @graph.node(starts=workflow)
    def start(book: Book) -> Book:
        return book

    committed = Committed()
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder:
        async with ps.App(f"sqlite:///{folder}/store.db", [graph, workflow], observer=committed) as app:
            yield app, committed


async def lone(app: ps.App, committed: Committed) -> list[float]:
    """Return the milliseconds of events that come when nothing else happens."""
    found: list[float] = []
    for number in range(LONE):
        done = committed.until(committed.count + 1)
        begun = time.perf_counter()
        await app.push("book", Book(f"S{number}", 1.0, 2.0))
        await done.wait()
        found.append((time.perf_counter() - begun) * 1e3)
        await app.wait_idle()

    return found


async def many(app: ps.App, committed: Committed) -> tuple[float, float]:
    """Return how many starts a second are committed, and runs completed, of events that come at once."""
    done = committed.until(committed.count + MANY)
    begun = time.perf_counter()
    for number in range(MANY):
        await app.push("book", Book(f"S{number}", 1.0, 2.0))

    await done.wait()
    started = time.perf_counter() - begun
    await app.wait_idle()
    return MANY / started, MANY / (time.perf_counter() - begun)


async def run_starts(_options: argparse.Namespace) -> list[dict[str, object]]:
    """Measure both, and see that each event has led to one run."""
    async with starting() as (app, committed):
        await many(app, committed)  # warm up
        waits = await lone(app, committed)
        rates = [await many(app, committed) for _ in range(3)]
        completed, wanted = app.statistics().worker.completed, LONE + 4 * MANY
        if not completed == committed.count == wanted:
            raise AssertionError(f"{completed} runs are completed, {committed.count} committed, of {wanted}")

    what = "event to the commit of its run, alone, ms"
    shares = {f"{what}, p50 (target 2)": 0.5, f"{what}, p95": 0.95, f"{what}, p99": 0.99}
    found: list[dict[str, object]] = [
        {"what": name, "found": round(quantile(waits, share), 3)} for name, share in shares.items()
    ]
    starts, ends = (
        {name: round(value) for name, value in asdict(spread(each)).items()} for each in zip(*rates, strict=True)
    )
    found.append({"what": "starts/s committed, while runs execute (target 10,000)", "found": starts})
    found.append({"what": "the same runs/s completed", "found": ends})
    return found
