"""Rounds of turns: the direct calls, ours and each peer do the same work one after the other, and are checked."""

import argparse
import statistics
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from _peers import SCRIPTS, Peer, Running, Unavailable, python_of, running

DIRECT, OURS = "direct", "Penstock"
#: Events that go through one by one, at most, and seconds that they may take.
ALONE, ALONE_SECONDS = 20_000, 0.5
ROUNDS = 5
GRAPHS = 1000

Row = dict[str, object]
#: Of each engine, what each round found.
Found = dict[str, list[float]]
#: Tables with their titles.
Parts = dict[str, list[Row]]


class Field:
    """All engines that can be measured, and why the others cannot."""

    def __init__(self, stack: ExitStack, peers: Sequence[Peer], wanted: Collection[str]) -> None:
        self._stack, self._wanted = stack, wanted
        self._expected: dict[tuple[str, int], int] = {}
        self.engines: dict[str, Running] = {}
        self.shapes: dict[str, list[str]] = {}
        self.versions: Row = {}
        self.notes: list[Row] = []
        self._scripts: dict[str, tuple[str | Path, Path]] = {
            DIRECT: (sys.executable, SCRIPTS / "with_calls.py"),
            OURS: (sys.executable, SCRIPTS.parent / "_own.py"),
        }
        for name in list(self._scripts):
            self._enter(name)

        for peer in peers:
            try:
                self._scripts[peer.name] = python_of(peer), SCRIPTS / peer.script
                self._enter(peer.name)
            except Unavailable as reason:
                self.leave(peer.name, reason)

    def _enter(self, name: str) -> None:
        engine = self._stack.enter_context(running(*self._scripts[name]))
        about = engine.ask("about")
        self.engines[name], self.shapes[name] = engine, about["shapes"]
        self.versions |= about["versions"]
        for shape in self._wanted:
            if reason := about["without"].get(shape):
                self.notes.append({"engine": name, "what": shape, "left out because": reason})

    def leave(self, name: str, reason: Unavailable, what: str = "everything") -> None:
        """Note that an engine is out; ours, and the direct calls, must not be.

        Raises:
            Unavailable: It is one of these.
        """
        if name in (DIRECT, OURS):
            raise reason

        self.engines.pop(name, None)
        self.notes.append({"engine": name, "what": f"{what}, and what follows", "left out because": str(reason)})

    def doing(self, shape: str) -> list[str]:
        """Return who has a shape."""
        return [name for name in self.engines if shape in self.shapes[name]]

    def each(self, names: Iterable[str], shape: str, ask: Callable[[Running], dict[str, object]]) -> Row:
        """Ask these, one after the other; who fails is out."""
        answers: Row = {}
        for name in names:
            if name in self.engines:
                try:
                    answers[name] = ask(self.engines[name])
                except Unavailable as reason:
                    self.leave(name, reason, shape)

        return answers

    def check(self, name: str, shape: str, size: int, digests: Sequence[int]) -> None:
        """See that so many events led to what they lead to with direct calls."""
        if (shape, size) not in self._expected:
            self._expected[shape, size] = self.engines[DIRECT].ask("outputs", shape=shape, size=size)["digest"]

        if list(digests) != [self._expected[shape, size]]:
            raise SystemExit(f"{name}, {shape}: what came out of {size} events is not what direct calls give")


def rate(field: Field, shape: str, seconds: float) -> Found:
    """Measure one shape in rounds: microseconds an event."""
    found: Found = {}
    names = field.each(field.doing(shape), shape, lambda engine: engine.ask("open", shape=shape, seconds=seconds))
    for _ in range(ROUNDS):
        for name, answer in field.each(names, shape, lambda engine: engine.ask("turn", seconds=seconds)).items():
            field.check(name, shape, answer["size"], answer["digests"])
            found.setdefault(name, []).append(answer["seconds_per_event"] * 1e6)

    field.each(names, shape, lambda engine: engine.ask("close"))
    return found


