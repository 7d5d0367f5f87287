"""The process that the kill tests kill.

    load URL ACKNOWLEDGED [--first 0 --count 400] [--crash POINT --after N --hits N]
    finish URL ACKNOWLEDGED

``load`` pushes events and starts runs from many tasks at once, writes every acknowledgement to a file, as one line, the
moment it is given, and stops in order after the last one. ``finish`` opens the store, lets what was in flight end,
stops, and prints how many runs it had to leave aside. Of both, what a cut has in its hands goes into a second file.
"""

import argparse
import asyncio
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import anyio

import penstock as ps
from penstock.testing import FaultPoints
from tests.faults.plant import Booking, Order, app_for, book, change, lethal, orders
from tests.faults.shorter import shorten

CALLERS = 24


class Options(argparse.Namespace):
    mode: str
    store: str
    acknowledged: Path
    first: int
    count: int
    only: str | None
    node: float
    task: float
    lethal: str | None
    fuse: float
    crash: str | None
    after: int
    hits: int
    slow: float
    interval: float
    drain: float
    changed: bool
    short: bool


def parse(words: Sequence[str]) -> Options:
    parser = argparse.ArgumentParser()
    parser.add_argument("mode", choices=["load", "finish"])
    parser.add_argument("store")
    parser.add_argument("acknowledged", type=Path)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--only", choices=["push", "run"])
    parser.add_argument("--node", type=float, default=0.004, help="seconds that a node takes, at most")
    parser.add_argument("--task", type=float, default=0.001, help="seconds that a task takes")
    parser.add_argument("--lethal", choices=["push", "run"], help="what the one in the middle is, and it kills")
    parser.add_argument("--fuse", type=float, default=0.2, help="seconds after which it does: by then it is in a cut")
    parser.add_argument("--crash", help="the point at which the victim kills itself")
    parser.add_argument("--after", type=int, default=0, help="acknowledgements before which it does not")
    parser.add_argument("--hits", type=int, default=1)
    parser.add_argument("--slow", type=float, default=0.0, help="seconds that the disk takes for a cut")
    parser.add_argument("--interval", type=float, default=0.05)
    parser.add_argument("--drain", type=float, default=10.0)
    parser.add_argument("--changed", action="store_true", help="run another version of the workflow")
    parser.add_argument("--short", action="store_true", help="shorten the times of a lease on PostgreSQL")
    return parser.parse_args(words, namespace=Options())


def open_file(path: Path, flags: int) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | flags)


class Killer:
    """The fault hook: notes what each cut has in its hands, takes the time of a slow disk, and kills when armed."""

    def __init__(self, options: Options) -> None:
        self.app: ps.App | None = None
        self._options = options
        self._points = FaultPoints()
        self._file = open_file(options.acknowledged.with_suffix(".cuts"), os.O_TRUNC)
        self._acknowledgements = 0
        self._arm()

    def acknowledged(self) -> None:
        self._acknowledgements += 1
        self._arm()

    def _arm(self) -> None:
        if self._options.crash and self._acknowledgements == self._options.after:
            self._points.crash(self._options.crash, after=self._options.hits)

    def __call__(self, point: str) -> None:
        if point == "cut: before begin":
            os.write(self._file, f"begin {self._outbox()}\n".encode())
        elif point == "cut: before commit":
            time.sleep(self._options.slow)  # noqa: TID251 - the disk lives in real time
        elif point == "cut: after commit":
            os.write(self._file, b"end\n")

        self._points(point)

    def _outbox(self) -> int:
        # not from the statistics: those belong to the loop, and this is the writer's thread
        session = None if self.app is None else self.app._session
        return 0 if session is None else sum(domain.ledger.waiting for domain in [*session.domains.values()])


class Caller:
    """Gives the app its work, and writes down what it acknowledged."""

    def __init__(self, app: ps.App, killer: Killer, options: Options) -> None:
        self._app, self._killer, self._options = app, killer, options
        self._file = open_file(options.acknowledged, os.O_APPEND)

    async def call(self, numbers: Iterator[int]) -> None:
        for number in numbers:
            kind = "run" if number % 4 == 3 else "push"
            if self._options.lethal and number == self._options.first + self._options.count // 2:
                await self._kill(number)
            elif self._options.only in {None, kind}:
                await (self._run(number) if kind == "run" else self._push(number))

    async def _run(self, number: int) -> None:
        booking = Booking(number, 1.0, self._options.task)
        run = await self._app.start(book, booking, idempotency_key=f"direct-{number}")
        self._tell(f"run {number} {run.id}")

    async def _push(self, number: int) -> None:
        node = self._options.node * (1 + number % 3) / 3  # not all at once: what is decided meets what still runs
        amount = 0.0 if number % 4 == 2 else 1.0
        await self._app.push(orders, Order(number, amount, node, self._options.task))
        self._tell(f"push {number}")

    async def _kill(self, number: int) -> None:
        if self._options.lethal == "push":
            await self._app.push(orders, Order(number, 1.0, fuse=self._options.fuse))
        else:
            await self._app.start(lethal, Booking(number, 1.0, self._options.fuse))

        self._tell(f"lethal {number}")

    def _tell(self, line: str) -> None:
        os.write(self._file, f"{line}\n".encode())
        self._killer.acknowledged()


async def load(app: ps.App, caller: Caller, numbers: Iterator[int]) -> None:
    async with app, anyio.create_task_group() as callers:
        for _ in range(CALLERS):
            callers.start_soon(caller.call, numbers)


async def finish(app: ps.App) -> int:
    async with app:
        await app.wait_idle()
        return app.statistics().worker.parked


def main(words: Sequence[str]) -> None:
    options = parse(words)
    if options.changed:
        change()

    if options.short:
        shorten(setattr)

    killer = Killer(options)
    app = killer.app = app_for(options.store, killer, interval=options.interval, drain=options.drain)
    if options.mode == "finish":
        print(asyncio.run(finish(app)))  # noqa: T201 - the answer to the test
    else:
        numbers = iter(range(options.first, options.first + options.count))
        asyncio.run(load(app, Caller(app, killer, options), numbers))
