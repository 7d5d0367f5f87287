"""Writes the entries of a cut into a write unit. Synchronous: no event can come between two of its rows.

A value that cannot be encoded must not break the cut: its key is left out (the store keeps what it had), counted,
told, and becomes a dead letter of this very cut.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Protocol, cast

from penstock.accumulators.letter import Letter
from penstock.accumulators.live import LiveAccumulator
from penstock.reactors import cache
from penstock.reactors.ages import Ages
from penstock.reactors.firing import Key
from penstock.reactors.flight import Flight, Queued, Slot
from penstock.reactors.keeping import Keeper
from penstock.reactors.ledger import Entries
from penstock.reactors.live import LiveReactor
from penstock.runtime.codec import Codec, plain
from penstock.runtime.effects import Recorded
from penstock.runtime.foreign import error_text, value_text
from penstock.runtime.observe import EventDropped, Observer
from penstock.runtime.store import checkpoints
from penstock.runtime.store.rows import FiringRow, LetterRow
from penstock.runtime.store.unit import Unit

DONE: Codec[list[str]] = Codec(list[str], part="graphs that are done")
PAYLOAD: Codec[object] = Codec(object, part="dead letter")


class Carry(Protocol):
    """Makes rows of effects: the workflows' side of a cut."""

    def write(self, unit: Unit, effects: Sequence[Recorded]) -> Callable[[], None]:
        """Put the rows of effects into the unit of a cut.

        Returns:
            What to call after the commit. A cut that failed is written again, with a later one: then the function that
            this call returned is not called.
        """
        ...


class Cutter:
    """Writes the cuts of one domain.

    Attributes:
        left_out: Values that could not be encoded.
    """

    def __init__(
        self,
        domain: str,
        shard: int,
        *,
        reactors: Mapping[str, LiveReactor],
        carry: Carry,
        observer: Observer,
        ages: Ages,
    ) -> None:
        self._domain, self._shard = domain, shard
        self._reactors = reactors
        self._carry = carry
        self._observer = observer
        self._ages = ages
        self._keeper = Keeper(shard, reactors)
        self.left_out: int = 0

    def write(self, unit: Unit, entries: Entries) -> Callable[[], None]:
        """Put everything into the unit; return what to call after the commit."""
        for accumulator in entries.accumulators:
            self._write_accumulator(unit, entries, accumulator)

        for (reactor, key), slot in list(entries.slots.items()):
            self._write_slot(unit, entries, self._reactors[reactor], key, slot)

        for (reactor, key), slot in entries.queues.items():
            self._write_queue(unit, entries, self._reactors[reactor], key, slot)

        for reactor in sorted(entries.broadcasts):
            self._write_broadcasts(unit, entries, self._reactors[reactor])

        for name, oldest in entries.repeats.items():
            self._put(unit, name, cache.REPEAT_KEY, None if oldest is None else str(oldest).encode())

        for flight in entries.flights.values():
            self._write_flight(unit, entries, flight)

        carried = self._write_outbox(unit, entries)
        return partial(settle, entries.queues.values(), carried) if entries.queues else carried

    def _write_outbox(self, unit: Unit, entries: Entries) -> Callable[[], None]:
        """Put in what happens once; what cannot be encoded has become a letter by the time that letters are written."""
        if entries.fired:
            self._keeper.write(unit, entries.fired, partial(self._leave_out, entries))

        for letter in entries.letters:
            checkpoints.add_letter(unit, self._letter(unit, letter))

        for ride in entries.riders:
            ride(unit)

        return self._carry.write(unit, entries.effects) if entries.effects else nothing

    # -- state ---------------------------------------------------------------------------------------------

    def _write_accumulator(self, unit: Unit, entries: Entries, accumulator: LiveAccumulator) -> None:
        self._ages.note(accumulator)
        state, error = accumulator.checkpoint()
        self._put(unit, accumulator.name, cache.ACCUMULATOR_KEY, state)
        where = (unit, self._domain, self._shard, accumulator.name, cache.ACCUMULATOR_KEY)
        rows = accumulator.write_rows(partial(checkpoints.append_log, *where), partial(checkpoints.trim_log, *where))
        for value, problem in rows:
            self._leave_out(entries, accumulator.name, problem, value)

        if accumulator.consumed:
            entries.consumed[accumulator] = accumulator.consumed
            checkpoints.consume_inbox(unit, self._domain, self._shard, accumulator.name, accumulator.consumed)

        if error is not None:
            self._leave_out(entries, accumulator.name, error, accumulator.state)

    def _write_slot(self, unit: Unit, entries: Entries, reactor: LiveReactor, key: Key, slot: Slot | None) -> None:
        text = cache.key_text(key)
        if slot is None:
            self._put(unit, reactor.name, text, None)
            return

        try:
            values = without(slot.values, reactor.windows)
            value = cache.encode(values, reactor.inputs.names_of(slot.dirty), reactor.inputs.accumulators)
        except Exception as error:  # noqa: BLE001 (comparing and encoding run user code)
            del entries.slots[reactor.name, key]
            self._leave_out(entries, reactor.name, error, slot.values)
        else:
            self._put(unit, reactor.name, text, value)

    def _write_queue(self, unit: Unit, entries: Entries, reactor: LiveReactor, key: Key, slot: Slot) -> None:
        """Trim what was taken, and append what came."""
        queue = slot.queue
        if queue is None:  # it came and went between two cuts
            return

        where = (unit, self._domain, self._shard, reactor.name, cache.key_text(key))
        if queue.reached > queue.trimmed and queue.taken > queue.trimmed:
            checkpoints.trim_log(*where, queue.taken)

        for item in queue.items:
            if item.number > queue.written:
                self._append(entries, reactor, partial(checkpoints.append_log, *where), item)

        last = queue.items[-1].number if queue.items else queue.taken
        queue.reached = max(queue.reached, last if queue.items else 0)
        queue.cut = (last, queue.taken)

    def _append(
        self, entries: Entries, reactor: LiveReactor, append: Callable[[int, bytes], None], item: Queued
    ) -> None:
        try:
            row = cache.encode_queued(item.name, item.value, reactor.inputs.accumulators)
        except Exception as error:  # noqa: BLE001 (comparing and encoding run user code)
            self._leave_out(entries, reactor.name, error, {item.name: item.value})
        else:
            append(item.number, row)

    def _write_broadcasts(self, unit: Unit, entries: Entries, reactor: LiveReactor) -> None:
        try:
            value = cache.encode(without(reactor.shared, reactor.windows), [], reactor.inputs.accumulators)
        except Exception as error:  # noqa: BLE001 (comparing and encoding run user code)
            self._leave_out(entries, reactor.name, error, reactor.shared)
        else:
            self._put(unit, reactor.name, cache.BROADCAST_KEY, value)

    def _put(self, unit: Unit, component: str, key: str, value: bytes | None) -> None:
        checkpoints.put_state(unit, self._domain, self._shard, component, key, value)

    # -- firings in flight ---------------------------------------------------------------------------------

    def _write_flight(self, unit: Unit, entries: Entries, flight: Flight) -> None:
        if flight.over:
            if flight.written:
                checkpoints.drop_firing(unit, self._domain, self._shard, flight.firing.id)
        elif self._encode_snapshot(entries, flight):
            flight.written = True
            checkpoints.put_firing(unit, self._domain, self._shard, firing_row(flight))

    def _encode_snapshot(self, entries: Entries, flight: Flight) -> bool:
        """Encode the inputs of a firing once; they do not change."""
        if flight.snapshot is not None or flight.unwritable:
            return flight.snapshot is not None

        firing = flight.firing
        inputs = self._reactors[firing.reactor].inputs.accumulators
        try:
            changed = sorted(firing.changed)
            flight.snapshot = cache.encode(firing.inputs, changed, inputs, manual=firing.manual)
        except Exception as error:  # noqa: BLE001 (comparing and encoding run user code)
            flight.unwritable = True
            self._leave_out(entries, firing.reactor, error, firing.inputs)

        return not flight.unwritable

    # -- what cannot be written ----------------------------------------------------------------------------

    def _leave_out(self, entries: Entries, part: str, error: Exception, value: object) -> None:
        self.left_out += 1
        text = error_text(error)
        payload = dict(cast("Mapping[str, object]", value)) if isinstance(value, Mapping) else value
        entries.letters.append(Letter(part=part, reason="encode", error=text, payload=payload))
        self._observer(EventDropped(part=part, reason="encode", error=text, letter=True))

    def _letter(self, unit: Unit, letter: Letter) -> LetterRow:
        return LetterRow(
            domain=self._domain,
            shard=self._shard,
            part=letter.part,
            reason=letter.reason,
            error=letter.error,
            payload=letter_payload(letter.payload),
            position=letter.position,
            created_at=unit.clock.now(),
        )


