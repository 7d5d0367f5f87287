"""From an event to a firing: how many a second, beside calling the same functions directly in the same run.

    python benchmarks/streams.py [--json] [--seconds 0.1] [--peers none]

A real store, checkpoints on, statistics on. Ours and the direct call are measured in short turns, in alternation, so
that a busy machine slows both. Time is the CPU time of the process, the store's writer included.
"""

import argparse
import asyncio
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AsyncExitStack

import anyio
from _pace import run_pace
from _peers import STREAM_PEERS, add_peers
from _peers_rounds import add_rounds, beside
from _starts import run_starts
from _streams import (
    BOOK,
    BOOKS,
    NO_CHECKPOINTS,
    Trivial,
    direct,
    direct_pair,
    open_domains,
    source,
    two_nodes,
)
from peers.work import STREAMS

from penstock.accumulators.live import LiveAccumulator
from penstock.reactors.criteria import when_all
from penstock.reactors.firing import Subscriber
from penstock.reactors.live import LiveReactor
from penstock.reactors.reactor import Reactor

TURNS = 15
#: Events of a step; the loop has its turn between two steps.
EVENTS = 1000
#: Pushes that wait for their commit at the same time.
PUSHES = 1000
Step = Callable[[], None]
Row = dict[str, object]


def repeat(call: Callable[[object], object], events: Iterable[object]) -> Step:
    """Return a step that calls with each event."""

    def step() -> None:
        for event in events:
            call(event)

    return step


def in_turn(calls: Sequence[Callable[[object], object]]) -> Step:
    """Return a step that makes each call."""

    def step() -> None:
        for call in calls:
            call(BOOK)

    return step


def through_the_queue(reactor: LiveReactor, step: Step) -> Step:
    """Return a step whose events wait in the queue before they are worked off."""

    def queued() -> None:
        reactor.pause()
        step()
        reactor.resume()

    return queued


async def one_turn(step: Step, seconds: float) -> float:
    """Return seconds of CPU an event."""
    steps, start = 0, time.process_time()
    while (spent := time.process_time() - start) < seconds:
        step()
        steps += 1
        await anyio.lowlevel.checkpoint()

    return spent / steps / EVENTS


class Case:
    """Something that takes events, beside what it is compared with."""

    def __init__(self, name: str, ours: Step, other: Step) -> None:
        self.name = name
        self.steps = (ours, other)
        self.turns: list[tuple[float, float]] = []

    async def measure(self, seconds: float) -> None:
        """Have a turn of each."""
        ours, other = self.steps
        self.turns.append((await one_turn(ours, seconds), await one_turn(other, seconds)))

    def row(self, beside: str = "direct") -> Row:
        """Return what was found."""
        return {
            "what": self.name,
            "events_per_s": spread([1 / ours for ours, _ in self.turns], 0),
            f"{beside}_per_s": spread([1 / other for _, other in self.turns], 0),
            "ratio": spread([other / ours for ours, other in self.turns], 3),
        }


