"""A reactor at work in an app: the step from a boundary to a firing.

``offer`` is the hot path. It puts the value into the cache of its key, raises the input's flag, and when the criteria
hold and the key is free, fires: graphs of plain functions at once, in-line; those that wait on the reactor's own
tasks. Snapshot and clearing of the flags are one synchronous step, so no boundary can fall between them. A busy key
only raises flags, which are looked at again when its firing lands: the newest value of a key is always fired, older
ones may not be.

A key that should fire and may not (the reactor is paused, the outbox is full, all tasks are busy) is *due*; due keys
fire, oldest first, as soon as they may.
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from operator import attrgetter, itemgetter
from typing import cast, is_typeddict

import msgspec

from penstock.accumulators.accumulator import AnyAccumulator
from penstock.accumulators.boundary import Boundary
from penstock.accumulators.gate import SLICE_EVENTS, Gate
from penstock.accumulators.live import Letter, Listener
from penstock.reactors.criteria import resolve
from penstock.reactors.firing import Anchor, Firing, Key, Subscriber
from penstock.reactors.flight import Flight, Slot
from penstock.reactors.flights import Flights
from penstock.reactors.ledger import Ledger
from penstock.reactors.reactor import Reactor
from penstock.runtime.errors import AppError
from penstock.runtime.histogram import Histogram
from penstock.runtime.observe import Observer
from penstock.runtime.scheduler import Scheduler, Timer
from penstock.runtime.supervise import Supervisor

#: Holds a key while its graphs run in-line.
INLINE = Flight(Firing("", "", None, {}, frozenset()), Slot(None), 0)
#: Of the firings of a burst one in this many (and one more) is measured: a mask …
UNMEASURED = 15
#: … and a firing belongs to a burst when it follows a measured one within this many seconds.
BURST_GAP = 0.0005
#: Sweeps within ``key_ttl``: an idle key is forgotten at most this part of it too late.
SWEEPS = 4


def nothing() -> None:
    """Be told nothing."""


class Fired(msgspec.Struct, frozen=True):
    """One firing that is over, for whoever looks back."""

    firing: Firing
    #: From the decision to the end of the last graph; None when it was not measured, in a burst.
    seconds: float | None
    #: By graph; None when all were done.
    errors: Mapping[str, Exception] | None


class ReactorStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """What a reactor has done since the app started."""

    #: Boundaries that came in.
    boundaries: int
    #: Firings decided.
    firings: int
    #: Values that were replaced by a newer one before they could fire.
    coalesced: int
    #: Graphs that failed, each try counted.
    failures: int
    #: Firings given up for a newer value after they failed.
    superseded: int
    #: Keys in memory, and those of them that should fire and may not yet.
    keys: int
    due: int
    #: Firings that run or wait to be tried again.
    in_flight: int
    paused: bool
    #: Seconds from the decision to the end of the firing: median, 99th percentile.
    latency_p50: float
    latency_p99: float


class Names(dict[int, frozenset[str]]):
    """Names of inputs by their bits; made for the few combinations that occur."""

    def __init__(self, bits: Mapping[str, int]) -> None:
        super().__init__()
        self._bits = bits

    def __missing__(self, bits: int) -> frozenset[str]:
        self[bits] = names = frozenset(name for name, bit in self._bits.items() if bits & bit)
        return names


class LiveReactor:
    """One reactor of one app. Lives on the event loop and is called there only."""

    __slots__ = (
        "_anchor",
        "_bits",
        "_broadcast_bits",
        "_draining",
        "_due",
        "_every",
        "_flights",
        "_gate",
        "_generation",
        "_held",
        "_history",
        "_inline",
        "_keyed",
        "_ledger",
        "_mask",
        "_measure_from",
        "_monotonic",
        "_names",
        "_only",
        "_pausing",
        "_prefix",
        "_remember",
        "_scheduler",
        "_sequence",
        "_shared",
        "_slots",
        "_started",
        "_sweep",
        "_waits",
        "boundaries",
        "coalesced",
        "definition",
        "firings",
        "inputs",
        "latency",
        "name",
        "paused",
    )

    def __init__(
        self,
        definition: Reactor,
        *,
        ledger: Ledger,
        gate: Gate,
        scheduler: Scheduler,
        observer: Observer,
        history: int = 200,
        pausing: Callable[[], None] = nothing,
    ) -> None:
        """Bring a definition to life.

        Args:
            definition: What to join, and when to fire.
            ledger: Where changes and effects are noted.
            gate: The domain's gate.
            scheduler: Gives the time, and wakes retries.
            observer: Told of failed graphs.
            history: Firings that ``history`` shows.
            pausing: Called when the reactor is paused.
        """
        self.definition = definition
        self.name = definition.name
        self.inputs: Mapping[str, AnyAccumulator] = definition.accumulators
        self._bits = {name: 1 << index for index, name in enumerate(definition.accumulators)}
        rule = resolve(definition.criteria, self._bits, definition.broadcasts)
        self._mask, self._every = rule.mask, rule.every
        self._broadcast_bits = rule.mask & sum(self._bits[name] for name in definition.broadcasts)
        self._ledger, self._gate = ledger, gate
        self._scheduler = scheduler
        self._pausing = pausing
        self._monotonic: Callable[[], float] = scheduler.clock.monotonic
        self._flights = Flights(
            definition, ledger=ledger, scheduler=scheduler, observer=observer, call=self.call_for, ended=self._ended
        )
        self._inline: tuple[Subscriber, ...] = ()
        self._waits = False
        self._names = Names(self._bits)
        self._history: deque[Fired | Firing] = deque(maxlen=history)
        self._remember = self._history.append
        self._measure_from = -math.inf
        self.latency = Histogram()
        self._keyed = definition.key is not None
        self._only = Slot(None)
        self._started = self.paused = self._draining = False
        self._held = True
        self.boundaries = self.firings = self.coalesced = 0
        self.begin(0)

    def begin(self, epoch: int) -> None:
        """Forget everything and begin in an epoch of the domain."""
        self._sequence = 0
        self._prefix = f"{self.name}:{epoch}-"
        self._anchor = Anchor(self._scheduler.clock.now(), self._monotonic())
        self._slots: dict[Key, Slot] = {}
        self._shared: dict[str, object] = {}
        self._due: dict[Slot, None] = {}
        self._generation = 0
        self._sweep: Timer | None = None
        self._flights.begin()
        only = self._only
        only.values, only.dirty, only.flight, only.changed = {}, 0, None, False
        if not self._keyed:
            self._slots[None] = only

    # -- wiring --------------------------------------------------------------------------------------------

    def subscribe(self, subscriber: Subscriber) -> None:
        """Call a graph with each firing, after those that were there before.

        Raises:
            AppError: A graph of this name is there, or the reactor has started.
        """
        if self._started:
            raise AppError(f"reactor {self.name!r} has started: subscribe {subscriber.name!r} before")

        self._flights.subscribe(subscriber)
        self._inline = tuple(each for each in self._flights.subscribers if not each.is_async)
        self._waits = self._flights.waits

    @property
    def graphs(self) -> tuple[str, ...]:
        """Names of the subscribers, in the order in which they run."""
        return tuple(subscriber.name for subscriber in self._flights.subscribers)

    def listener(self, name: str) -> Listener:
        """Return what an input is to call with its boundaries."""
        bit = self._bits[name]
        if not self._keyed:
            return partial(self._put, self._only, bit)

        if name in self.definition.broadcasts:
            return partial(self._offer_broadcast, bit & self._mask)

        return partial(self._offer_keyed, keyer(self.definition, self.inputs[name]), bit)

    def start(self, supervisor: Supervisor) -> None:
        """Fire from now on: first what was in flight, then the keys that are due."""
        self._flights.start(supervisor)
        self._started = True
        self.release()

    # -- the hot path --------------------------------------------------------------------------------------

    def offer(self, boundary: Boundary) -> None:
        """Take a boundary of one of the inputs, and fire when it is time."""
        self.listener(boundary.source)(boundary)

    def _offer_keyed(self, keyer: Callable[[object], Key], bit: int, boundary: Boundary) -> None:
        """Take a boundary into the cache of its key."""
        try:
            key = keyer(boundary.value)
            slot = self._slots.get(key)
        except Exception as error:  # noqa: BLE001 (the user's key function; one bad value must not stop the next)
            self._refuse_key(boundary, repr(error))
            return

        if slot is None:
            if type(key) is not str and type(key) is not int:
                self._refuse_key(boundary, f"the key is {key!r}, neither text nor a whole number")
                return

            slot = self.slot(key)

        slot.generation = self._generation
        self._put(slot, bit, boundary)

    def _put(self, slot: Slot, bit: int, boundary: Boundary) -> None:
        """Note a value; the key fires when the criteria hold and nothing keeps it from firing."""
        self.boundaries += 1
        slot.values[boundary.source] = boundary.value
        dirty = slot.dirty
        if dirty & bit:
            self.coalesced += 1

        slot.dirty = dirty = dirty | bit
        if not slot.changed:
            self._ledger.touch_slot(self.name, slot)

        flight = slot.flight
        if flight is not None:
            if flight.yields:
                self.call_for(slot)

            return

        relevant = dirty & self._mask
        if not relevant or (self._every and relevant != self._mask):
            return

        if self._held:
            self._due[slot] = None
        else:
            self._fire(slot)

    def _fire(self, slot: Slot) -> Firing:
        """Snapshot, clear, run: nothing can come between the first two."""
        bits, slot.dirty = slot.dirty, 0
        if not slot.changed:
            self._ledger.touch_slot(self.name, slot)

        self._sequence = sequence = self._sequence + 1
        start = self._monotonic()
        if start >= self._gate.slice_end:
            self._gate.end_slice()

        values = {**self._shared, **slot.values} if self._shared else slot.values.copy()
        firing = Firing(
            f"{self._prefix}{sequence}", self.name, slot.key, values, self._names[bits], start, self._anchor
        )
        if self._waits:
            self._flights.launch(Flight(firing, slot, bits))
            self._weigh()
        else:
            self._run(firing, slot, bits)

        return firing

    def _run(self, firing: Firing, slot: Slot, bits: int) -> None:
        """Run the graphs of a firing in-line."""
        slot.flight = INLINE
        errors: dict[str, Exception] | None = None
        for subscriber in self._inline:
            try:
                effects = subscriber.run(firing).effects
            except Exception as error:  # noqa: BLE001 (a graph is user code; the others run all the same)
                errors = {subscriber.name: error} if errors is None else {**errors, subscriber.name: error}
            else:
                if effects:
                    self._ledger.record(effects)

        slot.flight = None
        if errors is not None:
            self._flights.fail(Flight(firing, slot, bits), errors)
            return

        self.firings += 1
        start = firing.moment
        if start > self._measure_from or not self.firings & UNMEASURED:
            self._measure(firing)
        else:
            self._remember(firing)

        if slot.dirty:
            self._evaluate(slot)  # a graph has offered something to its own reactor

    def _measure(self, firing: Firing) -> None:
        """Note how long a firing took. In a burst only some are measured: it costs as much as a small graph."""
        end = self._monotonic()
        self._measure_from = end + BURST_GAP
        self.latency.record(end - firing.moment)
        self._remember(Fired(firing, end - firing.moment, None))

    def _offer_broadcast(self, bit: int, boundary: Boundary) -> None:
        """Take a boundary that every key sees; it counts for each of them only when the criteria name its input."""
        self.boundaries += 1
        self._shared[boundary.source] = boundary.value
        self._ledger.touch_broadcasts(self.name)
        if bit:
            for slot in self._slots.values():
                slot.dirty |= bit
                if not slot.changed:
                    self._ledger.touch_slot(self.name, slot)

                self._evaluate(slot)

    def _refuse_key(self, boundary: Boundary, error: str) -> None:
        """Keep aside a value that belongs to no key."""
        part = f"{self.name}.key"
        self._ledger.bury(Letter(part=part, reason="key", error=error, payload=boundary.value))

    # -- due keys ------------------------------------------------------------------------------------------

    def call_for(self, slot: Slot) -> None:
        """Serve a key as soon as that may be: its firing is over or ripe, or a value came that replaces it."""
        self._due[slot] = None
        self.drain()

    def _evaluate(self, slot: Slot) -> None:
        """Fire a key as soon as that may be, if the criteria hold."""
        if self._calls(slot.dirty):
            self.call_for(slot)

    def _calls(self, dirty: int) -> bool:
        relevant = dirty & self._mask
        return relevant == self._mask if self._every else relevant != 0

    def drain(self) -> None:
        """Serve the keys that are due, oldest first; the rest of many when the loop had its turn."""
        if self._draining:
            return

        self._draining = True
        try:
            for _ in range(SLICE_EVENTS):
                if not self._due or not self._may_fire():
                    return

                slot = next(iter(self._due))
                del self._due[slot]
                self._serve(slot)
                if self._gate.shut:
                    break
        finally:
            self._draining = False

        if self._due:
            asyncio.get_running_loop().call_soon(self._go_on)

    def _go_on(self) -> None:
        self._gate.begin_slice()
        self.drain()

    def _serve(self, slot: Slot) -> None:
        flight = slot.flight
        if flight is None:
            if self._calls(slot.dirty):
                self._fire(slot)
        elif flight.yields and slot.dirty & self._mask:
            self._flights.supersede(flight)
            self._fire(slot)
        elif flight.ripe:
            self._flights.launch(flight)

        self._weigh()

    def _may_fire(self) -> bool:
        self._weigh()
        return not self._held

    def _weigh(self) -> None:
        """Decide anew whether something keeps all keys from firing."""
        self._held = not self._started or self.paused or self._gate.full or not self._flights.free

    def hold(self) -> None:
        """Fire nothing until ``release``: the gate has closed."""
        self._held = True

    def release(self) -> None:
        """Fire what is due, if nothing else keeps it."""
        self._weigh()
        self.drain()

    def _ended(self, flight: Flight, errors: Mapping[str, Exception] | None) -> None:
        """Note the end of a firing that was in flight, and look at what came meanwhile."""
        end = self._monotonic()
        seconds = end - flight.firing.moment
        self.latency.record(seconds)
        self.firings += 1
        self._remember(Fired(flight.firing, seconds, errors))
        self._weigh()
        if self._calls(flight.slot.dirty):
            self._due[flight.slot] = None

        if self._due:
            self.drain()

    # -- keys ----------------------------------------------------------------------------------------------

    def slot(self, key: Key) -> Slot:
        """Return a key's slot; a new one counts the broadcast inputs that have a value as new."""
        slot = self._slots.get(key)
        if slot is None:
            self._slots[key] = slot = Slot(key)
            slot.generation = self._generation
            if self._broadcast_bits and key is not None:
                slot.dirty = self._broadcast_bits & sum(self._bits[name] for name in self._shared)

            self._arm_sweep()

        return slot

    def _arm_sweep(self) -> None:
        if self.definition.key_ttl is not None and self._sweep is None:
            self._sweep = self._scheduler.after(self.definition.key_ttl / SWEEPS, self._forget_idle)

    def _forget_idle(self) -> None:
        """Forget the keys that nothing was offered to for ``key_ttl``, and in which nothing waits."""
        self._sweep = None
        self._generation += 1
        oldest = self._generation - SWEEPS
        idle = [slot for slot in self._slots.values() if slot.generation < oldest and not self._waits_for(slot)]
        for slot in idle:
            del self._slots[slot.key]
            self._ledger.forget_slot(self.name, slot.key)

        if self._slots:
            self._arm_sweep()

    def _waits_for(self, slot: Slot) -> bool:
        return slot.flight is not None or slot in self._due

    # -- operators -----------------------------------------------------------------------------------------

    def fire(self, key: Key = None) -> str:
        """Fire a key now, whatever the criteria say, and return the id of the firing.

        Args:
            key: The key; None for the only key of a reactor without ``key=``.

        Raises:
            AppError: Refused: the reactor is paused or has not started, the outbox is full, the key is busy, or a key
                has to be named.
        """
        if key is None and self._keyed:
            raise AppError(f"reactor {self.name!r} tells keys apart: say which one to fire")

        if not self._may_fire():
            raise AppError(f"reactor {self.name!r} does not fire now: {self._reason()}")

        slot = self.slot(key)
        if (flight := slot.flight) is not None and not flight.idle:
            raise AppError(f"reactor {self.name!r} is busy with firing {flight.firing.id!r}")

        if flight is not None:
            self._flights.supersede(flight)

        firing = self._fire(slot)
        self._weigh()
        return firing.id

    def _reason(self) -> str:
        if self.paused:
            return "it is paused"

        if not self._started:
            return "it has not started"

        return "the outbox is full until the store commits" if self._gate.full else "all its tasks are busy"

    def pause(self) -> None:
        """Fire nothing until ``resume``; firings in flight go on, and values are taken as ever."""
        self.paused = self._held = True
        self._pausing()

    def resume(self) -> None:
        """Fire again, what is due at once."""
        self.paused = False
        self.release()

    def history(self) -> list[Fired]:
        """Return the last firings, the newest first."""
        return [fired if isinstance(fired, Fired) else Fired(fired, None, None) for fired in reversed(self._history)]

    def statistics(self) -> ReactorStatistics:
        """Return what happened since the app started."""
        return ReactorStatistics(
            boundaries=self.boundaries,
            firings=self.firings,
            coalesced=self.coalesced,
            failures=self._flights.failures,
            superseded=self._flights.superseded,
            keys=len(self._slots),
            due=len(self._due),
            in_flight=len(self._flights.flying),
            paused=self.paused,
            latency_p50=self.latency.percentile(50),
            latency_p99=self.latency.percentile(99),
        )

    # -- recovery ------------------------------------------------------------------------------------------

    @property
    def shared(self) -> Mapping[str, object]:
        """The broadcast values."""
        return self._shared

    def names_of(self, bits: int) -> list[str]:
        """Return the names of inputs by their bits, in declared order."""
        return [name for name, bit in self._bits.items() if bits & bit]

    def bits_of(self, names: Iterable[str]) -> int:
        """Return the bits of inputs by their names."""
        return sum(self._bits[name] for name in set(names))

    def restore_slot(self, key: Key, values: Mapping[str, object], new: Iterable[str]) -> None:
        """Put back a key as the store holds it."""
        slot = self.slot(key)
        slot.values.update(values)
        slot.dirty = self.bits_of(new)
        if self._calls(slot.dirty):
            self._due[slot] = None

    def restore_broadcasts(self, values: Mapping[str, object]) -> None:
        """Put back the broadcast values."""
        self._shared.update(values)

    def restore_flight(self, flight: Flight) -> None:
        """Put back a firing that was in flight; it runs before anything else of its key."""
        self._flights.restore(flight)

    def retire(self) -> None:
        """Decide no more firings; those that run go on."""
        self._started = False
        self._held = True

    def stop(self) -> None:
        """Fire no more, and cancel what runs; it is run again after the next start."""
        self.retire()
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None

        self._flights.stop()

    def state(self) -> dict[Key, dict[str, object]]:
        """Return the newest value of each input, by key; those that every key sees are in each."""
        return {key: {**self._shared, **slot.values} for key, slot in self._slots.items()}

    @property
    def is_idle(self) -> bool:
        """Whether no firing is in flight, and none is due that may be."""
        return not self._flights.flying and (self.paused or not self._due)

    @property
    def running(self) -> bool:
        """Whether graphs run now that the loop has to wait for."""
        return self._flights.running > 0


def keyer(reactor: Reactor, accumulator: AnyAccumulator) -> Callable[[object], Key]:
    """Return the function that gives the key of a value of an input."""
    if not isinstance(reactor.key, str):
        return cast("Callable[[object], Key]", reactor.key)

    get = itemgetter(reactor.key) if is_typeddict(accumulator.output_type) else attrgetter(reactor.key)
    return cast("Callable[[object], Key]", get)
