from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest

from penstock.demo.polls import CpuPoll, MemoryPoll, ProcessPoll, TrafficPoll, disk_of, network_of
from penstock.demo.readings import CpuTimes, Host, MemoryUse, ProcessTimes, Traffic
from penstock.testing.clock import VirtualClock

T = TypeVar("T")
HOST = Host(name="box", system="Linux x86_64", cores=2)


def script(*values: T) -> Callable[[], T]:
    steps: Iterator[T] = iter(values)
    return lambda: next(steps)


def times(busy: float, total: float) -> CpuTimes:
    return CpuTimes(busy=busy, total=total)


def worker(pid: int, cpu: float, started: float = 1.0, parent: int = 1) -> ProcessTimes:
    return ProcessTimes(pid=pid, parent=parent, name=f"p{pid}", started=started, cpu=cpu, memory_bytes=2**20)


def test_cpu_is_the_busy_part_of_the_time_between_two_polls() -> None:
    poll = CpuPoll(
        script(times(10.0, 100.0), times(13.0, 110.0), times(13.0, 120.0)), lambda: 0.5, HOST, VirtualClock()
    )
    readings = [poll.poll(), poll.poll(), poll.poll()]
    assert readings[0] is None
    assert [reading.busy.value for reading in readings[1:] if reading] == [30.0, 0.0]
    assert readings[2] is not None
    assert readings[2].busy.values == (30.0, 0.0)


@pytest.mark.parametrize("second", [None, times(10.0, 100.0)])
def test_cpu_that_is_hidden_or_stands_still_gives_no_reading(second: CpuTimes | None) -> None:
    poll = CpuPoll(script(times(10.0, 100.0), second), lambda: None, HOST, VirtualClock())
    assert [poll.poll(), poll.poll()] == [None, None]


def test_memory_that_is_hidden_gives_no_reading() -> None:
    poll = MemoryPoll(script(None, MemoryUse(percent=42.0, total_bytes=2**30, swap_percent=None)), VirtualClock())
    assert poll.poll() is None
    reading = poll.poll()
    assert reading is not None
    assert (reading.used.value, reading.swap) == (42.0, None)


async def test_traffic_is_bytes_per_second_of_the_clock() -> None:
    clock = VirtualClock()
    poll = TrafficPoll(script(Traffic(bytes_in=0, bytes_out=0), Traffic(bytes_in=500, bytes_out=50)), clock)
    assert poll.poll() is None
    await clock.advance(0.5)
    flow = poll.poll()
    assert flow is not None
    assert (flow.inward.value, flow.outward.value) == (1000.0, 100.0)


async def test_counters_that_fall_are_no_traffic() -> None:
    clock = VirtualClock()
    poll = TrafficPoll(script(Traffic(bytes_in=900, bytes_out=900), Traffic(bytes_in=0, bytes_out=0)), clock)
    poll.poll()
    await clock.advance(1.0)
    disk = disk_of(poll.poll())
    assert disk is not None
    assert (disk.read.value, disk.written.value) == (0.0, 0.0)


async def test_machine_without_counters_has_no_traffic_rather_than_none_at_all() -> None:
    clock = VirtualClock()
    poll = TrafficPoll(script(None, None), clock)
    poll.poll()
    await clock.advance(1.0)
    assert network_of(poll.poll()) is None


async def test_processes_are_ranked_by_what_they_used_since_the_last_poll() -> None:
    clock = VirtualClock()
    poll = ProcessPoll(script([worker(1, 100.0), worker(2, 0.0)], [worker(1, 100.1), worker(2, 0.5)]), 99, clock)
    assert poll.poll() is None
    await clock.advance(0.5)
    reading = poll.poll()
    assert reading is not None
    assert [(each.pid, round(each.use.value, 6)) for each in reading.busiest] == [(2, 100.0), (1, 20.0)]


async def test_process_that_comes_late_has_used_nothing_before() -> None:
    clock = VirtualClock()
    steps = [[worker(1, 0.0)], [worker(1, 0.0)], [worker(1, 0.0)], [worker(1, 0.0), worker(2, 0.25)]]
    poll = ProcessPoll(script(*steps), 99, clock)
    readings = []
    for _ in steps:
        readings.append(poll.poll())
        await clock.advance(0.5)

    assert readings[-1] is not None
    assert readings[-1].busiest[0].use.values == (0.0, 0.0, 50.0)


async def test_number_of_a_process_that_is_used_again_is_another_process() -> None:
    clock = VirtualClock()
    poll = ProcessPoll(script([worker(5, 80.0)], [worker(5, 0.1, started=2.0)]), 99, clock)
    poll.poll()
    await clock.advance(1.0)
    reading = poll.poll()
    assert reading is not None
    assert reading.busiest[0].use.value == pytest.approx(10.0)


async def test_poll_knows_the_demo_and_what_it_has_started() -> None:
    clock = VirtualClock()
    seen = [worker(99, 0.0), worker(7, 0.0, parent=99), worker(8, 0.0)]
    poll = ProcessPoll(script(seen, seen), 99, clock)
    poll.poll()
    await clock.advance(1.0)
    reading = poll.poll()
    assert reading is not None
    assert {each.pid: each.role for each in reading.busiest} == {99: "self", 7: "spike", 8: None}
