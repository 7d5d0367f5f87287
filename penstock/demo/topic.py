"""The topic that the demo produces to: aiokafka in our own words. Imported only when a demo goes over Kafka.

A record is produced when the broker has acknowledged it. One that it does not acknowledge in time is given up: readings
are no orders, and the next one comes in a moment.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Protocol, cast

import anyio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition  # type: ignore[import-untyped]  # no types
from aiokafka.admin import AIOKafkaAdminClient, NewTopic  # type: ignore[import-untyped]
from aiokafka.errors import (  # type: ignore[import-untyped]
    KafkaConnectionError,
    KafkaError,
    TopicAlreadyExistsError,
    for_code,
)

from penstock.runtime.errors import SourceUnavailable

#: Seconds within which a broker answers, or counts as away.
PATIENCE = 5.0
#: What goes wrong with a connection.
TROUBLE: tuple[type[Exception], ...] = (KafkaError, OSError, asyncio.TimeoutError)

Place = tuple[str, int]


class Producer(Protocol):
    """What we use of a producer."""

    start: Callable[[], Awaitable[None]]
    stop: Callable[[], Awaitable[None]]
    partitions_for: Callable[[str], Awaitable[Collection[int]]]

    async def send_and_wait(self, topic: str, value: bytes, *, key: bytes) -> object:
        """Produce one record, and return when the broker has it."""
        ...


class Consumer(Protocol):
    """What we use of a consumer."""

    start: Callable[[], Awaitable[None]]
    stop: Callable[[], Awaitable[None]]
    end_offsets: Callable[[Collection[Place]], Awaitable[Mapping[Place, int]]]


class Answer(Protocol):
    """What comes of making topics: name, code of the error, and words, for each."""

    topic_errors: Sequence[tuple[str, int, str | None]]


class Admin(Protocol):
    """What we use of an administrator."""

    start: Callable[[], Awaitable[None]]
    close: Callable[[], Awaitable[None]]
    list_topics: Callable[[], Awaitable[Sequence[str]]]
    create_topics: Callable[[Sequence[object]], Awaitable[Answer]]


MAKE_PRODUCER = cast("Callable[..., Producer]", AIOKafkaProducer)
MAKE_CONSUMER = cast("Callable[..., Consumer]", AIOKafkaConsumer)
MAKE_ADMIN = cast("Callable[..., Admin]", AIOKafkaAdminClient)
MAKE_TOPIC = cast("Callable[[str, int, int], object]", NewTopic)
ERROR_OF = cast("Callable[[int], type[Exception]]", for_code)


class Topic:
    """A topic that readings are produced to; made by ``opened``.

    Attributes:
        brokers: Where it is.
        name: What it is called.
    """

    def __init__(self, brokers: str, name: str, producer: Producer) -> None:
        self.brokers: str = brokers
        self.name: str = name
        self._producer = producer

    async def produce(self, key: str, value: bytes) -> None:
        """Produce one record, and return when the broker has it.

        Raises:
            SourceUnavailable: The broker does not take it.
        """
        try:
            await self._producer.send_and_wait(self.name, value, key=key.encode())
        except TROUBLE as error:
            raise unavailable(self.brokers, self.name, error) from error

    async def ends(self) -> Mapping[int, int]:
        """Return the offset behind the last record of each partition.

        Raises:
            SourceUnavailable: No broker answers.
        """
        consumer = MAKE_CONSUMER(**options(self.brokers))
        try:
            await consumer.start()
            numbers = await self._producer.partitions_for(self.name)
            ends = await consumer.end_offsets([TopicPartition(self.name, number) for number in numbers])
        except TROUBLE as error:
            raise unavailable(self.brokers, self.name, error) from error
        finally:
            await consumer.stop()

        return {number: offset for (_, number), offset in ends.items()}


@asynccontextmanager
async def opened(brokers: str, name: str) -> AsyncGenerator[Topic]:
    """Make a topic if it is not there, and connect to it; disconnect at the end of the block.

    Args:
        brokers: Where it is: ``host:port``, several with commas.
        name: What it is called.

    Raises:
        SourceUnavailable: No broker answers, or it does not let us.
    """
    # what it has to say is in the errors, and would stand in the middle of the picture
    logging.getLogger("aiokafka").addHandler(logging.NullHandler())
    producer = MAKE_PRODUCER(**options(brokers))
    try:
        try:
            await create(brokers, name)
            await producer.start()
        except TROUBLE as error:
            raise unavailable(brokers, name, error) from error

        yield Topic(brokers, name, producer)
    finally:
        with anyio.CancelScope(shield=True):  # bounded by PATIENCE: what is not acknowledged by then is given up
            await producer.stop()


async def create(brokers: str, name: str) -> None:
    """Make a topic if it is not there.

    Raises:
        SourceUnavailable: It cannot be made.
    """
    admin = MAKE_ADMIN(**options(brokers))
    try:
        await admin.start()
        if name in await admin.list_topics():
            return

        answer = await admin.create_topics([MAKE_TOPIC(name, 1, 1)])
    finally:
        await admin.close()

    _, code, words = answer.topic_errors[0]
    # another demo may have been faster
    if code and ERROR_OF(code) is not TopicAlreadyExistsError:
        reason = f"it is not there and cannot be made: {words or ERROR_OF(code).__name__}"
        raise SourceUnavailable(f"kafka {name}", f"{reason}; make it yourself, or name another with --topic")


def options(brokers: str) -> Mapping[str, object]:
    """Return what all connections share."""
    return {"bootstrap_servers": brokers, "request_timeout_ms": int(PATIENCE * 1000)}


def unavailable(brokers: str, name: str, error: BaseException) -> SourceUnavailable:
    """Return what to tell about an error of a connection."""
    if isinstance(error, KafkaConnectionError):
        reason = f"no broker can be reached at {brokers}: is it running, and is that its address?"
    else:
        reason = f"the broker at {brokers} fails: {str(error) or type(error).__name__}"

    return SourceUnavailable(f"kafka {name}", reason)
