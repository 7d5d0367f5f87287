"""How fast the state store acknowledges write units, beside what the bare driver can do in the same run.

Closed loop: each of N callers commits a unit, waits for the acknowledgement, and commits the next. Two kinds of units:
the creation of a run (1 row), and the completion of its only task (task, end of the run, packed events: 3 rows).

The limit is the bare driver on one connection (``sqlite3``, asyncpg): as many units with the same rows in the same
tables, once with as many units a commit as the store reached in this repetition, once with one unit a commit. The
repetitions of all are interleaved, and after each the rows that it wrote are read and compared.

    python benchmarks/store.py [--store sqlite|postgres|both] [--postgres URL] [--seconds 0.3] [--repetitions 3]
                               [--limit 50] [--synchronous full] [--json]
"""

import argparse
import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from itertools import count, islice
from typing import NamedTuple

from _bare import Bare
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
from _units import COMPLETION, CREATION, Kind, check, create

from penstock.runtime.store.store import Store

CALLERS = (1, 16, 64, 256)
#: Runs a second that are prepared for the completions: for each caller, and for all. With fewer a turn ends early.
PREPARED, MOST_PREPARED = 3_000, 40_000
#: Rows of one commit that is not measured.
PORTION = 1000


class Side(NamedTuple):
    """A database with what is measured on it."""

    database: Database
    store: Store
    #: A connection to the tables of the store, past the store.
    past: Bare
    #: A connection to tables of its own.
    bare: Bare
    #: For the runs in those.
    ids: Iterator[int]


class Turn(NamedTuple):
    """What was done in one turn of the store or of the driver."""

    units: int
    spent: Spent
    latencies: Sequence[float]
    per_commit: float

    @property
    def rate(self) -> float:
        """Units a second."""
        return self.units / self.spent.wall


async def turn_of_store(side: Side, kind: Kind, callers: int, seconds: float) -> Turn:
    """Let the callers commit for a time."""
    store = side.store
    prepared = int(seconds * min(MOST_PREPARED, PREPARED * callers)) + callers
    ids: Iterator[int] = (store.new_run_id() for _ in count())
    if kind.needs_runs:
        ids = iter(await prepare(side.past, ids, prepared))

    used: list[int] = []
    latencies: list[float] = []

    async def caller(end: float) -> None:
        while (begun := time.perf_counter()) < end and (run_id := next(ids, None)) is not None:
            used.append(run_id)
            unit = store.unit("run")
            kind.build(unit, run_id)
            await store.commit(unit)
            latencies.append(time.perf_counter() - begun)

    before = store.statistics()
    with spending() as spent:
        end = time.perf_counter() + seconds
        await asyncio.gather(*(caller(end) for _ in range(callers)))

    after = store.statistics()
    await check(kind, side.past, used)
    return Turn(len(used), spent, latencies, (after.units - before.units) / (after.commits - before.commits))


async def turn_of_driver(side: Side, kind: Kind, units: int, per_commit: int) -> Turn:
    """Write as many units as the store did, with so many a commit."""
    ids = list(islice(side.ids, units))
    if kind.needs_runs:
        await prepare(side.bare, iter(ids), units)

    commits = portions(ids, per_commit)
    with spending() as spent:
        for commit in commits:
            await kind.write(side.bare, commit)

    await check(kind, side.bare, ids)
    return Turn(units, spent, [], units / len(commits))


async def prepare(bare: Bare, ids: Iterator[int], number: int) -> list[int]:
    """Create runs for the completions, unmeasured."""
    prepared = list(islice(ids, number))
    for portion in portions(prepared, PORTION):
        await create(bare, portion)

    return prepared


def portions(ids: list[int], size: int) -> list[list[int]]:
    """Cut a list."""
    return [ids[start : start + size] for start in range(0, len(ids), size)]


# -- all of it -----------------------------------------------------------------------------------------------


async def measure(side: Side, kind: Kind, callers: int, seconds: float, singles: dict[str, float]) -> Cell:
    """Measure one row of the table once; ``singles`` remembers what a database does with one unit a commit."""
    name = side.database.name
    ours = await turn_of_store(side, kind, callers, seconds)
    grouped = await turn_of_driver(side, kind, ours.units, max(1, round(ours.per_commit)))
    if name not in singles:
        # as many as the fewest callers have committed: more would take too long
        singles[name] = (await turn_of_driver(side, kind, ours.units, 1)).rate

    figures = {
        "rate": ours.rate,
        "p50_ms": quantile(ours.latencies, 0.5) * 1000,
        "p99_ms": quantile(ours.latencies, 0.99) * 1000,
        "wall_s": ours.spent.wall,
        "cpu_s": ours.spent.cpu,
        "per_commit": ours.per_commit,
        "grouped": grouped.rate,
        "grouped_cpu_s": grouped.spent.cpu,
        "grouped_wall_s": grouped.spent.wall,
        "of_grouped": ours.rate / grouped.rate,
        "single": singles[name],
        "of_single": ours.rate / singles[name],
    }
    return Cell({"unit": kind.name, "database": name, "callers": callers}, figures)


async def repeat(sides: list[Side], seconds: float) -> list[Cell]:
    """Measure everything once, the databases in turns."""
    cells: list[Cell] = []
    for kind in (CREATION, COMPLETION):
        singles: dict[str, float] = {}
        for callers in CALLERS:
            cells += [await measure(side, kind, callers, seconds, singles) for side in sides]

    return cells


async def run(databases: list[Database], options: argparse.Namespace) -> list[Cell]:
    """Measure everything as often as wanted, after a warm-up."""
    async with AsyncExitStack() as stack:
        sides: list[Side] = []
        for database in databases:
            store, past = await stack.enter_async_context(database.store())
            bare = await stack.enter_async_context(database.bare())
            sides.append(Side(database, store, past, bare, count(1)))

        await repeat(sides, options.seconds / 5)
        return [cell for _ in repetitions(options) for cell in await repeat(sides, options.seconds)]


COLUMNS = {
    "unit": "{unit}",
    "database": "{database}",
    "callers": "{callers}",
    "acknowledged units/s": "{rate}",
    "p50 / p99, ms": "{p50_ms.median:.2f} / {p99_ms.median:.2f}",
    "CPU / wall, s": "{cpu_s.median:.2f} / {wall_s.median:.2f}",
    "units a commit": "{per_commit.median:.1f}",
    "driver, same units a commit": "{grouped}",
    "ratio": "{of_grouped}",
    "driver, 1 unit a commit": "{single}",
    "ratio ": "{of_single}",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    parser.add_argument("--seconds", type=float, default=0.3, help="of each turn of the store")
    add_repetitions(parser)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    with chosen(options) as (databases, facts):
        cells = asyncio.run(run(databases, options))

    rows = summarise(cells)
    known = environment(options, facts, len(cells) // len(rows))
    if options.json:
        print(as_json(known, {"rows": rows}))
    else:
        print(report("State store", known, {"Acknowledged write units, median [min–max]": (COLUMNS, rows)}))


if __name__ == "__main__":
    main()
