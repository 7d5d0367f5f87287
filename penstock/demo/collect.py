"""Collects the evidence about an incident: each function measures for about a second, in a thread."""

from collections.abc import Callable

from penstock.demo import readings
from penstock.demo.baseline import Deviation
from penstock.demo.polls import CpuPoll, Flow, MemoryPoll, ProcessPoll, TrafficPoll
from penstock.demo.signals import Processes, Sample, Track, extended
from penstock.runtime.clock import Clock, SystemClock

#: How many samples of a signal are collected after an incident was opened, and the seconds between them.
FOLLOWED, APART = 6, 0.25
#: Seconds over which the use of processes is measured.
SPAN = 0.75


def follow(worst: Deviation) -> tuple[Sample, ...]:
    """Return how the worst signal goes on for a while; nothing if the machine stops telling it."""
    poll = follower(worst, SystemClock())
    poll()
    track: Track | None = None
    for _ in range(FOLLOWED):
        readings.cpu_percent(APART)
        track = poll() or track

    return () if track is None else track.samples


def follower(worst: Deviation, clock: Clock) -> Callable[[], Track | None]:
    """Return what reads a signal, with what it has read before."""
    if worst.pid is not None:
        return _of_process(worst.pid, clock)

    if worst.subject == "memory":
        return _of_memory(clock)

    if worst.subject == "cpu":
        return _of_cpu(clock)

    return _of_traffic(worst.subject, clock)


def _of_cpu(clock: Clock) -> Callable[[], Track | None]:
    cpu = CpuPoll(readings.cpu_times, readings.load, readings.host(), clock)

    def poll() -> Track | None:
        reading = cpu.poll()
        return None if reading is None else reading.busy

    return poll


def _of_memory(clock: Clock) -> Callable[[], Track | None]:
    memory = MemoryPoll(readings.memory, clock)

    def poll() -> Track | None:
        reading = memory.poll()
        return None if reading is None else reading.used

    return poll


def _of_traffic(subject: str, clock: Clock) -> Callable[[], Track | None]:
    device, _, direction = subject.partition(".")
    traffic = TrafficPoll(readings.disk if device == "disk" else readings.network, clock)

    def pick(flow: Flow) -> Track:
        return flow.inward if direction in {"read", "received"} else flow.outward

    def poll() -> Track | None:
        flow = traffic.poll()
        return None if flow is None else pick(flow)

    return poll


def _of_process(pid: int, clock: Clock) -> Callable[[], Track | None]:
    processes = ProcessPoll(lambda: [each for each in readings.processes() if each.pid == pid], 0, clock)
    track: Track | None = None

    def poll() -> Track | None:
        nonlocal track
        reading = processes.poll()
        if reading is not None:
            track = reading.busiest[0].use
        elif track is not None:
            # it has ended, and what is not there uses nothing
            track = extended(track, clock.now(), 0.0)

        return track

    return poll


def busiest() -> Processes | None:
    """Return the processes that are busiest now."""
    poll = ProcessPoll(readings.processes, readings.own_pid(), SystemClock())
    poll.poll()
    readings.cpu_percent(SPAN)
    return poll.poll()
