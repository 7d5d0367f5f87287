"""How a script of a peer measures itself, and answers a benchmark: JSON in, a line for each question; JSON out.

A script gives its ``main`` a function for each shape that its library has. That function joins the functions of a
``Work`` as the documentation of the library says, and returns a ``Line``.
"""

import asyncio
import gc
import inspect
import json
import sys
import time
import tracemalloc
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from typing import Any

from talk import own_output, versions
from work import SHAPES, Shape, Work

Push = Callable[[Any], object]


@dataclass
class Spent:
    """Seconds of a block, filled when it ends; CPU is that of all threads of this process."""

    cpu: float = 0.0
    wall: float = 0.0


@contextmanager
def measured() -> Generator[Spent]:
    """Measure a block."""
    spent = Spent()
    wall, cpu = time.perf_counter(), time.process_time()
    yield spent
    spent.cpu, spent.wall = time.process_time() - cpu, time.perf_counter() - wall


@dataclass
class Line:
    """What takes events: a function for each source; its work is over when it returns, unless there is ``settle``."""

    sources: Sequence[Push] = ()
    #: Waits until everything that was pushed has come out.
    settle: Callable[[], Awaitable[None]] | None = None
    #: Takes all these events, instead of the functions; returns what that took.
    batch: Callable[[Sequence[object]], Spent | Awaitable[Spent]] | None = None
    #: Takes event after event, each when the one before is through; returns the nanoseconds of each.
    one_by_one: Callable[[Sequence[object]], list[int]] | None = None
    close: Callable[[], object] | None = None
    #: Events of a step: at least, if not one for each source; at most, if not all of a cycle.
    least: int | None = None
    most: int | None = None
    #: Seconds that a turn lasts at least.
    turn: float = 0.0


Build = Callable[[Work], "Line | Awaitable[Line]"]


def side_by_side(build: Callable[[Work], Line], number: int) -> Build:
    """Return a line of so many lines, an event goes to each in turn."""

    def many(work: Work) -> Line:
        return Line([build(work).sources[0] for _ in range(number)])

    return many


async def resolved(found: Any) -> Any:
    """Wait for what has to be waited for."""
    return await found if inspect.isawaitable(found) else found


async def spend(line: Line, plan: Sequence[tuple[Push, object]], events: Sequence[object]) -> Spent:
    """Let all events through."""
    if line.batch is not None:
        return await resolved(line.batch(events))

    with measured() as spent:
        for push, event in plan:
            push(event)

        if line.settle is not None:
            await line.settle()

    return spent


