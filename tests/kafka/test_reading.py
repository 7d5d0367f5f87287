"""Records of a real broker become firings: every one, once, in order, wherever reading began."""

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

import penstock as ps
from penstock.reactors.policies import OnError
from tests.databases import rows
from tests.kafka.watcher import Event, Seen, encoded, events_of, graph_of, opened, reading, until
from tests.kafka_client import Sent, add_partitions, committed, create_topic, delete_before, new_topic_name, produce

pytestmark = [pytest.mark.xdist_group("kafka"), pytest.mark.timeout(120)]


@pytest.fixture
def store(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/store.db"


async def test_every_record_fires_once_in_the_order_of_its_partition(brokers: str, store: str) -> None:
    topic = await create_topic(brokers, 2)
    records = [Sent(value, partition=number % 2) for number, value in enumerate(encoded(*range(1000)))]
    await produce(brokers, topic, records)
    async with reading(ps.Kafka(topic, brokers=brokers), store) as (_, seen):
        found = await seen.wait_ids(1000)
        assert [number for number in found if number % 2 == 0] == list(range(0, 1000, 2))
        assert [number for number in found if number % 2 == 1] == list(range(1, 1000, 2))
        await produce(brokers, topic, encoded(1000))
        assert (await seen.wait_ids(1001))[-1] == 1000


async def test_scenario_53_a_restart_goes_on_behind_what_was_committed(brokers: str, store_url: str) -> None:
    topic = await create_topic(brokers)
    source = ps.Kafka(topic, brokers=brokers)
    await produce(brokers, topic, encoded(1, 2, 3))
    async with reading(source, store_url) as (_, seen):
        assert await seen.wait_ids(3) == [1, 2, 3]

    await produce(brokers, topic, encoded(4, 5))
    async with reading(source, store_url) as (_, seen):
        assert await seen.wait_ids(2) == [4, 5]


async def test_scenario_51_it_is_live_only_after_its_partitions_are_assigned(brokers: str, store: str) -> None:
    topic = await create_topic(brokers)
    async with reading(ps.Kafka(topic, brokers=brokers, start="latest"), store) as (app, seen):
        assert app.statistics().accumulators["events"].health in {"starting", "connecting"}
        assert app.health().status == "degraded"
        await until(lambda: app.statistics().accumulators["events"].health == "live")
        assert app.health().status == "live"
        await produce(brokers, topic, encoded(1))  # from now on nothing is missed
        assert await seen.wait_ids(1) == [1]


@pytest.mark.parametrize(
    ("on_error", "first", "second", "kept"),
    [(ps.Retry(attempts=2, backoff=60.0), [1], [2, 3], 0), ("dead_letter", [1, 3], [], 1)],
    ids=["retry", "dead letter"],
)
async def test_scenario_54_a_record_whose_graph_fails_is_tried_again_or_kept_whatever_was_committed(
    *, brokers: str, store_url: str, on_error: OnError | ps.Retry, first: list[int], second: list[int], kept: int
) -> None:
    topic = await create_topic(brokers)
    await produce(brokers, topic, encoded(1, 2, 3))
    events = events_of(ps.Kafka(topic, brokers=brokers))
    reactor = ps.Reactor("desk", [events], strategy="sequential", on_error=on_error)

    async def read(broken: int | None, expected: list[int]) -> None:
        seen, graph = Seen(), ps.ComputationGraph("see", reactor=reactor)

        @graph.node
        def see(events: Event) -> None:
            if events.id == broken:
                raise ValueError("broken")

            seen.add(events)

        async with opened([graph], store_url) as app:
            assert await seen.wait_ids(len(expected)) == expected
            await until(lambda: app.statistics().accumulators["events"].lag == 0)

    await read(2, first)
    await read(None, second)
    letters = [(str(part), str(reason)) for part, reason in rows(store_url, "SELECT part, reason FROM dead_letters")]
    assert letters == [("see", "firing")] * kept


async def test_scenario_56_a_variable_that_is_not_set_is_told_and_stops_nobody_else(brokers: str, store: str) -> None:
    topic = await create_topic(brokers)
    seen = Seen()

    @ps.stream_accumulator(ps.Kafka("any", brokers="{{ NOWHERE_TO_BE_FOUND }}"))
    def lost(event: Event) -> Event:
        return event

    parts = [graph_of(lost, Seen()), graph_of(events_of(ps.Kafka(topic, brokers=brokers)), seen)]
    async with opened(parts, store) as app:
        await produce(brokers, topic, encoded(1))
        assert await seen.wait_ids(1) == [1]
        await until(lambda: app.statistics().accumulators["lost"].health == "disconnected")
        found = app.statistics().accumulators["lost"]
        assert "set PENSTOCK_VAR_NOWHERE_TO_BE_FOUND" in (found.error or "")
        assert found.next_retry_at is not None


# -- what is read ------------------------------------------------------------------------------------------


async def test_a_function_asks_for_key_place_time_and_headers_by_name(brokers: str, store: str) -> None:
    topic = await create_topic(brokers, 2)
    seen = Seen()

    @ps.stream_accumulator(ps.Kafka(topic, brokers=brokers))
    def events(  # noqa: PLR0917 - all that can be asked for
        event: Event, key: str, topic: str, partition: int, offset: int, timestamp: datetime, headers: ps.Headers
    ) -> list[object]:
        return [event.id, key, topic, partition, offset, timestamp, headers["trace"].decode()]

    at = datetime(2026, 11, 28, 7, 30, tzinfo=UTC)
    sent = Sent(encoded(7)[0], b"X", 1, [("trace", b"a"), ("trace", b"b")], int(at.timestamp() * 1000))
    await produce(brokers, topic, [sent])
    async with opened([graph_of(events, seen)], store):
        assert await seen.wait(1) == [[7, "X", topic, 1, 0, at, "b"]]


async def test_state_and_what_stands_beside_the_event_come_together(brokers: str, store: str) -> None:
    topic = await create_topic(brokers)
    seen = Seen()

    @ps.stream_accumulator(ps.Kafka(topic, brokers=brokers), state=0)
    def counted(event: Event, state: int, key: str | None) -> tuple[int, list[object]]:
        return state + event.id, [state + event.id, key]

    await produce(brokers, topic, [Sent(encoded(2)[0], b"a"), Sent(encoded(3)[0])])
    async with opened([graph_of(counted, seen)], store):
        assert await seen.wait(2) == [[2, "a"], [5, None]]


async def test_a_function_that_waits_is_given_them_as_well(brokers: str, store: str) -> None:
    topic = await create_topic(brokers)
    seen = Seen()

    @ps.stream_accumulator(ps.Kafka(topic, brokers=brokers))
    async def events(event: Event, offset: int) -> list[int]:
        return [event.id, offset]

    await produce(brokers, topic, encoded(5, 6))
    async with opened([graph_of(events, seen)], store):
        assert await seen.wait(2) == [[5, 0], [6, 1]]


async def test_values_are_read_as_msgpack_as_raw_bytes_or_by_a_decoder(brokers: str, store: str) -> None:
    topic = await create_topic(brokers)
    packed, raw, decoded = Seen(), Seen(), Seen()

    @ps.stream_accumulator(ps.Kafka(topic, brokers=brokers, format="msgpack"))
    def as_msgpack(event: Event) -> Event:
        return event

    @ps.stream_accumulator(ps.Kafka(topic, brokers=brokers, format="raw"))
    def as_raw(event: bytes) -> bytes:
        return event

    def decode(topic: str, data: bytes, headers: ps.Headers) -> object:
        return {"id": int(headers["version"]), "key": topic}

    @ps.stream_accumulator(ps.Kafka(topic, brokers=brokers, decode=decode))
    def as_decoded(event: Event, offset: int) -> list[object]:
        return [event, offset]

    value = msgspec.msgpack.encode(Event(1))
    await produce(brokers, topic, [Sent(value, headers=[("version", b"3")])])
    parts = [graph_of(as_msgpack, packed), graph_of(as_raw, raw), graph_of(as_decoded, decoded)]
    async with opened(parts, store):
        assert await packed.wait(1) == [Event(1)]
        assert await raw.wait(1) == [value]
        assert await decoded.wait(1) == [[Event(3, topic), 0]]


async def test_what_cannot_be_read_becomes_a_letter_with_its_bytes_and_place(brokers: str, store: str) -> None:
    topic = await create_topic(brokers)
    await produce(brokers, topic, [*encoded(1), b"\xff poison", *encoded(2), Sent(None, b"key")])
    async with reading(ps.Kafka(topic, brokers=brokers), store) as (app, seen):
        assert await seen.wait_ids(2) == [1, 2]
        await until(lambda: app.statistics().accumulators["events"].undecodable == 2)
        await app.wait_idle()

    found = rows(store, "SELECT part, reason, position, payload FROM dead_letters ORDER BY id")
    assert found == [
        ("events", "decode", f"{topic}-0:1", b"\xff poison"),
        ("events", "decode", f"{topic}-0:3", b"null"),  # a tombstone, which `event: Event | None` would take
    ]


async def test_a_letter_of_a_decoder_keeps_the_raw_bytes_too(brokers: str, store: str) -> None:
    topic = await create_topic(brokers)

    def decode(topic: str, data: bytes, headers: ps.Headers) -> object:
        raise LookupError("no such schema")

    await produce(brokers, topic, [b"\x00\x01"])
    async with reading(ps.Kafka(topic, brokers=brokers, decode=decode), store) as (app, _):
        await until(lambda: app.statistics().accumulators["events"].undecodable == 1)
        await app.wait_idle()

    found = rows(store, "SELECT payload, error FROM dead_letters")
    assert found == [(b"\x00\x01", "LookupError: no such schema")]


async def test_records_of_a_transaction_that_was_aborted_are_never_seen(real_brokers: str, store: str) -> None:
    from aiokafka import AIOKafkaProducer

    topic = await create_topic(real_brokers)
    async with AIOKafkaProducer(bootstrap_servers=real_brokers, transactional_id=topic) as producer:
        for number, keep in ((1, True), (2, False), (3, True)):
            await producer.begin_transaction()
            await producer.send_and_wait(topic, encoded(number)[0], partition=0)
            await (producer.commit_transaction() if keep else producer.abort_transaction())

    async with reading(ps.Kafka(topic, brokers=real_brokers, look_every=0.1), store) as (app, seen):
        assert await seen.wait_ids(2) == [1, 3]
        await until(lambda: app.statistics().accumulators["events"].lag == 0)


# -- where it begins ---------------------------------------------------------------------------------------


async def test_a_start_at_the_latest_record_is_remembered(brokers: str, store: str) -> None:
    topic = await create_topic(brokers)
    source = ps.Kafka(topic, brokers=brokers, start="latest")
    await produce(brokers, topic, encoded(1, 2))
    async with reading(source, store) as (app, seen):
        await until(lambda: app.statistics().accumulators["events"].health == "live")
        await app.wait_idle()

    await produce(brokers, topic, encoded(3))  # while nobody reads
    async with reading(source, store) as (_, seen):
        assert await seen.wait_ids(1) == [3]


async def test_a_start_at_a_time_begins_at_the_first_record_that_is_not_older(real_brokers: str, store: str) -> None:
    topic = await create_topic(real_brokers, 2)
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    milliseconds = int(noon.timestamp() * 1000)
    records = [Sent(encoded(n)[0], timestamp_ms=milliseconds + 1000 * (n - 3)) for n in (1, 2, 3, 4)]
    await produce(real_brokers, topic, [*records, Sent(encoded(5)[0], partition=1, timestamp_ms=milliseconds - 1)])
    async with reading(ps.Kafka(topic, brokers=real_brokers, start=noon), store) as (_, seen):
        assert await seen.wait_ids(2) == [3, 4]
        await produce(real_brokers, topic, [Sent(encoded(6)[0], partition=1)])
        assert await seen.wait_ids(3) == [3, 4, 6]


async def test_partitions_that_are_made_later_are_read_from_their_beginning(real_brokers: str, store: str) -> None:
    topic = await create_topic(real_brokers)
    source = ps.Kafka(topic, brokers=real_brokers, start="latest", look_every=0.1)
    async with reading(source, store) as (app, seen):
        await until(lambda: app.statistics().accumulators["events"].health == "live")
        await add_partitions(real_brokers, topic, 2)
        await produce(real_brokers, topic, [Sent(encoded(1)[0], partition=1)])
        assert await seen.wait_ids(1) == [1]
        await produce(real_brokers, topic, [Sent(encoded(2)[0], partition=0)])
        assert await seen.wait_ids(2) == [1, 2]

    await add_partitions(real_brokers, topic, 3)
    await produce(real_brokers, topic, [Sent(encoded(3)[0], partition=2)])  # while nobody reads
    async with reading(source, store) as (_, seen):
        assert await seen.wait_ids(1) == [3]


async def test_topics_that_match_are_found_when_they_are_made(real_brokers: str, store: str) -> None:
    first = await create_topic(real_brokers)
    await produce(real_brokers, first, encoded(1))
    source = ps.Kafka(pattern=f"{first}(-more)?", brokers=real_brokers, look_every=0.1)
    async with reading(source, store) as (_, seen):
        assert await seen.wait_ids(1) == [1]
        await create_topic(real_brokers, name=f"{first}-more")
        await produce(real_brokers, f"{first}-more", encoded(2))
        assert await seen.wait_ids(2) == [1, 2]


async def test_several_topics_are_one_source(brokers: str, store: str) -> None:
    topics = [await create_topic(brokers), await create_topic(brokers)]
    for number, topic in enumerate(topics):
        await produce(brokers, topic, encoded(number))

    async with reading(ps.Kafka(topics=topics, brokers=brokers), store) as (_, seen):
        assert sorted(await seen.wait_ids(2)) == [0, 1]


async def test_a_topic_that_is_not_there_is_told_and_read_when_it_is(real_brokers: str, store: str) -> None:
    topic = new_topic_name()
    async with reading(ps.Kafka(topic, brokers=real_brokers), store) as (app, seen):
        await until(lambda: app.statistics().accumulators["events"].health == "disconnected")
        assert f"there is no topic '{topic}'" in (app.statistics().accumulators["events"].error or "")
        await create_topic(real_brokers, name=topic)
        await produce(real_brokers, topic, encoded(1))
        assert await seen.wait_ids(1) == [1]


# -- what is gone ------------------------------------------------------------------------------------------


async def read_three_and_lose_two_more(brokers: str, store: str) -> str:
    topic = await create_topic(brokers)
    await produce(brokers, topic, encoded(0, 1, 2))
    async with reading(ps.Kafka(topic, brokers=brokers), store) as (_, seen):
        await seen.wait(3)

    await produce(brokers, topic, encoded(3, 4, 5, 6))
    await delete_before(brokers, topic, 5)
    return topic


async def test_a_position_that_is_gone_is_an_error_unless_something_else_is_said(real_brokers: str, store: str) -> None:
    topic = await read_three_and_lose_two_more(real_brokers, store)
    async with reading(ps.Kafka(topic, brokers=real_brokers), store) as (app, seen):
        await until(lambda: app.statistics().accumulators["events"].health == "disconnected")
        error = app.statistics().accumulators["events"].error or ""
        assert error.startswith(f"PositionLost: source 'kafka {topic}' cannot go on behind position '{topic}-0:2'")
        assert "its log begins at 5 and ends before 7" in error
        assert seen.values == []


@pytest.mark.parametrize(("on_missing", "expected", "dropped"), [("earliest", [5, 6, 7], 2), ("latest", [7], 4)])
async def test_a_position_that_is_gone_is_passed_over_when_that_is_said(
    real_brokers: str, store: str, on_missing: str, expected: list[int], dropped: int
) -> None:
    topic = await read_three_and_lose_two_more(real_brokers, store)
    source = ps.Kafka(topic, brokers=real_brokers, on_missing=on_missing)
    async with reading(source, store) as (app, seen):
        await until(lambda: app.statistics().accumulators["events"].health == "live")
        await produce(real_brokers, topic, encoded(7))
        assert await seen.wait_ids(len(expected)) == expected
        assert app.statistics().accumulators["events"].overflowed == dropped


# -- what others see ---------------------------------------------------------------------------------------


async def test_a_group_is_told_what_is_committed_here(real_brokers: str, store: str) -> None:
    topic = await create_topic(real_brokers)
    await produce(real_brokers, topic, encoded(1, 2, 3))
    source = ps.Kafka(topic, brokers=real_brokers, group=f"{topic}-group", look_every=0.1)
    async with reading(source, store) as (_, seen):
        await seen.wait(3)
        while await committed(real_brokers, f"{topic}-group", topic) != 3:
            pass


async def test_lag_and_rate_are_in_the_statistics_and_the_metrics(brokers: str, store: str) -> None:
    topic = await create_topic(brokers)
    await produce(brokers, topic, encoded(1, 2, 3))
    async with reading(ps.Kafka(topic, brokers=brokers, look_every=0.05), store) as (app, seen):
        await seen.wait(3)
        await until(lambda: app.statistics().accumulators["events"].lag == 0)
        text = app.metrics()
        assert 'penstock_source_lag_events{accumulator="events"} 0.0' in text
        assert 'penstock_source_events_per_second{accumulator="events"}' in text
