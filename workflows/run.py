"""A run, as a caller sees it: what leaves this layer."""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol, cast

import msgspec
from typing_extensions import override

from penstock.runtime.errors import AppError, RunFailed, RunParked
from penstock.runtime.store.rows import RunRow, run_name
from penstock.workflows.live import LiveRun
from penstock.workflows.states import FINAL_RUNS, RunState, RunStatus, TaskState
from penstock.workflows.values import mapping_from_text


class TaskRun(msgspec.Struct, frozen=True, kw_only=True):
    """A task of a run."""

    name: str
    #: ``waiting``, ``ready``, ``running``, ``completed``, ``failed`` or ``skipped``.
    status: str
    #: How often the body was started and the attempt counted.
    attempts: int
    #: Why it failed or was skipped.
    error: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None


class Keeper(Protocol):
    """Who a run is asked from."""

    async def run(self, run_id: str) -> "Run":
        """Read a run anew."""
        ...


class Run:
    """One execution of a workflow.

    A run that this process executes shows where it stands now. One that was read from the store shows how it was then;
    ``await run.refresh()`` reads it anew.
    """

    __slots__ = ("_keeper", "_live", "_parked", "_stored")

    def __init__(self, keeper: Keeper, row: RunRow, *, live: LiveRun | None = None, parked: str | None = None) -> None:
        self._keeper = keeper
        self._stored = row
        self._live = live
        self._parked = parked

    @override
    def __repr__(self) -> str:
        return f"<Run {self.id} of {self.workflow!r}: {self.status}>"

    @property
    def id(self) -> str:
        """Its id, unique in the store, growing with time: ``3-17``."""
        return run_name(self._stored.id)

    @property
    def workflow(self) -> str:
        """The name of the workflow."""
        return self._stored.workflow

    @property
    def status(self) -> RunStatus:
        """``running``, ``completed``, ``failed``, ``quarantined``, or ``parked`` until there is code that fits it."""
        if self._parked is not None:
            return RunState.PARKED.value

        status = self._stored.status if self._live is None else self._live.status.value
        return cast("RunStatus", status)

    @property
    def input(self) -> dict[str, object]:
        """What it was started with."""
        return mapping_from_text(self._stored.input)

    @property
    def output(self) -> dict[str, object] | None:
        """The context in which all its tasks came together, when it is completed."""
        output = self._row.output
        return None if output is None else mapping_from_text(output)

    @property
    def error(self) -> str | None:
        """Why it is failed, quarantined or parked."""
        return self._row.error if self._parked is None else self._parked

    @property
    def tasks(self) -> Mapping[str, TaskRun]:
        """Its tasks by name. Of a run in the store, only those that have ended, or have been running for a while."""
        rows = self._live.row().tasks if self._live is not None else self._stored.tasks
        return {
            row.task: TaskRun(
                name=row.task,
                status=str(row.status),
                attempts=row.attempts,
                error=row.error,
                started_at=row.started_at,
                finished_at=row.finished_at,
            )
            for row in rows
        }

    @property
    def origin(self) -> str:
        """Who started it: ``app``, or a firing."""
        return self._stored.origin

    @property
    def key(self) -> str | None:
        """What makes it unique among the runs of its workflow."""
        return self._stored.key

    @property
    def recoveries(self) -> int:
        """How often it was gone on with after a death of its process, and has got no further since."""
        return self._stored.recoveries if self._live is None else self._live.recoveries

    @property
    def created_at(self) -> datetime:
        """When it was created."""
        return self._stored.created_at

    @property
    def started_at(self) -> datetime | None:
        """When its first task started, as far as that is known."""
        started_at = self._row.started_at if self._live is None else self._live.started_at
        return started_at or min((task.started_at for task in self.tasks.values() if task.started_at), default=None)

    @property
    def finished_at(self) -> datetime | None:
        """When it ended."""
        return self._row.finished_at

    async def refresh(self) -> "Run":
        """Read the run anew.

        Raises:
            RunNotFound: It is not in the store any more.
        """
        return await self._keeper.run(self.id)

    async def result(self) -> dict[str, object]:
        """Wait for the end, and return the output.

        Raises:
            RunFailed: A task failed (its own error is chained when that was in this process), or the run was given up.
            RunParked: There is no code that fits the run.
            StoreError: The store failed, or another owner has the run; it may go on there, or after a restart.
            AppError: The app stopped before the end; the run goes on at its next start. Or nobody here executes it.
        """
        if self._live is not None:
            await self._live.until_end()
            end = self._row
            return _output(end if end.status == RunState.COMPLETED else self._live.row(), self._live.cause)

        run = self if self.status in FINAL_RUNS else await self.refresh()
        return await run._settle()  # noqa: SLF001 - its own class

    async def _settle(self) -> dict[str, object]:
        if self._live is not None:
            return await self.result()

        if self._parked is not None:
            raise RunParked(self.workflow, self.id, self._parked)

        if self._stored.status not in FINAL_RUNS:
            raise AppError(f"run {self.id} is {self._stored.status} but not executed here: it cannot be waited for")

        return _output(self._stored, None)

    @property
    def _row(self) -> RunRow:
        live = self._live
        return self._stored if live is None or live.end is None else live.end


def _output(row: RunRow, cause: BaseException | None) -> dict[str, object]:
    if row.status == RunState.COMPLETED:
        return mapping_from_text(row.output or "{}")

    failures = {task.task: task.error or "" for task in row.tasks if task.status == TaskState.FAILED}
    if row.status == RunState.QUARANTINED:
        failures = {"recovery": row.error or ""}

    raise RunFailed(row.workflow, run_name(row.id), failures) from cause
