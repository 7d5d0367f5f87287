"""How many tasks a second the worker completes durably, beside the bare driver writing the same rows.

Runs are submitted at once and awaited; or by clients that wait for a run before they start the next, one client or a
hundred; or they are started by firings of a graph, in an app. Bodies are small ``async def``s, history and events are
on, the stores are real: a file, and a schema on a server that flushes each commit to the disk.

The limit is the bare driver on one connection (``sqlite3``, asyncpg): the rows that the worker wrote are read back and
written into empty tables of the same kind, 64 runs a commit (one where there is one client), a run's creation in one
commit and the rest in another. The repetitions of all are interleaved, and after each the rows that it wrote are read
and compared.

    python benchmarks/workflows.py [--store sqlite|postgres|both] [--postgres URL] [--repetitions 3]
                                   [--limit 50] [--synchronous full] [--json]
"""

import argparse
import asyncio
import sys
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager

import _replay
import msgspec
from _bare import Bare, expect
from _databases import Database, add_options, chosen
from _figures import (
    Cell,
    Spent,
    add_repetitions,
    as_json,
    environment,
    quantile,
    repetitions,
    report,
    spending,
    summarise,
)
from _firings import measure_firings
from _replay import Written
from _shapes import INPUT, LARGE, LAYERED, PARALLEL, PIPELINE, SIMPLE, Shape

from penstock.runtime.config import Config
from penstock.runtime.store.store import Store
from penstock.runtime.threads import Threads
from penstock.workflows.worker import Worker
from penstock.workflows.workflow import Workflow

Outputs = list[dict[str, object]]


class Load(msgspec.Struct, frozen=True):
    """Runs of one workflow, and who waits for them."""

    shape: Shape
    runs: int
    #: Each starts a run when its last one is over; nobody: all runs are started at once.
    clients: int | None = None

    @property
    def name(self) -> str:
        """How the table calls it."""
        if self.clients is None:
            return f"{self.shape.name} × {self.runs}"

        return f"{self.shape.name}, {self.clients} client{'s' * (self.clients > 1)}"

    @property
    def per_commit(self) -> int:
        """Runs of one commit of the bare driver."""
        return 1 if self.clients == 1 else 64


AT_ONCE = [Load(shape, runs) for shape in (SIMPLE, PIPELINE, PARALLEL, LAYERED) for runs in (1000, 5000)]
AT_ONCE.append(Load(LARGE, 1))
HUNDRED, ALONE = Load(SIMPLE, 1000, clients=100), Load(SIMPLE, 200, clients=1)
WARM_UP = [Load(PARALLEL, 50), Load(SIMPLE, 50, clients=1)]


# -- the worker ----------------------------------------------------------------------------------------------


