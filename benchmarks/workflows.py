"""How many tasks a second the worker completes durably, beside the bare driver writing the same rows.

Runs are submitted at once and awaited; bodies are small ``async def``s, history and events are on, the store is a real
file. The limit is plain ``sqlite3`` in one thread: the rows that the worker wrote are read back and written into an
empty file with the same tables, one creation and one completion per run, 64 runs a commit. Lone runs are submitted and
awaited one after the other.

    python benchmarks/workflows.py [--repetitions 5] [--synchronous full] [--json]
"""

import argparse
import asyncio
import json
import platform
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from penstock.runtime.clock import SystemClock
from penstock.runtime.scheduler import Scheduler
from penstock.runtime.store.store import Store
from penstock.runtime.threads import Threads
from penstock.workflows.context import Context
from penstock.workflows.worker import Worker
from penstock.workflows.workflow import Workflow

INPUT = {"amount": 3.0, "symbol": "X"}
#: Runs of one commit of the bare driver.
GROUP = 64
#: Runs that are timed one by one.
LONE = 200

Rows = list[tuple[object, ...]]


def simple() -> Workflow:
    workflow = Workflow("simple")

    @workflow.task
    async def book(context: Context) -> None:
        context["booked"] = True

    return workflow


def pipeline() -> Workflow:
    workflow = Workflow("pipeline")

    @workflow.task
    async def fetch(context: Context) -> None:
        context["price"] = 101.25

    @workflow.task(dependencies=[fetch])
    async def rate(context: Context) -> None:
        context["score"] = 0.5

    @workflow.task(dependencies=[rate])
    async def book(context: Context) -> None:
        context["booked"] = True

    return workflow


Shape = tuple[Callable[[], Workflow], int, int]
#: Workflow, runs, tasks of a run.
SHAPES: list[Shape] = [(simple, 1000, 1), (simple, 5000, 1), (pipeline, 300, 3), (pipeline, 1000, 3)]


# -- the worker ----------------------------------------------------------------------------------------------


async def measure(path: Path, workflow: Workflow, runs: int, synchronous: str) -> tuple[float, list[float]]:
    """Return the seconds of all runs at once, and of each of the lone ones."""
    clock = SystemClock()
    scheduler = Scheduler(clock, on_error=print)
    store = await Store.open(f"sqlite:///{path}", scheduler=scheduler, activity=clock.activity, synchronous=synchronous)
    threads = Threads("tasks", 4)
    worker = Worker(store, scheduler, threads)
    worker.register(workflow)
    started = time.perf_counter()
    submitted = await asyncio.gather(*(worker.start(workflow, INPUT) for _ in range(runs)))
    await asyncio.gather(*(run.result() for run in submitted))
    elapsed = time.perf_counter() - started
    lone = [await one(worker, workflow) for _ in range(LONE)]
    await worker.drain(1.0)
    await threads.close()
    await store.close()
    scheduler.close()
    return elapsed, lone


async def one(worker: Worker, workflow: Workflow) -> float:
    started = time.perf_counter()
    await (await worker.start(workflow, INPUT)).result()
    return time.perf_counter() - started


# -- the bare driver -----------------------------------------------------------------------------------------


