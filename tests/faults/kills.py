"""Kill the victim, look at what it left, let it finish, and compare the store with what was acknowledged."""

import json
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from penstock.runtime.store.rows import run_name
from tests.databases import rows
from tests.faults import victim
from tests.postgres import is_postgres
from tests.victims import Victim

#: No kill test may hang: a victim that lives longer than this has failed.
PATIENCE = 60.0
MOMENTS = ("before begin", "before commit", "after commit")
#: The same for tests that kill at one of them: the first two leave the same behind, so the first is for `make chaos`.
EACH_MOMENT = pytest.mark.parametrize("moment", [pytest.param(MOMENTS[0], marks=pytest.mark.chaos), *MOMENTS[1:]])

Option = str | float | bool


@dataclass
class Acknowledged:
    """What the victim was told is safe."""

    pushes: set[int] = field(default_factory=set[int])
    runs: dict[int, str] = field(default_factory=dict[int, str])
    lethal: set[int] = field(default_factory=set[int])


@dataclass
class Wreck:
    """What a kill left: work that was in flight, and effects that were decided and in the hands of a cut."""

    inbox: int = 0
    firings: int = 0
    unfinished: int = 0
    outbox: int = 0

    @property
    def busy(self) -> bool:
        return bool(self.inbox or self.firings or self.unfinished)