@asynccontextmanager
async def working(store: Store, workflow: Workflow) -> AsyncGenerator[Worker]:
    """Execute runs of a workflow until the end of the block, with the switch interval that an app sets."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(Config().switch_interval or interval)
    threads = Threads("tasks", 4)
    worker = Worker(store, store.scheduler, threads)
    worker.register(workflow)
    try:
        yield worker
    finally:
        await worker.drain(1.0)
        await threads.close()
        sys.setswitchinterval(interval)


async def start_at_once(worker: Worker, workflow: Workflow, runs: int) -> Outputs:
    """Start all runs, then wait for all."""
    started = await asyncio.gather(*(worker.start(workflow, INPUT) for _ in range(runs)))
    return await asyncio.gather(*(run.result() for run in started))


async def start_by_clients(worker: Worker, workflow: Workflow, load: Load, latencies: list[float]) -> Outputs:
    """Let clients start runs and wait for them, each one run at a time; note how long each took."""
    outputs: Outputs = []

    async def client(runs: int) -> None:
        for _ in range(runs):
            begun = time.perf_counter()
            outputs.append(await (await worker.start(workflow, INPUT)).result())
            latencies.append(time.perf_counter() - begun)

    clients = load.clients or 1
    await asyncio.gather(*(client(load.runs // clients) for _ in range(clients)))
    return outputs


# -- both of them --------------------------------------------------------------------------------------------


async def measure_worker(database: Database, load: Load) -> tuple[Spent, list[float], Written]:
    """Let the worker carry a load; return what that took, the time of each run, and the rows that it wrote."""
    latencies: list[float] = []
    workflow = load.shape.make()
    async with database.store() as (store, past), working(store, workflow) as worker:
        with spending() as spent:
            if load.clients is None:
                outputs = await start_at_once(worker, workflow, load.runs)
            else:
                outputs = await start_by_clients(worker, workflow, load, latencies)

        expect("outputs", outputs, [load.shape.output] * load.runs)
        await check(past, load)
        written = await _replay.read(past)

    return spent, latencies, written


async def check(past: Bare, load: Load) -> None:
    """See that the store holds every run with its output, every task with what it set, and events of every run.

    Raises:
        WrongRows: It does not.
    """
    runs = await past.rows("SELECT status, output, count(*) FROM runs GROUP BY status, output")
    found = [(status, msgspec.json.decode(str(output)), number) for status, output, number in runs]
    expect("runs", found, [("completed", load.shape.output, load.runs)])
    tasks = await past.rows("SELECT task, status, attempts, delta, count(*) FROM tasks GROUP BY 1, 2, 3, 4 ORDER BY 1")
    done = [(task, status, attempts, number) for task, status, attempts, _, number in tasks]
    expect("tasks", done, [(task, "completed", 1, load.runs) for task in sorted(load.shape.tasks)])
    for task, *_, delta, _ in tasks:
        for key, value in load.shape.tasks[str(task)].items():
            expect(f"delta of {task}", f'"{key}":{msgspec.json.encode(value).decode()}' in str(delta), expected=True)

    expect("runs with events", await past.rows("SELECT count(DISTINCT run_id) FROM events"), [(load.runs,)])


async def measure_driver(database: Database, load: Load, written: Written) -> tuple[Spent, list[float]]:
    """Let the bare driver write the same rows; return what that took, and the time of each pair of commits."""
    commits = _replay.commits(written, load.per_commit)
    async with database.bare() as bare:
        with spending() as spent:
            latencies = await _replay.write(bare, commits)

        again = await _replay.read(bare)
        for table, found, expected in zip(Written._fields, again, written, strict=True):
            expect(f"{table} of the bare driver", found, expected)

    return spent, latencies


# -- all of it -----------------------------------------------------------------------------------------------


async def measure(database: Database, load: Load) -> Cell:
    """Measure a load once, and the driver right after it."""
    spent, latencies, written = await measure_worker(database, load)
    limit, pairs = await measure_driver(database, load, written)
    done = load.runs * (len(load.shape.tasks) if load.clients is None else 1)
    figures = {
        "rate": done / spent.wall,
        "wall_s": spent.wall,
        "cpu_s": spent.cpu,
        "driver": done / limit.wall,
        "driver_wall_s": limit.wall,
        "driver_cpu_s": limit.cpu,
        "ratio": limit.wall / spent.wall,
    }
    if load.clients is not None:
        figures |= percentiles("", latencies)

    if load.per_commit == 1:
        figures |= percentiles("driver_", pairs)

    return Cell({"load": load.name, "database": database.name}, figures)


async def measure_starts(database: Database, load: str, runs: int, *, at_once: bool) -> Cell:
    """Measure runs that firings start; the limit beside them is the worker, in the other tables."""
    spent, latencies = await measure_firings(database, runs, at_once=at_once)
    figures = {"rate": runs / spent.wall, "wall_s": spent.wall, "cpu_s": spent.cpu}
    return Cell({"load": load, "database": database.name}, figures | (percentiles("", latencies) if latencies else {}))


def percentiles(prefix: str, seconds: Sequence[float]) -> dict[str, float]:
    """Return the median and the 99th percentile, in milliseconds."""
    return {f"{prefix}p{share}_ms": quantile(seconds, share / 100) * 1000 for share in (50, 99)}


async def run(databases: list[Database], options: argparse.Namespace) -> list[Cell]:
    """Measure all loads as often as wanted, after a warm-up, the databases in turns."""
    for load in WARM_UP:
        for database in databases:
            await measure(database, load)

    loads = [load for group, _ in TABLES.values() for load in group]
    cells: list[Cell] = []
    for _ in repetitions(options):
        cells += [await measure(database, load) for load in loads for database in databases]
        cells += [
            await measure_starts(database, load, runs, at_once=at_once)
            for load, runs, at_once in ((BURST, 5000, True), (EACH, 200, False))
            for database in databases
        ]

    return cells


def columns(rate: str, more: Mapping[str, str]) -> dict[str, str]:
    """Return the columns of a table."""
    return {
        "load": "{load}",
        "database": "{database}",
        rate: "{rate}",
        "CPU / wall, s": "{cpu_s.median:.2f} / {wall_s.median:.2f}",
        "driver, same rows": "{driver}",
        "ratio": "{ratio}",
        **more,
    }


LATENCY_TEXT = "{p50_ms.median:.2f} / {p99_ms.median:.2f}"
LATENCY = {"p50 / p99, ms": LATENCY_TEXT}
LIMIT = {"driver, p50 / p99, ms": "{driver_p50_ms.median:.2f} / {driver_p99_ms.median:.2f}"}
BURST, EACH = "5,000 events at once", "one event after the other"
FIRED = {
    name: {"load": "{load}", "database": "{database}", heading: text}
    for name, heading, text in (
        (BURST, "runs started/s", "{rate}"),
        (EACH, "event → run committed, p50 / p99, ms", LATENCY_TEXT),
    )
}
TABLES = {
    "All runs started at once": (AT_ONCE, columns("tasks/s", {})),
    "A hundred clients": ([HUNDRED], columns("runs/s", LATENCY)),
    "One run after the other": ([ALONE], columns("runs/s", LATENCY | LIMIT)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    add_repetitions(parser)
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    options = parser.parse_args()
    with chosen(options) as (databases, facts):
        cells = asyncio.run(run(databases, options))

    rows = summarise(cells)
    known = environment(options, facts, len(cells) // len(rows))
    tables = {
        heading: (texts, [row for row in rows if row["load"] in {load.name for load in group}])
        for heading, (group, texts) in TABLES.items()
    }
    tables |= {
        f"Started by firings: {name}": (texts, [row for row in rows if row["load"] == name])
        for name, texts in FIRED.items()
    }
    if options.json:
        print(as_json(known, {"rows": rows}))
    else:
        print(report("Workflows, median [min–max]", known, tables))


if __name__ == "__main__":
    main()
