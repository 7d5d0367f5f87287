"""A reactor at work in an app: the step from a boundary to a firing.

A taker is the hot path. It puts the value into the cache of its key, raises the input's flag, and when the criteria
hold and the key is free, fires: graphs of plain functions at once, in-line; those that wait on the reactor's own
tasks. Snapshot and clearing of the flags are one synchronous step, so no boundary can fall between them. A busy key
only raises flags, which are looked at again when its firing lands: the newest value of a key is always fired, older
ones may not be.

A key that should fire and may not (the reactor is paused, the outbox is full, all tasks are busy) is *due*; due keys
fire, oldest first, as soon as they may.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial

from penstock.accumulators.gate import Gate
from penstock.accumulators.letter import Letter
from penstock.accumulators.live import INSIDE, LiveAccumulator, Taker, nothing
from penstock.accumulators.state import StateAccumulator
from penstock.reactors import cache
from penstock.reactors.due import Due
from penstock.reactors.firing import Anchor, Firing, Key, Outcome, Subscriber
from penstock.reactors.flight import INLINE, Flight, Slot
from penstock.reactors.flights import Errors, Flights
from penstock.reactors.history import BURST_MASK, Fired, History
from penstock.reactors.inputs import Inputs, keyer
from penstock.reactors.keys import Keys
from penstock.reactors.lane import Lane
from penstock.reactors.ledger import Ledger
from penstock.reactors.reactor import Reactor
from penstock.reactors.statistics import ReactorStatistics
from penstock.runtime import texts
from penstock.runtime.effects import Emit, Recorded
from penstock.runtime.errors import AppError
from penstock.runtime.foreign import error_text, is_failure, value_text
from penstock.runtime.histogram import Histogram
from penstock.runtime.observe import Observer
from penstock.runtime.scheduler import Scheduler
from penstock.runtime.supervise import Supervisor

#: What is wrong with a key that the store could not keep.
NO_KEY = f"neither a whole number nor {texts.KEY}"


class LiveReactor:
    """One reactor of one app. Lives on the event loop and is called there only."""

    __slots__ = (
        "_batches",
        "_due",
        "_every",
        "_flights",
        "_gate",
        "_history",
        "_keyed",
        "_keys",
        "_ledger",
        "_mask",
        "_monotonic",
        "_names",
        "_only",
        "_only_run",
        "_pausing",
        "_scheduler",
        "_sources",
        "_started",
        "anchor",
        "coalesced",
        "definition",
        "held",
        "inputs",
        "name",
        "paused",
        "sequence",
        "series",
        "shared",
        "windows",
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
        calm: Callable[[], None] = nothing,
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
            calm: Called when a firing no longer runs.
        """
        self.definition: Reactor = definition
        self.name: str = definition.name
        self.inputs: Inputs = Inputs(definition)
        self._mask, self._every, self._names = self.inputs.mask, self.inputs.every, self.inputs.names
        self._ledger, self._gate, self._scheduler, self._pausing = ledger, gate, scheduler, pausing
        self._monotonic = scheduler.clock.monotonic
        self._due = Due(gate, self._may_fire, self._serve, calm)
        self._flights = Flights(
            definition,
            ledger=ledger,
            inside=gate.inside,
            scheduler=scheduler,
            observer=observer,
            call=self._due.call,
            ended=self._ended,
            calm=calm,
        )
        self._keys = Keys(definition.key_ttl, scheduler, self._forget)
        self._history = History(self._monotonic, history, gate.ended)
        self._only_run: Callable[[Firing], Outcome] | None = None
        self._sources: tuple[LiveAccumulator, ...] = ()
        #: Inputs whose windows their accumulators store; a keyed reactor has one window for all keys.
        self.windows: frozenset[str] = frozenset(
            name
            for name, accumulator in definition.accumulators.items()
            if isinstance(accumulator, StateAccumulator) and (definition.key is None or name in definition.broadcasts)
        )
        #: Those of them that are flushed after each firing.
        self._batches: tuple[LiveAccumulator, ...] = ()
        self._keyed = definition.key is not None
        self._only = Slot(None)
        self._started = False
        self.paused: bool = False
        self.held: bool = True
        self.coalesced: int = 0
        #: The broadcast values, which every key sees.
        self.shared: dict[str, object] = {}
        self.begin(0)

    def begin(self, epoch: int) -> None:
        """Forget everything and begin in an epoch of the domain."""
        self.sequence: int = 0
        self.series: str = f"{self.name}:{epoch}-"
        self.anchor: Anchor = Anchor(self._scheduler.clock.now(), self._monotonic())
        self.shared.clear()
        self._due.slots.clear()
        self._flights.begin()
        self._keys.clear()
        self._only.clear()
        if not self._keyed:
            self._keys.slots[None] = self._only

    # -- wiring --------------------------------------------------------------------------------------------

    def subscribe(self, subscriber: Subscriber) -> None:
        """Call a graph with each firing, after those that were there before.

        Raises:
            AppError: A graph of this name is there, or the reactor has started.
        """
        if self._started:
            raise AppError(f"reactor {self.name!r} has started: subscribe {subscriber.name!r} before")

        self._flights.subscribe(subscriber)
        alone = len(self._flights.subscribers) == 1 and not subscriber.is_async
        self._only_run = subscriber.run if alone else None

    @property
    def graphs(self) -> tuple[str, ...]:
        """Names of the subscribers, in the order in which they run."""
        return tuple(subscriber.name for subscriber in self._flights.subscribers)

    def join(self, accumulator: LiveAccumulator) -> None:
        """Take what an accumulator gives."""
        self._sources = (*self._sources, accumulator)

    def taker(self, name: str) -> Taker:
        """Return what takes the values of an input."""
        bit = self.inputs.bits[name]
        if not self._keyed:
            return self._lane(name, bit)

        if name in self.definition.broadcasts:
            return partial(self._offer_broadcast, name, bit & self._mask)

        return partial(self._offer_keyed, keyer(self.definition, self.inputs.accumulators[name]), name, bit)

    def _lane(self, name: str, bit: int) -> Taker:
        """Return what takes the values of an input when there is one key: fast, where that can be."""
        run = self._only_run
        if run is None or self._batches or not self.inputs.call(bit):
            return partial(self.put, self._only, name, bit)

        return Lane(
            self,
            self._only,
            name,
            bit,
            sole=len(self.inputs.bits) == 1,
            run=run,
            monotonic=self._monotonic,
            gate=self._gate,
            ledger=self._ledger,
            history=self._history,
        ).take

    # -- the hot path --------------------------------------------------------------------------------------

    def put(self, slot: Slot, name: str, bit: int, value: object) -> None:
        """Note a value; the key fires when the criteria hold and nothing keeps it from firing."""
        slot.values = values = slot.values.copy()
        values[name] = value
        dirty = slot.dirty
        if dirty & bit:
            self.coalesced += 1

        slot.dirty = dirty = dirty | bit
        if not slot.changed:
            self._ledger.touch_slot(self.name, slot)

        flight = slot.flight
        if flight is not None:
            if flight.yields:
                self._due.call(slot)

            return

        relevant = dirty & self._mask
        if not relevant or (self._every and relevant != self._mask):
            return

        if self.held:
            self._due.slots[slot] = None
        else:
            self._fire(slot)

    def _fire(self, slot: Slot) -> Firing:
        """Snapshot, clear, run: nothing can come between the first two."""
        bits = slot.dirty
        slot.dirty = 0
        if not slot.changed:
            self._ledger.touch_slot(self.name, slot)

        self.sequence = sequence = self.sequence + 1
        monotonic = self._monotonic
        start = monotonic()
        if start >= self._gate.slice_end:
            self._gate.overdue(start)

        values = {**self.shared, **slot.values} if self.shared else slot.values
        firing = Firing(self.series, self.name, slot.key, values, self._names[bits], start, self.anchor, sequence)
        if self._flights.waits:
            self._launch(firing, slot, bits)
        else:
            self._run_inline(firing, slot, bits)

        return firing

    def _launch(self, firing: Firing, slot: Slot, bits: int) -> None:
        """Run graphs some of which wait."""
        self._flights.launch(Flight(firing, slot, bits))
        self._weigh()

    def fail_only(self, firing: Firing, slot: Slot, bits: int, error: BaseException) -> None:
        """Take note that the only graph failed, in the fast lane."""
        self._flights.fail(Flight(firing, slot, bits), {self.graphs[0]: error})

    def _run_inline(self, firing: Firing, slot: Slot, bits: int) -> None:
        """Run the graphs in-line, or none."""
        slot.flight = INLINE
        errors: dict[str, BaseException] = {}
        made: list[Recorded | Emit] = []
        self._gate.inside.firing = self.name
        try:
            self._run_all(firing, made, errors)
        finally:
            self._gate.inside.firing = slot.flight = None

        if made:  # now that the key is free: what comes of them may make it due again
            self._ledger.record(made)

        if errors:
            self._flights.fail(Flight(firing, slot, bits), errors)
            return

        if self._batches:
            self._flush_batches()

        if firing.moment > self._history.measure_from or not self.sequence & BURST_MASK:
            self._history.close(firing)

    def _run_all(self, firing: Firing, made: list[Recorded | Emit], errors: dict[str, BaseException]) -> None:
        for subscriber in self._flights.subscribers:
            try:
                effects = subscriber.run(firing).effects
            except BaseException as error:  # a graph is user code; the others run all the same
                if not is_failure(error):
                    raise

                errors[subscriber.name] = error
            else:
                made.extend(effects)

    def _offer_keyed(self, key_of: Callable[[object], Key], name: str, bit: int, value: object) -> None:
        """Take a value into the cache of its key."""
        keys = self._keys
        try:
            key = key_of(value)
            slot = keys.slots.get(key)
        except BaseException as error:  # the user's key function; one bad value must not stop the next
            if not is_failure(error):
                raise

            self._refuse_key(value, error_text(error))
            return

        if slot is None:
            if not is_key(key):
                self._refuse_key(value, f"the key is {value_text(key)}, {NO_KEY}")
                return

            slot = self.slot(key)

        slot.generation = keys.generation
        self.put(slot, name, bit, value)

    def _offer_broadcast(self, name: str, bit: int, value: object) -> None:
        """Take a value that every key sees; it counts for each of them only when the criteria name its input."""
        self.shared[name] = value
        self._ledger.touch_broadcasts(self.name)
        if bit:
            for slot in self._keys.slots.values():
                slot.dirty |= bit
                if not slot.changed:
                    self._ledger.touch_slot(self.name, slot)

                if self.inputs.call(slot.dirty):
                    self._due.slots[slot] = None

            self._due.drain()

    def _refuse_key(self, value: object, error: str) -> None:
        """Keep aside a value that belongs to no key."""
        part = f"{self.name}.key"
        self._ledger.bury(Letter(part=part, reason="key", error=error, payload=value))

    def take_later(self, take: Taker, value: object) -> None:
        """Take a value as ever, but fire nothing before the next turn of the loop."""
        self._due.collect(partial(self._take_held, take, value))

    def _take_held(self, take: Taker, value: object) -> None:
        self.held = True
        try:
            take(value)
        finally:
            self._weigh()

    def place(self, name: str, value: object) -> None:
        """Put the window of an input into the cache; it fires nothing, and its accumulator stores it."""
        if self._keyed:
            self.shared[name] = value
        else:
            self._only.values = {**self._only.values, name: value}

    # -- keys ----------------------------------------------------------------------------------------------

    def slot(self, key: Key) -> Slot:
        """Return a key's slot; a new one counts the broadcast inputs that have a value as new."""
        slot = self._keys.slots.get(key)
        if slot is None:
            slot = self._keys.add(Slot(key))
            slot.dirty = self.inputs.broadcast & self.inputs.bits_of(self.shared)

        return slot

    def _forget(self, slot: Slot) -> bool:
        """Forget an idle key, unless something waits in it."""
        if slot.flight is not None or slot in self._due.slots:
            return False

        self._ledger.forget_slot(self.name, slot.key)
        return True

    def _serve(self, slot: Slot) -> None:
        """Do what is due for a key."""
        flight = slot.flight
        if flight is None:
            if self.inputs.call(slot.dirty):
                self._fire(slot)
        elif flight.yields and slot.dirty & self._mask:
            self._flights.supersede(flight)
            self._fire(slot)
        elif flight.ripe:
            self._flights.launch(flight)

    def _ended(self, flight: Flight, errors: Errors | None) -> None:
        """Note the end of a firing that was in flight, and look at what came meanwhile."""
        self._history.close(flight.firing, errors)
        if not errors:
            self._flush_batches()

        if self.inputs.call(flight.slot.dirty):
            self._due.slots[flight.slot] = None

        self.release()

    def _flush_batches(self) -> None:
        """Let the inputs that ask for it flush what they gathered, after a successful firing."""
        for accumulator in self._batches:
            accumulator.flush_soon()

    # -- who may fire --------------------------------------------------------------------------------------

    def _may_fire(self) -> bool:
        self._weigh()
        return not self.held

    def _weigh(self) -> None:
        """Decide anew whether something keeps all keys from firing."""
        self.held = not self._started or self.paused or self._gate.full or not self._flights.free

    def hold(self) -> None:
        """Fire nothing until ``release``: the gate has closed."""
        self.held = True

    def release(self) -> None:
        """Fire what is due, if nothing else keeps it."""
        self._weigh()
        if self._due.slots:
            self._due.drain()

    # -- operators -----------------------------------------------------------------------------------------

    def fire(self, key: Key = None) -> str:
        """Fire a key now, whatever the criteria say, and return the id of the firing.

        Args:
            key: The key; None for the only key of a reactor without ``key=``.

        Raises:
            AppError: Refused: a graph calls it, the reactor is paused or has not started, the outbox is full, the key
                is busy, or a key has to be named.
        """
        if (firing := self._gate.inside.firing or INSIDE.get()) is not None:
            raise AppError(f"reactor {self.name!r} does not fire from inside a firing of {firing!r}")

        if (key is None) == self._keyed:
            hint = "tells keys apart: say which one to fire" if self._keyed else "has no keys: leave the key out"
            raise AppError(f"reactor {self.name!r} {hint}")

        if not self._may_fire():
            raise AppError(f"reactor {self.name!r} does not fire now: {self._reason()}")

        if key is not None and not is_key(key):
            raise AppError(f"reactor {self.name!r}: the key is {value_text(key)}, {NO_KEY}")

        slot = self.slot(key)
        if (flight := slot.flight) is not None and not flight.idle:
            raise AppError(f"reactor {self.name!r} is busy with firing {flight.firing.id!r}")

        if flight is not None:
            self._flights.supersede(flight)

        return self._fire(slot).id

    def _reason(self) -> str:
        if self.paused:
            return "it is paused"

        if not self._started:
            return "it has not started"

        return "the outbox is full until the store commits" if self._gate.full else "all its tasks are busy"

    def pause(self) -> None:
        """Fire nothing until ``resume``; firings in flight go on, and values are taken as ever."""
        self.paused = self.held = True
        self._pausing()

    def resume(self) -> None:
        """Fire again, what is due at once."""
        self.paused = False
        self.release()

    def history(self) -> list[Fired]:
        """Return the last firings, the newest first."""
        return self._history.newest_first()

    def statistics(self) -> ReactorStatistics:
        """Return what happened since the app started."""
        latency = self._history.latency
        return ReactorStatistics(
            boundaries=sum(source.boundaries for source in self._sources),
            firings=self.sequence,
            coalesced=self.coalesced,
            failures=self._flights.failures,
            superseded=self._flights.superseded,
            keys=len(self._keys.slots),
            due=len(self._due.slots),
            in_flight=len(self._flights.flying),
            paused=self.paused,
            latency_p50=latency.percentile(50),
            latency_p99=latency.percentile(99),
        )

    # -- life ----------------------------------------------------------------------------------------------

    def restore_slot(self, key: Key, values: Mapping[str, object], new: Iterable[str]) -> None:
        """Put back a key as the store holds it."""
        slot = self.slot(key)
        slot.values = dict(values)
        slot.dirty = self.inputs.bits_of(new)
        if self.inputs.call(slot.dirty):
            self._due.slots[slot] = None

    def restore_flight(self, flight: Flight) -> None:
        """Put back a firing that was in flight; ``rerun`` runs it, before anything else of its key."""
        self._flights.restore(flight)

    @property
    def flying(self) -> list[Flight]:
        """The firings in flight."""
        return list(self._flights.flying.values())

    def count(self, flight: Flight) -> None:
        """Note that a firing is about to be run again."""
        self._flights.count(flight)

    def rerun(self, flight: Flight) -> None:
        """Run a firing again as soon as nothing keeps the reactor from it."""
        self._flights.rerun(flight)

    def start(self, supervisor: Supervisor) -> None:
        """Fire from now on: first what was in flight, then the keys that are due."""
        self._batches = tuple(accumulator for accumulator in self._sources if accumulator.flushes_after_firing)
        for accumulator in self._sources:
            accumulator.feed(self.taker(accumulator.name), self)

        self._flights.start(supervisor)
        self._started = True
        self.release()

    @property
    def latency(self) -> Histogram:
        """Seconds from the decision to the end of those firings that were measured."""
        return self._history.latency

    def state(self) -> dict[Key, dict[str, object]]:
        """Return the newest value of each input, by key; those that every key sees are in each."""
        return {key: {**self.shared, **slot.values} for key, slot in self._keys.slots.items()}

    @property
    def is_idle(self) -> bool:
        """Whether no firing is in flight, and none is due that may be."""
        return not self._flights.flying and (self.paused or not self._due.slots)

    @property
    def running(self) -> bool:
        """Whether graphs run now that the loop has to wait for."""
        return self._flights.running > 0

    def retire(self) -> None:
        """Decide no more firings; those that run go on."""
        self._started = False
        self.held = True

    def stop(self) -> None:
        """Fire no more, and cancel what runs; it is run again after the next start."""
        self.retire()
        self._keys.stop()
        self._flights.stop()


def is_key(key: object) -> bool:
    """Tell whether every store can keep a key."""
    if type(key) is not int:
        return texts.is_key(key)

    try:
        return texts.is_key(cache.key_text(key))
    except ValueError:  # Python writes no number of more than some thousand digits
        return False
