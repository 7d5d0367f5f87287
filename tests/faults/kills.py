"""Kill the victim, look at what it left, let it finish, and compare the store with what was acknowledged."""

import json
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: No kill test may hang: a victim that lives longer than this has failed.
PATIENCE = 60.0


@dataclass
class Acknowledged:
    """What the victim was told is safe."""

    pushes: set[int] = field(default_factory=set)
    runs: dict[int, str] = field(default_factory=dict)


@dataclass
class Wreck:
    """What a kill left in the store: work that was in flight."""

    inbox: int
    firings: int
    unfinished: int


def victim(*arguments: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.faults.victim", *map(str, arguments)]
    # Output goes to a file of the test's own: a full pipe would stall the victim and test nothing.
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def kill_at(point: str, hits: int, store: Path, file: Path, *, first: int, count: int = 400) -> bool:
    """Let the victim kill itself at a commit point; tell whether it got there."""
    process = victim("load", store, file, "--first", first, "--count", count, "--crash", point, "--hits", hits)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode in {0, -signal.SIGKILL}, errors.decode()
    return process.returncode == -signal.SIGKILL


def kill_after(acknowledgements: int, pause: float, store: Path, file: Path, *, first: int, count: int = 4000) -> bool:
    """Kill the victim some seconds after its n-th acknowledgement; tell whether it still ran."""
    before = lines(file)
    process = victim("load", store, file, "--first", first, "--count", count)
    give_up = time.monotonic() + PATIENCE  # noqa: TID251 - the victim is another process, in real time

    while process.poll() is None and lines(file) - before < acknowledgements:
        assert time.monotonic() < give_up, "the victim does not get on"  # noqa: TID251
        time.sleep(0.002)  # noqa: TID251

    time.sleep(pause)  # noqa: TID251
    process.send_signal(signal.SIGKILL)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode in {0, -signal.SIGKILL}, errors.decode()
    return process.returncode == -signal.SIGKILL


def finish(store: Path) -> None:
    process = victim("finish", store)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, errors.decode()


def lines(file: Path) -> int:
    return file.read_bytes().count(b"\n") if file.exists() else 0


def read_acknowledged(file: Path) -> Acknowledged:
    told = Acknowledged()
    for line in file.read_text().splitlines() if file.exists() else ():
        match line.split():
            case ["push", number]:
                told.pushes.add(int(number))
            case ["run", number, run]:
                told.runs[int(number)] = run
            case _:
                pass  # the last line may be torn: it was never given

    return told


def query(store: Path, text: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(store)
    try:
        return connection.execute(text).fetchall()
    finally:
        connection.close()


def inspect(store: Path) -> Wreck:
    def count(text: str) -> int:
        return int(str(query(store, text)[0][0]))

    return Wreck(
        inbox=count("SELECT count(*) FROM inbox"),
        firings=count("SELECT count(*) FROM firings"),
        unfinished=count("SELECT count(*) FROM runs WHERE finished_at IS NULL"),
    )


def check(store: Path, told: Acknowledged) -> int:
    """Compare the finished store with what was acknowledged; return the number of runs.

    Every acknowledged event that books has exactly one completed run, every event that does not has none, and no event,
    acknowledged or not, has two.
    """
    assert query(store, "PRAGMA integrity_check") == [("ok",)]
    assert inspect(store) == Wreck(0, 0, 0)
    rows = query(store, "SELECT status, input, output FROM runs")
    numbers = Counter(json.loads(str(given))["id"] for _, given, _ in rows)
    twice = {number: times for number, times in numbers.items() if times > 1}
    booking = {number for number in told.pushes if number % 4 != 2}
    assert {status for status, _, _ in rows} == {"completed"}
    assert twice == {}
    assert booking - set(numbers) == set()
    assert set(told.runs) - set(numbers) == set()
    assert [number for number in numbers if number % 4 == 2] == []

    for _, given, output in rows:
        total = json.loads(str(given))["total"]
        assert json.loads(str(output)) | {"id": 0} == {
            "id": 0,
            "total": total,
            "entered": total,
            "seen": True,
            "taxed": total * 1.5,
        }

    tasks = query(store, "SELECT run_id, count(*) FROM tasks WHERE status = 'completed' GROUP BY run_id")
    assert {count for _, count in tasks} == {2}
    assert len(tasks) == len(rows)
    return len(rows)


def instants(seed: int, count: int) -> list[tuple[int, float]]:
    """Return random instants: after how many acknowledgements, and how many seconds later."""
    chance = random.Random(seed)
    return [(chance.randrange(1, 300), chance.random() * 0.05) for _ in range(count)]