class Open:
    """A line that is measured."""

    def __init__(self, shape: Shape, line: Line, work: Work) -> None:
        self.shape, self.line, self.work = shape, line, work
        self.size = 0

    def arrange(self, size: int) -> None:
        """Choose the events of a step."""
        self.size = size
        repeated = self.shape.events * (size // len(self.shape.events) + 1)
        self.events = repeated[:size]
        self.plan = list(zip(cycle(self.line.sources), self.events, strict=False)) if self.line.sources else []

    async def warm_up(self, seconds: float) -> None:
        """Let few events through, then more, until they take the length of a turn or all are through."""
        size = least = self.line.least or max(10, self.shape.sources)
        most = max(self.line.most or len(self.shape.events), least)
        while True:
            self.arrange(size)
            spent = await self.step()
            taken = spent.wall if self.shape.waits else spent.cpu
            if size >= most or taken >= seconds / 2:
                return

            size = min(most, size * min(10, max(2, int(seconds / max(taken, 1e-6)))))

    async def step(self) -> Spent:
        """Let the events of a step through."""
        self.work.out.clear()
        spent = await spend(self.line, self.plan, self.events)
        self.digest = self.shape.digest(self.work.out)
        return spent

    async def turn(self, seconds: float) -> dict[str, object]:
        """Let steps through until the time is over; looking at what came out is not counted."""
        gc.collect()
        seconds = max(seconds, self.line.turn)
        steps, total, digests = 0, Spent(), set[int]()
        while (total.wall if self.shape.waits else total.cpu) < seconds:
            spent = await self.step()
            steps, total = steps + 1, Spent(total.cpu + spent.cpu, total.wall + spent.wall)
            digests.add(self.digest)

        each = (total.wall if self.shape.waits else total.cpu) / steps / self.size
        return {"seconds_per_event": each, "size": self.size, "digests": sorted(digests)}

    async def delays(self, number: int, seconds: float) -> dict[str, object]:
        """Let events through one by one."""
        gc.collect()
        self.work.out.clear()
        events = (list(self.shape.events) * (number // len(self.shape.events) + 1))[:number]
        if self.line.one_by_one is not None:
            found, count = self.line.one_by_one(events), number
        else:
            found = timed(self.line.sources[0], events, seconds)
            count = len(found)

        return {"count": count, "digest": self.shape.digest(self.work.out), "quantiles": quantiles(found)}


def timed(push: Push, events: Sequence[object], seconds: float) -> list[int]:
    """Return the nanoseconds of each event, reading the clock once included."""
    clock, found = time.perf_counter_ns, list[int]()
    end = clock() + int(seconds * 1e9)
    for event in events:
        start = clock()
        push(event)
        now = clock()
        found.append(now - start)
        if now > end:
            break

    return found


def quantiles(values: list[int]) -> dict[str, float]:
    """Return microseconds."""
    ordered = sorted(values)
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
    return {name: ordered[int(share * (len(ordered) - 1))] / 1e3 for name, share in shares.items()}


class Answers:
    """What a benchmark may ask."""

    def __init__(self, packages: list[str], shapes: Mapping[str, Build], without: Mapping[str, str]) -> None:
        if unknown := SHAPES.keys() ^ (shapes.keys() | without.keys()):
            raise ValueError(f"neither measured nor left out for a reason: {', '.join(sorted(unknown))}")

        self._packages, self._shapes, self._without = packages, shapes, without
        self._open: Open | None = None

    async def about(self) -> dict[str, object]:
        """Say who this is, and which shapes there are."""
        return {"versions": versions(self._packages), "shapes": list(self._shapes), "without": dict(self._without)}

    async def open(self, shape: str, seconds: float) -> dict[str, object]:
        """Join the functions, and let the first events through."""
        work = Work()
        self._open = Open(SHAPES[shape], await resolved(self._shapes[shape](work)), work)
        await self._open.warm_up(seconds)
        return {"size": self._open.size}

    async def outputs(self, shape: str, size: int) -> dict[str, object]:
        """Say what must come out of so many events."""
        work = Work()
        found = Open(SHAPES[shape], await resolved(self._shapes[shape](work)), work)
        found.arrange(size)
        await found.step()
        if found.line.close is not None:
            await resolved(found.line.close())

        return {"digest": found.digest}

    async def turn(self, seconds: float) -> dict[str, object]:
        """Measure."""
        return await self._open.turn(seconds)

    async def delays(self, number: int, seconds: float) -> dict[str, object]:
        """Measure event after event."""
        return await self._open.delays(number, seconds)

    async def close(self) -> dict[str, object]:
        """End it."""
        if self._open.line.close is not None:
            await resolved(self._open.line.close())

        self._open = None
        gc.collect()
        return {}

    async def start(self, shape: str, number: int) -> dict[str, object]:
        """Join the functions so many times."""
        gc.collect()
        with measured() as spent:
            kept = await self._many(shape, number)

        return {"seconds": spent.cpu / len(kept)}

    async def memory(self, shape: str, number: int) -> dict[str, object]:
        """Join the functions so many times, and see how much memory of Python that takes."""
        await self._many(shape, 1)
        gc.collect()
        tracemalloc.start()
        kept = await self._many(shape, number)
        gc.collect()
        traced = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        return {"bytes": traced / len(kept)}

    async def _many(self, shape: str, number: int) -> list[tuple[Work, Line]]:
        return [(work := Work(), await resolved(self._shapes[shape](work))) for _ in range(number)]


async def answer(answers: object) -> None:
    """Answer question after question; what a library prints does not come between."""
    out = own_output()
    for line in sys.stdin:
        question = json.loads(line)
        found = await getattr(answers, question.pop("do"))(**question)
        print(json.dumps(found), file=out)


def main(packages: list[str], shapes: Mapping[str, Build], without: Mapping[str, str] | None = None) -> None:
    """Be asked until the input ends; each shape is measured, or left out for a reason."""
    asyncio.run(answer(Answers(packages, shapes, without or {})))
