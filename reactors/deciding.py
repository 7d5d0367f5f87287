"""From a value to a firing: the decisions of one live reactor.

``put`` takes a value into the cache of its key and raises the input's flag; when the criteria hold and the key is free,
it fires: graphs of plain functions at once, in-line; those that wait on the reactor's own tasks. Snapshot and clearing
of the flags are one synchronous step, so no boundary can fall between them. A busy key only raises flags, which are
looked at again when its firing lands: the newest value of a key is always fired, older ones may not be.

``put_in_order`` is the same for a sequential reactor, except that a value which cannot be looked at now waits in the
queue of its key, outside the cache, until those before it have had their firing.

A key that should fire and may not (the reactor is paused, the outbox is full, all tasks are busy) is *due*; due keys
are served in turn, one firing each, as soon as that may be.
"""

from collections.abc import Callable, Mapping
from functools import partial

from penstock.accumulators.gate import Gate
from penstock.accumulators.live import LiveAccumulator
from penstock.accumulators.ports import Taker, nothing
from penstock.reactors.backlog import Backlog
from penstock.reactors.due import Due
from penstock.reactors.failing import Errors
from penstock.reactors.firing import Anchor, Firing, Key, Subscriber
from penstock.reactors.flight import INLINE, Flight, Slot
from penstock.reactors.flights import Flights
from penstock.reactors.history import History
from penstock.reactors.inputs import Inputs
from penstock.reactors.judging import Judge
from penstock.reactors.keys import Keys
from penstock.reactors.lane import Lane
from penstock.reactors.ledger import Ledger
from penstock.reactors.reactor import Reactor
from penstock.runtime.effects import Emit, Recorded
from penstock.runtime.foreign import is_failure
from penstock.runtime.observe import Observer
from penstock.runtime.scheduler import Scheduler


