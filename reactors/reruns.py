"""Firings that were in flight when the process ended, run again without letting one of them end it for ever.

Before each re-run its number is committed, so that a firing that ends the process is found out:

* most processes die of something else, so at first all run at once;
* a firing whose re-run the process did not survive is a *suspect*; while there is one, all run one at a time, in the
  whole app, so that a death is counted for the one that may have caused it;
* the number of a firing goes back to 0 when a try of it ends, whatever the outcome, and by one when the app stops in
  order; at ``MOST_CRASHES`` the firing becomes a dead letter instead of running again.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from penstock.accumulators.gate import Inside
from penstock.accumulators.signal import Signal
from penstock.reactors.flight import Flight
from penstock.reactors.live import LiveReactor


class Reruns:
    """The firings of one domain that have to run again.

    Args:
        firings: Those that were in flight, in the order in which they were decided.
        flush: Commits what is new.
        signal: Told when a firing ends.
        inside: Shared by all domains of the app.
    """

    def __init__(
        self,
        firings: Sequence[tuple[LiveReactor, Flight]],
        *,
        flush: Callable[[], Awaitable[None]],
        signal: Signal,
        inside: Inside,
    ) -> None:
        suspected = any(flight.crashes for _, flight in firings)
        self._first = [] if suspected else list(firings)
        self._suspects = deque(sorted(firings, key=lambda pair: pair[1].crashes) if suspected else ())
        self._flush = flush
        self._signal = signal
        self._inside = inside

    @property
    def suspects(self) -> int:
        """How many firings are left that run one at a time."""
        return len(self._suspects)

    def count_first(self) -> bool:
        """Count a re-run of all, unless there is a suspect; tell whether there is something to be committed."""
        for reactor, flight in self._first:
            reactor.count(flight)

        return bool(self._first)

    def run_first(self) -> None:
        """Run all again, unless there is a suspect; their numbers are committed."""
        for reactor, flight in self._first:
            reactor.rerun(flight)

    async def run_suspects(self) -> None:
        """Run the others again, one after the other."""
        while self._suspects:
            async with self._inside.suspect:
                await self._run(*self._suspects[0])

            self._suspects.popleft()

    async def _run(self, reactor: LiveReactor, flight: Flight) -> None:
        reactor.count(flight)
        await self._flush()
        reactor.rerun(flight)
        while flight.counted and not flight.over and not reactor.paused:
            reactor.press(flight)
            await self._signal.wait()
