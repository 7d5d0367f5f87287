"""The readings of the machine on which the tests run, and of one that hides everything."""

import psutil
import pytest

from penstock.demo import collect, readings
from penstock.demo.baseline import Deviation
from penstock.runtime.clock import SystemClock

HIDDEN = [
    "cpu_times",
    "cpu_percent",
    "getloadavg",
    "virtual_memory",
    "swap_memory",
    "disk_io_counters",
    "net_io_counters",
    "process_iter",
    "disk_partitions",
    "disk_usage",
    "net_connections",
]


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_options: object) -> None:
        raise PermissionError("hidden")

    for name in HIDDEN:
        monkeypatch.setattr(psutil, name, refuse)


def subject(key: str, pid: int | None = None) -> Deviation:
    return Deviation(subject=key, name=key, pid=pid, unit="%", value=1.0, centre=0.0, limit=0.5)


def test_this_machine_has_cores_and_memory() -> None:
    memory = readings.memory()
    assert readings.host().cores >= 1
    assert memory is not None
    assert memory.total_bytes > 2**20
    assert 0.0 <= memory.percent <= 100.0


def test_processor_time_goes_on() -> None:
    before, after = readings.cpu_times(), readings.cpu_times()
    assert before is not None
    assert after is not None
    assert 0.0 < before.busy <= before.total <= after.total


def test_this_process_is_among_the_processes() -> None:
    (own,) = [each for each in readings.processes() if each.pid == readings.own_pid()]
    assert own.cpu > 0.0
    assert own.memory_bytes > 2**20


def test_file_systems_are_counted_once() -> None:
    mounts = [each.mount for each in readings.filesystems()]
    assert len(set(mounts)) == len(mounts)


@pytest.mark.usefixtures("bare")
def test_what_is_hidden_is_absent_and_nothing_crashes() -> None:
    assert readings.cpu_times() is None
    assert readings.load() is None
    assert readings.memory() is None
    assert readings.disk() is None
    assert readings.network() is None
    assert readings.processes() == []
    assert readings.filesystems() == []
    assert readings.connections() is None


@pytest.mark.usefixtures("bare")
def test_hidden_machine_gives_no_evidence() -> None:
    assert collect.busiest() is None
    assert collect.follow(subject("cpu")) == ()


def test_machine_without_disks_has_no_disk_counters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "disk_io_counters", lambda: None)
    assert readings.disk() is None


def test_loopback_is_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "net_io_counters", lambda **_options: {"lo": None})
    assert readings.network() is None


@pytest.mark.parametrize("key", ["cpu", "memory", "disk.read", "network.sent"])
def test_every_signal_can_be_followed(key: str) -> None:
    poll = collect.follower(subject(key), SystemClock())
    poll()
    readings.cpu_percent(0.02)
    track = poll()
    assert track is None or track.value >= 0.0


def test_process_can_be_followed() -> None:
    poll = collect.follower(subject("process", pid=readings.own_pid()), SystemClock())
    poll()
    readings.cpu_percent(0.02)
    track = poll()
    assert track is not None
    assert track.value >= 0.0
