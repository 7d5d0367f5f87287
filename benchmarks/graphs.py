"""Traversing compiled graphs, beside calling the same functions directly in the same run.

    python benchmarks/graphs.py [--json] [--seconds 0.2] [--peers none]

Each shape is measured in short turns, graph and direct call in alternation, so that a busy machine slows both. Time
is the CPU time of the process, since nothing here waits. A traversal is what a reactor pays: inputs in, ``GraphResult``
out, failures attributed. Start-up counts reading, checking and compiling.
"""

import argparse
import asyncio
import gc
import json
import platform
import statistics
import sys
import time
import tracemalloc
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from _peers import STREAM_PEERS, add_peers
from _peers_rounds import add_rounds, beside
from peers import work

from penstock.graphs.graph import ComputationGraph
from penstock.graphs.routes import Route
from penstock.graphs.sources import first_of, route

TURNS = 15
GRAPHS = 1000


class Up(msgspec.Struct, frozen=True):
    """One branch."""

    by: float


class Down(msgspec.Struct, frozen=True):
    """The other branch."""

    by: float


class Shape(msgspec.Struct):
    """A graph and the same work as plain calls."""

    name: str
    graph: ComputationGraph
    inputs: Mapping[str, object]
    direct: Callable[[], Any]
    #: Microseconds that a traversal may take.
    target: float | None = None


def two_nodes() -> Shape:
    graph = ComputationGraph("two", inputs={"x": float})

    @graph.node
    def double(x: float) -> float:
        return x * 2

    @graph.node
    def add(double: float) -> float:
        return double + 10

    return Shape("two nodes", graph, {"x": 5.0}, lambda: add(double(5.0)))


def chain(length: int, *, is_async: bool, target: float | None = None) -> Shape:
    graph = ComputationGraph("chain", inputs={"n0": float})
    keyword = "async def" if is_async else "def"
    lines = [f"{keyword} n{i}(n{i - 1}: float) -> float: return n{i - 1} + 1" for i in range(1, length + 1)]
    wait = "await " if is_async else ""
    calls = "\n".join(f"    n{i} = {wait}f{i}(n{i - 1})" for i in range(1, length + 1))
    names: dict[str, Callable[..., object]] = {}
    exec("\n".join(lines), names)  # noqa: S102 - functions of this file, made in numbers
    functions = {f"f{i}": graph.node(names[f"n{i}"]) for i in range(1, length + 1)}
    direct: dict[str, Callable[[], object]] = {}
    exec(f"{keyword} direct():\n    n0 = 5.0\n{calls}\n    return n{length}", functions, direct)  # noqa: S102
    kind = "async" if is_async else "sync"
    return Shape(f"chain of {length}, {kind}", graph, {"n0": 5.0}, direct["direct"], target)


def fan() -> Shape:
    graph = ComputationGraph("fan", inputs={"x": float})
    names: dict[str, Callable[..., object]] = {}
    middle = [f"m{i}" for i in range(10)]
    exec("def first(x): return x + 1", names)  # noqa: S102
    exec("\n".join(f"def {name}(first): return first + 1" for name in middle), names)  # noqa: S102
    exec(f"def last({', '.join(middle)}): return m0 + m9", names)  # noqa: S102
    for name in ("first", *middle, "last"):
        graph.node(names[name])

    direct: dict[str, Callable[[], object]] = {}
    calls = ", ".join(f"{name}(value)" for name in middle)
    exec(f"def direct():\n    value = first(5.0)\n    return last({calls})", names, direct)  # noqa: S102
    return Shape("fan 1-10-1", graph, {"x": 5.0}, direct["direct"], 2.0)


def routing() -> Shape:
    graph = ComputationGraph("routing", inputs={"x": float})

    @graph.node
    def decide(x: float) -> Up | Down:
        return Up(x) if x > 0 else Down(x)

    @graph.node
    def up(decide: Up) -> float:
        return decide.by

    @graph.node
    def down(decide: Down) -> float:
        return -decide.by

    def direct() -> float:
        decided = decide(5.0)
        return up(decided) if isinstance(decided, Up) else down(decided)

    return Shape("routing to one of two", graph, {"x": 5.0}, direct)


def named_routing() -> Shape:
    """Route by name into two branches, one of which runs, and take what comes of it."""
    graph = ComputationGraph("named", inputs={"x": float})

    @graph.node
    def pick(x: float) -> Route:
        return Route("up", x) if x > 0 else Route("down", x)

    def step(value: float) -> float:
        return value + 1

    up = graph.node(name="up", inputs={"value": route(pick, "up")})(step)
    down = graph.node(name="down", inputs={"value": route(pick, "down")})(lambda value: value - 1)
    graph.node(name="last", inputs={"value": first_of("up", "down")})(step)

    def direct() -> float:
        picked = pick(5.0)
        value = up(picked.value) if picked.variant == "up" else down(picked.value)
        return step(value)

    return Shape("routing by name, and a join", graph, {"x": 5.0}, direct)


def concurrent(width: int) -> Shape:
    """Async nodes that run at the same time, beside a gather of the same ones."""
    graph = ComputationGraph("concurrent", inputs={"x": float})

    async def middle(x: float) -> float:
        return x + 1

    def last(**values: float) -> float:
        return sum(values.values())

    names = [f"m{i}" for i in range(width)]
    for name in names:
        graph.node(name=name)(middle)

    namespace: dict[str, Callable[..., object]] = {"last": last}
    exec(f"def join({', '.join(names)}): return last({', '.join(f'{n}={n}' for n in names)})", namespace)  # noqa: S102
    graph.node(namespace["join"])

    async def direct() -> object:
        values = await asyncio.gather(*(middle(5.0) for _ in names))
        return last(**dict(zip(names, values, strict=True)))

    return Shape(f"{width} async nodes at the same time", graph, {"x": 5.0}, direct)


