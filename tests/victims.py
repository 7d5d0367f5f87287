"""Processes that tests kill, pause and start again, many times: a start of one takes milliseconds.

Each is forked from a process that has imported everything and does nothing else, one for each worker of the tests.
"""

import itertools
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FORK = multiprocessing.get_context("forkserver")
FORK.set_forkserver_preload(
    [
        "tests.faults.victim",
        "tests.faults.store_victim",
        "tests.kafka.victim",
        "penstock.accumulators.kafka",
        "penstock.runtime.store.postgres",
        "penstock.runtime.store.sqlite",
    ]
)
Main = Callable[[Sequence[str]], None]
#: Seconds that a victim lives at most, should nobody be left who ends it: longer than any test waits for its end.
LIFETIME = 660
numbers = itertools.count(1)


class Victim:
    """A process of a test, which runs a function with words as from a command line.

    Attributes:
        pid: Its number.
    """

    def __init__(self, main: Main, words: Sequence[object], folder: Path) -> None:
        """Start it; what it writes goes into files in the folder."""
        number = next(numbers)
        self._files = [folder / f"victim-{number}.{stream}" for stream in ("output", "errors")]
        self._process = FORK.Process(target=run, args=(main, [str(word) for word in words], self._files))
        self._process.start()
        assert self._process.pid is not None
        self.pid: int = self._process.pid

    def poll(self) -> int | None:
        """Return how it ended, a status, or a signal with a minus; None while it runs."""
        return self._process.exitcode

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal; nothing when it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it, unless it has ended."""
        self.send_signal(signal.SIGKILL)
        self._process.join()

    def end(self, patience: float) -> int:
        """Wait for its end, and return how it ended; one that lives longer is killed, and has failed."""
        self._process.join(patience)
        status = self.poll()
        self.kill()
        assert status is not None, f"the victim does not end: {self.errors}"
        return status

    @property
    def output(self) -> str:
        """What it has written to its output."""
        return self._files[0].read_text()

    @property
    def errors(self) -> str:
        """What it has written to its error output."""
        return self._files[1].read_text()


def run(main: Main, words: Sequence[str], files: Sequence[Path]) -> None:
    """Be a command: with these words, in the folder of the project, with its output in these files."""
    signal.alarm(LIFETIME)
    os.chdir(ROOT)
    for number, file in enumerate(files, start=1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)

    sys.argv = [main.__module__, *words]
    main(words)
