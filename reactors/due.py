"""Keys that should fire and may not yet: because the reactor is held, or because it is not their turn on the loop."""

import asyncio
from collections.abc import Callable

from penstock.accumulators.gate import SLICE_EVENTS, Gate
from penstock.reactors.flight import Slot


class Due:
    """Serves due keys, oldest first, in slices of time.

    Attributes:
        slots: The keys, in the order in which they came due.
    """

    __slots__ = ("_calm", "_draining", "_gate", "_may_serve", "_serve", "slots")

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
        self.slots: dict[Slot, None] = {}

    def call(self, slot: Slot) -> None:
        """Serve a key as soon as that may be."""
        self.slots[slot] = None
        self.drain()

    def drain(self) -> None:
        """Serve what is due; the rest of many when the loop had its turn."""
        if self._draining:
            return  # a graph has offered something: the loop below, or ``later``, goes on with it

        self._draining = True
        try:
            self._serve_some()
        finally:
            self._draining = False

        if self.slots and self._may_serve():
            asyncio.get_running_loop().call_soon(self._go_on)

    def collect(self, act: Callable[[], None]) -> None:
        """Do something that may make keys due, and serve those when the loop had its turn."""
        draining, self._draining = self._draining, True
        try:
            act()
        finally:
            self._draining = draining

        if self.slots:
            asyncio.get_running_loop().call_soon(self._go_on)

    def _serve_some(self) -> None:
        for _ in range(SLICE_EVENTS):
            if not self.slots or not self._may_serve():
                return

            slot = next(iter(self.slots))
            del self.slots[slot]
            self._serve(slot)
            if self._gate.shut:
                return

    def _go_on(self) -> None:
        self._gate.begin_slice()
        self.drain()
        if not self.slots:
            self._calm()
