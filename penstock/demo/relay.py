"""The way over Kafka: what the sensors read goes to a topic, and comes from it to the accumulators.

    sensors ──► topic ──► ps.Kafka ──► arrived ──► graph `sort` ──► cpu, memory, … ──► reactor `machine` ──► …

The topic is read once. A graph sorts the readings by their kinds, into the accumulators that are polls on the direct
way; what it emits is in the same commit as the position of the record. Producing is not part of the app: it is what
somebody else's program would do. Everything behind the topic is, and how far it was read is kept in the app's store.
"""

from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
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
from penstock.runtime.clock import Clock
from penstock.runtime.errors import SourceUnavailable
from penstock.runtime.scheduler import Scheduler

#: Seconds between two looks at the lag.
LOOK = 0.5
#: The accumulator that reads the topic.
ARRIVED = "arrived"


class Reader(ps.Kafka):
    """The topic as a source that can be asked how far it was read.

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


def machine(source: Source) -> tuple[ps.Reactor, ps.ComputationGraph]:
    """Return a reactor like that of ``detection``, and the graph that feeds it from a topic."""

    @ps.stream_accumulator(source, name=ARRIVED)
    def arrived(event: Reading) -> Reading:
        return event

    @ps.passthrough_accumulator
    def cpu(event: Cpu) -> Cpu:
        return event

    @ps.passthrough_accumulator
    def memory(event: Memory) -> Memory:
        return event

    @ps.passthrough_accumulator
    def disk(event: Disk) -> Disk:
        return event

    @ps.passthrough_accumulator
    def network(event: Network) -> Network:
        return event

    @ps.passthrough_accumulator
    def processes(event: Processes) -> Processes:
        return event

    sort = ps.ComputationGraph("sort", reactor=ps.Reactor("topic", [arrived], strategy="sequential"))
    sort.node(emits=cpu)(to_cpu)
    sort.node(emits=memory)(to_memory)
    sort.node(emits=disk)(to_disk)
    sort.node(emits=network)(to_network)
    sort.node(emits=processes)(to_processes)
    return ps.Reactor("machine", [cpu, memory, disk, network, processes], criteria=ps.when_any()), sort


def to_cpu(arrived: Reading) -> Cpu | None:
    """Let readings of the processors through."""
    return arrived if isinstance(arrived, Cpu) else None


def to_memory(arrived: Reading) -> Memory | None:
    """Let readings of the memory through."""
    return arrived if isinstance(arrived, Memory) else None


def to_disk(arrived: Reading) -> Disk | None:
    """Let readings of the disks through."""
    return arrived if isinstance(arrived, Disk) else None


def to_network(arrived: Reading) -> Network | None:
    """Let readings of the network through."""
    return arrived if isinstance(arrived, Network) else None


def to_processes(arrived: Reading) -> Processes | None:
    """Let readings of the processes through."""
    return arrived if isinstance(arrived, Processes) else None


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
        parts: What feeds it.
    """

    def __init__(self, topic: Topic, clock: Clock, say: Callable[[str], None]) -> None:
        self._topic, self._say = topic, say
        self._sensors = Sensors(clock)
        self._reader = Reader(topic.brokers, topic.name)
        reactor, sort = machine(self._reader)
        self.machine: ps.Reactor = reactor
        self.parts: Sequence[ps.ComputationGraph] = (sort,)
        self._produced = Counter[str]()
        self._given_up = 0
        self._trouble = ""
        self._state = ""
        self._stopped = False
        self._working = 0

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
        return self._produced[name] > accumulators[name].boundaries or accumulators[ARRIVED].health != "live"

    def caught_up(self, accumulators: Accumulators) -> bool:
        """Tell whether nothing is produced any more, and all that was produced is read."""
        arrived = accumulators[ARRIVED]
        return not self._working and arrived.lag == 0 and arrived.events >= self._produced.total()

    def look(self, accumulators: Accumulators) -> str:
        """Return how things are, in words; say so when a connection is lost or found again."""
        health = state(accumulators[ARRIVED])
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
        arrived = accumulators[ARRIVED]
        return Passage(
            brokers=self._topic.brokers,
            topic=self._topic.name,
            produced=self._produced.total(),
            given_up=self._given_up,
            consumed=arrived.boundaries,
            lag=arrived.lag,
            resumed=offsets(self._topic.name, self._reader.began or {}),
            positions=offsets(self._topic.name, self._reader.stored),
            error=arrived.error,
        )


def state(connection: AccumulatorStatistics) -> str:
    """Return how the connection is, with its error."""
    return connection.health + (f": {connection.error}" if connection.error else "")


def offsets(topic: str, positions: Mapping[str, Position]) -> Mapping[str, int]:
    """Return the last offset that was read of each partition of a topic; one of which none was read is left out."""
    names = sorted(name for name in positions if name.rpartition("-")[0] == topic)
    return {name: offset for name in names if (offset := int(positions[name])) >= 0}


def behind(ends: Mapping[str, int], positions: Mapping[str, int]) -> int:
    """Return how many records lie behind the positions."""
    return sum(max(0, end - 1 - positions.get(name, -1)) for name, end in ends.items())
