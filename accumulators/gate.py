"""The gate at the ingress of a domain: who may bring events in now, and whose turn on the loop it is.

Two things close it. *Full*: the domain cannot take effects any more until a cut commits (then nothing fires either), or
a reactor's queue has no room. *The end of a time slice*: a source that never waits would hold the loop; it is told to
wait, and ``ready`` gives the others their turn. Accepting an event never waits and never fails because of the gate;
whoever brings events asks it before the next one.
"""

import asyncio
import math
from collections.abc import Callable

from anyio.lowlevel import checkpoint

#: Seconds for which events are processed before the loop gets its turn …
SLICE = 0.005
#: … and events after which it gets its turn in any case (a mask: one less than a power of two).
SLICE_EVENTS = 1023


class Inside:
    """What of an app runs at this moment, in the one step that nothing can come between. One for all its domains.

    Attributes:
        firing: Name of the reactor in whose in-line firing the current code runs; None outside.
        suspect: Held while a firing runs again that may be what ended the process.
    """

    __slots__ = ("firing", "suspect")

    def __init__(self) -> None:
        self.firing: str | None = None
        self.suspect: asyncio.Lock = asyncio.Lock()


class Gate:
    """One per domain; shared by all that bring events in and by all that fire.

    Attributes:
        shut: Whether the next event should wait, for whichever reason; read for every event.
        slice_end: When the running time slice is over, on the clock's monotonic scale.
        full: Whether the domain cannot take more.
        choked: Whether it is full of effects: nothing may fire until a cut commits.
        gone: Why there is nothing behind the gate any more; None while there is.
        inside: Which in-line firing the current code belongs to.
    """

    __slots__ = ("_blockers", "_monotonic", "_waiters", "choked", "full", "gone", "inside", "shut", "slice_end")

    def __init__(self, monotonic: Callable[[], float], inside: Inside | None = None) -> None:
        self._monotonic = monotonic
        self.slice_end: float = -math.inf
        self._waiters: list[asyncio.Future[None]] = []
        self.shut: bool = False
        self.full: bool = False
        self.choked: bool = False
        self._blockers: set[object] = set()
        self.gone: Exception | None = None
        self.inside: Inside = inside or Inside()

    def end_slice(self) -> None:
        """Let the loop have its turn before the next event."""
        self.shut = True

    def overdue(self, now: float) -> None:
        """Be told that a firing begins after the end of the slice: the loop must have its turn, or has had it."""
        if now - self.slice_end > SLICE:
            # nothing fired for a while, and a single firing that took so long has been noted when it ended
            self.slice_end = now + SLICE
            self.shut = self.full
        else:
            self.shut = True

    def ended(self, now: float) -> None:
        """Be told when a firing has ended."""
        if now >= self.slice_end:
            self.shut = True

    def begin_slice(self) -> None:
        """Note that the loop had its turn."""
        self.slice_end = self._monotonic() + SLICE
        self.shut = self.full

    @property
    def late(self) -> bool:
        """Whether the time slice is over; ``shut`` does not tell while the domain is full."""
        return self.shut and (not self.full or self._monotonic() >= self.slice_end)

    @property
    def blocked(self) -> bool:
        """Whether a queue has no room, which keeps all that is in it."""
        return bool(self._blockers)

    def close(self) -> None:
        """Let nobody in and nothing fire: the domain is full of effects."""
        self.choked = self.full = self.shut = True

    def open(self) -> None:
        """Let things fire again, and those in who wait."""
        self.choked = False
        self._reopen()

    def block(self, who: object) -> None:
        """Let nobody in: ``who`` has no room. What is inside goes on."""
        self._blockers.add(who)
        self.full = self.shut = True

    def unblock(self, who: object) -> None:
        """Let those in who wait, as far as it is for ``who``."""
        self._blockers.discard(who)
        self._reopen()

    def _reopen(self) -> None:
        if self.gone is None:
            self.full = self.shut = self.choked or bool(self._blockers)
            self._wake()

    def _wake(self) -> None:
        """Let those look again who wait."""
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def leave(self, reason: Exception) -> None:
        """Say that there is nothing behind the gate any more; those who wait get the reason."""
        self.gone = reason
        self.full = self.shut = True
        self._wake()

    async def ready(self) -> None:
        """Wait until the domain can take more, and give other work on the loop its turn in any case.

        Raises:
            Exception: What ``leave`` was given.
        """
        await self._turn(inside=False)

    async def go_on(self) -> None:
        """Do the same for what is inside already: a queue without room does not keep it."""
        await self._turn(inside=True)

    async def _turn(self, *, inside: bool) -> None:
        await checkpoint()
        while (self.choked if inside else self.full) and self.gone is None:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter

        if self.gone is not None:
            raise self.gone

        self.begin_slice()
