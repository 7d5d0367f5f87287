"""The way over Kafka: what the sensors read goes to a topic, and comes from it to the accumulators.

    sensors ──► topic ──► ps.Kafka ──► cpu, memory, disk, network, processes ──► reactor `machine` ──► …

Producing is not part of the app: it is what somebody else's program would do. Everything behind the topic is, and how
far it was read is kept in the app's store.
"""

from collections import Counter
from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from contextlib import asynccontextmanager

import anyio
import anyio.to_thread
import msgspec
from typing_extensions import override

import penstock as ps
from penstock.accumulators.source import Intake, Position, Source
from penstock.accumulators.statistics import AccumulatorStatistics
from penstock.demo.judging import Reading
from penstock.demo.passage import Passage, partitions
from penstock.demo.sensors import Sensors
from penstock.demo.signals import Cpu, Disk, Memory, Network, Processes
from penstock.demo.topic import Topic, opened
from penstock.demo.way import Accumulators
from penstock.demo.words import plural
from penstock.runtime.clock import Clock
from penstock.runtime.errors import SourceUnavailable
from penstock.runtime.scheduler import Scheduler

#: Seconds between two looks at the lag.
LOOK = 0.5


class Reader(ps.Kafka):
    """The topic as the source of one accumulator, which can be asked how far it was read.

    Attributes:
        began: The positions behind which the first connection went on.
    """

    def __init__(self, brokers: str, topic: str) -> None:
        super().__init__(topic, brokers=brokers, look_every=LOOK)
        self.began: Mapping[str, Position] | None = None
        self._intake: Intake | None = None

    @override
    async def run(self, intake: Intake, positions: Mapping[str, Position]) -> None:
        self._intake = intake
        if self.began is None:
            self.began = dict(positions)

        await super().run(intake, positions)

    @property
    def stored(self) -> Mapping[str, Position]:
        """The positions in the store, by partition."""
        return {} if self._intake is None else self._intake.stored


def machine(reader: Callable[[str], Source]) -> ps.Reactor:
    """Return a reactor like that of ``detection``, fed by a topic; each accumulator takes its kind of reading."""

    @ps.stream_accumulator(reader("cpu"))
    def cpu(event: Reading) -> Cpu | None:
        return event if isinstance(event, Cpu) else None

    @ps.stream_accumulator(reader("memory"))
    def memory(event: Reading) -> Memory | None:
        return event if isinstance(event, Memory) else None

    @ps.stream_accumulator(reader("disk"))
    def disk(event: Reading) -> Disk | None:
        return event if isinstance(event, Disk) else None

    @ps.stream_accumulator(reader("network"))
    def network(event: Reading) -> Network | None:
        return event if isinstance(event, Network) else None

    @ps.stream_accumulator(reader("processes"))
    def processes(event: Reading) -> Processes | None:
        return event if isinstance(event, Processes) else None

    return ps.Reactor("machine", [cpu, memory, disk, network, processes], criteria=ps.when_any())


@asynccontextmanager
async def over_kafka(brokers: str, topic: str, clock: Clock, say: Callable[[str], None]) -> AsyncGenerator["Relay"]:
    """Make the way over a topic, which is made as well if it is not there.

    Args:
        brokers: Where the topic is.
        topic: What it is called.
        clock: Times the readings.
        say: Told in words what happens.

    Raises:
        SourceUnavailable: No broker answers, or it does not let us.
    """
    async with opened(brokers, topic) as connected:
        say(f"kafka: readings go through topic {topic} at {brokers}")
        yield Relay(connected, clock, say)


