"""Reads the machine: the only file that imports psutil.

Raw counters and gauges, without memory. What a machine or a container does not tell is None, never a made-up zero.
"""

import os
import platform
from collections.abc import Callable
from typing import TypeVar

import msgspec
import psutil

T = TypeVar("T")

#: What psutil raises where a container hides a file, or a system has no such counter.
HIDDEN = (OSError, NotImplementedError, RuntimeError, psutil.Error)


class CpuTimes(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds that all cores together have spent since the machine started."""

    busy: float
    total: float


class MemoryUse(msgspec.Struct, frozen=True, kw_only=True):
    """The memory as it is now."""

    percent: float
    total_bytes: int
    swap_percent: float | None


class Traffic(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes that have come in (read, received) and gone out (written, sent) since the machine started."""

    bytes_in: int
    bytes_out: int


class ProcessTimes(msgspec.Struct, frozen=True, kw_only=True):
    """One process, with the processor seconds it has used since it started."""

    pid: int
    parent: int
    name: str
    started: float
    cpu: float
    memory_bytes: int


class Filesystem(msgspec.Struct, frozen=True, kw_only=True):
    """How full one file system is."""

    mount: str
    total_bytes: int
    percent: float


class Host(msgspec.Struct, frozen=True, kw_only=True):
    """The machine itself."""

    name: str
    system: str
    cores: int


def told(read: Callable[[], T]) -> T | None:
    """Return what the system tells, None where it does not."""
    try:
        return read()
    except HIDDEN:
        return None


def host() -> Host:
    """Return what the machine is called and has."""
    system = f"{platform.system()} {platform.machine()}"
    return Host(name=platform.node() or "this machine", system=system, cores=psutil.cpu_count() or 1)


def cpu_times() -> CpuTimes | None:
    """Return the processor seconds, None where they are hidden."""
    times = told(psutil.cpu_times)
    if times is None:
        return None

    spent: dict[str, float] = times._asdict()
    # Linux counts the time of guests in user and nice as well
    total = sum(spent.values()) - spent.get("guest", 0.0) - spent.get("guest_nice", 0.0)
    return CpuTimes(busy=total - spent["idle"] - spent.get("iowait", 0.0), total=total)


def load() -> float | None:
    """Return the mean number of runnable tasks in the last minute."""
    loads = told(psutil.getloadavg)
    return None if loads is None else loads[0]


def memory() -> MemoryUse | None:
    """Return how full the memory is."""
    use, swap = told(psutil.virtual_memory), told(psutil.swap_memory)
    if use is None or not use.total:
        return None

    swapped = swap.percent if swap is not None and swap.total else None
    return MemoryUse(percent=use.percent, total_bytes=use.total, swap_percent=swapped)


def disk() -> Traffic | None:
    """Return what all disks together have read and written; None where there are no disk counters."""
    counters = told(psutil.disk_io_counters)
    return None if counters is None else Traffic(bytes_in=counters.read_bytes, bytes_out=counters.write_bytes)


def network() -> Traffic | None:
    """Return what all interfaces but the loopback have received and sent; None where there are none."""
    interfaces = told(lambda: psutil.net_io_counters(pernic=True)) or {}
    outside = [counters for name, counters in interfaces.items() if not name.lower().startswith("lo")]
    if not outside:
        return None

    return Traffic(
        bytes_in=sum(each.bytes_recv for each in outside), bytes_out=sum(each.bytes_sent for each in outside)
    )


def processes() -> list[ProcessTimes]:
    """Return every process that the system lets us see."""
    wanted = ["pid", "ppid", "name", "create_time", "cpu_times", "memory_info"]
    found = told(lambda: [process.info for process in psutil.process_iter(wanted)]) or []
    return [
        ProcessTimes(
            pid=each["pid"],
            parent=each["ppid"] or 0,
            name=each["name"] or "?",
            started=each["create_time"] or 0.0,
            cpu=each["cpu_times"].user + each["cpu_times"].system,
            memory_bytes=each["memory_info"].rss if each["memory_info"] else 0,
        )
        for each in found
        if each["cpu_times"] is not None
    ]


def own_pid() -> int:
    """Return the process that reads."""
    return os.getpid()


def filesystems() -> list[Filesystem]:
    """Return the file systems on disks; a device that is mounted several times counts once."""
    devices = {part.device: part.mountpoint for part in reversed(told(psutil.disk_partitions) or [])}
    found: list[Filesystem] = []
    for mount in sorted(devices.values()) or [os.sep]:
        use = told(lambda mount=mount: psutil.disk_usage(mount))  # type: ignore[misc]
        if use is not None and use.total:
            found.append(Filesystem(mount=mount, total_bytes=use.total, percent=use.percent))

    return found


def connections() -> dict[str, int] | None:
    """Return how many connections are in which state; None where the system does not let us see them."""
    found = told(lambda: psutil.net_connections(kind="inet"))
    if found is None:
        return None

    states = [each.status for each in found if each.status != psutil.CONN_NONE]
    return {state: states.count(state) for state in sorted(set(states))}


def cpu_percent(seconds: float) -> float | None:
    """Watch the processors for a while, then return how busy they were; blocks its thread meanwhile.

    Returns:
        Percent of all cores together.
    """
    return told(lambda: psutil.cpu_percent(interval=seconds))
