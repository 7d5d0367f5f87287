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

#: Seconds in which the brokers must answer all that a look asks, or the connection is built anew; and in which they
#: answer if all is well, or we tell that they do not.
PATIENCE, SILENCE = 20.0, 3.0
#: Seconds between two looks that are made because a request failed.
AGAIN = 0.5
#: Looks that find records waiting, and none taken since the one before, until we tell that it does not get on.
PATIENT = 2


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
        #: Looks in a row that found it not getting on; whether we have told that something is wrong.
        self._idle = 0
        self._troubled = False
        self._told: dict[Place, int] = {}

    async def run(self) -> None:
        """Look, and look again.

        Raises:
            SourceUnavailable: The brokers do not answer, a topic is gone, or nothing comes although there is something.
        """
        while True:
            with anyio.CancelScope() as asking:
                hint = self._intake.scheduler.after(SILENCE, self._tell_silence)
                timer = self._intake.scheduler.after(PATIENCE, asking.cancel)
                try:
                    await self._look()
                finally:
                    hint.cancel()
                    timer.cancel()

            if asking.cancelled_caught:
                raise self._trouble(f"the brokers do not answer within {PATIENCE:g} seconds")

            await self._rest()

    async def _rest(self) -> None:
        """Wait for the next look; a request that fails lets it come at once."""
        pulse, scheduler = self._client.pulse, self._intake.scheduler
        if pulse.error is not None:
            await scheduler.sleep(AGAIN)  # it failed before the look, which found nothing wrong: not in every moment
            return

        timer = scheduler.after(self._settings.look_every, pulse.tell)
        try:
            await pulse.changed()
        finally:
            timer.cancel()

    # -- health --------------------------------------------------------------------------------------------

    def _tell_silence(self) -> None:
        self._tell_trouble(f"the brokers have not answered for {SILENCE:g} seconds")

    def _tell_trouble(self, reason: str) -> None:
        """Say that something is wrong which may pass by itself."""
        self._troubled = True
        self._intake.lost(self._trouble(reason))

    def _tell_peace(self) -> None:
        if self._troubled:
            self._troubled = False
            self._intake.live()

    def _trouble(self, reason: str) -> SourceUnavailable:
        return SourceUnavailable(self._settings.name, reason)

    # -- looking -------------------------------------------------------------------------------------------

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
            self._idle = 0
        else:
            self._idle += 1

        self._looked, self._taken = now, taken
        reason = f"{lag} records wait, and none has come for {now - self._well:.0f} seconds"
        if now - self._well > self._settings.stall_after:
            raise self._trouble(reason)

        if self._idle >= PATIENT:
            self._tell_trouble(reason)
        else:
            self._tell_peace()

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
