"""One key of a live reactor, and the firing that holds it while some of its graphs run or wait to be tried again."""

from penstock.reactors.firing import Firing, Key
from penstock.runtime.scheduler import Timer

#: Seconds before a failed snapshot is tried again, and before a newer value replaces it …
FIRST_DELAY = 0.5
#: … by how much that grows …
FACTOR = 2.0
#: … and the tries after which the snapshot becomes a dead letter.
MOST_ATTEMPTS = 5
#: Re-runs of a firing that the process may not survive; after the last of them it becomes a dead letter.
MOST_CRASHES = 3


def delay(attempts: int) -> float:
    """Return the seconds before the next try after a number of failed ones."""
    return FIRST_DELAY * FACTOR ** (attempts - 1)


class Slot:
    """One key of a live reactor.

    Attributes:
        key: What tells it apart.
        values: The newest value of each input that has one, by name; broadcast values stand in the reactor. Replaced by
            another mapping when a value comes, never changed: firings hold it as their snapshot.
        dirty: Bits of the inputs that are new since the last firing.
        flight: The firing in flight, or waiting to be tried again; None when idle.
        changed: Whether it differs from what the store holds.
        generation: The sweep in which it was used last.
    """

    __slots__ = ("changed", "dirty", "flight", "generation", "key", "values")

    def __init__(self, key: Key) -> None:
        self.key: Key = key
        self.values: dict[str, object] = {}
        self.dirty: int = 0
        self.flight: Flight | None = None
        self.changed: bool = False
        self.generation: int = 0

    def clear(self) -> None:
        """Forget everything but the key."""
        self.values = {}
        self.dirty, self.flight, self.changed = 0, None, False


class Flight:
    """One firing in flight. Its graphs are marked as done one by one, each in one step with its effects.

    Attributes:
        firing: The snapshot; it stays the same however often it is tried.
        slot: The key it holds.
        bits: The inputs that made it fire; they count as new again when a newer value replaces it.
        done: Names of the graphs that are done.
        attempts: Failed tries.
        crashes: How often it was run again since the process died while it ran, with no try that ended.
        counted: Whether this process has begun such a re-run, and it has not ended.
        written: Whether the store may hold a row of it.
        over: Whether it has ended; the row, if any, is to be deleted.
        idle: Whether none of its graphs runs: it waits to be tried again.
        yields: Whether a newer value may replace it: it is idle, and the shortest delay is over.
        ripe: Whether it is time to try it again.
        timer: Wakes it for the next try.
        snapshot: What the store holds of the inputs, made at the first cut that finds it in flight.
        unwritable: Whether its inputs cannot be stored; it is then not in the store.
    """

    __slots__ = (
        "attempts",
        "bits",
        "counted",
        "crashes",
        "done",
        "firing",
        "idle",
        "over",
        "ripe",
        "slot",
        "snapshot",
        "timer",
        "unwritable",
        "written",
        "yields",
    )

    def __init__(self, firing: Firing, slot: Slot, bits: int) -> None:
        self.firing: Firing = firing
        self.slot: Slot = slot
        self.bits: int = bits
        self.done: set[str] = set()
        self.attempts: int = 0
        self.crashes: int = 0
        self.counted: bool = False
        self.written: bool = False
        self.over: bool = False
        self.idle: bool = False
        self.yields: bool = False
        self.ripe: bool = False
        self.timer: Timer | None = None
        self.snapshot: bytes | None = None
        self.unwritable: bool = False

    def ground(self) -> None:
        """Cancel what would wake it."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

        self.idle = self.yields = self.ripe = False


#: Holds a key while its graphs run in-line.
INLINE = Flight(Firing("", "", None, {}, frozenset()), Slot(None), 0)