async def compare(
    name: str,
    reactor: Reactor,
    options: argparse.Namespace,
    graph: Callable[[Reactor], Subscriber] = two_nodes,
    *,
    queued: bool = False,
) -> Row:
    """Measure one reactor beside direct calls."""
    async with AsyncExitStack() as stack:
        [domain] = await open_domains(stack, [reactor], graph)
        accumulators = list(domain.accumulators.values())
        if len(accumulators) == 1:
            events = BOOKS if reactor.key else [BOOK] * EVENTS
            ours, other = repeat(accumulators[0].accept, events), repeat(direct, events)
        else:
            ours = in_turn([accumulator.accept for accumulator in accumulators] * (EVENTS // 2))
            other = in_turn([direct_pair] * (EVENTS // 2))

        if queued:
            ours = through_the_queue(domain.reactors[reactor.name], ours)

        case = Case(name, ours, other)
        for _ in range(TURNS):
            await case.measure(options.seconds)

        check(domain.reactors[reactor.name])
        return case.row()


def check(reactor: LiveReactor) -> None:
    """See that the events have led to firings, and that no graph has failed."""
    found = reactor.statistics()
    if found.failures or not found.firings or found.boundaries < found.firings:
        raise AssertionError(found)


async def run_throughput(options: argparse.Namespace) -> list[Row]:
    """Measure reactors of one kind after the other."""
    books = source()
    plain = Reactor("plain", [books])
    keyed = Reactor("keyed", [books], key="symbol")
    sequential = Reactor("sequential", [books], strategy="sequential")
    joined = Reactor("joined", [books, source("other")], criteria=when_all())
    return [
        await compare("every event fires, two nodes (target 600,000; ratio 0.2)", plain, options),
        await compare("every event fires, a graph that does nothing", plain, options, lambda _: Trivial()),
        await compare("two sources, when_all, two nodes", joined, options),
        await compare("1000 keys, two nodes", keyed, options),
        await compare("sequential, two nodes", sequential, options),
        await compare("sequential through the queue, two nodes", sequential, options, queued=True),
        await compare(
            "latest under load: accepted (target 2,000,000)", plain, options, lambda _: Trivial(is_async=True)
        ),
    ]


async def run_many(options: argparse.Namespace) -> list[Row]:
    """Measure many reactors, each with its own source, beside one; an event goes to each in turn."""
    rows: list[Row] = []
    for number in (10, 100, 1000):
        async with AsyncExitStack() as stack:
            reactors = [Reactor(f"r{each}", [source(f"s{each}")]) for each in range(number + 1)]
            one, *many = (next(iter(each.accumulators.values())) for each in await open_domains(stack, reactors))
            ours = in_turn([each.accept for each in many] * (EVENTS // number))
            case = Case(f"{number} reactors (target: ratio 0.8)", ours, in_turn([one.accept] * EVENTS))
            for _ in range(TURNS):
                await case.measure(options.seconds)

            rows.append(case.row("one"))

    return rows


async def run_checkpoints(options: argparse.Namespace) -> list[Row]:
    """Measure one reactor with a checkpoint a second beside the same one without any."""
    async with AsyncExitStack() as stack:
        [on] = await open_domains(stack, [Reactor("on", [source()])])
        [off] = await open_domains(stack, [Reactor("off", [source()])], interval=NO_CHECKPOINTS)
        steps = [repeat(domain.accumulators["orderbook"].accept, [BOOK] * EVENTS) for domain in (on, off)]
        case = Case("a checkpoint every second (target: ratio 0.95)", *steps)
        for _ in range(TURNS):
            await case.measure(max(1.0, options.seconds) / 2)  # a cut of the other one does not fall into each turn

        return [case.row("without")]


async def run_latency(options: argparse.Namespace) -> list[Row]:
    """Measure each event alone, from ``accept`` to its return, when its firing is over."""
    async with AsyncExitStack() as stack:
        [domain] = await open_domains(stack, [Reactor("plain", [source()])])
        accept = domain.accumulators["orderbook"].accept
        found: list[tuple[int, int]] = []
        for _ in range(max(1, round(options.seconds * 200))):
            found += [(timed(accept), timed(direct)) for _ in range(EVENTS)]
            await anyio.lowlevel.checkpoint()

    ours, plain = (sorted(each) for each in zip(*found, strict=True))
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
    return [
        {"what": name, **{f"{share}_us": values[int(len(values) * at)] / 1e3 for share, at in shares.items()}}
        for name, values in (("event to the end of its firing (targets 2, –, 10)", ours), ("direct calls", plain))
    ]


def timed(call: Callable[[object], object]) -> int:
    """Return the nanoseconds of a call, those of reading the clock once included."""
    start = time.perf_counter_ns()
    call(BOOK)
    return time.perf_counter_ns() - start


async def run_pushes(options: argparse.Namespace) -> list[Row]:
    """Measure pushes that return when their row is committed, many at the same time."""
    async with AsyncExitStack() as stack:
        [domain] = await open_domains(stack, [Reactor("plain", [source(durable=True)])])
        accumulator = domain.accumulators["orderbook"]
        group = await stack.enter_async_context(anyio.create_task_group())
        for _ in range(PUSHES):
            group.start_soon(push_forever, accumulator)

        found = [await pushes(accumulator, options.seconds) for _ in range(TURNS + 1)][1:]
        group.cancel_scope.cancel()

    return [
        {
            "what": f"journalled pushes, {PUSHES} in flight (target 50,000)",
            "pushes_per_s": spread([number / wall for number, wall, _ in found], 0),
            "pushes_per_cpu_s": spread([number / cpu for number, _, cpu in found], 0),
        }
    ]


async def push_forever(accumulator: LiveAccumulator) -> None:
    """Push one event after the other, each when the one before is committed."""
    while True:
        await accumulator.push(BOOK)


async def pushes(accumulator: LiveAccumulator, seconds: float) -> tuple[int, float, float]:
    """Return how many pushes are done in a while, and its seconds by the wall clock and of CPU time."""
    number, wall, cpu = accumulator.events, time.perf_counter(), time.process_time()
    while (spent := time.perf_counter() - wall) < seconds or accumulator.events == number:
        await anyio.lowlevel.checkpoint()

    return accumulator.events - number, spent, time.process_time() - cpu


def spread(values: list[float], digits: int) -> dict[str, float]:
    """Return median, least and greatest."""
    found = {"median": statistics.median(values), "min": min(values), "max": max(values)}
    return {name: round(value, digits or None) for name, value in found.items()}


def environment() -> Row:
    """Return what someone must know who compares."""
    return {
        "command": " ".join(["python", *sys.argv]),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "turns": TURNS,
    }


def show(value: object) -> str:
    """Return a cell of a table."""
    if isinstance(value, dict):
        return f"{value['median']:,} [{value['min']:,}–{value['max']:,}]"

    return f"{value:,}" if isinstance(value, int) else str(value)


def table(rows: list[Row]) -> str:
    """Return rows as Markdown."""
    lines = ["| " + " | ".join(rows[0]) + " |", "|" + "---|" * len(rows[0])]
    lines += ["| " + " | ".join(show(value) for value in row.values()) + " |" for row in rows]
    return "\n".join(lines)


PARTS = {
    "throughput": ("Events per CPU-second", run_throughput),
    "many": ("Events per CPU-second, many reactors beside one", run_many),
    "checkpoints": ("Events per CPU-second, with checkpoints and without", run_checkpoints),
    "latency": ("One event after the other", run_latency),
    "pace": ("Events on time", run_pace),
    "pushes": ("Pushes per second", run_pushes),
    "starts": ("Events that start durable runs", run_starts),
}
#: Not of one table, and in processes of their own.
PEERS = "peers"


def main() -> None:
    """Measure all, or the part that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--seconds", type=float, default=0.1, help="length of a turn")
    parser.add_argument("--only", choices=[*PARTS, PEERS], help="measure this part alone")
    add_peers(parser, STREAM_PEERS)
    add_rounds(parser)
    options = parser.parse_args()
    parts = [options.only] if options.only else [*PARTS, PEERS]
    found = {part: asyncio.run(PARTS[part][1](options)) for part in parts if part != PEERS}
    peers = beside(options, STREAMS, alone="two nodes, every event") if PEERS in parts else {}
    if options.json:
        print(json.dumps({"environment": environment(), **found, PEERS: peers}))
        return

    print(", ".join(f"{name} {value}" for name, value in environment().items()))
    for part, rows in found.items():
        print(f"\n{PARTS[part][0]}, median [least–greatest]:\n\n{table(rows)}")

    for title, rows in peers.items():
        print(f"\n{title}:\n\n{table(rows)}")


if __name__ == "__main__":
    main()
