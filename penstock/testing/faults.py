"""Faults at named points: the store calls the hook at each commit point, a test says what happens there."""

import os
import signal
import threading
from collections.abc import Callable
from fnmatch import fnmatchcase

from penstock.testing.crash import Crash


class Fault:
    """What happens at the points that a pattern matches, and when."""

    def __init__(self, pattern: str, act: Callable[[], None], *, after: int, times: int | None) -> None:
        self.pattern: str = pattern
        #: How often it happened.
        self.happened: int = 0
        self._act, self._after, self._times = act, after, times
        self._passed = 0

    def wants(self, point: str) -> bool:
        """Count a passed point, and tell whether the fault happens there."""
        if not fnmatchcase(point, self.pattern) or self.happened == self._times:
            return False

        self._passed += 1
        self.happened += self._passed >= self._after
        return self._passed >= self._after

    def happen(self) -> None:
        """Raise, or die."""
        self._act()


class FaultPoints:
    """A fault hook for ``App(faults=…)`` and ``Store.open(faults=…)``.

    Points are named ``<label of the write unit>: before begin | before commit | after commit``. Patterns are globs:
    ``"cut: before commit"``, ``"run.*: after commit"``, ``"*"``. A fault that was declared first wins. The hook is
    called on the thread that writes; all of it may be used from any thread.

        faults = FaultPoints()
        faults.fail("cut: before commit", error=sqlite3.OperationalError("disk I/O error"), times=2)
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._seen: list[str] = []

    def fail(self, at: str, *, error: BaseException | None = None, times: int | None = 1, after: int = 1) -> Fault:
        """Raise at a point.

        Args:
            at: Glob pattern of the points.
            error: What is raised; ``Crash`` when not given.
            times: How many times; None for always.
            after: The first time it happens: 1 for the first matching point that is passed.
        """

        def act() -> None:
            raise (error or Crash(f"scripted fault at {at!r}")).with_traceback(None)

        return self._add(Fault(at, act, after=after, times=times))

    def crash(self, at: str, *, after: int = 1) -> Fault:
        """Kill this process, as ``kill -9`` would, the ``after``-th time that a matching point is passed."""
        return self._add(Fault(at, kill_own_process, after=after, times=1))

    @property
    def seen(self) -> list[str]:
        """The points that were passed, in order."""
        with self._lock:
            return list(self._seen)

    def count(self, at: str) -> int:
        """Return how many matching points were passed."""
        return sum(fnmatchcase(point, at) for point in self.seen)

    def clear(self) -> None:
        """Let nothing more happen; what was seen stays."""
        with self._lock:
            self._faults.clear()

    def assert_all_happened(self) -> None:
        """Fail when a declared fault never happened: its point does not exist, or was not passed often enough.

        Raises:
            AssertionError: Names the patterns, and the points that were passed.
        """
        with self._lock:
            never = [fault.pattern for fault in self._faults if not fault.happened]
            passed = ", ".join(map(repr, dict.fromkeys(self._seen))) or "none"

        if never:
            raise AssertionError(f"never happened: {', '.join(map(repr, never))}; points that were passed: {passed}")

    def __call__(self, point: str) -> None:
        """Pass a point: the hook itself."""
        with self._lock:
            self._seen.append(point)
            fault = next((fault for fault in self._faults if fault.wants(point)), None)

        if fault is not None:
            fault.happen()

    def _add(self, fault: Fault) -> Fault:
        with self._lock:
            self._faults.append(fault)

        return fault


def kill_own_process() -> None:
    """Die at once: no cleaning up, no flushing, no exit handlers."""
    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
