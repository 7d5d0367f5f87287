"""What a reactor fires again at a start, because it was due when the process died; found out when that kills.

Such firings are of plain graphs: they run in the step that decides them, so no cut has seen one in flight. That they
are fired again is committed before; whether the process survived it is then known at the next start. If it did not,
the reactor is *careful*: each firing is committed before its graphs run, and counted as the ones in flight are.
"""

from collections.abc import Iterable

from penstock.accumulators.trials import Alone
from penstock.reactors.deciding import Decider
from penstock.reactors.flight import Slot
from penstock.reactors.ledger import Ledger


class Repeats:
    """The keys of one reactor that are due at the start.

    Attributes:
        before: The oldest boundary of those that were fired again the last time, when the process died of it.
        careful: Whether each firing is committed before it runs.
    """

    __slots__ = ("_decider", "_ledger", "_left", "_marked", "before", "careful")

    def __init__(self, decider: Decider, ledger: Ledger) -> None:
        self._decider, self._ledger = decider, ledger
        #: Each key with the number of its last boundary in the queue; 0 for none.
        self._left: list[tuple[Slot, int]] = []
        self._marked = False
        self.before: int | None = None
        self.careful: bool = False

    def begin(self, alone: Alone, *, crashed: bool) -> bool:
        """Be told how the process before ended; return whether something is to be committed before anything fires."""
        if crashed:
            self._left = list(last_of(self._decider.due.slots))

        self._marked = bool(self._left)
        oldest = oldest_of(slot for slot, _ in self._left) if self._marked else None
        if oldest == self.before:  # a queue that has got on is not what kills
            self.careful = self._marked
            if self.careful:
                self._decider.flights.be_careful(alone)

            return False

        self._ledger.repeat(self._decider.name, oldest)
        return self._marked

    def look(self) -> bool:
        """Look whether all is fired; return whether the reactor was careful, and need not be any more."""
        if not self._marked:
            return False

        while self._left and self._is_fired(*self._left[-1]):
            self._left.pop()

        if self._left:
            return False

        self._marked = False
        self._ledger.repeat(self._decider.name, None)
        careful, self.careful = self.careful, False
        if careful:
            self._decider.flights.be_careful(None)

        return careful

    def _is_fired(self, slot: Slot, number: int) -> bool:
        queue = slot.queue
        waits = queue is not None and bool(queue.items) and queue.items[0].number <= number
        return not waits and slot.flight is None and slot not in self._decider.due.slots


def oldest_of(slots: Iterable[Slot]) -> int:
    """Return the number of the oldest boundary in the queues of keys; 0 when none waits in a queue."""
    return min((slot.queue.items[0].number for slot in slots if slot.queue is not None and slot.queue.items), default=0)


def last_of(slots: Iterable[Slot]) -> Iterable[tuple[Slot, int]]:
    """Yield keys, each with the number of its last boundary in the queue."""
    for slot in slots:
        yield slot, slot.queue.items[-1].number if slot.queue is not None and slot.queue.items else 0