class Decider:
    """Takes the values of one reactor and decides its firings.

    Attributes:
        name: The reactor's name.
        inputs: What it joins.
        flights: Its firings in flight.
        history: Those that are over.
        due: The keys that should fire and may not yet.
        keys: All its keys.
        only: The one key of a reactor without ``key=``.
        backlog: What waits in the order in which it came; None for a reactor that coalesces.
        shared: The broadcast values, which every key sees.
        batches: The inputs that are flushed after each firing.
        sequence: Number of the last firing in this epoch.
        series: The ids of its firings, but for their number.
        anchor: One instant on both scales of time.
        started: Whether it may fire at all.
        paused: Whether an operator keeps it from firing.
        warming: Whether it waits for its sources.
        warm: Called when a value comes while it does.
        barred: Whether something keeps all keys from firing.
        held: The same, or a value waits that must not be overtaken: what comes has to be put, not fired by a lane.
        coalesced: Values that were replaced by a newer one before they could fire.
        judge: Asks the predicate; None when there is none.
    """

    __slots__ = (
        "_every",
        "_gate",
        "_ledger",
        "_mask",
        "_monotonic",
        "_names",
        "_scheduler",
        "anchor",
        "backlog",
        "barred",
        "batches",
        "coalesced",
        "due",
        "flights",
        "held",
        "history",
        "inputs",
        "judge",
        "keyed",
        "keys",
        "lane",
        "name",
        "only",
        "paused",
        "sequence",
        "series",
        "shared",
        "shoot",
        "started",
        "warm",
        "warming",
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
        calm: Callable[[], None] = nothing,
    ) -> None:
        """Begin without values.

        Args:
            definition: What to join, and when to fire.
            ledger: Where changes and effects are noted.
            gate: The domain's gate.
            scheduler: Gives the time, and wakes retries.
            observer: Told of failed graphs.
            history: Firings that are remembered.
            calm: Called when a firing no longer runs.
        """
        self.name: str = definition.name
        self.inputs: Inputs = Inputs(definition)
        self._mask, self._every, self._names = self.inputs.mask, self.inputs.every, self.inputs.names
        self._ledger, self._gate, self._scheduler = ledger, gate, scheduler
        self._monotonic = scheduler.clock.monotonic
        self.due: Due = Due(gate, self.may_fire, self.serve, calm)
        self.flights: Flights = Flights(
            definition,
            ledger=ledger,
            inside=gate.inside,
            scheduler=scheduler,
            observer=observer,
            call=self.due.call,
            ended=self._ended,
            calm=calm,
        )
        self.keys: Keys = Keys(definition.key_ttl, scheduler, self._forget)
        keep = ledger.remember if definition.history == "store" else None
        self.history: History = History(self._monotonic, definition.history_limit or history, gate, keep)
        sequential = definition.strategy == "sequential"
        self.backlog: Backlog | None = Backlog(definition, ledger=ledger, gate=gate) if sequential else None
        self.batches: tuple[LiveAccumulator, ...] = ()
        self.keyed: bool = definition.key is not None
        self.only: Slot = Slot(None)
        self.shared: dict[str, object] = {}
        self.started: bool = False
        self.paused: bool = False
        self.warming: bool = False
        self.warm: Callable[[], None] = nothing
        self.barred: bool = True
        self.held: bool = True
        self.coalesced: int = 0
        #: Fires a key: the lane, or what does the same in more steps.
        self.lane: Lane | None = None
        self.shoot: Callable[[Slot, int], None] = self._shoot
        self.judge: Judge | None = None
        if (predicate := definition.criteria.predicate) is not None:
            self.judge = Judge(predicate, self.name, mask=self._mask, shared=self.shared, ledger=ledger)

        self.begin(0)

    def begin(self, epoch: int) -> None:
        """Forget everything and begin in an epoch of the domain."""
        self.sequence: int = 0
        self.series: str = f"{self.name}:{epoch}-"
        self.anchor: Anchor = Anchor(self._scheduler.clock.now(), self._monotonic())
        self.shared.clear()
        self.due.slots.clear()
        self.flights.begin()
        self.keys.clear()
        self.only.clear()
        if not self.keyed:
            self.keys.slots[None] = self.only

        if self.backlog is not None:
            self.backlog.clear()

    # -- values --------------------------------------------------------------------------------------------

    def put(self, slot: Slot, name: str, bit: int, value: object) -> None:
        """Note a value; the key fires when the criteria hold and nothing keeps it from firing."""
        slot.hold(name, value)
        dirty = slot.dirty
        if dirty & bit:
            self.coalesced += 1

        slot.dirty = dirty = dirty | bit
        if not slot.changed:
            self._ledger.touch_slot(self.name, slot)

        flight = slot.flight
        if flight is not None:
            if flight.yields:
                self.due.call(slot)

            return

        relevant = dirty & self._mask
        if not relevant or (self._every and relevant != self._mask):
            return

        if self.barred:
            self._put_off(slot)
        elif self.judge is None or self.judge.agrees(slot):
            self.shoot(slot, dirty)

    def _put_off(self, slot: Slot) -> None:
        """Fire a key when nothing keeps the reactor from it any more."""
        self.due.slots[slot] = None
        if self.warming:
            self.warm()

    def put_in_order(self, slot: Slot, name: str, bit: int, value: object) -> None:
        """Look at a value if it is its turn; else it waits behind those that came before."""
        if self.warming:
            self.warm()

        if not slot.waits and slot.flight is None and not self.barred:
            self._look_at(slot, name, bit, value)
            return

        assert self.backlog is not None  # noqa: S101 - for type checkers: this is the way of sequential reactors
        self.backlog.add(slot, name, bit, value)
        if not self.keyed:
            self.held = True

        if self.barred:
            self.due.slots[slot] = None
        elif slot.flight is None:
            self.due.call(slot)

    def _look_at(self, slot: Slot, name: str, bit: int, value: object) -> None:
        """Take a value into the cache, and fire if the criteria hold now."""
        slot.hold(name, value)
        slot.dirty |= bit
        if not slot.changed:
            self._ledger.touch_slot(self.name, slot)

        if self.holds(slot):
            self.shoot(slot, slot.dirty)

    def take_later(self, take: Taker, value: object) -> None:
        """Take a value as ever, but fire nothing before the next turn of the loop."""
        self.due.collect(partial(self._take_held, take, value))

    def _take_held(self, take: Taker, value: object) -> None:
        self.hold()
        try:
            take(value)
        finally:
            self.weigh()

    def place(self, name: str, value: object) -> None:
        """Put the window of an input into the cache; it fires nothing, and its accumulator stores it."""
        if self.keyed:
            self.shared[name] = value
        else:
            self.only.hold(name, value)

    def holds(self, slot: Slot) -> bool:
        """Tell whether the criteria hold for a key."""
        return self.inputs.call(slot.dirty) and (self.judge is None or self.judge.agrees(slot))

    # -- firings -------------------------------------------------------------------------------------------

    def lay(self) -> None:
        """Decide in which way the graphs that there are now are to be run."""
        subscribers = self.flights.subscribers
        plain = len(subscribers) == 1 and not self.flights.waits and not self.batches
        self.lane = self._lane(subscribers[0]) if plain else None
        self.shoot = self._shoot if self.lane is None else self.lane.fire

    def _lane(self, graph: Subscriber) -> Lane:
        return Lane(
            self,
            graph,
            names=self._names,
            monotonic=self._monotonic,
            inside=self._gate.inside,
            ledger=self._ledger,
            history=self.history,
        )

    def _shoot(self, slot: Slot, _bits: int) -> None:
        self.fire(slot)

    def fire(self, slot: Slot, *, manual: bool = False) -> Firing:
        """Snapshot, clear, run: nothing can come between the first two."""
        bits = slot.dirty
        slot.dirty = 0
        if not slot.changed:
            self._ledger.touch_slot(self.name, slot)

        self.sequence = sequence = self.sequence + 1
        start = self._monotonic()
        noted = (start > self.history.look_from and self.history.look(start)) or manual
        slot.lent = True
        values = {**self.shared, **slot.values} if self.shared else slot.values
        names = self._names[bits]
        firing = Firing(self.series, self.name, slot.key, values, names, start, self.anchor, sequence, manual)
        if self.flights.waits:
            self.flights.launch(Flight(firing, slot, bits))
            self.weigh()
        else:
            self._run_inline(firing, slot, bits, noted=noted)

        return firing

    def refire(self, slot: Slot, values: Mapping[str, object], graph: str) -> Firing:
        """Run one graph again for values of its own; a firing as any other, with the other graphs done."""
        self.sequence = sequence = self.sequence + 1
        names = frozenset(values)
        start = self._monotonic()
        firing = Firing(self.series, self.name, slot.key, values, names, start, self.anchor, sequence, manual=True)
        flight = Flight(firing, slot, 0)
        flight.done.update(each.name for each in self.flights.subscribers if each.name != graph)
        self.flights.launch(flight)
        self.weigh()
        return firing

    def fail_only(self, firing: Firing, slot: Slot, bits: int, error: BaseException) -> None:
        """Take note that the only graph failed, in the fast lane."""
        self.flights.fail(Flight(firing, slot, bits), {self.flights.subscribers[0].name: error})

    def _run_inline(self, firing: Firing, slot: Slot, bits: int, *, noted: bool) -> None:
        """Run the graphs in-line, or none."""
        slot.flight, queue = INLINE, slot.queue
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
            self.flights.fail(Flight(firing, slot, bits), errors)
            return

        if self.batches:
            self._flush_batches()

        if noted:
            self.history.close(firing)

        if slot.dirty or slot.queue is not queue:
            self.came_meanwhile(slot)

    def came_meanwhile(self, slot: Slot) -> None:
        """Look at what a graph has brought in itself, while it ran."""
        if slot.waits or self.inputs.call(slot.dirty):
            self.due.call(slot)

    def _run_all(self, firing: Firing, made: list[Recorded | Emit], errors: dict[str, BaseException]) -> None:
        """Run each graph, whatever becomes of the others; gather effects, and what failed."""
        for subscriber in self.flights.subscribers:
            try:
                effects = subscriber.run(firing).effects
            except BaseException as error:  # a graph is user code; the others run all the same
                if not is_failure(error):
                    raise

                errors[subscriber.name] = error
            else:
                made.extend(effects)

    def _ended(self, flight: Flight, errors: Errors | None) -> None:
        """Note the end of a firing that was in flight, and look at what came meanwhile."""
        self.history.close(flight.firing, errors)
        if not errors:
            self._flush_batches()

        slot = flight.slot
        if slot.waits or self.inputs.call(slot.dirty):
            self.due.slots[slot] = None

        self.release()

    def _flush_batches(self) -> None:
        """Let the inputs that ask for it flush what they gathered, after a successful firing."""
        for accumulator in self.batches:
            accumulator.flush_soon()

    def serve(self, slot: Slot) -> None:
        """Do what is due for a key."""
        flight = slot.flight
        if flight is None:
            if slot.waits:
                self._take_next(slot)
            elif self.holds(slot):
                self.shoot(slot, slot.dirty)
        elif flight.yields and slot.dirty & self._mask and (self.judge is None or self.judge.agrees(slot)):
            self.supersede(flight)
            self.shoot(slot, slot.dirty)
        elif flight.ripe:
            self.flights.launch(flight)

    @property
    def completed(self) -> int:
        """How many firings are over with all their graphs done, those among them that were in flight at the start."""
        flights = self.flights
        return self.sequence + flights.restored - len(flights.flying) - flights.failed - flights.superseded

    def supersede(self, flight: Flight) -> None:
        """Give up a failed firing for a newer one of its key."""
        self.flights.supersede(flight)
        self.history.close(flight.firing, flight.errors)

    def _take_next(self, slot: Slot) -> None:
        """Look at the oldest boundary of a key; the next one has its turn behind the other keys."""
        assert self.backlog is not None  # noqa: S101 - for type checkers: only sequential reactors have queues
        item = self.backlog.take(slot)
        self._look_at(slot, item.name, item.bit, item.value)
        if slot.waits and slot.flight is None:
            self.due.slots[slot] = None
        elif not self.keyed:
            self.held = self.barred or slot.waits

    # -- who may fire --------------------------------------------------------------------------------------

    def may_fire(self) -> bool:
        """Tell whether anything may fire now."""
        self.weigh()
        return not self.barred

    def weigh(self) -> None:
        """Decide anew whether something keeps all keys from firing."""
        self.barred = self._kept or not self.flights.free
        self.held = self.barred or self.only.waits

    @property
    def _kept(self) -> bool:
        """Whether something keeps it from firing that is not a lack of free tasks."""
        return not self.started or self.paused or self.warming or self._gate.choked

    def press(self, flight: Flight) -> None:
        """Run a firing again for which no task is free: those that have the tasks may be waiting for its end."""
        if flight.ripe and not self._kept:
            self.due.slots.pop(flight.slot, None)
            self.flights.launch(flight)

    def hold(self) -> None:
        """Fire nothing until ``release``: the domain is full of effects."""
        self.barred = self.held = True

    def release(self) -> None:
        """Fire what is due, if nothing else keeps it."""
        self.weigh()
        if self.due.slots:
            self.due.drain()

    # -- keys ----------------------------------------------------------------------------------------------

    def slot(self, key: Key) -> Slot:
        """Return a key's slot; a new one counts the broadcast inputs that have a value as new."""
        slot = self.keys.slots.get(key)
        if slot is None:
            slot = self.keys.add(Slot(key))
            slot.dirty = self.inputs.broadcast & self.inputs.bits_of(self.shared)

        return slot

    def _forget(self, slot: Slot) -> bool:
        """Forget an idle key, unless something waits in it."""
        if slot.flight is not None or slot.queue is not None or slot in self.due.slots:
            return False

        self._ledger.forget_slot(self.name, slot.key)
        return True
