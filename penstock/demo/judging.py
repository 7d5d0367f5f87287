"""Which signals are judged, by which rules, and what they have to say: pure functions of the readings.

The floors are what a machine does now and then without meaning anything by it.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from statistics import median
from typing import TypeVar

import msgspec

from penstock.demo.baseline import Deviation, Rule, Subject, deviation, newcomer, saturation
from penstock.demo.signals import Cpu, Disk, Memory, Network, Processes, Sample, Track

#: Anything that is read from the machine.
Reading = Cpu | Memory | Disk | Network | Processes

MEBI = 2.0**20
CPU = Subject(key="cpu", name="CPU", unit="%")
MEMORY = Subject(key="memory", name="memory", unit="%")
READ = Subject(key="disk.read", name="disk reads", unit="B/s")
WRITTEN = Subject(key="disk.written", name="disk writes", unit="B/s")
RECEIVED = Subject(key="network.received", name="network in", unit="B/s")
SENT = Subject(key="network.sent", name="network out", unit="B/s")

RULES: Mapping[Subject, Rule] = {
    CPU: Rule(floor=25.0),
    MEMORY: Rule(floor=10.0, sustained=2),
    READ: Rule(floor=64 * MEBI, sustained=2),
    WRITTEN: Rule(floor=64 * MEBI, sustained=2),
    RECEIVED: Rule(floor=16 * MEBI, sustained=2),
    SENT: Rule(floor=16 * MEBI, sustained=2),
}
#: Percent of all cores from which on a machine has none to spare, and for how many samples in a row that is saturation:
#: eight seconds.
FULL, SATURATED = 95.0, 32
#: Percent of a core from which on a new process is judged; the less there is to get, the less is much.
NEWCOMER, NEWCOMER_WHEN_FULL = 60.0, 15.0
#: A reading that is so many seconds older than the newest is history.
STALE = 3.0


def tracks(reading: Reading) -> Mapping[Subject, Track]:
    """Return what is judged in a reading; for processes that is something else."""
    match reading:
        case Cpu():
            return {CPU: reading.busy}
        case Memory():
            return {MEMORY: reading.used}
        case Disk():
            return {READ: reading.read, WRITTEN: reading.written}
        case Network():
            return {RECEIVED: reading.received, SENT: reading.sent}
        case Processes():
            return {}


def read_at(reading: Reading) -> datetime:
    """Return when a reading was taken."""
    return reading.at if isinstance(reading, Processes) else next(iter(tracks(reading).values())).at


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The newest reading of each kind; None where there is none, or none that is new enough."""

    at: datetime
    cpu: Cpu | None
    memory: Memory | None
    disk: Disk | None
    network: Network | None
    processes: Processes | None

    @property
    def readings(self) -> tuple[Reading, ...]:
        """The readings that are there."""
        every = (self.cpu, self.memory, self.disk, self.network, self.processes)
        return tuple(reading for reading in every if reading is not None)


R = TypeVar("R", Cpu, Memory, Disk, Network, Processes)


def snapshot(
    cpu: Cpu | None,
    memory: Memory | None,
    disk: Disk | None,
    network: Network | None,
    processes: Processes | None,
    *,
    since: datetime,
) -> Snapshot:
    """Put the readings together, without those that are history: left by an earlier demo, or by a poll that hangs.

    Args:
        cpu, memory, disk, network, processes: The newest readings; at least one is not None.
        since: When this demo began.
    """
    latest = max(read_at(reading) for reading in (cpu, memory, disk, network, processes) if reading is not None)

    def current(reading: R | None) -> R | None:
        if reading is None or read_at(reading) < since:
            return None

        return reading if (latest - read_at(reading)).total_seconds() < STALE else None

    return Snapshot(
        at=latest,
        cpu=current(cpu),
        memory=current(memory),
        disk=current(disk),
        network=current(network),
        processes=current(processes),
    )


def unusual(snapshot: Snapshot) -> tuple[Deviation, ...]:
    """Return the signals that have left their baseline."""
    found = [
        deviation(subject, track.values, RULES[subject])
        for reading in snapshot.readings
        for subject, track in tracks(reading).items()
    ]
    return tuple(each for each in found if each is not None)


def saturated(snapshot: Snapshot) -> tuple[Deviation, ...]:
    """Return a deviation if the processors have been fully busy for long."""
    values = snapshot.cpu.busy.values if snapshot.cpu else ()
    found = saturation(CPU, values, limit=FULL, sustained=SATURATED)
    return () if found is None else (found,)


def newcomers(snapshot: Snapshot) -> tuple[Deviation, ...]:
    """Return the processes that have begun to use much, the demo itself excepted."""
    # the median: one busy sample does not make a machine full
    full = snapshot.cpu is not None and median(snapshot.cpu.busy.values[-8:]) >= FULL
    share = NEWCOMER_WHEN_FULL if full else NEWCOMER
    busiest = snapshot.processes.busiest if snapshot.processes else ()
    found = [newcomer(each, share=share) for each in busiest if each.role != "self"]
    return tuple(each for each in found if each is not None)


def worst_first(deviations: Iterable[Deviation]) -> tuple[Deviation, ...]:
    """Return the deviations by severity; a signal counts once."""
    ranked = sorted(deviations, key=lambda each: (-each.severity, each.name))
    return tuple({each.name: each for each in reversed(ranked)}.values())[::-1]


def history(worst: Deviation, snapshot: Snapshot) -> tuple[Sample, ...]:
    """Return the samples of the signal, or of the process, that a deviation is about."""
    if worst.pid is not None and snapshot.processes is not None:
        return next(each.use.samples for each in snapshot.processes.busiest if each.pid == worst.pid)

    return next(
        track.samples
        for reading in snapshot.readings
        for subject, track in tracks(reading).items()
        if subject.key == worst.subject
    )
