"""A program that reads a topic and says when it has handled an event: by ours, or by the bare client; to be killed.

    python benchmarks/_kafka_restart.py ours|bare BROKERS TOPIC STORE|OFFSET

The line that it prints for each event is the number of the event. The parent starts it, kills it in the middle, lets
one more event be produced, and takes the time from starting it again to the line of that event.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from pathlib import Path

import msgspec
from _figures import Spent
from _kafka import PARTITIONS, Book, topic_of

from tests.kafka_client import Sent, produce

#: Events that are there before the kill.
BEFORE = 1000


def tell(number: int) -> None:
    """Print the number of an event, at once."""
    os.write(1, f"{number}\n".encode())


# -- the program ---------------------------------------------------------------------------------------------


async def read_ours(brokers: str, topic: str, store: str) -> None:
    import penstock as ps  # noqa: PLC0415 - loading it is part of starting, and the bare client does without

    @ps.stream_accumulator(ps.Kafka(topic, brokers=brokers))
    def book(event: Book) -> Book:
        return event

    graph = ps.ComputationGraph("tell", reactor=ps.Reactor("market", [book]))

    @graph.node
    def number(book: Book) -> int:
        tell(book.number)
        return book.number

    async with ps.App(store, [graph], config=ps.Config(checkpoint_interval=0.1)):
        await asyncio.Event().wait()


async def read_bare(brokers: str, topic: str, offset: int) -> None:
    import aiokafka  # noqa: PLC0415 - as above

    places = [aiokafka.TopicPartition(topic, number) for number in range(PARTITIONS)]
    decode = msgspec.json.Decoder(Book).decode
    async with aiokafka.AIOKafkaConsumer(bootstrap_servers=brokers, enable_auto_commit=False) as consumer:
        consumer.assign(places)
        for place in places:
            consumer.seek(place, offset)

        while True:
            for records in (await consumer.getmany(timeout_ms=1000)).values():
                for record in records:
                    tell(decode(record.value).number)


# -- the one who kills it ------------------------------------------------------------------------------------


@contextlib.contextmanager
def program(*words: str) -> Generator["subprocess.Popen[bytes]"]:
    """Start the program, and kill it at the end of the block."""
    process = subprocess.Popen([sys.executable, __file__, *words], stdout=subprocess.PIPE)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()


def wait_for(process: "subprocess.Popen[bytes]", number: int) -> None:
    """Return when an event was handled."""
    for line in process.stdout or ():
        if int(line) == number:
            return

    raise SystemExit(f"the program ended before it handled event {number}")


def restarted(brokers: str, how: str) -> Spent:
    """Return what passes from starting a program again that was killed to its first new event."""
    topic = asyncio.run(topic_of(brokers, BEFORE))
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder:
        store = f"sqlite:///{Path(folder) / 'store.db'}"
        with program(how, brokers, topic, store if how == "ours" else "0") as process:
            wait_for(process, BEFORE - 1)
            time.sleep(0.5)  # its positions are committed by then

        value = msgspec.json.encode(Book("S0", 100.0, 101.0, BEFORE))
        asyncio.run(produce(brokers, topic, [Sent(value)]))
        cpu, started = cpu_of_children(), time.perf_counter()
        with program(how, brokers, topic, store if how == "ours" else str(BEFORE // PARTITIONS)) as process:
            wait_for(process, BEFORE)
            wall = time.perf_counter() - started

        return Spent(wall, cpu_of_children() - cpu)


def cpu_of_children() -> float:
    """Return the CPU time of all programs that have ended."""
    times = os.times()
    return times.children_user + times.children_system


if __name__ == "__main__":
    kind, *rest, last = sys.argv[1:]
    asyncio.run(read_ours(*rest, last) if kind == "ours" else read_bare(*rest, int(last)))
