"""A store with runs in it, written without an app."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio

from penstock.runtime.clock import Activity
from penstock.runtime.scheduler import Scheduler
from penstock.runtime.store.rows import RunRow, TaskRow
from penstock.runtime.store.runs import append_events, finish_run, insert_run, put_task
from penstock.runtime.store.store import Store
from penstock.testing import VirtualClock

START = datetime(2026, 1, 1, 12, tzinfo=UTC)


def with_store(where: Path | str, work: Callable[[Store], Awaitable[object]]) -> None:
    """Serve a store for as long as ``work`` takes."""

    async def serve() -> None:
        clock = VirtualClock(START)
        scheduler = Scheduler(clock, on_error=print)
        url = where if isinstance(where, str) else f"sqlite:///{where}"
        store = await Store.open(url, scheduler=scheduler, activity=Activity())
        try:
            await work(store)
        finally:
            await store.close()
            scheduler.close()

    anyio.run(serve)


async def add_run(store: Store, workflow: str, *, status: str | None = None, second: int = 0) -> int:
    """Store a run that was created in this second, and ended half a second later when it has a status."""
    unit, number, at = store.unit("run"), store.new_run_id(), START + timedelta(seconds=second)
    insert_run(
        unit,
        RunRow(
            id=number,
            workflow=workflow,
            structure_version="s1",
            code_version="c1",
            status="running",
            input='{"amount": 3.0}',
            owner=store.node,
            created_at=at,
        ),
    )
    await store.commit(unit)
    if status is not None:
        await end_run(store, number, status, at)

    return number


async def end_run(store: Store, number: int, status: str, at: datetime) -> None:
    """Store the end of a run and of its only task."""
    unit, end = store.unit("end"), at + timedelta(seconds=0.5)
    error = "ValueError: no" if status == "failed" else None
    put_task(
        unit,
        TaskRow(
            run_id=number, task="fetch", status=status, delta='{"x": 1}', error=error, started_at=at, finished_at=end
        ),
    )
    append_events(unit, number, 1, end, '[{"event": "task_ended", "task": "fetch"}, {"event": "run_ended"}]')
    finish_run(unit, number, 1, status=status, output='{"x": 1}', error=error, started_at=at, finished_at=end)
    await store.commit(unit)
