"""How fast the state store acknowledges write units, beside what the bare driver can do in the same run.

Closed loop: each of N callers commits a unit, waits for the acknowledgement, and commits the next. Two kinds of units:
the creation of a run (1 row), and the completion of its only task (task, end of the run, packed events: 3 rows).

The limit is plain ``sqlite3`` in one thread, without asyncio: the same rows in the same tables, once with as many units
per commit as the store reached in this repetition, once with one unit per commit. Repetitions of all are interleaved.

    python benchmarks/store.py [--seconds 0.3] [--repetitions 3] [--synchronous full] [--json]
"""

import argparse
import asyncio
import json
import platform
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from itertools import count, islice
from pathlib import Path

import sqlalchemy

from penstock.runtime.clock import Activity, SystemClock
from penstock.runtime.scheduler import Scheduler
from penstock.runtime.store import runs
from penstock.runtime.store.rows import RunRow, TaskRow, to_micros
from penstock.runtime.store.store import Store
from penstock.runtime.store.unit import Unit

CALLERS = (1, 16, 64, 256)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
INPUT = '{"amount":3.0,"symbol":"X"}'
DELTA = '{"set":{"booked":true,"price":101.25}}'
EVENTS = '[{"task":"book","type":"completed","attempt":1},{"type":"run_completed"}]'
INSERT = "INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
FINISH = "UPDATE runs SET status=?, output=?, error=?, finished_at=? WHERE id=? AND epoch=? AND finished_at IS NULL"
TASK = "INSERT INTO tasks VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
EVENT = "INSERT INTO events VALUES (?, ?, ?, ?)"

Build = Callable[[Unit, int], None]


def creation(unit: Unit, run_id: int) -> None:
    row = RunRow(
        id=run_id,
        workflow="settle",
        structure_version="5f2a9c",
        code_version="91be07",
        status="running",
        input=INPUT,
        owner=1,
        created_at=NOW,
        started_at=NOW,
    )
    runs.insert_run(unit, row)


def completion(unit: Unit, run_id: int) -> None:
    task = TaskRow(run_id=run_id, task="book", status="completed", delta=DELTA, started_at=NOW, finished_at=NOW)
    runs.put_task(unit, task)
    runs.append_events(unit, run_id, 1, NOW, EVENTS)
    runs.finish_run(unit, run_id, 1, status="completed", output=INPUT, finished_at=NOW)


# -- the store -----------------------------------------------------------------------------------------------


async def closed_loop(store: Store, build: Build, ids: Iterator[int], callers: int, seconds: float) -> dict[str, float]:
    """Let the callers commit for a time; return rate, latencies and the units per commit."""
    latencies: list[float] = []
    before = store.statistics()
    started = time.perf_counter()
    end = started + seconds

    async def caller() -> None:
        while (begun := time.perf_counter()) < end and (run_id := next(ids, None)) is not None:
            unit = store.unit("run")
            build(unit, run_id)
            await store.commit(unit)
            latencies.append(time.perf_counter() - begun)

    await asyncio.gather(*(caller() for _ in range(callers)))
    elapsed = time.perf_counter() - started
    after = store.statistics()
    cuts = statistics.quantiles(latencies, n=100)
    return {
        "rate": len(latencies) / elapsed,
        "p50": cuts[49] * 1000,
        "p99": cuts[98] * 1000,
        "per_commit": (after.units - before.units) / (after.commits - before.commits),
    }


async def fill(store: Store, number: int) -> list[int]:
    """Create runs for the completions, unmeasured."""
    ids = [store.new_run_id() for _ in range(number)]
    waiting: list[Awaitable[None]] = []
    for run_id in ids:
        unit = store.unit("run")
        creation(unit, run_id)
        waiting.append(store.commit(unit))

    await asyncio.gather(*waiting)
    return ids


# -- the bare driver -----------------------------------------------------------------------------------------


def create_bare(connection: sqlite3.Connection, ids: list[int]) -> None:
    at = to_micros(NOW)
    head, tail = (
        ("settle", "5f2a9c", "91be07", "running", INPUT, None, None, "app", None, 1, 1, 0, None),
        (at, at, None),
    )
    connection.executemany(INSERT, [(run_id, *head, *tail) for run_id in ids])


def complete_bare(connection: sqlite3.Connection, ids: list[int]) -> None:
    at = to_micros(NOW)
    connection.executemany(TASK, [(run_id, "book", "completed", 1, DELTA, None, at, at) for run_id in ids])
    connection.executemany(EVENT, [(run_id, 1, at, EVENTS) for run_id in ids])
    connection.executemany(FINISH, [("completed", INPUT, None, at, run_id, 1) for run_id in ids])


def bare_rate(
    connection: sqlite3.Connection,
    write: Callable[[sqlite3.Connection, list[int]], None],
    ids: Iterator[int],
    per_commit: int,
    seconds: float,
) -> float:
    """Return units per second."""
    done, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds and (batch := list(islice(ids, per_commit))):
        connection.execute("BEGIN IMMEDIATE")
        write(connection, batch)
        connection.execute("COMMIT")
        done += len(batch)

    return done / (time.perf_counter() - started)