class Relay:
    """A ``Way``: produces what is read from this machine, and knows how far it came.

    Attributes:
        machine: The reactor that is fed by the topic.
    """

    def __init__(self, topic: Topic, clock: Clock, say: Callable[[str], None]) -> None:
        self._topic, self._say = topic, say
        self._sensors = Sensors(clock)
        self._readers: dict[str, Reader] = {}
        self.machine: ps.Reactor = machine(self._reader)
        self._produced = Counter[str]()
        self._given_up = 0
        self._trouble = ""
        self._state = ""
        self._stopped = False
        self._working = 0

    def _reader(self, name: str) -> Reader:
        return self._readers.setdefault(name, Reader(self._topic.brokers, self._topic.name))

    # -- producing -----------------------------------------------------------------------------------------

    async def work(self, scheduler: Scheduler) -> None:
        """Read the machine and produce what it tells, until ``stop``."""
        async with anyio.create_task_group() as group:
            for name, (interval, read) in self._sensors.polls.items():
                self._working += 1
                group.start_soon(self._produce, scheduler, name, interval, read)

    def stop(self) -> None:
        """Produce no more; what is being produced comes to its end."""
        self._stopped = True

    async def _produce(
        self, scheduler: Scheduler, name: str, interval: float, read: Callable[[], Reading | None]
    ) -> None:
        async for _missed in scheduler.ticks(interval, immediately=True):
            if self._stopped:
                break

            reading = await anyio.to_thread.run_sync(read)
            if reading is not None:
                await self._put(name, msgspec.json.encode(reading))

        self._working -= 1

    async def _put(self, name: str, value: bytes) -> None:
        try:
            await self._topic.produce(name, value)
        except SourceUnavailable as error:
            self._given_up += 1
            trouble = str(error)
        else:
            self._produced[name] += 1
            trouble = ""

        if trouble != self._trouble:
            self._say(f"kafka: {trouble or 'readings are produced again'}")
            self._trouble = trouble

    # -- consuming -----------------------------------------------------------------------------------------

    def expects(self, name: str, accumulators: Accumulators) -> bool:
        """Tell whether a reading of this kind is under way."""
        return self._produced[name] > accumulators[name].boundaries or accumulators[name].health != "live"

    def caught_up(self, accumulators: Accumulators) -> bool:
        """Tell whether nothing is produced any more, and all that was produced is read."""
        produced = self._produced.total()
        return not self._working and all(each.lag == 0 and each.events >= produced for each in accumulators.values())

    def look(self, accumulators: Accumulators) -> str:
        """Return how things are, in words; say so when a connection is lost or found again."""
        health = state(accumulators.values())
        if health != self._state:
            self._say(f"kafka: {health}")
            self._state = health

        short = "the broker does not answer" if self._trouble else health.partition(":")[0]
        return f"{self._passage(accumulators).counts}, {short}"

    async def passage(self, accumulators: Accumulators) -> Passage:
        """Return what became of the readings; when the app was closed, the last positions are in the store."""
        passed = self._passage(accumulators)
        try:
            ends = partitions(self._topic.name, await self._topic.ends())
        except SourceUnavailable as error:
            return msgspec.structs.replace(passed, lag=None, error=str(error))

        return msgspec.structs.replace(passed, lag=behind(ends, passed.positions))

    def _passage(self, accumulators: Accumulators) -> Passage:
        lags = [each.lag for each in accumulators.values() if each.lag is not None]
        errors = [each.error for each in accumulators.values() if each.error is not None]
        return Passage(
            brokers=self._topic.brokers,
            topic=self._topic.name,
            produced=self._produced.total(),
            given_up=self._given_up,
            consumed=sum(each.boundaries for each in accumulators.values()),
            lag=max(lags, default=None),
            resumed=least(self._topic.name, [reader.began or {} for reader in self._readers.values()]),
            positions=least(self._topic.name, [reader.stored for reader in self._readers.values()]),
            error=next(iter(errors), None),
        )


def state(accumulators: Collection[AccumulatorStatistics]) -> str:
    """Return how the connections are: live when all are, else the worst, with its error."""
    waiting = [each for each in accumulators if each.health != "live"]
    if not waiting:
        return "live"

    worst = max(waiting, key=lambda each: each.error is not None)
    others = f" ({len(waiting)} of {plural(len(accumulators), 'connection')})"
    return worst.health + others + (f": {worst.error}" if worst.error else "")


def least(topic: str, readers: Collection[Mapping[str, Position]]) -> Mapping[str, int]:
    """Return the last offset that all have read of each partition; one of which somebody has read none is left out."""
    names = {name for each in readers for name in each if name.rpartition("-")[0] == topic}
    offsets = {name: min(int(each.get(name, -1)) for each in readers) for name in sorted(names)}
    return {name: offset for name, offset in offsets.items() if offset >= 0}


def behind(ends: Mapping[str, int], positions: Mapping[str, int]) -> int:
    """Return how many records lie behind the positions."""
    return sum(max(0, end - 1 - positions.get(name, -1)) for name, end in ends.items())
