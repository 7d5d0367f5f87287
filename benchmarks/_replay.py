"""The rows that the worker has written, read back, and written anew by the bare driver."""

import time
from collections import defaultdict
from typing import NamedTuple

from _bare import ENDS, EVENTS, RUNS, TASKS, Bare, Completion, Rows, names
from sqlalchemy import Table

#: What a run is before its end.
UNFINISHED = {"status": "running", "output": None, "started_at": None, "finished_at": None}
RUN_COLUMNS = tuple(RUNS.columns.keys())
#: Where the columns of an end stand in a row of runs.
END_PLACES = [RUN_COLUMNS.index(name) for name in ENDS]


class Written(NamedTuple):
    """All rows about runs, in the order of their keys."""

    runs: Rows
    tasks: Rows
    events: Rows


async def read(past: Bare) -> Written:
    """Return what is in the tables."""
    return Written(
        await past.rows(f"{everything(RUNS)} ORDER BY id"),
        await past.rows(f"{everything(TASKS)} ORDER BY run_id, task"),
        await past.rows(f"{everything(EVENTS)} ORDER BY run_id, seq"),
    )


def everything(table: Table) -> str:
    """Return the query for a whole table."""
    return f"SELECT {names(table)} FROM {table.name}"  # noqa: S608 - our own table


class Commits(NamedTuple):
    """Two commits about the same runs: their creation, and all that was written later."""

    created: Rows
    done: Completion


def commits(written: Written, size: int) -> list[Commits]:
    """Cut the rows into commits for so many runs each."""
    tasks, events = by_run(written.tasks), by_run(written.events)
    return [
        Commits(
            [created(run) for run in group],
            Completion(
                [task for run in group for task in tasks[run[0]]],
                [event for run in group for event in events[run[0]]],
                [tuple(run[place] for place in END_PLACES) for run in group],
            ),
        )
        for group in (written.runs[start : start + size] for start in range(0, len(written.runs), size))
    ]


def by_run(rows: Rows) -> dict[object, Rows]:
    """Return the rows of each run, whose id they begin with."""
    found: defaultdict[object, Rows] = defaultdict(list)
    for row in rows:
        found[row[0]].append(row)

    return found


def created(run: tuple[object, ...]) -> tuple[object, ...]:
    """Return a run as it was before its end."""
    return tuple(UNFINISHED.get(name, value) for name, value in zip(RUN_COLUMNS, run, strict=True))


async def write(bare: Bare, given: list[Commits]) -> list[float]:
    """Write rows anew; return the seconds that each pair of commits took."""
    latencies: list[float] = []
    for created_rows, done in given:
        begun = time.perf_counter()
        await bare.create(created_rows)
        await bare.complete(done)
        latencies.append(time.perf_counter() - begun)

    return latencies
