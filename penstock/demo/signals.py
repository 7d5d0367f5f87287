"""What is read from the machine, as values: the events of the demo.

Every reading carries the samples before it. That is where the memory of the detection lives: what judges a reading
is a pure function of it, and the newest reading of each kind is part of the reactor's checkpointed cache. A reading
is tagged with its kind, so that all kinds can stand in one topic.
"""

from datetime import datetime

import msgspec

#: How many samples a track keeps: fifteen seconds at four samples a second.
WINDOW = 60


class Sample(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One value of a signal."""

    at: datetime
    value: float


class Track(msgspec.Struct, frozen=True, kw_only=True):
    """A signal's recent samples, oldest first; never empty."""

    samples: tuple[Sample, ...]

    @property
    def value(self) -> float:
        """The newest value."""
        return self.samples[-1].value

    @property
    def at(self) -> datetime:
        """When the newest value was read."""
        return self.samples[-1].at

    @property
    def values(self) -> tuple[float, ...]:
        """All values, oldest first."""
        return tuple(sample.value for sample in self.samples)


def extended(track: Track | None, at: datetime, value: float, *, window: int = WINDOW) -> Track:
    """Return the track with one more sample, and without those that have grown too old."""
    earlier = track.samples if track is not None else ()
    return Track(samples=(*earlier, Sample(at=at, value=value))[-window:])


class Cpu(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """How busy the processors are."""

    #: Percent of all cores together, 0 to 100.
    busy: Track
    cores: int
    #: Mean number of runnable tasks in the last minute; None where the system does not tell.
    load: float | None


class Memory(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """How full the memory is."""

    #: Percent of the memory that is not available to new work, 0 to 100.
    used: Track
    total_bytes: int
    #: Percent of the swap space; None where there is none.
    swap: float | None


class Disk(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What goes to and comes from the disks, in bytes per second."""

    read: Track
    written: Track


class Network(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What goes over the network interfaces but the loopback, in bytes per second."""

    received: Track
    sent: Track


class Process(msgspec.Struct, frozen=True, kw_only=True):
    """One process and what it has used lately."""

    pid: int
    name: str
    #: Percent of one core; 0.0 while the process was not there yet.
    use: Track
    memory_bytes: int
    #: What it is to the demo: ``self``, ``spike`` (started by the demo to have something to see), or None.
    role: str | None = None


class Processes(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The busiest processes, the busiest first."""

    at: datetime
    #: How many processes there are in all.
    total: int
    busiest: tuple[Process, ...]