def copies() -> Shape:
    graph = ComputationGraph("copies", inputs={"x": float}, copy_inputs=True)

    @graph.node
    def double(x: float) -> float:
        return x * 2

    @graph.node
    def add(double: float) -> float:
        return double + 10

    return Shape("two nodes, inputs copied", graph, {"x": 5.0}, lambda: add(double(5.0)))


def sync_timer(call: Callable[..., object], *arguments: object) -> Callable[[int], float]:
    """Return a function that calls so many times and returns the seconds that took."""

    def spend(number: int) -> float:
        start = time.process_time()
        for _ in range(number):
            call(*arguments)

        return time.process_time() - start

    return spend


def async_timer(call: Callable[..., Awaitable[object]], *arguments: object) -> Callable[[int], float]:
    """Return the same for something to await; the loop's own start does not count."""

    async def spend(number: int) -> float:
        start = time.process_time()
        for _ in range(number):
            await call(*arguments)

        return time.process_time() - start

    return lambda number: asyncio.run(spend(number))


def turn_of(spend: Callable[[int], float], turn: float) -> Callable[[], float]:
    """Return a function that measures one turn, in seconds a call."""
    number = 1
    while (spent := spend(number)) < turn / 10:
        number *= 4

    number = max(1, int(number * turn / spent))
    return lambda: spend(number) / number


def measure(shape: Shape, turn: float) -> dict[str, object]:
    compiled = shape.graph.compiled
    if compiled.is_async:
        timers = (async_timer(compiled.acall, shape.inputs), async_timer(shape.direct))
    else:
        timers = (sync_timer(compiled.call, shape.inputs), sync_timer(shape.direct))

    ours, plain = (turn_of(timer, turn) for timer in timers)
    turns = [(ours(), plain()) for _ in range(TURNS)]
    return {
        "shape": shape.name,
        "graph_us": spread([graph * 1e6 for graph, _ in turns]),
        "direct_us": spread([direct * 1e6 for _, direct in turns]),
        "ratio": spread([graph / direct for graph, direct in turns]),
        "target_us": shape.target,
    }


def spread(values: list[float]) -> dict[str, float]:
    """Return median, least and greatest."""
    found = {"median": statistics.median(values), "min": min(values), "max": max(values)}
    return {name: round(value, 2) for name, value in found.items()}


def start_many(*, alike: bool) -> list[ComputationGraph]:
    """Declare, check and compile; graphs that are not alike share no compiled text."""
    graphs: list[ComputationGraph] = []
    for number in range(GRAPHS):
        shape = two_nodes()
        shape.graph.name = f"two{number}"
        if not alike:
            shape.graph.node(name=f"own{number}")(shape.direct)

        shape.graph.compiled  # noqa: B018 - compiles
        graphs.append(shape.graph)

    return graphs


def start_up() -> list[dict[str, object]]:
    spent: dict[bool, list[float]] = {True: [], False: []}
    for alike in (True, False) * 5:
        gc.collect()
        start = time.process_time()
        start_many(alike=alike)
        spent[alike].append((time.process_time() - start) * 1e3)

    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    graphs = start_many(alike=True)
    gc.collect()
    kilobytes = (tracemalloc.get_traced_memory()[0] - before) / len(graphs) / 1024
    tracemalloc.stop()
    return [
        {"what": f"{GRAPHS} graphs of one shape start, ms", "found": spread(spent[True]), "target": 60.0},
        {"what": f"{GRAPHS} graphs of different shapes start, ms", "found": spread(spent[False]), "target": None},
        {"what": "memory of each, KB, its two functions included", "found": round(kilobytes, 2), "target": 4.0},
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
        return f"{value['median']} [{value['min']}–{value['max']}]"

    return "" if value is None else str(value)


def table(rows: list[dict[str, object]]) -> str:
    lines = ["| " + " | ".join(rows[0]) + " |", "|" + "---|" * len(rows[0])]
    lines += ["| " + " | ".join(show(value) for value in row.values()) + " |" for row in rows]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--seconds", type=float, default=0.05, help="length of a turn")
    add_peers(parser, STREAM_PEERS)
    add_rounds(parser)
    options = parser.parse_args()
    shapes = [
        two_nodes(),
        chain(10, is_async=False),
        chain(100, is_async=False, target=8.0),
        chain(10, is_async=True),
        chain(100, is_async=True, target=20.0),
        fan(),
        routing(),
        named_routing(),
        concurrent(10),
        copies(),
    ]
    traversals = [measure(shape, options.seconds) for shape in shapes]
    starts = start_up()
    peers = beside(options, work.GRAPHS, started="two nodes")
    if options.json:
        print(json.dumps({"environment": environment(), "traversals": traversals, "start": starts, "peers": peers}))
        return

    print(", ".join(f"{name} {value}" for name, value in environment().items()))
    print(f"\nMicroseconds a traversal, median [least–greatest]:\n\n{table(traversals)}\n\n{table(starts)}")
    for title, rows in peers.items():
        print(f"\n{title}:\n\n{table(rows)}")


if __name__ == "__main__":
    main()
