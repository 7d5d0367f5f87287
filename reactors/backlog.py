"""What a sequential reactor has taken and not looked at: the boundaries of each key, in the order in which they came.

A boundary enters the cache when it is taken from here, not before. In the store a queue is rows of the ``log``: a cut
appends what came since the last one and trims what was taken, in one unit with the positions of the sources and with
what the taken ones led to. So it costs what it grew and shrank by, and a boundary is in one place at any time.

The bound is one for all keys of a reactor. At the bound the policy ``block`` lets nobody into the domain until half of
the queue is worked off; what is on its way already (journalled rows, a batch) still finds room.
"""

from collections import OrderedDict
from collections.abc import Iterable

from penstock.accumulators.gate import Gate
from penstock.accumulators.letter import Letter
from penstock.reactors.flight import Queue, Queued, Slot
from penstock.reactors.ledger import Ledger
from penstock.reactors.reactor import Reactor


class Backlog:
    """The queues of one sequential reactor.

    Attributes:
        size: Boundaries that wait, of all keys.
        dropped: Boundaries that gave way to newer ones.
        refused: Boundaries that became dead letters because there was no room.
    """

    __slots__ = (
        "_blocking",
        "_gate",
        "_ledger",
        "_limit",
        "_name",
        "_number",
        "_order",
        "_policy",
        "dropped",
        "refused",
        "size",
    )

    def __init__(self, definition: Reactor, *, ledger: Ledger, gate: Gate) -> None:
        """Begin with nothing queued.

        Args:
            definition: The reactor.
            ledger: Told which queues differ from the store, and what is dropped.
            gate: Closed while there is no room.
        """
        self._name = definition.name
        self._limit = definition.queue_limit
        self._policy = definition.overflow
        self._ledger, self._gate = ledger, gate
        #: The keys in the order of what waits, where the oldest gives way.
        self._order: OrderedDict[int, Slot] = OrderedDict()
        self._blocking = False
        self._number = 0
        self.size: int = 0
        self.dropped: int = 0
        self.refused: int = 0

    @property
    def full(self) -> bool:
        """Whether as many wait as may."""
        return self.size >= self._limit

    def clear(self) -> None:
        """Forget everything."""
        self._order.clear()
        self.size = self._number = 0
        self._let_in()

    def add(self, slot: Slot, name: str, bit: int, value: object) -> None:
        """Queue a boundary, as far as there is room."""
        if self.size >= self._limit and not self._make_room(name, value):
            return

        self._number = number = self._number + 1
        queue = slot.queue
        if queue is None:
            slot.queue = queue = Queue()

        queue.items.append(Queued(number, name, bit, value))
        self._grow(number, slot)
        if not queue.changed:
            self._ledger.touch_queue(self._name, slot)

    def take(self, slot: Slot) -> Queued:
        """Return the oldest boundary of a key; there is one."""
        queue = slot.queue
        assert queue is not None  # noqa: S101 - for type checkers: whoever asks has looked
        item = queue.items.popleft()
        self._order.pop(item.number, None)
        self._shrink(queue, item.number, slot)
        return item

    def restore(self, slot: Slot, items: Iterable[Queued]) -> None:
        """Put back the queue of a key as the store holds it."""
        slot.queue = queue = Queue()
        for item in items:
            queue.items.append(item)
            queue.written = queue.reached = item.number
            self._number = max(self._number, item.number)
            self._grow(item.number, slot)

    def _grow(self, number: int, slot: Slot) -> None:
        self.size += 1
        if self._policy == "drop_oldest":
            self._order[number] = slot
        elif self._policy == "block" and self.size >= self._limit and not self._blocking:
            self._blocking = True
            self._gate.block(self)

    def _shrink(self, queue: Queue, number: int, slot: Slot) -> None:
        self.size -= 1
        queue.taken = number
        if queue.settled:
            slot.queue = None  # no cut has seen any of it
        elif not queue.changed:
            self._ledger.touch_queue(self._name, slot)

        if self._blocking and self.size <= self._limit // 2:
            self._let_in()

    def _let_in(self) -> None:
        if self._blocking:
            self._blocking = False
            self._gate.unblock(self)

    def _make_room(self, name: str, value: object) -> bool:
        """Do what the policy says when there is no room; tell whether the new boundary is queued."""
        if self._policy == "block":
            return True  # it was let in before the gate closed

        if self._policy == "drop_oldest":
            number, slot = self._order.popitem(last=False)
            if slot.queue is not None:
                slot.queue.items.popleft()
                self._shrink(slot.queue, number, slot)

            self.dropped += 1
            self._ledger.drop(self._name, "overflow")
            return True

        self.refused += 1
        error = f"the queue of reactor {self._name!r} is full ({self._limit} boundaries wait)"
        self._ledger.bury(Letter(part=self._name, reason="overflow", error=error, payload={name: value}))
        return False
