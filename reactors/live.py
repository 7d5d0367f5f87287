"""A reactor at work in an app: its parts put together, its life, and what can be seen of it.

The decisions are in ``deciding``, the ways to them in ``takers`` and ``lane``, the firings that take time in
``flights``, the commands of operators in ``commands``; what can be seen of it in ``looks``.
"""

from collections.abc import Callable, Iterable, Mapping

from penstock.accumulators.gate import Gate
from penstock.accumulators.live import LiveAccumulator
from penstock.accumulators.ports import Taker, nothing
from penstock.accumulators.state import StateAccumulator
from penstock.reactors.ages import Ages
from penstock.reactors.commands import Commands
from penstock.reactors.deciding import Decider
from penstock.reactors.firing import Key, Subscriber
from penstock.reactors.flight import Flight, Queue, Queued, Slot
from penstock.reactors.ledger import Ledger
from penstock.reactors.looks import Looks
from penstock.reactors.reactor import Reactor
from penstock.reactors.repeats import Repeats
from penstock.reactors.takers import Takers
from penstock.reactors.warming import Warming
from penstock.runtime.errors import FiringRefused
from penstock.runtime.observe import Observer
from penstock.runtime.scheduler import Scheduler
from penstock.runtime.supervise import Supervisor


class LiveReactor(Looks):
    """One reactor of one app. Lives on the event loop and is called there only.

    Attributes:
        definition: What was declared.
        repeats: What it fires again after a crash.
        windows: Inputs whose windows their accumulators store; a keyed reactor has one window for all keys.
        warming: Its start.
    """

    __slots__ = (
        "_calm",
        "_commands",
        "_ledger",
        "_start_timeout",
        "_takers",
        "definition",
        "repeats",
        "warming",
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
        ages: Ages,
        history: int = 200,
        start_timeout: float = 30.0,
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
            ages: Knows how old the newest values are.
            history: Firings that ``history`` shows.
            start_timeout: Seconds for which it waits for its sources, when the definition does not say.
            pausing: Called when the reactor is paused.
            calm: Called when a firing no longer runs.
        """
        self.definition: Reactor = definition
        decider = Decider(
            definition, ledger=ledger, gate=gate, scheduler=scheduler, observer=observer, history=history, calm=calm
        )
        super().__init__(decider, ages)
        self._ledger, self._calm = ledger, calm
        self.repeats: Repeats = Repeats(self._decider, ledger)
        self._takers = Takers(self._decider, definition, ledger)
        self._commands = Commands(self._decider, definition, self._takers, gate=gate, pausing=pausing)
        self.warming: Warming = Warming(scheduler, self._warm)
        self._decider.warm = self.warming.check
        timeout = definition.start_timeout
        self._start_timeout: float = start_timeout if timeout is None else timeout
        self.windows: frozenset[str] = frozenset(
            name
            for name, accumulator in definition.accumulators.items()
            if isinstance(accumulator, StateAccumulator) and (definition.key is None or name in definition.broadcasts)
        )

    # -- wiring --------------------------------------------------------------------------------------------

    def subscribe(self, subscriber: Subscriber) -> None:
        """Call a graph with each firing, after those that were there before.

        Raises:
            AppError: A graph of this name is there.
        """
        self._decider.flights.subscribe(subscriber)
        self._rewire()

    def replace(self, subscriber: Subscriber) -> Subscriber:
        """Call a graph instead of the one of its name, from the next firing or try on; return that one.

        Firings that it runs for go on with it, and take effect.
        """
        old = self._decider.flights.replace(subscriber)
        self._rewire()
        return old

    def unsubscribe(self, name: str) -> Subscriber:
        """Call a graph no more, and return it; firings that it runs for go on, those that wait are kept aside."""
        old = self._decider.flights.unsubscribe(name)
        self._rewire()
        return old

    def _rewire(self) -> None:
        """Let values find their way to the graphs that there are now."""
        decider = self._decider
        decider.history.graphs = self.graphs
        decider.lay()
        if decider.started:
            for accumulator in self._sources:
                accumulator.refeed(self.taker(accumulator.name), self)

            decider.release()

    def runs(self, subscriber: Subscriber) -> bool:
        """Tell whether a graph runs now, for whichever firing; also one that has left."""
        return self._decider.flights.runs(subscriber)

    def oust(self, subscriber: Subscriber) -> int:
        """Cancel what runs of a graph that has left, and return how many firings that are.

        For them it has failed: one that was replaced is tried again as ``on_error`` says, else they are kept aside.
        """
        return self._decider.flights.oust(subscriber)

    def join(self, accumulator: LiveAccumulator) -> None:
        """Take what an accumulator gives."""
        self._sources = (*self._sources, accumulator)

    def taker(self, name: str) -> Taker:
        """Return what takes the values of an input."""
        return self._takers.taker(name)

    def take_later(self, take: Taker, value: object) -> None:
        """Take a value as ever, but fire nothing before the next turn of the loop."""
        self._decider.take_later(take, value)

    def place(self, name: str, value: object) -> None:
        """Put the window of an input into the cache; it fires nothing, and its accumulator stores it."""
        self._decider.place(name, value)

    # -- operators -----------------------------------------------------------------------------------------

    def fire(self, key: Key = None) -> str:
        """Fire a key now, whatever the criteria say, and return the id of the firing.

        Args:
            key: The key; None for the only key of a reactor without ``key=``.

        Raises:
            FiringRefused: A graph calls it, the reactor is paused or has not started, the outbox is full, the key is
                busy.
            AppError: A key has to be named, or must not be.
        """
        return self._commands.fire(key).id

    def fire_with(self, values: Mapping[str, object], *, merge: bool = False, key: Key = None) -> str:
        """Fire a key now with other values, and return the id of the firing.

        Args:
            values: By input, as what its accumulator lets through, or convertible to that.
            merge: Keep the values of the other inputs; else the cache holds these alone from now on.
            key: The key; None for the only key of a reactor without ``key=``.

        Raises:
            FiringRefused: As ``fire``; the cache is as it was.
            DecodeError: A value does not have the type of its input.
            AppError: A name is no input, or one that every key sees; a value belongs to another key; a key has to be
                named, or must not be.
        """
        return self._commands.fire_with(values, key, merge=merge).id

    def refire(self, graph: str, values: Mapping[str, object], letter: int) -> str:
        """Run a graph again for the inputs of a dead letter, which the cut deletes that holds what comes of it.

        Raises:
            FiringRefused: As ``fire``; the letter stays.
            DecodeError: A value does not have the type of its input any more.
            AppError: A name is no input any more, or no key can be told.
        """
        firing = self._commands.refire(graph, values)
        self._ledger.settle(letter)
        return firing.id

    def retake(self, name: str, value: object, letter: int) -> None:
        """Take a value of a dead letter for which there was no room in the queue.

        Raises:
            FiringRefused: There is no room now either; the letter stays.
        """
        if self.queue_full:
            raise FiringRefused(self.name, "full", "takes no more now: its queue is full")

        self.taker(name)(value)
        self._ledger.settle(letter)

    def pause(self) -> bool:
        """Fire nothing until ``resume``; tell whether that is new. Firings in flight go on, values are taken."""
        return self._commands.pause()

    def resume(self) -> bool:
        """Fire again, what is due at once; tell whether it was paused."""
        return self._commands.resume()

    # -- life ----------------------------------------------------------------------------------------------

    def begin(self, epoch: int) -> None:
        """Forget everything and begin in an epoch of the domain."""
        self._decider.begin(epoch)

    def restore_history(self, noted: int) -> None:
        """Number firings that are over behind those that the store holds."""
        self._decider.history.noted = noted

    def restore_slot(self, key: Key, values: Mapping[str, object], new: Iterable[str]) -> None:
        """Put back a key as the store holds it."""
        slot = self._decider.slot(key)
        slot.values = dict(values)
        slot.dirty = self.inputs.bits_of(new)
        if self.inputs.call(slot.dirty):
            self._decider.due.slots[slot] = None

    def restore_queue(self, key: Key, items: list[Queued]) -> None:
        """Put back what waited for a key; a reactor that coalesces by now takes the newest of each input."""
        slot = self._decider.slot(key)
        if self._decider.backlog is not None:
            self._decider.backlog.restore(slot, items)
        else:
            self._merge_queue(slot, items)

        if slot.waits or self.inputs.call(slot.dirty):
            self._decider.due.slots[slot] = None

    def _merge_queue(self, slot: Slot, items: list[Queued]) -> None:
        for item in items:
            slot.hold(item.name, item.value)
            slot.dirty |= item.bit

        self._ledger.touch_slot(self.name, slot)
        slot.queue = queue = Queue()
        queue.taken = queue.reached = items[-1].number  # for the next cut to trim
        self._ledger.touch_queue(self.name, slot)

    def restore_flight(self, flight: Flight) -> None:
        """Put back a firing that was in flight; ``rerun`` runs it, before anything else of its key."""
        self._decider.flights.restore(flight)

    def slot(self, key: Key) -> Slot:
        """Return a key's slot."""
        return self._decider.slot(key)

    @property
    def flying(self) -> list[Flight]:
        """The firings in flight."""
        return list(self._decider.flights.flying.values())

    def count(self, flight: Flight) -> None:
        """Note that a firing is about to be run again."""
        self._decider.flights.count(flight)

    def press(self, flight: Flight) -> None:
        """Run a firing again for which no task is free: those that have the tasks may be waiting for its end."""
        self._decider.press(flight)

    def rerun(self, flight: Flight) -> None:
        """Run a firing again as soon as nothing keeps the reactor from it."""
        self._decider.flights.rerun(flight)

    def start(self, supervisor: Supervisor) -> None:
        """Fire from now on: first what was in flight, then the keys that are due."""
        decider = self._decider
        decider.batches = tuple(accumulator for accumulator in self._sources if accumulator.flushes_after_firing)
        decider.lay()
        for accumulator in self._sources:
            accumulator.feed(self.taker(accumulator.name), self)

        decider.flights.start(supervisor)
        decider.started = True
        decider.release()

    def look(self) -> None:
        """Look whether all that was due at the start is fired."""
        if self.repeats.look():
            self._rewire()

    def warm_up(self) -> None:
        """Fire no more, until the sources that start now are ready."""
        self._decider.warming = self.warming.begin(self._sources, self._start_timeout)
        self._decider.weigh()

    def _warm(self) -> None:
        self._decider.warming = False
        self.release()
        self._calm()

    def hold(self) -> None:
        """Fire nothing until ``release``: the domain is full of effects."""
        self._decider.hold()

    def release(self) -> None:
        """Fire what is due, if nothing else keeps it."""
        self._decider.release()

    def retire(self) -> None:
        """Decide no more firings; those that run go on."""
        self.warming.stop()
        self._decider.started = False
        self._decider.hold()

    def stop(self) -> None:
        """Fire no more, and cancel what runs; it is run again after the next start."""
        self.retire()
        self._decider.keys.stop()
        self._decider.flights.stop()
