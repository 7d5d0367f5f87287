"""Write units about one run. Each carries what its answer needs: a closure beside every unit would cost more."""

import asyncio

from penstock.runtime.clock import Clock
from penstock.runtime.store.rows import RunRow
from penstock.runtime.store.unit import Unit
from penstock.workflows.live import LiveRun
from penstock.workflows.planner import Commit


class RunUnit(Unit):
    """What is written about a run beside its steps."""

    __slots__ = ("live",)

    def __init__(self, label: str, clock: Clock, live: LiveRun) -> None:
        super().__init__(label, clock)
        self.live: LiveRun = live


class Creation(RunUnit):
    """The creation of a run, for whose commit somebody waits."""

    __slots__ = ("told",)

    told: "asyncio.Future[int]"


class Step(RunUnit):
    """What the planner decided to write.

    Attributes:
        commit: The decision.
        end: The row of the run, when it has ended with this unit.
    """

    __slots__ = ("commit", "end")

    commit: Commit
    end: RunRow | None
