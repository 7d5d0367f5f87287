"""One key of a live reactor, and the firing that holds it while some of its graphs run or wait to be tried again."""

import asyncio
from collections import deque
from collections.abc import Mapping

from penstock.reactors.firing import Firing, Key, Subscriber
from penstock.runtime.scheduler import Timer


class Queued:
    """One boundary that waits in the queue of a sequential reactor.

    Attributes:
        number: Its place among all that came to the reactor.
        name: The input.
        bit: The input's bit.
        value: Its value.
    """

    __slots__ = ("bit", "name", "number", "value")

    def __init__(self, number: int, name: str, bit: int, value: object) -> None:
        self.number: int = number
        self.name: str = name
        self.bit: int = bit
        self.value: object = value


class Queue:
    """The boundaries of one key that wait, and what the store holds of them. There is none while nothing waits.

    Attributes:
        items: The oldest first.
        taken: Number of the last that was taken.
        written: Number of the last that is committed.
        reached: Number of the last that a cut has written, committed or not.
        trimmed: Up to which number the store holds none any more.
        cut: What ``written`` and ``trimmed`` will be when the cut on its way is committed.
        changed: Whether it differs from what the store holds.
    """

    __slots__ = ("changed", "cut", "items", "reached", "taken", "trimmed", "written")

    def __init__(self) -> None:
        self.items: deque[Queued] = deque()
        self.taken: int = 0
        self.written: int = 0
        self.reached: int = 0
        self.trimmed: int = 0
        self.cut: tuple[int, int] = (0, 0)
        self.changed: bool = False

    @property
    def settled(self) -> bool:
        """Whether nothing waits, in memory or in the store."""
        return not self.items and self.trimmed >= self.reached


class Slot:
    """One key of a live reactor.

    Attributes:
        key: What tells it apart.
        values: The newest value of each input that has one, by name; broadcast values stand in the reactor.
        lent: Whether somebody holds ``values``, as the snapshot of a firing: the next value goes into a copy.
        dirty: Bits of the inputs that are new since the last firing.
        flight: The firing in flight, or waiting to be tried again; None when idle.
        queue: The boundaries that wait for their turn; None when none do.
        changed: Whether it differs from what the store holds.
        generation: The sweep in which it was used last.
    """

    __slots__ = ("changed", "dirty", "flight", "generation", "key", "lent", "queue", "values")

    def __init__(self, key: Key) -> None:
        self.key: Key = key
        self.values: dict[str, object] = {}
        self.lent: bool = False
        self.dirty: int = 0
        self.flight: Flight | None = None
        self.queue: Queue | None = None
        self.changed: bool = False
        self.generation: int = 0

    @property
    def waits(self) -> bool:
        """Whether boundaries wait for their turn."""
        return self.queue is not None and bool(self.queue.items)

    def hold(self, name: str, value: object) -> None:
        """Take the newest value of an input; what somebody holds does not change."""
        if self.lent or self.flight is INLINE:
            self.values, self.lent = self.values.copy(), False

        self.values[name] = value

    def clear(self) -> None:
        """Forget everything but the key."""
        self.values, self.lent = {}, False
        self.dirty, self.flight, self.queue, self.changed = 0, None, None, False


class Flight:
    """One firing in flight. Its graphs are marked as done one by one, each in one step with its effects.

    Attributes:
        firing: The snapshot; it stays the same however often it is tried.
        slot: The key it holds.
        bits: The inputs that made it fire; they count as new again when a newer value replaces it.
        done: Names of the graphs that are done.
        attempts: Failed tries.
        crashes: How often it was run again since the process died while it ran, with no try that ended.
        errors: Why it failed the last time, by graph.
        tasks: The tasks in which graphs of it run that wait, by graph; of those that have ended as well.
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
        "errors",
        "firing",
        "idle",
        "over",
        "ripe",
        "slot",
        "snapshot",
        "tasks",
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
        self.errors: Mapping[str, BaseException] = {}
        self.tasks: dict[str, tuple[Subscriber, asyncio.Task[object] | None]] = {}
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
