"""What tests do to a broker past the code under test: topics, records, offsets. By aiokafka, and never by ours."""

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete

NAMES = itertools.count(1)


class Sent(NamedTuple):
    """A record to produce."""

    value: bytes | None
    key: bytes | None = None
    partition: int | None = 0
    headers: Sequence[tuple[str, bytes]] = ()
    timestamp_ms: int | None = None


def new_topic_name() -> str:
    """Return a name that no other test uses, nor another process of tests on the same cluster."""
    return f"penstock-test-{os.getpid()}-{next(NAMES)}"


@asynccontextmanager
async def admin(brokers: str) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(bootstrap_servers=brokers)
    await client.start()
    try:
        yield client
    finally:
        await client.close()


async def create_topic(brokers: str, partitions: int = 1, *, name: str | None = None, **configs: str) -> str:
    """Make a topic, and return its name when its partitions have leaders."""
    name = name or new_topic_name()
    async with admin(brokers) as client:
        cluster = await client.describe_cluster()
        if cluster["controller_id"] not in {broker["node_id"] for broker in cluster["brokers"]}:
            await client.describe_topics([name])  # the mock has no controller: it makes what is named
        else:
            await client.create_topics([NewTopic(name, partitions, 1, topic_configs=configs)])

    await offsets(brokers, name, partitions)
    return name


async def add_partitions(brokers: str, topic: str, total: int) -> None:
    async with admin(brokers) as client:
        await client.create_partitions({topic: NewPartitions(total_count=total)})

    await offsets(brokers, topic, total)


async def delete_before(brokers: str, topic: str, offset: int, partition: int = 0) -> None:
    """Remove the records before an offset, as the end of their retention would."""
    async with admin(brokers) as client:
        await client.delete_records({TopicPartition(topic, partition): RecordsToDelete(offset)})


async def delete_topic(brokers: str, topic: str) -> None:
    async with admin(brokers) as client:
        await client.delete_topics([topic])


async def produce(brokers: str, topic: str, records: Iterable[Sent | bytes]) -> None:
    """Produce records, and return when the broker has them."""
    async with AIOKafkaProducer(bootstrap_servers=brokers, linger_ms=1, retry_backoff_ms=50) as producer:
        waiting: list[asyncio.Future[object]] = []
        for record in records:
            sent = record if isinstance(record, Sent) else Sent(record)
            waiting.append(
                await producer.send(
                    topic,
                    sent.value,
                    key=sent.key,
                    partition=sent.partition,
                    headers=list(sent.headers),
                    timestamp_ms=sent.timestamp_ms,
                )
            )

        await asyncio.gather(*waiting)


async def offsets(brokers: str, topic: str, partitions: int = 1) -> list[int]:
    """Return the offset behind the last record of each partition."""
    places = [TopicPartition(topic, number) for number in range(partitions)]
    async with AIOKafkaConsumer(bootstrap_servers=brokers, retry_backoff_ms=50) as consumer:
        found = await consumer.end_offsets(places)
        return [found[place] for place in places]


async def committed(brokers: str, group: str, topic: str, partition: int = 0) -> int | None:
    """Return what a group has committed."""
    async with AIOKafkaConsumer(bootstrap_servers=brokers, group_id=group, enable_auto_commit=False) as consumer:
        consumer.assign([TopicPartition(topic, partition)])
        return await consumer.committed(TopicPartition(topic, partition))
