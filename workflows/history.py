"""The runs in the store, for those who look."""

from collections.abc import AsyncIterator, Collection

from penstock.runtime.store.rows import RunRow
from penstock.runtime.store.runs import TASKS_OF, list_runs, with_tasks
from penstock.runtime.store.store import Store
from penstock.workflows.states import RunState

#: Runs that are read at once.
PAGE = 100


async def newest(
    store: Store, workflow: str | None, status: RunState | None, parked: Collection[int]
) -> AsyncIterator[RunRow]:
    """Yield runs with their tasks, the newest first.

    Args:
        status: ``parked`` is none that is stored: those runs are known here, and running for the store.
        parked: The runs that wait for code.
    """
    wanted = RunState.RUNNING if status == RunState.PARKED else status
    before: int | None = None
    while page := await list_runs(store, workflow, wanted, limit=PAGE, before=before):
        before = page[-1].id
        for row in page:
            if status is None or (row.id in parked) == (status == RunState.PARKED):
                yield with_tasks(row, await store.read(TASKS_OF, id=row.id))
