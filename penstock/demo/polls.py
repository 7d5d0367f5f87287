"""Turns raw counters into readings: differences per second, and the samples before the newest.

A poll has a memory because counters must be subtracted from something. It is warm-up only: a demo that is started
again begins a new window, since what was normal an hour ago need not be normal now.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec

from penstock.demo.readings import CpuTimes, Host, MemoryUse, ProcessTimes, Traffic
from penstock.demo.signals import Cpu, Disk, Memory, Network, Process, Processes, Sample, Track, extended
from penstock.runtime.clock import Clock

#: How many processes a reading names.
BUSIEST = 6
#: How many polls of a process are remembered.
POLLS = 30

#: A process is told by its number and its start: numbers are used again.
Identity = tuple[int, float]


def identity(process: ProcessTimes) -> Identity:
    """Return what tells a process from all others."""
    return process.pid, process.started


class CpuPoll:
    """Reads how busy the processors were since the poll before."""

    def __init__(
        self, read: Callable[[], CpuTimes | None], load: Callable[[], float | None], host: Host, clock: Clock
    ) -> None:
        self._read, self._load, self._cores, self._clock = read, load, host.cores, clock
        self._before: CpuTimes | None = None
        self._track: Track | None = None

    def poll(self) -> Cpu | None:
        """Return the reading; None at the first call, and where the times are hidden."""
        before, self._before = self._before, self._read()
        if before is None or self._before is None or self._before.total <= before.total:
            return None

        busy = 100.0 * (self._before.busy - before.busy) / (self._before.total - before.total)
        self._track = extended(self._track, self._clock.now(), min(max(busy, 0.0), 100.0))
        return Cpu(busy=self._track, cores=self._cores, load=self._load())


class MemoryPoll:
    """Reads how full the memory is."""

    def __init__(self, read: Callable[[], MemoryUse | None], clock: Clock) -> None:
        self._read, self._clock = read, clock
        self._track: Track | None = None

    def poll(self) -> Memory | None:
        """Return the reading; None where it is hidden."""
        use = self._read()
        if use is None:
            return None

        self._track = extended(self._track, self._clock.now(), use.percent)
        return Memory(used=self._track, total_bytes=use.total_bytes, swap=use.swap_percent)


class Flow(msgspec.Struct, frozen=True, kw_only=True):
    """Traffic in both directions, in bytes per second."""

    inward: Track
    outward: Track


class TrafficPoll:
    """Reads how much has gone in and out since the poll before."""

    def __init__(self, read: Callable[[], Traffic | None], clock: Clock) -> None:
        self._read, self._clock = read, clock
        self._before: tuple[float, Traffic] | None = None
        self._flow: Flow | None = None

    def poll(self) -> Flow | None:
        """Return the traffic; None at the first call, and where there are no counters."""
        traffic, instant = self._read(), self._clock.monotonic()
        before, self._before = self._before, None if traffic is None else (instant, traffic)
        if before is None or traffic is None or instant <= before[0]:
            return None

        elapsed, at, flow = instant - before[0], self._clock.now(), self._flow
        # counters fall when a device goes away; that is no traffic
        inward = max(traffic.bytes_in - before[1].bytes_in, 0) / elapsed
        outward = max(traffic.bytes_out - before[1].bytes_out, 0) / elapsed
        self._flow = Flow(
            inward=extended(None if flow is None else flow.inward, at, inward),
            outward=extended(None if flow is None else flow.outward, at, outward),
        )
        return self._flow


def disk_of(flow: Flow | None) -> Disk | None:
    """Read a flow as that of disks."""
    return None if flow is None else Disk(read=flow.inward, written=flow.outward)


def network_of(flow: Flow | None) -> Network | None:
    """Read a flow as that of network interfaces."""
    return None if flow is None else Network(received=flow.inward, sent=flow.outward)


class ProcessPoll:
    """Reads which processes have used most since the poll before."""

    def __init__(self, read: Callable[[], Sequence[ProcessTimes]], own_pid: int, clock: Clock) -> None:
        self._read, self._own, self._clock = read, own_pid, clock
        self._before: dict[Identity, float] = {}
        self._tracks: dict[Identity, Track] = {}
        self._instant: float | None = None

    def poll(self) -> Processes | None:
        """Return the busiest processes; None at the first call, and where none can be seen."""
        found, instant, at = self._read(), self._clock.monotonic(), self._clock.now()
        elapsed = None if self._instant is None else instant - self._instant
        before, self._before = self._before, {identity(each): each.cpu for each in found}
        self._instant = instant
        if not found or not elapsed:
            return None

        absent = self._absent()
        # a process that was not there has spent all of its time since
        spent = {key: max(cpu - before.get(key, 0.0), 0.0) for key, cpu in self._before.items()}
        self._tracks = {
            key: extended(self._tracks.get(key, absent), at, 100.0 * seconds / elapsed, window=POLLS)
            for key, seconds in spent.items()
        }
        return self._busiest(found, at)

    def _absent(self) -> Track | None:
        """Return the track of a process that was not there: nothing in every poll so far."""
        longest = max(self._tracks.values(), key=lambda track: len(track.samples), default=None)
        if longest is None:
            return None

        return Track(samples=tuple(Sample(at=each.at, value=0.0) for each in longest.samples))

    def _busiest(self, found: Sequence[ProcessTimes], at: datetime) -> Processes:
        ranked = sorted(found, key=lambda each: self._tracks[identity(each)].value, reverse=True)
        return Processes(at=at, total=len(found), busiest=tuple(map(self._process, ranked[:BUSIEST])))

    def _process(self, each: ProcessTimes) -> Process:
        return Process(
            pid=each.pid,
            name=each.name,
            use=self._tracks[identity(each)],
            memory_bytes=each.memory_bytes,
            role="self" if each.pid == self._own else "spike" if each.parent == self._own else None,
        )
