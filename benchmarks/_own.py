"""What Penstock does with the work of the peers, asked in the same way as they are.

Store, checkpoints and statistics are on in everything. A step ends when the loop has had its turn. A turn lasts as long
as checkpoints are apart, as one is due in each: the loop stands still while others have their turns.
"""

import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import anyio
from _streams import CHECKPOINTS, open_domains

sys.path.append(str(Path(__file__).resolve().parent / "peers"))

from turns import Build, Line, Spent, main, measured
from work import IN_FLIGHT, Book, Function, Work, between, decide, first, middle, uncrossed

from penstock.accumulators.live import LiveAccumulator
from penstock.accumulators.passthrough import passthrough_accumulator
from penstock.graphs.graph import ComputationGraph
from penstock.graphs.subscriber import GraphSubscriber
from penstock.reactors.criteria import when_all
from penstock.reactors.domain import Domain
from penstock.reactors.firing import Subscriber
from penstock.reactors.reactor import Reactor


def source(name: str = "orderbook", *, durable: bool = False):
    """Return an accumulator that drops crossed books."""
    return passthrough_accumulator(name=name, durable=durable)(uncrossed)


async def slow_middle(orderbook: Book) -> float:
    """First node of a graph that is not done at once."""
    await anyio.lowlevel.checkpoint()
    return middle(orderbook)


def two_of(work: Work, first_node: Callable[..., object] = middle) -> Callable[[Reactor], Subscriber]:
    """Return what makes a graph of two nodes for a reactor."""

    def graph_of(reactor: Reactor) -> Subscriber:
        graph = ComputationGraph(f"two of {reactor.name}", reactor=reactor)
        names = dict(zip(("orderbook", "other"), reactor.accumulators, strict=False))
        graph.node(name="middle", inputs=names)(first_node)
        graph.node(work.signal)
        return GraphSubscriber(graph)

    return graph_of


async def opened(
    reactors: Sequence[Reactor], graph: Callable[[Reactor], Subscriber]
) -> tuple[list[Domain], AsyncExitStack]:
    """Return open domains, and what closes them."""
    stack = AsyncExitStack()
    return await open_domains(stack, reactors, graph), stack


def one_reactor(**settings: object) -> Build:
    """Return the line of one reactor with one source and two nodes."""

    async def build(work: Work) -> Line:
        reactor = Reactor("plain", [source()], **settings)
        return line(*await opened([reactor], two_of(work)))

    return build


def line(domains: Sequence[Domain], stack: AsyncExitStack) -> Line:
    """Return what takes events for the accumulators of all domains in turn."""
    accepts = [each.accept for domain in domains for each in domain.accumulators.values()]
    return Line(accepts, anyio.lowlevel.checkpoint, close=stack.aclose, turn=CHECKPOINTS)


async def latest(work: Work) -> Line:
    """Let a graph be too slow for its events."""
    [domain], stack = await opened([Reactor("plain", [source()])], two_of(work, slow_middle))
    [reactor] = domain.reactors.values()

    async def settle() -> None:
        while not reactor.is_idle:
            await anyio.lowlevel.checkpoint()

    accept = domain.accumulators["orderbook"].accept
    return Line([accept], settle, close=stack.aclose, turn=CHECKPOINTS)


async def pair(work: Work) -> Line:
    """Wait for two sources."""
    reactor = Reactor("joined", [source(), source("other")], criteria=when_all())
    return line(*await opened([reactor], two_of(work, between)))


def side_by_side(number: int) -> Build:
    """Return the line of so many reactors."""

    async def build(work: Work) -> Line:
        reactors = [Reactor(f"r{each}", [source(f"s{each}")]) for each in range(number)]
        return line(*await opened(reactors, two_of(work)))

    return build


async def on_disk(work: Work) -> Line:
    """Push events, many at the same time, each of which is journalled before its push returns."""
    [domain], stack = await opened([Reactor("plain", [source(durable=True)])], two_of(work))
    accumulator = domain.accumulators["orderbook"]

    async def batch(events: Sequence[object]) -> Spent:
        with measured() as spent:
            async with anyio.create_task_group() as group:
                for begin in range(IN_FLIGHT):
                    group.start_soon(partial(push_all, accumulator, events[begin::IN_FLIGHT]))

        return spent

    return Line(batch=batch, least=10 * IN_FLIGHT, close=stack.aclose, turn=CHECKPOINTS)


async def push_all(accumulator: LiveAccumulator, events: Sequence[object]) -> None:
    """Push one event after the other, each when the one before is committed."""
    for event in events:
        await accumulator.push(event)


def traversal(begin: str, nodes: Callable[[Work], Sequence[Function]]) -> Build:
    """Return the line of a compiled graph without a reactor, which is called with what comes in."""

    def build(work: Work) -> Line:
        graph = ComputationGraph("graph", inputs={begin: float})
        for function in nodes(work):
            graph.node(function)

        call = graph.compiled.call
        return Line([lambda value: call({begin: value})])

    return build


SHAPES = {
    "two nodes, every event": one_reactor(),
    "two nodes, sequential": one_reactor(strategy="sequential"),
    "two nodes, latest under load": latest,
    "two nodes, 1000 keys": one_reactor(key="symbol"),
    "two sources, when_all, two nodes": pair,
    "10 reactors": side_by_side(10),
    "100 reactors": side_by_side(100),
    "1000 reactors": side_by_side(1000),
    "two nodes, state kept on disk": one_reactor(),
    "two nodes, each event on disk first": on_disk,
    "two nodes": traversal("x", lambda work: [first, work.second]),
    "chain of 10": traversal("n0", lambda work: work.chain(10)),
    "chain of 100": traversal("n0", lambda work: work.chain(100)),
    "fan 1-10-1": traversal("x", lambda work: [first, *work.middles(), work.last]),
    "routing to one of two": traversal("x", lambda work: [decide, work.up, work.down]),
}

if __name__ == "__main__":
    main(["penstock"], SHAPES)
