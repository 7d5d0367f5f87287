import msgspec
import pytest

from penstock.demo.passage import Passage, partitions, places

PASSAGE = Passage(
    brokers="localhost:9092",
    topic="t",
    produced=1200,
    given_up=0,
    consumed=1204,
    lag=0,
    resumed={"t-0": 7},
    positions={"t-0": 1211},
    error=None,
)


def test_it_tells_topic_records_lag_and_positions() -> None:
    assert list(PASSAGE.lines()) == [
        "kafka: topic t at localhost:9092: records: 1,200 produced, 1,204 consumed, lag 0",
        "kafka: went on behind t-0:7, as the store said",
        "kafka: position is in the store: t-0:1211",
    ]


def test_it_tells_what_is_wrong() -> None:
    bad = msgspec.structs.replace(PASSAGE, given_up=2, lag=None, resumed={}, positions={}, error="no broker")
    assert list(bad.lines()) == [
        "kafka: topic t at localhost:9092: records: 1,200 produced (2 given up), 1,204 consumed, lag unknown",
        "kafka: no position is in the store: nothing was read",
        "kafka: no broker",
    ]


@pytest.mark.parametrize(
    ("count", "words"),
    [(1, "t-0:0"), (8, "t-0:0, t-1:1, t-2:2, t-3:3, t-4:4, t-5:5, t-6:6, t-7:7"), (9, "9 partitions")],
)
def test_many_partitions_are_counted_and_not_named(count: int, words: str) -> None:
    assert places(partitions("t", {number: number for number in range(count)})) == words
