"""What the way over Kafka decides; what it does to a broker is in ``test_over_kafka``."""

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

import penstock as ps
from penstock.accumulators.statistics import AccumulatorStatistics, Health
from penstock.demo.judging import Reading
from penstock.demo.relay import ARRIVED, behind, machine, offsets, state
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


async def test_the_topic_is_read_once_and_each_reading_comes_to_the_accumulator_of_its_kind(tmp_path: Path) -> None:
    clock = VirtualClock()
    reactor, sort = machine(ps.Memory([msgspec.json.encode(reading) for reading in READINGS.values()]))
    graph = ps.ComputationGraph("look", reactor=reactor)

    @graph.node
    def see(cpu: Cpu | None) -> Cpu | None:
        return cpu

    async with ps.App(f"sqlite:///{tmp_path / 'test.db'}", [graph, sort], clock=clock) as app:
        await clock.advance(1.0)
        assert app.state(reactor).values[None] == READINGS
        found = app.statistics().accumulators
        assert {name: (each.events, each.boundaries) for name, each in found.items()} == {
            ARRIVED: (5, 5),
            **dict.fromkeys(READINGS, (1, 1)),
        }


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (connection("live"), "live"),
        (connection("connecting"), "connecting"),
        (connection("disconnected", "gone"), "disconnected: gone"),
    ],
)
def test_the_state_of_the_connection_is_told_with_its_error(given: AccumulatorStatistics, words: str) -> None:
    assert state(given) == words


def test_offsets_are_those_of_the_topic_of_which_something_was_read() -> None:
    assert offsets("a-b", {"a-b-0": 7, "a-b-1": -1, "other-0": 9}) == {"a-b-0": 7}


def test_lag_is_what_lies_behind_the_positions() -> None:
    assert behind({"t-0": 10, "t-1": 4, "t-2": 0}, {"t-0": 7}) == 2 + 4
