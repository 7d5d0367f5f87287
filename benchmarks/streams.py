"""From an event to a firing: how many a second, beside calling the same functions directly in the same run.

    python benchmarks/streams.py [--json] [--seconds 0.1]

One source, a real store, checkpoints on, statistics on. Ours and the direct call are measured in short turns, in
alternation, so that a busy machine slows both. Time is the CPU time of the process, the store's writer included.
"""

import argparse
import asyncio
import json
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AsyncExitStack

import anyio
import msgspec

from penstock.accumulators.passthrough import passthrough_accumulator
from penstock.graphs.graph import ComputationGraph
from penstock.graphs.subscriber import GraphSubscriber
from penstock.reactors.components import components
from penstock.reactors.domain import Domain
from penstock.reactors.firing import Firing, Outcome, Subscriber
from penstock.reactors.live import LiveReactor
from penstock.reactors.reactor import Reactor
from penstock.runtime.clock import Activity, SystemClock
from penstock.runtime.scheduler import Scheduler
from penstock.runtime.store.store import Store
from penstock.runtime.supervise import Supervisor
from penstock.runtime.threads import Threads

TURNS = 15
#: Events that wait in a queue before it is worked off.
QUEUED = 1000
Call = Callable[[object], object]


class Book(msgspec.Struct, frozen=True):
    """What comes in."""

    symbol: str
    bid: float
    ask: float


BOOK = Book("X", 1.0, 2.0)
BOOKS = [Book(f"S{number}", 1.0, 2.0) for number in range(1000)]


@passthrough_accumulator
def orderbook(event: Book) -> Book | None:
    """Drop crossed books."""
    return event if event.ask > event.bid else None


def middle(orderbook: Book) -> float:
    """First node."""
    return (orderbook.bid + orderbook.ask) / 2


def signal(middle: float) -> float:
    """Second node."""
    return middle * 2


def direct(event: Book) -> float | None:
    """Do the same work with plain calls."""
    book = orderbook.function.fn(event)
    return signal(middle(book)) if isinstance(book, Book) else None


def two_nodes() -> Subscriber:
    graph = ComputationGraph("two", inputs={"orderbook": Book})
    graph.node(middle)
    graph.node(signal)
    return GraphSubscriber(graph)


class Trivial:
    """A graph that does nothing, at once or after a turn of the loop."""

    DONE = Outcome()

    def __init__(self, *, is_async: bool = False) -> None:
        self.name = "trivial"
        self.is_async = is_async

    def run(self, _firing: Firing) -> Outcome:
        """Do nothing at once."""
        return self.DONE

    async def arun(self, _firing: Firing) -> Outcome:
        """Do nothing later."""
        await anyio.lowlevel.checkpoint()
        return self.DONE


class NoEffects:
    """Carries nothing."""

    def write(self, _unit: object, _effects: object) -> Callable[[], None]:
        """Be called never."""
        raise AssertionError


async def open_domain(stack: AsyncExitStack, reactor: Reactor, subscriber: Subscriber) -> Domain:
    folder = stack.enter_context(tempfile.TemporaryDirectory())
    activity = Activity()
    scheduler = Scheduler(SystemClock(), on_error=print)
    store = await Store.open(f"sqlite:///{folder}/streams.db", scheduler=scheduler, activity=activity)
    stack.push_async_callback(store.close)
    group = await stack.enter_async_context(anyio.create_task_group())
    supervisor = Supervisor(group, scheduler, print)
    [component] = components([reactor])
    threads = Threads("streams", 1, activity=activity)
    domain = Domain(component, store=store, scheduler=scheduler, threads=threads, carry=NoEffects())
    domain.reactors[reactor.name].subscribe(subscriber)
    await domain.open()
    await domain.start(supervisor)
    stack.push_async_callback(domain.stop)
    return domain


async def one_turn(accept: Call, events: list[Book], seconds: float) -> float:
    """Return seconds of CPU an event; the loop has a turn between two batches."""
    number, start = 0, time.process_time()
    while (spent := time.process_time() - start) < seconds:
        for event in events:
            accept(event)

        number += len(events)
        await anyio.lowlevel.checkpoint()

    return spent / number


def through_the_queue(reactor: LiveReactor, accept: Call) -> Call:
    """Return what lets events wait in the queue, and works them off when a thousand do."""
    waiting = 0

    def take(event: object) -> None:
        nonlocal waiting
        if not waiting:
            reactor.pause()

        accept(event)
        waiting += 1
        if waiting == QUEUED:
            waiting = 0
            reactor.resume()

    return take


async def compare(
    name: str, reactor: Reactor, subscriber: Subscriber, options: argparse.Namespace, *, queued: bool = False
) -> dict[str, object]:
    events = BOOKS if reactor.key else [BOOK] * 1000
    turns: list[tuple[float, float]] = []
    async with AsyncExitStack() as stack:
        domain = await open_domain(stack, reactor, subscriber)
        accept: Call = domain.accumulators["orderbook"].accept
        if queued:
            accept = through_the_queue(domain.reactors[reactor.name], accept)

        for _ in range(TURNS):
            ours = await one_turn(accept, events, options.seconds)
            turns.append((ours, await one_turn(direct, events, options.seconds)))

        firings = domain.reactors[reactor.name].statistics().firings

    return {
        "what": name,
        "events_per_s": spread([1 / ours for ours, _ in turns], 0),
        "direct_per_s": spread([1 / plain for _, plain in turns], 0),
        "ratio": spread([plain / ours for ours, plain in turns], 3),
        "fired": firings,
    }


def spread(values: list[float], digits: int) -> dict[str, float]:
    """Return median, least and greatest."""
    found = {"median": statistics.median(values), "min": min(values), "max": max(values)}
    return {name: round(value, digits or None) for name, value in found.items()}


async def run_all(options: argparse.Namespace) -> list[dict[str, object]]:
    plain = Reactor("plain", [orderbook])
    keyed = Reactor("keyed", [orderbook], key="symbol")
    sequential = Reactor("sequential", [orderbook], strategy="sequential")
    return [
        await compare("every event fires, two nodes (target 600,000)", plain, two_nodes(), options),
        await compare("every event fires, a graph that does nothing", plain, Trivial(), options),
        await compare("1000 keys, two nodes", keyed, two_nodes(), options),
        await compare("sequential, two nodes", sequential, two_nodes(), options),
        await compare("sequential through the queue, two nodes", sequential, two_nodes(), options, queued=True),
        await compare("latest under load: accepted (target 2,000,000)", plain, Trivial(is_async=True), options),
    ]


def environment() -> dict[str, object]:
    return {
        "command": " ".join(["python", *sys.argv]),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "turns": TURNS,
    }


def show(value: object) -> str:
    if isinstance(value, dict):
        return f"{value['median']:,} [{value['min']:,}–{value['max']:,}]"

    return f"{value:,}" if isinstance(value, int) else str(value)


def table(rows: list[dict[str, object]]) -> str:
    lines = ["| " + " | ".join(rows[0]) + " |", "|" + "---|" * len(rows[0])]
    lines += ["| " + " | ".join(show(value) for value in row.values()) + " |" for row in rows]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--seconds", type=float, default=0.1, help="length of a turn")
    options = parser.parse_args()
    rows = asyncio.run(run_all(options))
    if options.json:
        print(json.dumps({"environment": environment(), "rows": rows}))
        return

    print(", ".join(f"{name} {value}" for name, value in environment().items()))
    print(f"\nEvents per CPU-second, median [least–greatest]:\n\n{table(rows)}")


if __name__ == "__main__":
    main()
