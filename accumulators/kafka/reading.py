"""One connection at work: from the partitions that are there, over their records, to the error that ends it.

Two tasks: one reads, and hands the records over; the other looks around from time to time. Whatever goes wrong ends
both, and the supervisor builds everything anew from the positions that were taken. The partitions that are read change
only between two batches of records, so that none is taken twice.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from itertools import chain

import anyio
from anyio.abc import TaskGroup

from penstock.accumulators.kafka.batches import Fetched, Records
from penstock.accumulators.kafka.client import Client
from penstock.accumulators.kafka.connecting import connect
from penstock.accumulators.kafka.places import Place, next_offsets, place_name
from penstock.accumulators.kafka.protection import protection
from penstock.accumulators.kafka.security import KafkaSecurity
from penstock.accumulators.kafka.settings import Settings
from penstock.accumulators.kafka.starting import Places
from penstock.accumulators.kafka.values import Parsing
from penstock.accumulators.kafka.watching import Watch
from penstock.accumulators.record import Record
from penstock.accumulators.source import Intake, Position
from penstock.runtime.errors import SourceUnavailable


async def read(
    settings: Settings,
    security: KafkaSecurity | None,
    intake: Intake,
    positions: Mapping[str, Position],
    *,
    whole: bool,
) -> None:
    """Connect, and read until something goes wrong.

    Raises:
        Exception: What went wrong.
    """
    protected = await intake.in_thread(protection, security)
    async with connect(settings, protected, intake.scheduler) as client:
        offsets = await Places(settings, client, intake).offsets(next_offsets(positions))
        await Reader(settings, client, intake, offsets, whole=whole or intake.wants_records).run()


class Reader:
    """Hands over the records of one connection.

    Attributes:
        offsets: Where each partition goes on, behind what was taken.
        found: Partitions that are to be read as well, from the next batch on.
        taken: How many records were handed over.
        pending: The partitions of which records have come that are not all handed over.
        held: Whether there is no room for more.
    """

    def __init__(
        self, settings: Settings, client: Client, intake: Intake, offsets: dict[Place, int], *, whole: bool
    ) -> None:
        self._settings, self._client, self._intake = settings, client, intake
        self.offsets: dict[Place, int] = offsets
        self.found: set[Place] = set()
        self.taken: int = 0
        self.pending: set[Place] = set()
        self.held: bool = False
        self._whole = whole
        reader = intake.reader
        self._decode: Callable[[object], object] | None = reader.decode if isinstance(reader, Parsing) else None
        self._failure: Exception | None = None

    async def run(self) -> None:
        """Read until something goes wrong.

        Raises:
            Exception: What went wrong.
        """
        self._client.assign(self.offsets)
        self._intake.live()
        async with anyio.create_task_group() as group:
            group.start_soon(self._until_failure, Watch(self._settings, self._client, self._intake, self).run, group)
            await self._until_failure(self._read, group)

        raise self._failure or SourceUnavailable(self._settings.name, "reading ended")

    async def _until_failure(self, work: Callable[[], Awaitable[None]], group: TaskGroup) -> None:
        """Let the first of the two that fails end the other: its error goes its own way, not wrapped into a group."""
        try:
            await work()
        except Exception as error:  # noqa: BLE001 (raised again by ``run``)
            self._failure = self._failure or error
            group.cancel_scope.cancel()

    async def _read(self) -> None:
        while True:
            if self.found:
                await self._widen()

            fetched = await self._client.poll()
            self.pending.update(fetched)
            for place, records in fetched.items():
                await self._hand_over(place, records)

    async def _widen(self) -> None:
        """Read the partitions that were found as well, from their beginning: they are younger than our start."""
        # those that were found again while their beginning was asked for must not begin twice
        found, self.found = self.found - self.offsets.keys(), set[Place]()
        begun = await Places(self._settings, self._client, self._intake).begin(found, "earliest")
        if begun:
            self.offsets = {**begun, **self.offsets, **await self._client.positions()}
            self._client.assign(self.offsets)

    async def _hand_over(self, place: Place, batches: Sequence[Records]) -> None:
        records = chain.from_iterable(batches)
        if self._whole:
            await self._hand_over_whole(place, records)
        else:
            accept_all, decode, name = self._intake.accept_all, self._decode, place_name(place)
            while taken := accept_all(records, decode, name):
                self.taken += taken
                await self._wait()

        self.offsets[place] = batches[-1].end
        self.pending.discard(place)

    async def _hand_over_whole(self, place: Place, records: Iterable[Fetched]) -> None:
        accept, name = self._intake.accept, place_name(place)
        for record in records:
            self.taken += 1
            if not accept(record_of(place, record), record.offset, name):
                await self._wait()

    async def _wait(self) -> None:
        """Wait for room, with the partitions paused; or give others on the loop their turn."""
        if not self._intake.full:
            await self._intake.ready()
            return

        self.held = True
        self._client.pause()
        try:
            await self._intake.ready()
        finally:
            self._client.resume()
            self.held = False


def record_of(place: Place, fetched: Fetched) -> Record:
    """Return all that a function or a decoder may ask for."""
    return Record(
        fetched.value,
        fetched.key,
        *place,
        fetched.offset,
        None if fetched.timestamp < 0 else fetched.timestamp / 1000,
        tuple(fetched.headers),
    )