class Bare:
    """The same tables, written by the driver alone."""

    def __init__(self, path: Path, schema: list[str], synchronous: str) -> None:
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.connection.execute("PRAGMA journal_mode=WAL")
        self.connection.execute(f"PRAGMA synchronous={synchronous}")
        for statement in schema:
            self.connection.execute(statement)

        self._ids = count(1)

    def measure(self, shape: str, per_commit: int, seconds: float, expected: float) -> float:
        """Return units per second of one shape; ``expected`` bounds how many runs are prepared."""
        if shape == "creation":
            return bare_rate(self.connection, create_bare, self._ids, per_commit, seconds)

        ids = list(islice(self._ids, int(expected * seconds * 3) + 1000))
        self.connection.execute("BEGIN IMMEDIATE")
        create_bare(self.connection, ids)
        self.connection.execute("COMMIT")
        return bare_rate(self.connection, complete_bare, iter(ids), per_commit, seconds)


# -- all of it -----------------------------------------------------------------------------------------------


async def repeat(store: Store, bare: Bare, options: argparse.Namespace) -> Iterator[dict[str, object]]:
    """Measure every cell once."""
    seconds: float = options.seconds
    cells: list[dict[str, object]] = []
    for shape, build in (("creation", creation), ("completion", completion)):
        single = bare.measure(shape, 1, seconds, 10_000)
        for callers in CALLERS:
            ids = (
                iter(store.new_run_id, None) if shape == "creation" else iter(await fill(store, int(30_000 * seconds)))
            )
            cell = await closed_loop(store, build, ids, callers, seconds)
            grouped = bare.measure(shape, max(1, round(cell["per_commit"])), seconds, 80_000)
            cells.append({"shape": shape, "callers": callers, **cell, "grouped": grouped, "single": single})

    return iter(cells)


async def run(options: argparse.Namespace) -> list[dict[str, object]]:
    with tempfile.TemporaryDirectory(prefix="penstock-") as folder:
        path = Path(folder) / "ours.db"
        store = await Store.open(
            f"sqlite:///{path}",
            scheduler=Scheduler(SystemClock(), on_error=print),
            activity=Activity(),
            synchronous=options.synchronous,
        )
        with sqlite3.connect(path) as reader:
            schema = [
                row[0]
                for row in reader.execute(
                    "SELECT sql FROM sqlite_master WHERE sql NOT NULL AND name NOT LIKE 'sqlite_%'"
                )
            ]
        reader.close()
        bare = Bare(Path(folder) / "bare.db", schema, options.synchronous)
        await repeat(store, bare, argparse.Namespace(seconds=0.1))  # warm-up
        cells = [cell for _ in range(options.repetitions) for cell in await repeat(store, bare, options)]
        bare.connection.close()
        await store.close()
        return cells


def spread(values: list[float], digits: int) -> dict[str, float]:
    return {
        "median": round(statistics.median(values), digits),
        "min": round(min(values), digits),
        "max": round(max(values), digits),
    }


def summarise(cells: list[dict[str, object]]) -> list[dict[str, object]]:
    """Return median, min and max of each cell over the repetitions."""
    rows: list[dict[str, object]] = []
    for shape, callers in dict.fromkeys((cell["shape"], cell["callers"]) for cell in cells):
        same = [cell for cell in cells if (cell["shape"], cell["callers"]) == (shape, callers)]
        row: dict[str, object] = {"unit": shape, "callers": callers}
        for name, digits in (("rate", 0), ("p50", 2), ("p99", 2), ("per_commit", 1), ("grouped", 0), ("single", 0)):
            row[name] = spread([float(str(cell[name])) for cell in same], digits)

        row["of_grouped"] = spread([float(str(cell["rate"])) / float(str(cell["grouped"])) for cell in same], 2)
        row["of_single"] = spread([float(str(cell["rate"])) / float(str(cell["single"])) for cell in same], 2)
        rows.append(row)

    return rows


def show(value: object) -> str:
    if isinstance(value, dict):
        digits = ",.0f" if value["max"] >= 100 else ".2f"
        return f"{value['median']:{digits}} [{value['min']:{digits}}–{value['max']:{digits}}]"

    return str(value)


def environment(options: argparse.Namespace) -> dict[str, object]:
    return {
        "command": " ".join(["python", *sys.argv]),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "sqlalchemy": sqlalchemy.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "synchronous": options.synchronous,
        "seconds": options.seconds,
        "repetitions": options.repetitions,
    }


HEADINGS = {
    "unit": "unit",
    "callers": "callers",
    "rate": "acknowledged units/s",
    "p50": "p50, ms",
    "p99": "p99, ms",
    "per_commit": "units a commit",
    "grouped": "driver, same units a commit",
    "of_grouped": "ratio",
    "single": "driver, 1 unit a commit",
    "of_single": "ratio",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=0.3, help="of each measurement")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--synchronous", default="full", choices=["full", "normal", "extra", "off"])
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    rows = summarise(asyncio.run(run(options)))
    if options.json:
        print(json.dumps({"environment": environment(options), "rows": rows}, indent=2))
        return

    print("# State store: acknowledged write units, median [min–max]\n")
    print(", ".join(f"{name} {value}" for name, value in environment(options).items()), end="\n\n")
    print("| " + " | ".join(HEADINGS.values()) + " |")
    print("|---|" + "--:|" * (len(HEADINGS) - 1))
    for row in rows:
        print("| " + " | ".join(show(row[name]) for name in HEADINGS) + " |")


if __name__ == "__main__":
    main()
