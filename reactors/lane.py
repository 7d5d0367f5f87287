"""The fast lane: the whole way from a value to the end of its firing in one function.

Most firings are of one kind: one graph of plain functions, and nobody who looks at what comes of them. A call costs as
much as a small node, and so does an object; so for these everything stands in one place, and a firing is written down
only where somebody may ask for it: when it is measured, has effects, or fails.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Protocol, cast, runtime_checkable

from penstock.accumulators.gate import Inside
from penstock.accumulators.ports import Taker
from penstock.reactors.firing import Anchor, Firing, Subscriber
from penstock.reactors.flight import INLINE, Slot
from penstock.reactors.history import History
from penstock.reactors.ledger import Ledger
from penstock.runtime.effects import Emit, Recorded
from penstock.runtime.foreign import is_failure

#: What a graph is asked for: nothing but its effects.
EFFECTS_ALONE = False
#: Takes a value, in whichever case.
Put = Callable[[Slot, str, int, object], None]


class Road(Protocol):
    """The reactor, as its lane sees it."""

    name: str
    #: The ids of its firings, but for their sequence number.
    series: str
    sequence: int
    anchor: Anchor
    #: Whether something keeps it from firing, or a value waits that must not be overtaken.
    held: bool
    #: The broadcast values, which every key sees.
    shared: dict[str, object]

    def fail_only(self, firing: Firing, slot: Slot, bits: int, error: BaseException) -> None:
        """Take note that the only graph failed."""

    def came_meanwhile(self, slot: Slot) -> None:
        """Look at what a graph has brought in itself, while it ran."""


@runtime_checkable
class Quick(Protocol):
    """A subscriber that need not see its firing."""

    @property
    def listeners(self) -> Sequence[object]:
        """Who takes its results; while there are some, ``run`` is called."""
        ...

    @property
    def call_for_effects(self) -> Callable[[Mapping[str, object], bool], Sequence[object]]:
        """What traverses the graph, given the inputs and ``EFFECTS_ALONE``; raises as ``run`` does."""
        ...

    def recorded(self, firing: Firing, effects: Sequence[object]) -> Sequence[object]:
        """Return the effects that a traversal for a firing gave, as ``run`` does."""
        ...


class Lane:
    """Fires the keys of a reactor whose one graph is of plain functions."""

    __slots__ = ("_graph", "_history", "_inside", "_ledger", "_monotonic", "_names", "_quick", "_recorded", "_road")

    def __init__(
        self,
        road: Road,
        graph: Subscriber,
        *,
        names: Mapping[int, frozenset[str]],
        monotonic: Callable[[], float],
        inside: Inside,
        ledger: Ledger,
        history: History,
    ) -> None:
        """Lay it.

        Args:
            road: The reactor.
            graph: Its graph.
            names: The inputs behind bits.
            monotonic: Tells the time.
            inside: Notes what runs.
            ledger: Takes the effects.
            history: Of its firings.
        """
        self._road, self._graph, self._names = road, graph, names
        self._quick = quick = graph if isinstance(graph, Quick) else None
        self._recorded = as_they_are if quick is None else quick.recorded
        self._monotonic, self._inside, self._ledger, self._history = monotonic, inside, ledger, history

    def entrance(  # noqa: C901 (each call would cost a tenth of the whole)
        self, slot: Slot, name: str, bit: int, put: Put
    ) -> Taker:
        """Return what takes the values of an input that fires the only key alone.

        What it does is what ``fire`` does, written out.

        Args:
            slot: The only key.
            name: The input.
            bit: Its bit.
            put: Takes a value in any other case, and when something is in the way.
        """
        if self._quick is None:
            return partial(put, slot, name, bit)

        traverse, watched, recorded = self._quick.call_for_effects, self._quick.listeners, self._recorded
        road, history, monotonic = self._road, self._history, self._monotonic
        reactor, inside = road.name, self._inside

        def take(value: object) -> None:
            if slot.dirty or not slot.changed or slot.flight is not None or road.held or watched:
                put(slot, name, bit, value)
                return

            if slot.lent:
                slot.values, slot.lent = slot.values.copy(), False

            values = slot.values
            values[name] = value
            road.sequence = sequence = road.sequence + 1
            start = monotonic()
            noted = start > history.look_from and history.look(start)

            slot.flight = INLINE
            inside.firing = reactor
            try:
                effects = traverse(values, EFFECTS_ALONE)
            except BaseException as error:  # noqa: BLE001 (a graph is user code; raised again if it is no failure)
                self._fail(slot, bit, self._written(slot, bit, values, start, sequence), error)
            else:
                inside.firing = slot.flight = None
                if effects or noted:
                    firing = self._written(slot, bit, values, start, sequence)
                    self._close(firing, recorded(firing, effects), noted=noted)

                if slot.queue is not None or slot.dirty:
                    road.came_meanwhile(slot)

        return take

    def fire(self, slot: Slot, bits: int) -> None:
        """Fire a key for some inputs: snapshot, clear, run; nothing can come between the first two."""
        road, quick = self._road, self._quick
        slot.dirty = 0
        if not slot.changed:
            self._ledger.touch_slot(road.name, slot)

        values = {**road.shared, **slot.values} if road.shared else slot.values
        road.sequence = sequence = road.sequence + 1
        start = self._monotonic()
        noted = start > self._history.look_from and self._history.look(start)

        slot.flight = INLINE
        self._inside.firing = road.name
        firing: Firing | None = None
        try:
            if quick is None or quick.listeners:
                firing = self._written(slot, bits, values, start, sequence)
                effects: Sequence[object] = self._graph.run(firing).effects
            else:
                effects = quick.call_for_effects(values, EFFECTS_ALONE)
        except BaseException as error:  # noqa: BLE001 (a graph is user code; raised again if it is no failure)
            self._fail(slot, bits, firing or self._written(slot, bits, values, start, sequence), error)
            return

        self._inside.firing = slot.flight = None
        if firing is not None:
            self._close(firing, effects, noted=noted)
        elif effects or noted:
            firing = self._written(slot, bits, values, start, sequence)
            self._close(firing, self._recorded(firing, effects), noted=noted)

        if slot.queue is not None or slot.dirty:
            road.came_meanwhile(slot)

    def _written(self, slot: Slot, bits: int, values: Mapping[str, object], start: float, sequence: int) -> Firing:
        """Return a firing as an object, which may hold the values from now on."""
        road = self._road
        slot.lent = True
        return Firing(road.series, road.name, slot.key, values, self._names[bits], start, road.anchor, sequence)

    def _fail(self, slot: Slot, bits: int, firing: Firing, error: BaseException) -> None:
        self._inside.firing = slot.flight = None
        if not is_failure(error):
            raise error

        self._road.fail_only(firing, slot, bits, error)

    def _close(self, firing: Firing, effects: Sequence[object], *, noted: bool) -> None:
        """Let a firing take effect, and remember it."""
        if effects:
            self._ledger.record(cast("Sequence[Recorded | Emit]", effects))

        if noted:
            self._history.close(firing)


def as_they_are(_firing: Firing, effects: Sequence[object]) -> Sequence[object]:
    """Return effects that know their firing."""
    return effects
