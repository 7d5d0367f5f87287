"""What the way over Kafka decides; what it does to a broker is in ``test_over_kafka``."""

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

import penstock as ps
from penstock.accumulators.statistics import AccumulatorStatistics, Health
from penstock.demo.judging import Reading
from penstock.demo.relay import behind, least, machine, state
from penstock.demo.signals import Cpu, Disk, Memory, Network, Processes, Sample, Track
from penstock.testing import VirtualClock

TRACK = Track(samples=(Sample(at=datetime(2026, 1, 1, tzinfo=UTC), value=3.5),))
READINGS: dict[str, Reading] = {
    "cpu": Cpu(busy=TRACK, cores=2, load=None),
    "memory": Memory(used=TRACK, total_bytes=1, swap=None),
    "disk": Disk(read=TRACK, written=TRACK),
    "network": Network(received=TRACK, sent=TRACK),
    "processes": Processes(at=TRACK.at, total=1, busiest=()),
}


def connection(health: Health, error: str | None = None) -> AccumulatorStatistics:
    counts = dict.fromkeys(
        ["events", "boundaries", "filtered", "undecodable", "failed", "overflowed", "refused", "waiting", "held"],
        0,
    )
    return AccumulatorStatistics(**counts, capacity=None, health=health, error=error, next_retry_at=None)


async def test_each_accumulator_takes_its_kind_of_reading_from_the_one_topic(tmp_path: Path) -> None:
    records = [msgspec.json.encode(reading) for reading in READINGS.values()]
    topic = {name: ps.Memory(records) for name in READINGS}
    clock = VirtualClock()
    reactor = machine(topic.__getitem__)
    graph = ps.ComputationGraph("look", reactor=reactor)

    @graph.node
    def see(cpu: Cpu | None) -> Cpu | None:
        return cpu

    async with ps.App(f"sqlite:///{tmp_path / 'test.db'}", [graph], clock=clock) as app:
        await clock.advance(1.0)
        assert app.state(reactor).values[None] == READINGS
        assert {
            name: (each.boundaries, each.filtered, each.undecodable)
            for name, each in app.statistics().accumulators.items()
        } == dict.fromkeys(READINGS, (1, 4, 0))


@pytest.mark.parametrize(
    ("connections", "words"),
    [
        ([connection("live"), connection("live")], "live"),
        ([connection("live"), connection("connecting")], "connecting (1 of 2 connections)"),
        (
            [connection("connecting"), connection("disconnected", "gone")],
            "disconnected (2 of 2 connections): gone",
        ),
    ],
)
def test_connections_are_as_the_worst_of_them(connections: list[AccumulatorStatistics], words: str) -> None:
    assert state(connections) == words


def test_position_is_the_one_that_all_have_reached() -> None:
    assert least("a-b", [{"a-b-0": 7, "a-b-1": 3, "other-0": 9}, {"a-b-0": 5}, {"a-b-0": 6, "a-b-1": -1}]) == {
        "a-b-0": 5
    }


def test_lag_is_what_lies_behind_the_positions() -> None:
    assert behind({"t-0": 10, "t-1": 4, "t-2": 0}, {"t-0": 7}) == 2 + 4
