"""What the next cut has to write: everything that differs from the store, and what waits for a commit to happen.

Two kinds of entries. *State* (accumulators, keys, firings in flight) is named here and encoded inside the cut, so
however often it changed it is written once. The *outbox* (effects of graphs, dead letters) is what must happen
exactly once; it keeps its order, asks for a cut at once, and is bounded: when it is full, nothing fires until a cut
commits.
"""

from collections.abc import Callable, Sequence
from functools import partial

from penstock.accumulators.letter import Letter
from penstock.accumulators.live import LiveAccumulator
from penstock.reactors.firing import Key
from penstock.reactors.flight import Flight, Slot
from penstock.reactors.history import Fired
from penstock.runtime.effects import Emit, Recorded
from penstock.runtime.observe import EventDropped, Observer
from penstock.runtime.store.letters import drop_letter
from penstock.runtime.store.rider import Rider


class Entries:
    """What one cut writes."""

    __slots__ = (
        *("accumulators", "broadcasts", "consumed", "effects", "fired", "flights"),
        *("letters", "queues", "repeats", "riders", "slots"),
    )

    def __init__(self) -> None:
        self.accumulators: dict[LiveAccumulator, None] = {}
        #: The last row of the inbox that the cut consumes, where it does.
        self.consumed: dict[LiveAccumulator, int] = {}
        #: By reactor and key; None for a key that was forgotten.
        self.slots: dict[tuple[str, Key], Slot | None] = {}
        #: Keys whose queue has grown or shrunk, by reactor and key.
        self.queues: dict[tuple[str, Key], Slot] = {}
        #: Reactors with new broadcast values.
        self.broadcasts: set[str] = set()
        #: By reactor: the oldest boundary of what it fires again that was due when the process died; None when done.
        self.repeats: dict[str, int | None] = {}
        #: By id of the firing.
        self.flights: dict[str, Flight] = {}
        self.effects: list[Recorded] = []
        self.letters: list[Letter] = []
        #: What belongs into the same commit, and is the business of others: a dead letter that was processed after all
        #: is deleted, a command is answered.
        self.riders: list[Rider] = []
        #: Firings that are over, of reactors that remember them in the store.
        self.fired: list[Fired] = []

    def __bool__(self) -> bool:
        state = self.accumulators or self.slots or self.queues or self.broadcasts or self.flights or self.repeats
        return bool(state or self.effects or self.letters or self.fired or self.riders)

    @property
    def waiting(self) -> int:
        """How many entries of the outbox there are."""
        return len(self.effects) + len(self.letters) + len(self.fired)

    def unmark(self) -> None:
        """Let what is written now be noted again when it changes again."""
        for accumulator in self.accumulators:
            accumulator.changed = False

        for slot in self.slots.values():
            if slot is not None:
                slot.changed = False

        for slot in self.queues.values():
            if slot.queue is not None:
                slot.queue.changed = False

    def absorb(self, later: "Entries") -> None:
        """Take what came after these entries, whose commit failed: state is written as it is then, effects in order."""
        self.accumulators.update(later.accumulators)
        self.slots.update(later.slots)
        self.queues.update(later.queues)
        self.broadcasts |= later.broadcasts
        self.repeats.update(later.repeats)
        self.flights.update(later.flights)
        self.effects += later.effects
        self.letters += later.letters
        self.riders += later.riders
        self.fired += later.fired


