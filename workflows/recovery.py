"""Taking over unfinished runs: which go on, which wait for code that fits them, which are given up."""

from collections.abc import Collection, Mapping

import msgspec

from penstock.runtime.effects import Recorded
from penstock.runtime.store.rows import RunRow
from penstock.runtime.store.runs import claim_unfinished, release_run
from penstock.runtime.store.store import Store
from penstock.workflows.live import Definition, LiveRun
from penstock.workflows.states import RunState
from penstock.workflows.writing import write_quarantine

#: How often a run may be gone on with and get no further before the process dies. Then it is given up: it may kill it.
MAX_RECOVERIES = 3


class Recovered(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the unfinished runs."""

    #: Go on, in the order of their creation.
    live: list[LiveRun]
    #: Wait, untouched, with the reason.
    parked: list[tuple[RunRow, str]]
    quarantined: list[RunRow]


class Recovery:
    """Claims what is unfinished, and sorts it.

    Args:
        definitions: The registered workflows by name.
    """

    def __init__(self, store: Store, definitions: Mapping[str, Definition]) -> None:
        self._store = store
        self._definitions = definitions

    async def claim(self, held: Collection[int]) -> Recovered:
        """Claim every unfinished run but those that are held in memory already.

        Raises:
            StoreError: The store cannot be read or written.
        """
        recovered = Recovered(live=[], parked=[], quarantined=[])
        for row in await claim_unfinished(self._store):
            if row.id not in held:
                self._sort(row, recovered)

        await self._give_up(recovered)
        await self._set_aside(recovered)
        return recovered

    def _sort(self, row: RunRow, recovered: Recovered) -> None:
        reason = self._misfit(row)
        if reason is not None:
            recovered.parked.append((row, reason))
        elif row.recoveries >= MAX_RECOVERIES:
            error = (
                f"the process died each of the {row.recoveries} times that this run was gone on with, and it got no"
                " further; look at its running tasks"
            )
            recovered.quarantined.append(
                msgspec.structs.replace(
                    row, status=RunState.QUARANTINED, error=error, finished_at=self._store.scheduler.clock.now()
                )
            )
        else:
            self._go_on(row, recovered)

    def _misfit(self, row: RunRow) -> str | None:
        """Return why the code that is here does not fit a run."""
        definition = self._definitions.get(row.workflow)
        if definition is None:
            return f"workflow {row.workflow!r} is not registered; it goes on when the app has it among its parts"

        if row.structure_version not in {"", definition.structure_version}:
            return (
                f"the tasks or dependencies of {row.workflow!r} have changed since it was started "
                f"({row.structure_version}, now {definition.structure_version}); it goes on with the old ones"
            )

        return None

    def _go_on(self, row: RunRow, recovered: Recovered) -> None:
        definition = self._definitions[row.workflow]
        try:
            live = LiveRun(definition, row)
        except msgspec.DecodeError as error:
            recovered.parked.append((row, f"its stored changes cannot be read: {error}"))
            return

        now = self._store.scheduler.clock.now()
        live.uncounted = True
        live.note("run_recovered", now, reason=f"{row.recoveries} times before" if row.recoveries else None)
        if row.code_version not in {"", definition.code_version}:
            live.note("code_changed", now, reason=f"{row.code_version}, now {definition.code_version}")

        recovered.live.append(live)

    async def _give_up(self, recovered: Recovered) -> None:
        unit = self._store.unit("run.quarantine")
        for row in recovered.quarantined:
            write_quarantine(unit, row)

        if recovered.quarantined:
            await self._store.commit(unit)

    async def _set_aside(self, recovered: Recovered) -> None:
        """Let parked runs go: waiting for code is no recovery."""
        unit = self._store.unit("run.park")
        for row, _ in recovered.parked:
            release_run(unit, row.id, row.epoch)

        if recovered.parked:
            await self._store.commit(unit)


def orphan(store: Store, recorded: Recorded, origin: str) -> RunRow:
    """Return the row of a run whose workflow nobody knows; it is parked until somebody does."""
    return RunRow(
        id=store.new_run_id(),
        workflow=recorded.effect.workflow,
        structure_version="",
        code_version="",
        status=RunState.RUNNING,
        input=recorded.effect.input,
        origin=origin,
        key=recorded.key,
        created_at=store.scheduler.clock.now(),
    )
