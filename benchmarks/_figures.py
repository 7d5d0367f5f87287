"""What a measurement spends, medians over repetitions, and how they are printed."""

import argparse
import gc
import math
import os
import platform
import statistics
import sys
import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import msgspec
import sqlalchemy
from typing_extensions import override

from penstock.runtime.urls import masked

Table = list[dict[str, object]]


class Spent(msgspec.Struct):
    """Seconds of a block, filled when it ends."""

    wall: float = 0.0
    #: CPU time of this process with all its threads; what a server spends is not in it.
    cpu: float = 0.0


@contextmanager
def spending() -> Generator[Spent]:
    """Measure a block; the garbage of the one before is collected first."""
    gc.collect()
    spent = Spent()
    cpu, wall = time.process_time(), time.perf_counter()
    yield spent
    spent.wall, spent.cpu = time.perf_counter() - wall, time.process_time() - cpu


def quantile(values: Sequence[float], share: float) -> float:
    """Return the least value that so large a share of all does not exceed."""
    return sorted(values)[math.ceil(share * len(values)) - 1]


def add_repetitions(parser: argparse.ArgumentParser) -> None:
    """Let the command line say how often all is measured."""
    parser.add_argument("--repetitions", type=int, default=3, help="how often all is measured, at most")
    parser.add_argument("--limit", type=float, default=50.0, help="seconds; no repetition begins that would pass them")


def repetitions(options: argparse.Namespace) -> Iterator[int]:
    """Count the repetitions; on a slow machine there are fewer than wanted, but one in any case."""
    started = time.perf_counter()
    for number in range(options.repetitions):
        if number and (time.perf_counter() - started) * (number + 1) / number > options.limit:
            return

        yield number


class Cell(msgspec.Struct, frozen=True):
    """What one repetition found out about one row of a table."""

    row: Mapping[str, object]
    figures: Mapping[str, float]


class Spread(msgspec.Struct, frozen=True):
    """One figure over all repetitions."""

    median: float
    min: float
    max: float

    @override
    def __str__(self) -> str:
        digits = ",.0f" if self.max >= 100 else ".2f"
        return f"{self.median:{digits}} [{self.min:{digits}}–{self.max:{digits}}]"


def spread(values: Sequence[float]) -> Spread:
    """Return median, least and greatest."""
    return Spread(*(round(value, 3) for value in (statistics.median(values), min(values), max(values))))


def summarise(cells: Iterable[Cell]) -> Table:
    """Return each row with its figures over all repetitions, in the order in which the rows came first."""
    same: dict[tuple[object, ...], list[Cell]] = {}
    for cell in cells:
        same.setdefault(tuple(cell.row.items()), []).append(cell)

    return [
        {**found[0].row, **{name: spread([cell.figures[name] for cell in found]) for name in found[0].figures}}
        for found in same.values()
    ]


def markdown(columns: Mapping[str, str], rows: Table) -> str:
    """Return a table; each column has a heading and the text of its cells, with the names of figures in braces.

    The first two columns are words.
    """
    lines = ["| " + " | ".join(columns) + " |", "|---|---|" + "--:|" * (len(columns) - 2)]
    lines += ["| " + " | ".join(text.format_map(row) for text in columns.values()) + " |" for row in rows]
    return "\n".join(lines)


def environment(options: argparse.Namespace, facts: Mapping[str, object], done: int) -> dict[str, object]:
    """Return what someone must know who compares: command, versions, configuration, repetitions that were done."""
    fewer = f" (not {options.repetitions}: one more would have passed the limit of {options.limit:g} s)"
    return {
        "command": " ".join(["python", *(masked(word) if "://" in word else word for word in sys.argv)]),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "sqlalchemy": sqlalchemy.__version__,
        **facts,
        **{name: value for name, value in vars(options).items() if name == "seconds"},
        "repetitions": done if done == options.repetitions else f"{done}{fewer}",
    }


def report(title: str, known: Mapping[str, object], tables: Mapping[str, tuple[Mapping[str, str], Table]]) -> str:
    """Return everything as Markdown: each table with its title, its columns and its rows."""
    lines = [f"# {title}", "", *(f"* {name}: {value}" for name, value in known.items())]
    for heading, (columns, rows) in tables.items():
        lines += ["", f"## {heading}", "", markdown(columns, rows)]

    return "\n".join(lines)


def as_json(known: Mapping[str, object], tables: Mapping[str, Table]) -> str:
    """Return everything as one JSON object."""
    return msgspec.json.format(msgspec.json.encode({"environment": known, **tables}), indent=2).decode()