class Ledger:
    """Takes note of changes and tells the domain when a cut is due.

    Attributes:
        next: What the next cut writes.
        away: Entries of the outbox in the cut that is on its way.
        limit: Entries of the outbox at which firing stops.
    """

    __slots__ = (
        "_armed",
        "_carry_out",
        "_fill",
        "_observer",
        "_rushed",
        "_soon",
        "_start_clock",
        "away",
        "limit",
        "next",
    )

    def __init__(
        self,
        *,
        limit: int,
        observer: Observer,
        start_clock: Callable[[], None],
        soon: Callable[[], None],
        fill: Callable[[], None],
        carry_out: Callable[[Sequence[Recorded | Emit]], Sequence[Recorded]],
    ) -> None:
        """Begin with nothing to write.

        Args:
            limit: Entries of the outbox at which firing stops.
            observer: Told of events that become dead letters.
            start_clock: Called when something begins to differ from the store.
            soon: Called when the outbox gets its first entry.
            fill: Called when the outbox has reached its limit.
            carry_out: Carries out those effects that do not wait for a cut, and returns the others.
        """
        self.limit: int = limit
        self.next: Entries = Entries()
        self.away: int = 0
        self._armed = self._rushed = False
        self._observer = observer
        self._start_clock, self._soon, self._fill, self._carry_out = start_clock, soon, fill, carry_out

    # -- state ---------------------------------------------------------------------------------------------

    def touch(self, accumulator: LiveAccumulator) -> None:
        """Note that an accumulator differs from what the store holds."""
        self.next.accumulators[accumulator] = None
        self._arm()

    def touch_slot(self, reactor: str, slot: Slot) -> None:
        """Note that a key differs from what the store holds."""
        slot.changed = True
        self.next.slots[reactor, slot.key] = slot
        self._arm()

    def forget_slot(self, reactor: str, key: Key) -> None:
        """Note that a key is forgotten."""
        self.next.slots[reactor, key] = None
        self._arm()

    def touch_queue(self, reactor: str, slot: Slot) -> None:
        """Note that the queue of a key differs from what the store holds."""
        if slot.queue is not None:
            slot.queue.changed = True

        self.next.queues[reactor, slot.key] = slot
        self._arm()

    def touch_broadcasts(self, reactor: str) -> None:
        """Note that the broadcast values of a reactor differ from what the store holds."""
        self.next.broadcasts.add(reactor)
        self._arm()

    def repeat(self, reactor: str, oldest: int | None) -> None:
        """Note that a reactor fires again what was due when the process died; None when it is through with it."""
        self.next.repeats[reactor] = oldest
        self._arm()

    def track(self, flight: Flight) -> None:
        """Note that a firing is in flight, has got further, or is over."""
        self.next.flights[flight.firing.id] = flight
        self._arm()

    def untrack(self, flight: Flight) -> None:
        """Note that a firing that is in no cut is over."""
        self.next.flights.pop(flight.firing.id, None)

    # -- outbox --------------------------------------------------------------------------------------------

    def record(self, effects: Sequence[Recorded | Emit]) -> None:
        """Put effects into the outbox, or carry them out, in the step that marks their graph as done."""
        waiting = self._carry_out(effects)
        if waiting:
            self.next.effects.extend(waiting)
            self._rush()

    def bury(self, letter: Letter) -> None:
        """Put a dead letter into the outbox."""
        self.next.letters.append(letter)
        self._rush()
        self._observer(EventDropped(part=letter.part, reason=letter.reason, error=letter.error, letter=True))

    def remember(self, fired: Fired) -> None:
        """Let the store remember a firing that is over; it hurries only when too many wait."""
        self.next.fired.append(fired)
        if self.full:
            self._rush()
        else:
            self._arm()

    def hurry(self) -> None:
        """Ask for a cut at the next turn of the loop: something has changed that is not to be done twice."""
        if not self._rushed:
            self._rushed = True
            self._soon()

    def ride(self, rider: Rider) -> None:
        """Let somebody put rows into the cut that holds what has changed by now."""
        self.next.riders.append(rider)
        self._rush()

    def settle(self, letter: int) -> None:
        """Delete a dead letter, in the cut that holds what came of it."""
        self.ride(partial(drop_letter, letter_id=letter))

    def drop(self, part: str, reason: str) -> None:
        """Tell that an event was dropped on purpose, and is not kept."""
        self._observer(EventDropped(part=part, reason=reason))

    @property
    def waiting(self) -> int:
        """How many entries of the outbox are not committed."""
        return self.away + self.next.waiting

    @property
    def full(self) -> bool:
        """Whether nothing may fire until a cut commits."""
        return self.waiting >= self.limit

    # -- cuts ----------------------------------------------------------------------------------------------

    def take(self) -> Entries:
        """Return what a cut is to write, and begin anew."""
        taken, self.next = self.next, Entries()
        taken.unmark()
        self._armed = self._rushed = False
        return taken

    def send(self, taken: Entries) -> None:
        """Note that a cut is on its way; what could not be written has become letters of it by now."""
        self.away = taken.waiting

    def arrive(self) -> None:
        """Note that the cut on its way is committed."""
        self.away = 0

    def put_back(self, taken: Entries) -> None:
        """Merge a cut that failed into the next one."""
        self.away = 0
        taken.absorb(self.next)
        self.next = taken

    def clear(self) -> None:
        """Forget everything: the domain has another owner, who goes on from the store."""
        self.next = Entries()
        self.away = 0

    def _arm(self) -> None:
        if not self._armed:
            self._armed = True
            self._start_clock()

    def _rush(self) -> None:
        self.hurry()
        if self.waiting >= self.limit:
            self._fill()
