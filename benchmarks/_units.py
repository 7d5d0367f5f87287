"""The two kinds of write units that are measured: as the store takes them, as rows, and as they must be found."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

import msgspec
from _bare import Bare, Completion, Rows, expect

from penstock.runtime.store import runs
from penstock.runtime.store.rows import RunRow, TaskRow, to_micros
from penstock.runtime.store.unit import Unit

NOW = datetime(2026, 1, 1, tzinfo=UTC)
AT = to_micros(NOW)
INPUT = '{"amount":3.0,"symbol":"X"}'
OUTPUT = '{"amount":3.0,"booked":true,"price":101.25,"symbol":"X"}'
DELTA = '{"set":{"booked":true,"price":101.25}}'
EVENTS = '[{"task":"book","type":"completed","attempt":1},{"type":"run_completed"}]'

# What is in the rows of some runs: their values, and how many have them. By the primary keys.
SOME = "{key} BETWEEN {first} AND {last} GROUP BY 1, 2, 3, 4, 5"
IN_RUNS = f"SELECT workflow, status, input, output, finished_at, count(*) FROM runs WHERE {SOME}"  # noqa: S608 - ours
IN_TASKS = f"SELECT task, status, attempts, delta, finished_at, count(*) FROM tasks WHERE {SOME}"  # noqa: S608 - ours
IN_EVENTS = f"SELECT seq, at, events, 0, 0, count(*) FROM events WHERE {SOME}"  # noqa: S608 - ours


class Kind(msgspec.Struct, frozen=True):
    """A kind of unit, each about one run."""

    name: str
    #: Fills a unit of the store's.
    build: Callable[[Unit, int], None]
    #: Writes the units of some runs by the bare driver, in one commit.
    write: Callable[[Bare, Sequence[int]], Awaitable[None]]
    #: Whether its runs are there before.
    needs_runs: bool
    #: For each table that it writes: how to look, by which column, and what each row must be.
    found: tuple[tuple[str, str, tuple[object, ...]], ...]


def creation(unit: Unit, run_id: int) -> None:
    """Create a run: 1 row."""
    row = RunRow(
        id=run_id,
        workflow="settle",
        structure_version="5f2a9c",
        code_version="91be07",
        status="running",
        input=INPUT,
        owner=1,
        created_at=NOW,
    )
    runs.insert_run(unit, row)


def completion(unit: Unit, run_id: int) -> None:
    """Complete the only task of a run: task, end of the run, packed events, 3 rows."""
    task = TaskRow(run_id=run_id, task="book", status="completed", delta=DELTA, started_at=NOW, finished_at=NOW)
    runs.put_task(unit, task)
    runs.append_events(unit, run_id, 1, NOW, EVENTS)
    runs.finish_run(unit, run_id, 1, status="completed", output=OUTPUT, started_at=NOW, finished_at=NOW)


async def create(bare: Bare, ids: Sequence[int]) -> None:
    """Write the rows of ``creation``."""
    head = ("settle", "5f2a9c", "91be07", "running", INPUT, None, None, "app", None, 1, 1, 0, None, AT, None, None)
    await bare.create([(run_id, *head) for run_id in ids])


async def complete(bare: Bare, ids: Sequence[int]) -> None:
    """Write the rows of ``completion``."""
    tasks: Rows = [(run_id, "book", "completed", 1, DELTA, None, AT, AT) for run_id in ids]
    events: Rows = [(run_id, 1, AT, EVENTS) for run_id in ids]
    ends: Rows = [("completed", OUTPUT, None, AT, AT, run_id, 1) for run_id in ids]
    await bare.complete(Completion(tasks, events, ends))


CREATION = Kind(
    "creation", creation, create, needs_runs=False, found=((IN_RUNS, "id", ("settle", "running", INPUT, None, None)),)
)
COMPLETION = Kind(
    "completion",
    completion,
    complete,
    needs_runs=True,
    found=(
        (IN_RUNS, "id", ("settle", "completed", INPUT, OUTPUT, AT)),
        (IN_TASKS, "run_id", ("book", "completed", 1, DELTA, AT)),
        (IN_EVENTS, "run_id", (1, AT, EVENTS, 0, 0)),
    ),
)


async def check(kind: Kind, past: Bare, ids: Sequence[int]) -> None:
    """See that the database holds the units of some runs, which have consecutive ids: every row, with its values.

    Raises:
        WrongRows: It does not.
    """
    for text, key, values in kind.found:
        found = await past.rows(text.format(key=key, first=ids[0], last=ids[-1]))
        expect(f"{kind.name} of {len(ids)} runs", found, [(*values, len(ids))])
