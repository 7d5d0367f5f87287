"""The process that the kill tests of Kafka kill: a topic, a sequential reactor, a graph that waits, a run per event.

    STORE BROKERS TOPIC PROGRESS [--crash POINT --hits N]

It reads until every event of the topic was taken and nothing is in flight, or until it is killed. Each committed cut
with effects is a line in the file of its progress.
"""

import argparse
import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

import penstock as ps
from penstock.runtime.observe import CutCommitted, Fact
from penstock.testing import FaultPoints


class Order(msgspec.Struct, frozen=True):
    """An event: its number, its place in the order of its key, and how long a node takes for it."""

    id: int
    key: str
    turn: int
    node: float = 0.0


class Options(argparse.Namespace):
    store: str
    brokers: str
    topic: str
    progress: Path
    crash: str | None
    hits: int


def parse(words: Sequence[str]) -> Options:
    parser = argparse.ArgumentParser()
    for name, kind in (("store", str), ("brokers", str), ("topic", str), ("progress", Path)):
        parser.add_argument(name, type=kind)

    parser.add_argument("--crash", help="the point at which the victim kills itself")
    parser.add_argument("--hits", type=int, default=1)
    return parser.parse_args(words, namespace=Options())


book = ps.Workflow("book", input=Order)


@book.task
async def enter(id: int, turn: int) -> dict[str, int]:  # noqa: A002 - the fields
    return {"entered": id, "at": turn}


def graph_for(brokers: str, topic: str) -> ps.ComputationGraph:
    @ps.stream_accumulator(ps.Kafka(topic, brokers=brokers, look_every=0.5))
    def orders(event: Order, key: str) -> Order:
        assert key == event.key
        return event

    desk = ps.Reactor("desk", [orders], strategy="sequential", key="key")
    graph = ps.ComputationGraph("decide", reactor=desk)

    @graph.node
    async def decide(orders: Order) -> Order:
        await asyncio.sleep(orders.node)  # noqa: TID251 - real time: the kill must find firings in flight
        return orders

    @graph.node(starts=book)
    def start(decide: Order) -> Order:
        return decide

    return graph


class Progress:
    """Writes a line for each cut that is committed."""

    def __init__(self, file: Path) -> None:
        self._file = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def __call__(self, fact: Fact) -> None:
        if isinstance(fact, CutCommitted) and fact.effects:
            os.write(self._file, f"{fact.effects}\n".encode())


async def serve(options: Options) -> None:
    faults = FaultPoints()
    if options.crash is not None:
        faults.crash(options.crash, after=options.hits)

    app = ps.App(
        options.store,
        parts=[graph_for(options.brokers, options.topic), book],
        config=ps.Config(checkpoint_interval=0.05),
        observer=Progress(options.progress),
        faults=faults,
    )
    async with app:
        while app.statistics().accumulators["orders"].lag != 0:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.1)  # noqa: TID251 - real time

        await app.wait_idle()


def main(words: Sequence[str]) -> None:
    asyncio.run(serve(parse(words)))