class Scene:
    """One store, and what was acknowledged of it over all victims."""

    def __init__(self, folder: Path, url: str) -> None:
        self.url = url
        self.file = folder / "acknowledged"
        self._victims = 0

    # -- victims -------------------------------------------------------------------------------------------

    def kill_at(self, point: str, **options: Option) -> Wreck:
        """Let a victim under load kill itself at a commit point."""
        return self.load(crash=point, **options)

    def load(self, **options: Option) -> Wreck:
        """Let a victim under load run until something kills it."""
        assert self._end(self._load(**options)) == -signal.SIGKILL, "the victim ended before it was killed"
        return self.inspect()

    def kill_after(self, acknowledgements: int, pause: float, **options: Option) -> Wreck:
        """Kill a victim under load some seconds after its n-th acknowledgement."""
        process = self._load(**options)
        self._wait(process, acknowledgements)
        time.sleep(pause)  # noqa: TID251
        process.send_signal(signal.SIGKILL)
        assert self._end(process) == -signal.SIGKILL, "the victim ended before it was killed"
        return self.inspect()

    def survive(self, events: Sequence[Callable[[], object]], *, every: int, **options: Option) -> None:
        """Let something happen to a victim under load after every n acknowledgements; it must come to its end."""
        process = self._load(**options)
        try:
            for happen in events:
                self._wait(process, every)
                happen()

            assert process.poll() is None, "the victim ended before it could show that it goes on"
        finally:
            status = self._end(process)

        assert status == 0, "the victim died"

    @contextmanager
    def paused_after(self, acknowledgements: int, **options: Option) -> Iterator[Victim]:
        """Pause a victim under load after its n-th acknowledgement; kill what the block leaves of it."""
        process = self._load(**options)
        try:
            self._wait(process, acknowledgements)
            process.send_signal(signal.SIGSTOP)
            yield process
        finally:
            process.kill()

    def finish(self, **options: Option) -> int:
        """Let all that was in flight end; return how many runs were left aside."""
        process = self._start("finish", **options)
        assert self._end(process) == 0, "the victim died again"
        return int(self.answer)

    def die(self, **options: Option) -> Wreck:
        """Start a victim without load; it must die."""
        assert self._end(self._start("finish", **options)) == -signal.SIGKILL, "the victim did not die"
        return self.inspect()

    def lives(self, **options: Option) -> bool:
        """Start a victim without load; tell whether it lived to the end."""
        return self._end(self._start("finish", **options)) == 0

    def _load(self, **options: Option) -> Victim:
        self._victims += 1
        return self._start("load", first=10_000 * self._victims, **options)

    def _wait(self, process: Victim, acknowledgements: int) -> None:
        """Wait for so many acknowledgements more."""
        before, give_up = self._lines(), time.monotonic() + PATIENCE  # noqa: TID251 - the victim lives in real time
        while self._lines() - before < acknowledgements:
            assert process.poll() is None, f"the victim ended: {process.errors}"
            assert time.monotonic() < give_up, "the victim does not get on"  # noqa: TID251
            time.sleep(0.002)  # noqa: TID251

    def _start(self, mode: str, **options: Option) -> Victim:
        flags = [f"--{name}" if value is True else f"--{name}={value}" for name, value in options.items()]
        return Victim(victim.main, [mode, self.url, self.file, *flags], self.file.parent)

    def _end(self, process: Victim) -> int:
        status = process.end(PATIENCE)
        assert status in {0, -signal.SIGKILL}, process.errors
        self.answer = process.output
        return status

    # -- looking -------------------------------------------------------------------------------------------

    def _lines(self) -> int:
        return self.file.read_bytes().count(b"\n") if self.file.exists() else 0

    def acknowledged(self) -> Acknowledged:
        told = Acknowledged()
        for line in self.file.read_text().splitlines() if self.file.exists() else ():
            match line.split():
                case ["push", number]:
                    told.pushes.add(int(number))
                case ["run", number, run]:
                    told.runs[int(number)] = run
                case ["lethal", number]:
                    told.lethal.add(int(number))
                case _:
                    raise AssertionError(line)  # one write each: no kill tears a line

        return told

    def query(self, text: str) -> list[tuple[object, ...]]:
        return rows(self.url, text)

    def count(self, table_and_condition: str) -> int:
        return int(str(self.query(f"SELECT count(*) FROM {table_and_condition}")[0][0]))  # noqa: S608

    def inspect(self) -> Wreck:
        cuts = self.file.with_suffix(".cuts").read_text().split()
        return Wreck(
            inbox=self.count("inbox"),
            firings=self.count("firings"),
            unfinished=self.count("runs WHERE finished_at IS NULL"),
            # the last word is "end" when the last cut was committed
            outbox=int(cuts[-1]) if cuts and cuts[-1] != "end" else 0,
        )

    def check(self, *, letters: int = 0) -> int:
        """Compare the finished store with what was acknowledged; return the number of bookings.

        Every acknowledged event that books has exactly one completed run, every event that does not has none, and no
        event, acknowledged or not, has two.
        """
        told = self.acknowledged()
        wreck = self.inspect()
        if not is_postgres(self.url):
            assert self.query("PRAGMA integrity_check") == [("ok",)]

        assert not wreck.busy, wreck
        assert self.count("dead_letters") == letters

        found = self.query("SELECT id, status, input, output FROM runs WHERE workflow = 'book'")
        runs = {int(str(run)): json.loads(str(given)) for run, _, given, _ in found}
        check_numbers(told, runs)
        assert {status for _, status, _, _ in found} == {"completed"}
        for _, _, given, output in found:
            start = json.loads(str(given))
            effects = {"entered": start["total"], "seen": True, "taxed": start["total"] * 1.5}
            assert json.loads(str(output)) == start | effects

        self._check_tasks(runs)
        return len(found)

    def _check_tasks(self, runs: dict[int, dict[str, float]]) -> None:
        tasks = self.query("SELECT run_id, task, status FROM tasks ORDER BY run_id, task")
        expected = [(run, task, "completed") for run in sorted(runs) for task in ("enter", "tax")]
        assert [row for row in tasks if row[0] in runs] == expected


def check_numbers(told: Acknowledged, runs: dict[int, dict[str, float]]) -> None:
    """Check that what was acknowledged has its run, under the id that was given, and that nothing has two."""
    numbers = Counter(int(given["id"]) for given in runs.values())
    by_name = {run_name(run): int(given["id"]) for run, given in runs.items()}
    assert {number: times for number, times in numbers.items() if times > 1} == {}
    assert {number for number in told.pushes if number % 4 != 2} - set(numbers) == set()
    assert {number: by_name.get(run) for number, run in told.runs.items()} == {number: number for number in told.runs}
    assert [number for number in numbers if number % 4 == 2] == []


def instants(seed: int, count: int) -> list[tuple[int, float]]:
    """Return random instants: after how many acknowledgements, and how many seconds later."""
    chance = random.Random(seed)
    return [(chance.randrange(20, 300), chance.uniform(0.02, 0.07)) for _ in range(count)]