class Bare:
    """An empty file with the tables of another one, and the rows that are in that one."""

    def __init__(self, source: Path, target: Path, synchronous: str) -> None:
        read = sqlite3.connect(source)
        schema = read.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'")
        self.connection = sqlite3.connect(target, isolation_level=None)
        self.connection.execute("PRAGMA journal_mode=WAL")
        self.connection.execute(f"PRAGMA synchronous={synchronous}")
        for (statement,) in schema.fetchall():
            self.connection.execute(statement)

        self.columns = [row[1] for row in read.execute("PRAGMA table_info(runs)")]
        self.runs: Rows = read.execute("SELECT * FROM runs ORDER BY id").fetchall()
        self.tasks = by_run(read.execute("SELECT * FROM tasks ORDER BY run_id").fetchall())
        self.events = by_run(read.execute("SELECT * FROM events ORDER BY run_id").fetchall())
        read.close()

    def write(self, runs: int) -> float:
        """Write the first runs anew; return the seconds."""
        wanted = self.runs[:runs]
        started = time.perf_counter()
        for group in groups(wanted):
            self.connection.execute("BEGIN IMMEDIATE")
            self.insert("runs", [self.created(row) for row in group])
            self.connection.execute("COMMIT")

        at = [self.columns.index(name) for name in ("status", "output", "finished_at", "id", "epoch")]
        for group in groups(wanted):
            self.connection.execute("BEGIN IMMEDIATE")
            self.insert("tasks", [task for row in group for task in self.tasks[row[0]]])
            self.insert("events", [event for row in group for event in self.events[row[0]]])
            self.connection.executemany(
                "UPDATE runs SET status=?, output=?, finished_at=? WHERE id=? AND epoch=? AND finished_at IS NULL",
                [[row[column] for column in at] for row in group],
            )
            self.connection.execute("COMMIT")

        return time.perf_counter() - started

    def created(self, row: tuple[object, ...]) -> list[object]:
        """Return a run as it was before its end."""
        new = {"status": "running", "output": None, "finished_at": None}
        return [new.get(name, value) for name, value in zip(self.columns, row, strict=True)]

    def insert(self, table: str, rows: Sequence[Sequence[object]]) -> None:
        """Write rows by the driver's own loop."""
        marks = ", ".join("?" * len(rows[0]))
        self.connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)  # noqa: S608


def by_run(rows: Rows) -> dict[object, Rows]:
    found: dict[object, Rows] = {}
    for row in rows:
        found.setdefault(row[0], []).append(row)

    return found


def groups(rows: Rows) -> Iterator[Rows]:
    for start in range(0, len(rows), GROUP):
        yield rows[start : start + GROUP]


# -- all of it -----------------------------------------------------------------------------------------------


def repeat(options: argparse.Namespace, shape: Shape) -> dict[str, float]:
    """Measure one shape once, and the driver right after it."""
    make, runs, tasks = shape
    with tempfile.TemporaryDirectory(prefix="penstock-") as folder:
        ours = Path(folder) / "ours.db"
        seconds, lone = asyncio.run(measure(ours, make(), runs, options.synchronous))
        bare = Bare(ours, Path(folder) / "bare.db", options.synchronous)
        limit = bare.write(runs)
        bare.connection.close()

    cuts = statistics.quantiles(lone, n=100)
    return {
        "rate": runs * tasks / seconds,
        "limit": runs * tasks / limit,
        "p50": cuts[49] * 1000,
        "p99": cuts[98] * 1000,
    }


def summary(values: Sequence[float]) -> str:
    return f"{statistics.median(values):,.0f} [{min(values):,.0f}–{max(values):,.0f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--synchronous", choices=("full", "normal"), default="full")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    measured = {shape: [repeat(options, shape)] for shape in SHAPES}
    for _ in range(options.repetitions - 1):
        for shape, cells in measured.items():
            cells.append(repeat(options, shape))

    if options.json:
        found = [{"shape": f"{make.__name__} x {runs}", "cells": cells} for (make, runs, _), cells in measured.items()]
        print(json.dumps(found))
        return

    print(f"workflows: python {platform.python_version()}, synchronous={options.synchronous}\n")
    print("| runs at once | tasks/s | bare driver, same rows | ratio | lone run p50 / p99, ms |")
    print("|---|--:|--:|--:|--:|")
    for (make, runs, _), cells in measured.items():
        rate, limit = [cell["rate"] for cell in cells], [cell["limit"] for cell in cells]
        ratio = statistics.median(ours / bare for ours, bare in zip(rate, limit, strict=True))
        p50, p99 = (statistics.median(cell[name] for cell in cells) for name in ("p50", "p99"))
        print(
            f"| {make.__name__} × {runs} | {summary(rate)} | {summary(limit)} | {ratio:.2f} | {p50:.2f} / {p99:.2f} |"
        )


if __name__ == "__main__":
    main()
