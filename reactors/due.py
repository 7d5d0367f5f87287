"""Keys that should fire and may not yet: because the reactor is held, or because it is not their turn on the loop."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable

from penstock.accumulators.gate import SLICE_EVENTS, Gate
from penstock.reactors.flight import Slot


class Due:
    """Serves due keys, oldest first, in slices of time.

    Attributes:
        slots: The keys, in the order in which they came due. Ordered by links: a dict would look at the place of every
            key that has left before it finds the oldest.
    """

    __slots__ = ("_calm", "_draining", "_gate", "_going_on", "_may_serve", "_serve", "slots")

    def __init__(
        self, gate: Gate, may_serve: Callable[[], bool], serve: Callable[[Slot], None], calm: Callable[[], None]
    ) -> None:
        """Begin with nothing due.

        Args:
            gate: Says when a slice of time is over.
            may_serve: Tells whether anything may fire now.
            serve: Does what is to be done for one key.
            calm: Called when nothing is due any more.
        """
        self._gate = gate
        self._may_serve = may_serve
        self._serve = serve
        self._calm = calm
        self._draining = False
        self._going_on = False
        self.slots: OrderedDict[Slot, None] = OrderedDict()

    def call(self, slot: Slot) -> None:
        """Serve a key as soon as that may be."""
        self.slots[slot] = None
        self.drain()

    def collect(self, take: Callable[[], None]) -> None:
        """Take what may make keys due, and serve none of them before the next turn of the loop."""
        self._go_on_later()
        take()

    def drain(self) -> None:
        """Serve what is due; the rest of many when the loop had its turn."""
        if self._draining or self._going_on:
            return  # a graph has offered something, or the loop has its turn: what is due is served in its place

        self._draining = True
        try:
            self._serve_some()
        finally:
            self._draining = False

        if self.slots and self._may_serve():
            self._go_on_later()

    def _serve_some(self) -> None:
        for _ in range(SLICE_EVENTS):
            if not self.slots or not self._may_serve():
                return

            slot, _none = self.slots.popitem(last=False)
            self._serve(slot)
            if self._gate.late:
                return

    def _go_on_later(self) -> None:
        if not self._going_on:
            self._going_on = True
            asyncio.get_running_loop().call_soon(self._go_on)

    def _go_on(self) -> None:
        self._going_on = False
        self._gate.begin_slice()
        self.drain()
        if not self.slots:
            self._calm()
