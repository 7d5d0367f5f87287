"""The topic that is read, who reads it, and the broker: one of our own, or one that is there already."""

import asyncio
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from aiokafka import AIOKafkaProducer

# a benchmark is started from anywhere, and tests/ is installed nowhere; at the end, where it hides nothing
sys.path.append(str(Path(__file__).resolve().parent.parent))

from tests.kafka_client import create_topic
from tests.kafka_jars import missing_jars
from tests.kafka_server import KafkaServer

PARTITIONS = 4
SYMBOLS = 100


class Book(msgspec.Struct, frozen=True):
    """What comes in."""

    symbol: str
    bid: float
    ask: float
    number: int
    venue: str = "the exchange at the end of the street"


class Seen:
    """What was handled: how many events, the newest of each symbol, and how late they were."""

    def __init__(self, until: int) -> None:
        self.count = 0
        self.latest: dict[str, Book] = {}
        self.delays: list[float] = []
        self.begun, self.done = asyncio.Event(), asyncio.Event()
        self._until = until

    def take(self, book: Book) -> None:
        """Handle an event."""
        self.count = count = self.count + 1
        self.latest[book.symbol] = book
        if count == 1:
            self.begun.set()

        if book.ask == 1e12:
            self.delays.append(time.perf_counter() - book.bid)

        if count == self._until:
            self.done.set()


@contextmanager
def filled(brokers: str | None) -> Generator[str]:
    """Yield the address of a broker; without one, start it, and remove it after the block."""
    if brokers is not None:
        yield brokers
        return

    if reason := missing_jars():
        raise SystemExit(f"{reason}; name a broker with --brokers HOST:PORT")

    with KafkaServer() as server:
        yield server.brokers


def book_of(number: int) -> Book:
    """Return the event of a topic that has this number."""
    return Book(f"S{number % SYMBOLS}", 100.0 + number % 7, 101.0 + number % 7, number)


async def topic_of(brokers: str, count: int) -> str:
    """Make a topic with so many events; a symbol is always in the same partition."""
    topic = await create_topic(brokers, PARTITIONS)
    async with AIOKafkaProducer(bootstrap_servers=brokers, linger_ms=5, max_batch_size=262_144) as producer:
        for number in range(count):
            place = number % SYMBOLS % PARTITIONS
            await producer.send(topic, msgspec.json.encode(book_of(number)), partition=place)

        await producer.flush()

    return topic
