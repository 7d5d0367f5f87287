"""A look around, from time to time: new partitions, how far behind we are, whether anything comes.

A connection may look healthy and give nothing. So the lag is asked from the brokers, on its own way, and when there is
something to read and nothing comes for too long, the connection is given up and built anew.
"""

from typing import Protocol

import anyio

from penstock.accumulators.kafka.client import Client
from penstock.accumulators.kafka.places import Place, next_offsets
from penstock.accumulators.kafka.settings import Settings
from penstock.accumulators.kafka.starting import look
from penstock.accumulators.source import Intake
from penstock.runtime.errors import SourceUnavailable

#: Seconds in which the brokers must answer all that a look asks.
PATIENCE = 20.0


class Progress(Protocol):
    """What the one who reads tells."""

    offsets: dict[Place, int]
    found: set[Place]
    taken: int
    pending: set[Place]
    held: bool


class Watch:
    """Looks around for one connection."""

    def __init__(self, settings: Settings, client: Client, intake: Intake, progress: Progress) -> None:
        self._settings, self._client, self._intake, self._progress = settings, client, intake, progress
        self._monotonic = intake.scheduler.clock.monotonic
        #: When something was read last, or nothing was to be read, and how much had been read by then.
        self._well = self._looked = self._monotonic()
        self._taken = 0
        self._told: dict[Place, int] = {}

    async def run(self) -> None:
        """Look, and look again.

        Raises:
            SourceUnavailable: The brokers do not answer, a topic is gone, or nothing comes although there is something.
        """
        async for _missed in self._intake.scheduler.ticks(self._settings.look_every, immediately=True):
            with anyio.CancelScope() as asking:
                timer = self._intake.scheduler.after(PATIENCE, asking.cancel)
                try:
                    await self._look()
                finally:
                    timer.cancel()

            if asking.cancelled_caught:
                raise SourceUnavailable(self._settings.name, f"the brokers do not answer within {PATIENCE:g} seconds")

    async def _look(self) -> None:
        places = await look(self._settings, self._client)
        self._progress.found |= places - self._progress.offsets.keys()
        ends = await self._client.ends(list(self._progress.offsets))
        positions = await self._client.positions()
        self._judge(sum(max(0, ends[place] - self._at(place, at)) for place, at in positions.items() if place in ends))
        if self._settings.group is not None:
            await self._tell_group()

    def _at(self, place: Place, position: int) -> int:
        """Return how far a partition was handed over; what is being handed over counts to its end."""
        return self._progress.offsets[place] if place in self._progress.pending else position

    def _judge(self, lag: int) -> None:
        """Report how far behind we are, and see whether we get on."""
        now, taken = self._monotonic(), self._progress.taken
        passed = now - self._looked
        self._intake.report(lag=lag, rate=(taken - self._taken) / passed if passed > 0 else 0.0)
        if taken > self._taken or lag == 0 or self._progress.held:
            self._well = now

        self._looked, self._taken = now, taken
        if now - self._well > self._settings.stall_after:
            raise SourceUnavailable(
                self._settings.name, f"{lag} records wait, and none has come for {now - self._well:.0f} seconds"
            )

    async def _tell_group(self) -> None:
        """Tell the brokers what is committed here; a hint for those who watch the lag."""
        stored = {
            place: offset
            for place, offset in next_offsets(self._intake.stored).items()
            if place in self._progress.offsets and self._told.get(place) != offset
        }
        if stored:
            await self._client.commit(stored)
            self._told |= stored
