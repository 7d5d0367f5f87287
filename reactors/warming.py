"""The start of a reactor: it fires when its sources are connected and its polls have answered, or after some time.

Firings that were in flight and rows that are left in the inbox do not wait for that: they are what the sources had
given before. Nothing is asked again and again: accumulators tell when their health changes. A source counts as live
until it says that it has to connect, which it does before its first wait; so what it tells is believed at the next turn
of the loop, or when an event comes.
"""

import asyncio
from collections.abc import Callable, Iterable

from penstock.accumulators.live import LiveAccumulator
from penstock.runtime.scheduler import Scheduler, Timer

#: What the health of an accumulator is that the start need not wait for.
READY = frozenset({"live", "ended"})


class Warming:
    """The start of one reactor."""

    __slots__ = ("_late", "_looking", "_opened", "_scheduler", "_timer", "_waiting")

    def __init__(self, scheduler: Scheduler, opened: Callable[[], None]) -> None:
        """Wait for nothing yet.

        Args:
            scheduler: Says when it is up.
            opened: Called when the reactor may fire.
        """
        self._scheduler = scheduler
        self._opened = opened
        self._timer: Timer | None = None
        self._looking = False
        self._waiting: tuple[LiveAccumulator, ...] = ()
        self._late: tuple[LiveAccumulator, ...] = ()

    @property
    def waiting(self) -> tuple[str, ...]:
        """The inputs that it waits for."""
        return tuple(accumulator.name for accumulator in self._waiting)

    @property
    def late(self) -> tuple[str, ...]:
        """The inputs without which it has started, as long as they are not there."""
        return tuple(accumulator.name for accumulator in self._late)

    def begin(self, accumulators: Iterable[LiveAccumulator], timeout: float) -> bool:
        """Wait for those accumulators that are not ready; tell whether there are any."""
        self._waiting = tuple(each for each in accumulators if each.health not in READY)
        if self._waiting:
            self._timer = self._scheduler.after(timeout, self._give_up)

        return bool(self._waiting)

    def look(self, accumulator: LiveAccumulator) -> None:
        """Be told that the health of an accumulator has changed."""
        if accumulator.health in READY and (self._waiting or self._late) and not self._looking:
            self._looking = True
            asyncio.get_running_loop().call_soon(self._look)

    def _look(self) -> None:
        self._looking = False
        self.check()

    def check(self) -> None:
        """Wait no more for those that are ready."""
        self._late = tuple(each for each in self._late if each.health not in READY)
        if self._waiting:
            self._waiting = tuple(each for each in self._waiting if each.health not in READY)
            if not self._waiting:
                self.stop()
                self._opened()

    def _give_up(self) -> None:
        self._timer = None
        self._late, self._waiting = self._waiting, ()
        self._opened()

    def stop(self) -> None:
        """Wait no more."""
        self._waiting = ()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