def delays(field: Field, shape: str) -> dict[str, Found]:
    """Measure event after event in rounds: microseconds, for each share."""
    found: dict[str, Found] = {}
    names = field.each(field.doing(shape), shape, lambda engine: engine.ask("open", shape=shape, seconds=0.01))
    for _ in range(ROUNDS):
        answers = field.each(names, shape, lambda engine: engine.ask("delays", number=ALONE, seconds=ALONE_SECONDS))
        for name, answer in answers.items():
            field.check(name, shape, answer["count"], [answer["digest"]])
            for share, value in answer["quantiles"].items():
                found.setdefault(share, {}).setdefault(name, []).append(value)

    field.each(names, shape, lambda engine: engine.ask("close"))
    return found


def starts(field: Field, shape: str) -> dict[str, Found]:
    """Measure what graphs cost before they run: milliseconds for all, and kilobytes each."""
    spent: Found = {}
    names = field.doing(shape)
    for _ in range(ROUNDS):
        answers = field.each(names, shape, lambda engine: engine.ask("start", shape=shape, number=GRAPHS))
        for name, answer in answers.items():
            spent.setdefault(name, []).append(answer["seconds"] * GRAPHS * 1e3)

    memory = field.each(names, shape, lambda engine: engine.ask("memory", shape=shape, number=GRAPHS // 10))
    sizes = {name: [answer["bytes"] / 1024] for name, answer in memory.items()}
    return {f"{GRAPHS} graphs start, ms": spent, "memory of each, KB": sizes}


# -- tables --------------------------------------------------------------------------------------------------


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return median, least and greatest."""
    found = {"median": statistics.median(values), "min": min(values), "max": max(values)}
    return {name: round(value, 2 if found["max"] < 100 else None) for name, value in found.items()}


def ratio(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the median of what one takes as a multiple of the other, round by round."""
    return round(statistics.median(a / b for a, b in zip(one, other, strict=False)), 2)


def row(what: str, found: Found, columns: Sequence[str]) -> Row:
    """Return what the engines took, and how far ours is from the direct calls and from the best peer."""
    peers = {name: values for name, values in found.items() if name not in (DIRECT, OURS)}
    best = min(peers, key=lambda name: statistics.median(peers[name]), default=None)
    return {
        "what": what,
        **{name: spread(found[name]) if name in found else "–" for name in columns},
        "Penstock / direct": ratio(found[OURS], found[DIRECT]),
        "best peer / Penstock": "–" if best is None else f"{ratio(peers[best], found[OURS])} ({best})",
    }


def rows(found: Mapping[str, Found], field: Field) -> list[Row]:
    """Return a table: a column for each engine that has been measured at all."""
    columns = [name for name in field.shapes if any(name in each for each in found.values())]
    return [row(what, each, columns) for what, each in found.items()]


def beside(
    options: argparse.Namespace, shapes: Collection[str], *, alone: str | None = None, started: str | None = None
) -> Parts:
    """Measure these shapes; one also event after event, and one as many graphs."""
    with ExitStack() as stack:
        field = Field(stack, options.peers, shapes)
        found = {shape: rate(field, shape, options.turn) for shape in shapes}
        parts = {"Microseconds an event": rows(found, field)}
        if alone is not None:
            parts[f"Microseconds from an event to its end, {alone}"] = rows(delays(field, alone), field)

        if started is not None:
            parts[f"Before they run: {started}"] = rows(starts(field, started), field)

        versions = ", ".join(f"{name} {version}" for name, version in field.versions.items())
        titles = {f"{title}, median [least–greatest], {versions}": table for title, table in parts.items()}
        return titles | ({"Left out": field.notes} if field.notes else {})


def add_rounds(parser: argparse.ArgumentParser) -> None:
    """Let the command line say how long a turn beside the peers is."""
    parser.add_argument("--turn", type=float, default=0.1, help="seconds of a turn beside the peers")