def without(values: Mapping[str, object], windows: frozenset[str]) -> Mapping[str, object]:
    """Return the values of a cache that no accumulator stores as rows."""
    return {name: value for name, value in values.items() if name not in windows} if windows else values


def firing_row(flight: Flight) -> FiringRow:
    """Return a firing in flight as the store holds it."""
    firing = flight.firing
    return FiringRow(
        reactor=firing.reactor,
        firing=firing.id,
        key=cache.key_text(firing.key),
        snapshot=flight.snapshot or b"",
        done=DONE.to_json(sorted(flight.done)),
        attempts=flight.attempts,
        crashes=flight.crashes,
        started_at=firing.at,
    )


def letter_payload(payload: object) -> bytes:
    """Return what a dead letter keeps: bytes and text as they came, else JSON text for people to read."""
    if isinstance(payload, bytes | bytearray):
        return bytes(payload)

    if isinstance(payload, str):
        return payload.encode("utf-8", "backslashreplace")

    try:
        return PAYLOAD.to_json(plain(payload)).encode()
    except Exception:  # noqa: BLE001 (a repr, or what makes JSON, is user code; the letter must be written)
        return PAYLOAD.to_json(value_text(payload)).encode()


def settle(slots: Iterable[Slot], carried: Callable[[], None]) -> None:
    """Note that queues are committed, then call what else is to be called."""
    for slot in slots:
        if (queue := slot.queue) is not None:
            queue.written, queue.trimmed = (
                max(pair) for pair in zip(queue.cut, (queue.written, queue.trimmed), strict=True)
            )
            if queue.settled:
                slot.queue = None

    carried()


def nothing() -> None:
    """Do nothing after a commit without effects."""
