"""How the readings come to the reactor: directly, as here, or over Kafka, as in ``relay``."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import penstock as ps
from penstock.accumulators.statistics import AccumulatorStatistics
from penstock.demo.passage import Passage
from penstock.runtime.scheduler import Scheduler

Accumulators = Mapping[str, AccumulatorStatistics]


class Way(Protocol):
    """What the demo knows of the way."""

    #: Fires with the readings that come.
    machine: ps.Reactor
    #: What brings them there, if that is part of the app.
    parts: Sequence[ps.ComputationGraph]

    async def work(self, scheduler: Scheduler) -> None:
        """Do what the app does not do by itself, until ``stop``."""
        ...

    def stop(self) -> None:
        """Let nothing new begin."""
        ...

    def expects(self, name: str, accumulators: Accumulators) -> bool:
        """Tell whether a reading of this kind is under way."""
        ...

    def caught_up(self, accumulators: Accumulators) -> bool:
        """Tell whether no reading is under way, nor any to come."""
        ...

    def look(self, accumulators: Accumulators) -> str:
        """Return how things are, in words; empty when there is nothing to tell."""
        ...

    async def passage(self, accumulators: Accumulators) -> Passage | None:
        """Return what became of the readings on their way; to be asked when the app was closed.

        Args:
            accumulators: As they were last.
        """
        ...


class Direct:
    """The accumulators poll the machine themselves."""

    def __init__(self, machine: ps.Reactor) -> None:
        self.machine: ps.Reactor = machine
        self.parts: Sequence[ps.ComputationGraph] = ()

    async def work(self, scheduler: Scheduler) -> None:
        """Do nothing: the app polls."""

    def stop(self) -> None:
        """Do nothing: the app stops."""

    def expects(self, name: str, accumulators: Accumulators) -> bool:  # noqa: ARG002 - as all ways have it
        """Expect nothing: a reading that is there has come."""
        return False

    def caught_up(self, accumulators: Accumulators) -> bool:  # noqa: ARG002 - as all ways have it
        """There is no way on which a reading could be."""
        return True

    def look(self, accumulators: Accumulators) -> str:  # noqa: ARG002 - as all ways have it
        """There is nothing to tell."""
        return ""

    async def passage(self, accumulators: Accumulators) -> Passage | None:  # noqa: ARG002 - as all ways have it
        """There was none."""
        return None
