"""A process that commits write units from many callers until it is killed, and notes in a file what is acknowledged.

Each unit writes three rows that name it: an event in the inbox, a run, a dead letter. Half a unit, or one that is there
twice, shows in the counts.
"""

import argparse
import asyncio
import os
import signal
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path

from typing_extensions import override

from penstock.runtime.clock import Activity, SystemClock
from penstock.runtime.scheduler import Scheduler
from penstock.runtime.store import checkpoints, runs
from penstock.runtime.store.rows import LetterRow, RunRow
from penstock.runtime.store.store import Store
from penstock.runtime.store.unit import Unit
from penstock.testing.faults import FaultPoints
from tests.faults.shorter import shorten

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CALLERS = 24


def fill(unit: Unit, store: Store, name: str, epoch: int) -> None:
    letter = LetterRow(domain="d", part="p", reason="decode", error=name, payload=name.encode(), created_at=NOW)
    run = RunRow(
        id=store.new_run_id(),
        workflow="w",
        structure_version="s",
        code_version="c",
        status="running",
        input=f'"{name}"',
        key=name,
        owner=store.node,
        created_at=NOW,
    )
    checkpoints.fence(unit, "d", 0, epoch)
    checkpoints.add_inbox(unit, "d", 0, "a", name.encode())
    checkpoints.add_letter(unit, letter)
    runs.insert_run(unit, run)


class WrongClock(SystemClock):
    """The clock of a machine that is set wrong."""

    def __init__(self, shift: float) -> None:
        super().__init__()
        self._shift = timedelta(seconds=shift)

    @override
    def now(self) -> datetime:
        return super().now() + self._shift


class Halt:
    """A fault hook that stands still when a point is passed for the n-th time, and lets the test know."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._how, self._point, self._left = arguments.halt, arguments.at, arguments.hits
        self._halted = arguments.acknowledged.with_suffix(".halted")
        self._go_on = arguments.acknowledged.with_suffix(".go_on")

    def __call__(self, point: str) -> None:
        self._left -= fnmatchcase(point, self._point)
        if self._left == 0:
            self._left = -1
            self._halted.touch()
            if self._how == "pause":
                os.kill(os.getpid(), signal.SIGSTOP)
            else:
                self._hang()

    def _hang(self) -> None:
        """Block the loop, but no other thread."""
        while not self._go_on.exists():
            time.sleep(0.01)  # noqa: TID251


async def call(store: Store, caller: int, count: int, epoch: int, acknowledged: int) -> None:
    """Commit one unit after the other."""
    for n in range(count):
        name, unit = f"{store.node}-{caller}-{n}", store.unit(f"unit{caller % 3}")
        fill(unit, store, name, epoch)
        await store.commit(unit)
        os.write(acknowledged, f"{name}\n".encode())


async def work(arguments: argparse.Namespace, acknowledged: int) -> None:
    points = FaultPoints()
    if arguments.crash:
        points.crash(arguments.crash, after=arguments.hits)

    halt = Halt(arguments) if arguments.halt else None
    scheduler = Scheduler(WrongClock(arguments.shift), on_error=print)
    store = await Store.open(arguments.url, scheduler=scheduler, activity=Activity(), faults=halt or points)
    domain = await checkpoints.take_over(store, "d", 0, components=["a"])
    os.write(acknowledged, b"open\n")
    calls = (call(store, caller, arguments.count, domain.epoch, acknowledged) for caller in range(CALLERS))
    await asyncio.gather(*calls)
    await store.close()


def main(words: Sequence[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("acknowledged", type=Path)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--crash", default="")
    parser.add_argument("--halt", choices=["pause", "hang"], help="stand still instead, at the point --at")
    parser.add_argument("--at", default="")
    parser.add_argument("--hits", type=int, default=1)
    parser.add_argument("--shift", type=float, default=0.0, help="seconds by which its clock is wrong")
    parser.add_argument("--short", action="store_true", help="shorten the times of the lease")
    arguments = parser.parse_args(words)
    if arguments.short:
        shorten(setattr)

    # a file, unbuffered: a pipe that is full would stall us, and a buffer would lose what was acknowledged
    descriptor = os.open(arguments.acknowledged, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    asyncio.run(work(arguments, descriptor))
