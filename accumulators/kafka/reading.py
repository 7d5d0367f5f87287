"""One connection at work: from the partitions that are there, over their records, to the error that ends it.

Two tasks: one reads, and hands the records over; the other looks around from time to time. Whatever goes wrong ends
both, and the supervisor builds everything anew from the positions that were taken. The partitions that are read change
only between two batches of records, so that none is taken twice.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence

import anyio
from anyio.abc import TaskGroup

from penstock.accumulators.kafka.client import Client, Fetched, connect, protection
from penstock.accumulators.kafka.places import Place, next_offsets, place_name
from penstock.accumulators.kafka.security import KafkaSecurity
from penstock.accumulators.kafka.settings import Settings
from penstock.accumulators.kafka.starting import Places
from penstock.accumulators.kafka.values import Parsing
from penstock.accumulators.kafka.watching import Watch
from penstock.accumulators.record import Record
from penstock.accumulators.source import Intake, Position
from penstock.runtime.errors import DecodeError, SourceUnavailable
from penstock.runtime.forms import FAULTS

#: What a decoder raises for a value that it cannot read.
UNREADABLE = (*FAULTS, DecodeError)


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
        waiting: How many records have come and were not handed over.
        held: Whether there is no room for more.
    """

    def __init__(
        self, settings: Settings, client: Client, intake: Intake, offsets: dict[Place, int], *, whole: bool
    ) -> None:
        self._settings, self._client, self._intake = settings, client, intake
        self.offsets: dict[Place, int] = offsets
        self.found: set[Place] = set()
        self.taken: int = 0
        self.waiting: int = 0
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
            self.waiting = sum(len(records) for _, records in fetched)
            for place, records in fetched:
                await self._hand_over(place, records)

    async def _widen(self) -> None:
        """Read the partitions that were found as well, from their beginning: they are younger than our start."""
        # those that were found again while their beginning was asked for must not begin twice
        found, self.found = self.found - self.offsets.keys(), set[Place]()
        begun = await Places(self._settings, self._client, self._intake).begin(found, "earliest")
        if begun:
            self.offsets = begun | self.offsets
            self._client.assign(self.offsets)

    async def _hand_over(self, place: Place, records: Sequence[Fetched]) -> None:
        accept, name = self._intake.accept, place_name(place)
        if self._whole:
            for record in records:
                if not accept(record_of(record), record.offset, name):
                    await self._wait()
        else:
            await self._hand_over_values(name, records)

        self.offsets[place] = records[-1].offset + 1
        self.taken += len(records)
        self.waiting -= len(records)

    async def _hand_over_values(self, name: str, records: Sequence[Fetched]) -> None:
        """Do so with what the format makes of the values; what it cannot read is left to the accumulator."""
        accept, decode = self._intake.accept, self._decode
        for record in records:
            event: object = record.value
            if decode is not None:
                try:
                    event = decode(event)
                except UNREADABLE:
                    event = record.value

            if not accept(event, record.offset, name):
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


def record_of(fetched: Fetched) -> Record:
    """Return all that a function or a decoder may ask for."""
    return Record(
        fetched.value,
        fetched.key,
        fetched.topic,
        fetched.partition,
        fetched.offset,
        None if fetched.timestamp < 0 else fetched.timestamp / 1000,
        tuple(fetched.headers),
    )
