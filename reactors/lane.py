"""The fast lane: the whole way from a value to its firing in one function.

Most firings are of one kind: a reactor without keys, one graph of plain functions, criteria that the one input
satisfies, nothing in flight, nothing held. A call costs as much as a small node, so for these everything stands in one
place. In any other case the lane hands the value to the reactor, which does the same in more steps.
"""

from collections.abc import Callable
from typing import Protocol

from penstock.accumulators.gate import Gate
from penstock.reactors.firing import Anchor, Firing, Outcome
from penstock.reactors.flight import INLINE, Slot
from penstock.reactors.history import BURST_MASK, History
from penstock.reactors.ledger import Ledger
from penstock.runtime.foreign import is_failure

#: Takes a value, in whichever case.
Put = Callable[[Slot, str, int, object], None]


class Road(Protocol):
    """The reactor, as its lanes see it."""

    name: str
    #: The ids of its firings, but for their sequence number.
    series: str
    sequence: int
    anchor: Anchor
    #: Whether something keeps it from firing, or a value waits that must not be overtaken.
    held: bool

    def fail_only(self, firing: Firing, slot: Slot, bits: int, error: BaseException) -> None:
        """Take note that the only graph failed."""


class Lane:
    """One input of a reactor that has one key and one graph of plain functions."""

    __slots__ = (
        "_bit",
        "_changed",
        "_gate",
        "_history",
        "_inside",
        "_ledger",
        "_monotonic",
        "_name",
        "_put",
        "_reactor",
        "_road",
        "_run",
        "_slot",
        "_sole",
    )

    def __init__(
        self,
        road: Road,
        slot: Slot,
        name: str,
        bit: int,
        *,
        put: Put,
        sole: bool,
        run: Callable[[Firing], Outcome],
        monotonic: Callable[[], float],
        gate: Gate,
        ledger: Ledger,
        history: History,
    ) -> None:
        self._road = road
        self._put = put
        self._reactor = road.name
        self._slot = slot
        self._name = name
        self._bit = bit
        self._sole = sole
        self._changed = frozenset([name])
        self._run = run
        self._monotonic = monotonic
        self._gate = gate
        self._inside = gate.inside
        self._ledger = ledger
        self._history = history

    def take(self, value: object) -> None:
        """Take a value and fire at once, if nothing is in the way."""
        road, slot = self._road, self._slot
        if slot.dirty or not slot.changed or slot.flight is not None or road.held:
            put = self._put
            put(slot, self._name, self._bit, value)
            return

        if self._sole:
            values = {self._name: value}
        else:
            values = slot.values.copy()
            values[self._name] = value

        slot.values = values
        road.sequence = sequence = road.sequence + 1
        monotonic, run = self._monotonic, self._run
        start = monotonic()
        if start >= self._gate.slice_end:
            self._gate.overdue(start)

        firing = Firing(road.series, self._reactor, None, values, self._changed, start, road.anchor, sequence)
        slot.flight = INLINE
        self._inside.firing = self._reactor
        try:
            effects = run(firing).effects
        except BaseException as error:  # a graph is user code
            self._inside.firing = slot.flight = None
            if not is_failure(error):
                raise

            road.fail_only(firing, slot, self._bit, error)
            return

        self._inside.firing = slot.flight = None
        if effects:
            self._ledger.record(effects)

        if start > self._history.measure_from or not sequence & BURST_MASK:
            self._history.close(firing)
