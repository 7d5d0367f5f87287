"""The keys of a live reactor: made when they are seen first, forgotten when they were idle for long."""

from collections.abc import Callable

from penstock.reactors.firing import Key
from penstock.reactors.flight import Slot
from penstock.runtime.scheduler import Scheduler, Timer

#: Sweeps within ``key_ttl``: an idle key is forgotten at most this part of it too late.
SWEEPS = 4


class Keys:
    """The slots of one reactor.

    Attributes:
        slots: By key.
        generation: Number of the current sweep; a key that is used takes it.
    """

    __slots__ = ("_forget", "_scheduler", "_timer", "_ttl", "generation", "slots")

    def __init__(self, ttl: float | None, scheduler: Scheduler, forget: Callable[[Slot], bool]) -> None:
        """Begin without keys.

        Args:
            ttl: Seconds after which an idle key is forgotten; None for never.
            scheduler: Times the sweeps.
            forget: Asked for each idle key; returns False when it has to stay.
        """
        self._ttl = ttl
        self._scheduler = scheduler
        self._forget = forget
        self._timer: Timer | None = None
        self.slots: dict[Key, Slot] = {}
        self.generation: int = 0

    def clear(self) -> None:
        """Forget all keys."""
        self.stop()
        self.slots.clear()

    def stop(self) -> None:
        """Sweep no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def add(self, slot: Slot) -> Slot:
        """Remember a new key."""
        slot.generation = self.generation
        self.slots[slot.key] = slot
        self._arm()
        return slot

    def _arm(self) -> None:
        if self._ttl is not None and self._timer is None:
            self._timer = self._scheduler.after(self._ttl / SWEEPS, self._sweep)

    def _sweep(self) -> None:
        """Forget the keys that were not used within the last sweeps."""
        self._timer = None
        self.generation += 1
        oldest = self.generation - SWEEPS
        for slot in [slot for slot in self.slots.values() if slot.generation < oldest]:
            if self._forget(slot):
                del self.slots[slot.key]

        if self.slots:
            self._arm()
