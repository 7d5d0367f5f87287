"""Records are read by whole batches: wherever reading begins, whatever is in between, and if the client has others."""

import pytest
from aiokafka import AIOKafkaProducer

import penstock as ps
from penstock.accumulators.kafka.batches import Piece, Single, as_it_is, by_batches, pieces, prepare
from penstock.accumulators.kafka.connecting import connect
from penstock.testing.bench import workbench
from tests.kafka.watcher import encoded
from tests.kafka_client import create_topic, produce

pytestmark = [pytest.mark.xdist_group("kafka"), pytest.mark.timeout(120)]


async def test_the_client_gives_whole_batches(brokers: str) -> None:
    topic = await create_topic(brokers)
    await produce(brokers, topic, encoded(*range(5)))
    async with (
        workbench(30.0) as bench,
        connect(ps.Kafka(topic, brokers=brokers).settings, {}, bench.scheduler) as client,
    ):
        client.assign({(topic, 0): 2})
        found: list[Piece] = []
        while not found:
            found = [piece for batches in (await client.poll()).values() for piece in batches if type(piece) is Piece]

        assert found[-1].end == 5
        assert [record.offset for piece in found for record in piece] == [2, 3, 4]


@pytest.mark.parametrize("compression", [None, "gzip"])
async def test_reading_begins_in_the_middle_of_a_batch(brokers: str, compression: str | None) -> None:
    topic = await create_topic(brokers)
    async with AIOKafkaProducer(bootstrap_servers=brokers, compression_type=compression) as producer:
        batch = producer.create_batch()
        for value in encoded(*range(10)):
            batch.append(key=None, value=value, timestamp=None)

        await (await producer.send_batch(batch, topic, partition=0))

    source = ps.Kafka(topic, brokers=brokers, format="raw")
    async with workbench(30.0) as bench:
        intake = bench.intake()
        await bench.read(source, intake, {f"{topic}-0": 6}, events=3)
        assert [(each.payload, each.position) for each in intake.taken] == list(
            zip(encoded(7, 8, 9), (7, 8, 9), strict=True)
        )


# -- a client that is made otherwise -----------------------------------------------------------------------


class Record:
    def __init__(self, offset: int) -> None:
        self.offset = offset


def test_single_records_are_a_batch_as_well() -> None:
    records = [Record(3), Record(5)]
    (single,) = pieces(records)
    assert (type(single), single.end, list(single)) == (Single, 6, records)
    assert pieces([]) == []


def test_what_has_other_names_is_left_as_it_is() -> None:
    unread, consumer = Record(1), Record(2)
    prepare(unread)
    prepare(None)
    by_batches(consumer)
    assert (vars(unread), vars(consumer)) == ({"offset": 1}, {"offset": 2})


class Log:
    """A batch with a gap, of which the first records lie before the position."""

    next_offset = 9
    is_control_batch = False

    def __init__(self) -> None:
        self._records = iter([Record(4), Record(5), Record(7)])

    def __iter__(self) -> "Log":
        return self

    def __next__(self) -> Record:
        return next(self._records)


class Unread:
    """A fetch that is unpacked in the way of the client."""

    next_fetch_offset = 5

    def __init__(self) -> None:
        self._logs = [Log(), Log()]
        self._records = self
        self._consumer_record: object = None

    def has_next(self) -> bool:
        return bool(self._logs)

    def next_batch(self) -> Log:
        return self._logs.pop()


def test_a_batch_is_one_piece_and_everything_else_as_it_was() -> None:
    unread = Unread()
    prepare(unread)
    first, second = (unread._records.next_batch() for _ in range(2))
    assert unread._consumer_record is as_it_is
    assert (first.next_offset, first.is_control_batch) == (9, False)
    assert [(piece.offset, piece.end) for piece in first] == [(8, 9)]
    (piece,) = second
    assert [record.offset for record in piece] == [4, 5, 7]  # only the first batch may begin before the position
    assert next(Unread().next_batch()).offset == 4


def test_records_before_the_position_are_passed_over() -> None:
    unread = Unread()
    prepare(unread)
    (piece,) = unread._records.next_batch()
    assert [record.offset for record in piece] == [5, 7]
