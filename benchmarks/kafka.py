"""From a topic of Kafka to firings: how many events a second, beside the bare client doing the same work.

    python benchmarks/kafka.py [--json] [--events 200000] [--brokers HOST:PORT] [--peers none]

A real broker on the same machine, four partitions, JSON of about 100 bytes. `getmany` alone is the limit of the client;
with msgspec and a handler (the newest value of each symbol, and a decision) it does what a program without an engine
would do. Ours: Kafka → accumulator → firing of a graph of two nodes, with checkpoints and metrics on, and a run for
each event: until all are committed, that is in the store with the positions, and until all are completed as well. All
read the same topic in turns, from its beginning, and so do other engines (`--peers`), slow ones a tenth of it; what
they saw is compared. Then the delay from producing an event to handling it, and the time from starting a program that
was killed to the first new event that it handles.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from functools import partial

import aiokafka
import anyio
import msgspec
from _figures import (
    Cell,
    Spent,
    add_repetitions,
    as_json,
    environment,
    quantile,
    repetitions,
    report,
    spending,
    summarise,
)
from _kafka import PARTITIONS, SYMBOLS, Book, Seen, book_of, filled, topic_of
from _kafka_restart import BEFORE, restarted
from _peers import KAFKA_PEERS, add_peers
from _peers_kafka import Filled, Guests

import penstock as ps
from penstock.runtime.observe import CutCommitted, Fact

COLUMNS = {
    "what": "{what}",
    "events": "{events}",
    "events/s": "{rate}",
    "of `getmany` + msgspec + handler": "{ratio}",
    "the same by CPU time": "{cpu_ratio}",
    "CPU / wall, s": "{cpu} / {wall}",
}
LATENCIES = {
    "what": "{what}",
    "events/s": "{events}",
    "p50, ms": "{p50}",
    "p95, ms": "{p95}",
    "p50 over `getmany`, ms": "{over}",
}
RESTARTS = {"what": "{what}", "events before": "{events}", "CPU / wall, s": "{cpu} / {wall}"}


def middle(book: Book) -> float:
    """First node."""
    return (book.bid + book.ask) / 2


def decide(middle: float) -> bool:
    """Second node."""
    return middle > 100.0


# -- the bare client -----------------------------------------------------------------------------------------


async def read_bare(brokers: str, topic: str, count: int, handle: Callable[[bytes], object] | None) -> Spent:
    """Read so many records from the beginning."""
    places = [aiokafka.TopicPartition(topic, number) for number in range(PARTITIONS)]
    async with aiokafka.AIOKafkaConsumer(
        bootstrap_servers=brokers, enable_auto_commit=False, auto_offset_reset="none"
    ) as consumer:
        consumer.assign(places)
        for place in places:
            consumer.seek(place, 0)

        first = await consumer.getmany(timeout_ms=1000)
        left = count - handled(first, handle)
        with spending() as spent:
            while left > 0:
                left -= handled(await consumer.getmany(timeout_ms=1000), handle)

    return scaled(spent, count, count - sum(map(len, first.values())))


def handled(found: "dict[object, list[object]]", handle: Callable[[bytes], object] | None) -> int:
    """Handle records, and count them."""
    taken = 0
    for records in found.values():
        taken += len(records)
        if handle is not None:
            for record in records:
                handle(record.value)

    return taken


def scaled(spent: Spent, count: int, measured: int) -> Spent:
    """Return what all would have taken: the clock starts with the second batch, when the connection is there."""
    if not measured:
        raise SystemExit(f"{count} events come at once, before the clock starts: give more with --events")

    share = count / measured
    return Spent(spent.wall * share, spent.cpu * share)


def handler(seen: Seen) -> Callable[[bytes], object]:
    """Return what a program without an engine would do."""
    decode, take = msgspec.json.Decoder(Book).decode, seen.take

    def handle(data: bytes) -> None:
        book = decode(data)
        if book.ask > book.bid:
            take(book)
            decide(middle(book))

    return handle


# -- ours ----------------------------------------------------------------------------------------------------


def graph_of(brokers: str, topic: str, seen: Seen, *, starts: ps.Workflow | None = None) -> ps.ComputationGraph:
    """Return accumulator, reactor and graph."""

    @ps.stream_accumulator(ps.Kafka(topic, brokers=brokers))
    def book(event: Book) -> Book | None:
        return event if event.ask > event.bid else None

    graph = ps.ComputationGraph("two", reactor=ps.Reactor("market", [book]))
    take = seen.take

    if starts is not None:

        @graph.node(starts=starts)
        def start(book: Book) -> Book:
            take(book)
            return book

        return graph

    @graph.node(name="middle")
    def first(book: Book) -> float:
        take(book)
        return (book.bid + book.ask) / 2

    graph.node(decide)
    return graph


async def ours(brokers: str, topic: str, count: int) -> tuple[Spent, Seen]:
    """Read so many events into firings."""
    seen = Seen(until=count)
    with new_store() as store:
        async with ps.App(store, [graph_of(brokers, topic, seen)], config=ps.Config()):
            await seen.begun.wait()
            before = seen.count
            with spending() as spent:
                await seen.done.wait()

    return scaled(spent, count, count - before), seen


class Committed:
    """Counts the effects that cuts have committed."""

    def __init__(self, until: int) -> None:
        self.count, self.done = 0, asyncio.Event()
        self._until = until

    def __call__(self, fact: Fact) -> None:
        """Be told what happens."""
        if isinstance(fact, CutCommitted):
            self.count += fact.effects
            if self.count >= self._until:
                self.done.set()


async def runs(brokers: str, topic: str, count: int) -> tuple[Spent, Spent]:
    """Read so many events, and start a run for each: until the last is committed, and until it is completed."""
    book = ps.Workflow("book", input=Book)

    @book.task
    async def enter(bid: float) -> dict[str, float]:
        return {"entered": bid}

    seen, committed = Seen(until=count), Committed(until=count)
    graph = graph_of(brokers, topic, seen, starts=book)
    with new_store() as store:
        async with ps.App(store, [graph, book], config=ps.Config(), observer=committed) as app:
            await seen.begun.wait()
            with spending() as completing:
                started, cpu = time.perf_counter(), time.process_time()
                await committed.done.wait()
                committing = Spent(time.perf_counter() - started, time.process_time() - cpu)
                await app.wait_idle()

            completed = app.statistics().worker.completed
            if completed != count:
                raise SystemExit(f"{completed} runs are completed, not {count}")

    return committing, completing


@contextmanager
def new_store() -> Generator[str]:
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder:
        yield f"sqlite:///{folder}/store.db"


# -- latency -------------------------------------------------------------------------------------------------


async def trickle(brokers: str, topic: str, seconds: float) -> None:
    """Produce 200 events a second, with the moment in them."""
    async with aiokafka.AIOKafkaProducer(bootstrap_servers=brokers, linger_ms=0) as producer:
        started = time.perf_counter()
        for number in range(int(seconds * 200)):
            await asyncio.sleep(max(0.0, started + number / 200 - time.perf_counter()))
            book = Book("S0", time.perf_counter(), 1e12, number)
            await producer.send(topic, msgspec.json.encode(book), partition=number % PARTITIONS)


async def latency(brokers: str, how: str, seconds: float) -> dict[str, float]:
    """Return the milliseconds from producing an event to handling it."""
    topic = await topic_of(brokers, 0)
    seen, count = Seen(until=int(seconds * 200)), int(seconds * 200)
    async with anyio.create_task_group() as group:
        if how == "ours":
            with new_store() as store:
                async with ps.App(store, [graph_of(brokers, topic, seen)], config=ps.Config()) as app:
                    while app.statistics().accumulators["book"].health != "live":
                        await app.scheduler.sleep(0.01)

                    group.start_soon(trickle, brokers, topic, seconds)
                    await seen.done.wait()
        else:
            decode = msgspec.json.Decoder(Book).decode
            group.start_soon(trickle, brokers, topic, seconds)
            await read_bare(brokers, topic, count, lambda data: seen.take(decode(data)))

    delays = seen.delays[len(seen.delays) // 10 :]  # the first ones meet connections that are being made
    return {"p50": quantile(delays, 0.5) * 1e3, "p95": quantile(delays, 0.95) * 1e3}


# -- all -----------------------------------------------------------------------------------------------------


async def filled_topic(brokers: str, count: int) -> Filled:
    """Make a topic, and say what it ends with."""
    latest = {book.symbol: book for book in map(book_of, range(count))}
    return Filled(await topic_of(brokers, count), count, latest)


async def repetition(
    brokers: str, topics: Mapping[bool, Filled], few: str, options: argparse.Namespace, guests: Guests
) -> list[Cell]:
    """Measure all once, in turns."""
    topic, count, _ = topics[False]
    bare = await read_bare(brokers, topic, count, None)
    reference = Seen(until=count)
    reading = await read_bare(brokers, topic, count, handler(reference))
    spent, seen = await ours(brokers, topic, count)
    if seen.count != count or seen.latest != reference.latest or len(seen.latest) != SYMBOLS:
        raise SystemExit(f"{seen.count} of {count} events were handled, or they end with other values")

    committed, completed = await runs(brokers, few, options.runs)
    rows = [
        ("`getmany`, nothing done with the records", count, bare),
        ("`getmany` + msgspec + handler", count, reading),
        ("ours: Kafka → accumulator → firing of two nodes", count, spent),
        ("ours: Kafka → firing → run committed, while others run", options.runs, committed),
        ("ours: Kafka → firing → run committed and completed", options.runs, completed),
        *guests.rates(brokers, topics),
    ]
    return [
        Cell(
            {"what": what, "events": f"{events:,}"},
            {
                "rate": events / each.wall,
                "ratio": (events / each.wall) / (count / reading.wall),
                "cpu_ratio": (events / each.cpu) / (count / reading.cpu),
                "cpu": each.cpu,
                "wall": each.wall,
            },
        )
        for what, events, each in rows
    ]


async def delays(brokers: str, options: argparse.Namespace, guests: Guests) -> list[Cell]:
    """Measure the latency of all, in turns."""
    bare = await latency(brokers, "bare", options.seconds)
    found = await latency(brokers, "ours", options.seconds)
    produce = partial(trickle, brokers, seconds=options.seconds)
    others = await guests.delays(brokers, produce, int(options.seconds * 200))
    return [
        Cell({"what": what, "events": "200"}, {**each, "over": each["p50"] - bare["p50"]})
        for what, each in (("`getmany` + msgspec", bare), ("ours: Kafka → firing", found), *others)
    ]


def restarts(brokers: str) -> list[Cell]:
    """Kill a program of both kinds, in turns, and start it again."""
    rows = [
        (what, restarted(brokers, how))
        for what, how in (("`getmany` + msgspec", "bare"), ("ours: Kafka → firing", "ours"))
    ]
    return [
        Cell({"what": what, "events": f"{BEFORE:,}"}, {"wall": spent.wall, "cpu": spent.cpu}) for what, spent in rows
    ]


async def run(brokers: str, options: argparse.Namespace, guests: Guests) -> tuple[list[Cell], list[Cell], list[Cell]]:
    """Measure everything."""
    topics = {slow: await filled_topic(brokers, options.events // (10 if slow else 1)) for slow in (False, True)}
    few = await topic_of(brokers, options.runs)
    await ours(brokers, few, options.runs)  # warm up
    rates: list[Cell] = []
    waits: list[Cell] = []
    starts: list[Cell] = []
    for _ in repetitions(options):
        rates += await repetition(brokers, topics, few, options, guests)
        waits += await delays(brokers, options, guests)
        starts += await asyncio.to_thread(restarts, brokers)

    return rates, waits, starts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--brokers", help="a broker that is there, instead of one of our own")
    parser.add_argument("--events", type=int, default=200_000, help="that are read in each turn")
    parser.add_argument("--runs", type=int, default=5_000, help="events for which runs are started")
    parser.add_argument("--seconds", type=float, default=2.0, help="for which the latency is measured")
    add_repetitions(parser)
    parser.set_defaults(limit=240.0)  # a repetition with all peers takes about a minute
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    add_peers(parser, KAFKA_PEERS)
    options = parser.parse_args()
    guests = Guests(options.peers)
    with filled(options.brokers) as brokers:
        rates, waits, starts = asyncio.run(run(brokers, options, guests))

    first, second, third = summarise(rates), summarise(waits), summarise(starts)
    facts = {"aiokafka": aiokafka.__version__, "partitions": PARTITIONS, "bytes an event": 103}
    facts |= guests.versions | {f"{name}, left out": reason for name, reason in guests.missing.items()}
    known = environment(options, facts, len(rates) // len(first))
    if options.json:
        print(as_json(known, {"rates": first, "latencies": second, "restarts": third}))
    else:
        tables = {
            "Events a second": (COLUMNS, first),
            "From producing to handling, at 200 a second": (LATENCIES, second),
            "From starting after `kill -9` to the first new event": (RESTARTS, third),
        }
        print(report("Kafka", known, tables))


if __name__ == "__main__":
    main()
