"""The last firings of a reactor, and how long they took."""

import math
from collections import deque
from collections.abc import Callable, Mapping

import msgspec

from penstock.accumulators.gate import Gate
from penstock.reactors.firing import Firing
from penstock.runtime.foreign import error_text
from penstock.runtime.histogram import Histogram

#: Seconds: of the firings of a burst, which follow each other faster, one in each such time is noted …
BURST_GAP = 0.0005
#: … and after this many, one in each longer time …
CREDIT = 200.0
LONG_GAP = 0.05
#: … until the reactor has rested: each second without a noted firing gives so many back.
CREDIT_RATE = 1 / LONG_GAP


class Fired(msgspec.Struct, frozen=True):
    """One firing that is over, for whoever looks back. Positional, as ``Firing``."""

    firing: Firing
    #: From the decision to the end of the last graph.
    seconds: float
    #: By graph; None when all were done.
    errors: Mapping[str, BaseException] | None
    #: The graphs that ran, in their order.
    graphs: tuple[str, ...]
    #: Its place among those that were noted.
    number: int

    @property
    def results(self) -> dict[str, str | None]:
        """What became of each graph: None when it is done, else why it failed in the end."""
        errors = {name: error_text(error) for name, error in (self.errors or {}).items()}
        return dict.fromkeys(self.graphs, None) | errors


class History:
    """Measures and remembers firings; of those in a burst only some: it costs as much as a small graph.

    Attributes:
        look_from: Whoever decides a firing after this calls ``look``; before it there is nothing to be done.
        latency: Seconds from the decision to the end of those that were measured.
        noted: How many were noted, in the store also those before the start.
        graphs: The graphs of the reactor.
    """

    __slots__ = (
        "_credit",
        "_fired",
        "_gate",
        "_keep",
        "_listeners",
        "_monotonic",
        "_note_from",
        "_noted_at",
        "graphs",
        "latency",
        "look_from",
        "noted",
    )

    def __init__(
        self,
        monotonic: Callable[[], float],
        length: int,
        gate: Gate,
        keep: Callable[[Fired], None] | None = None,
    ) -> None:
        """Begin with nothing.

        Args:
            monotonic: Tells the time.
            length: Firings that are remembered.
            gate: Told of firings for which the loop has waited long enough.
            keep: Stores firings; then each is noted, however fast they follow each other.
        """
        self._keep = keep
        self._gate = gate
        self._monotonic = monotonic
        self._fired: deque[Fired] = deque(maxlen=length)
        self._listeners: tuple[Callable[[Fired], None], ...] = ()
        self.look_from: float = -math.inf
        #: A firing that is decided before this belongs to a burst.
        self._note_from = self._noted_at = -math.inf
        self._credit = CREDIT
        self.latency: Histogram = Histogram()
        self.noted: int = 0
        self.graphs: tuple[str, ...] = ()

    def look(self, start: float) -> bool:
        """Tell whether a firing that begins now is to be noted when it ends; end the time slice if that is over."""
        if start >= self._gate.slice_end:
            self._gate.overdue(start)

        if start > self._note_from:
            return True

        self.look_from = min(self._note_from, self._gate.slice_end)
        return False

    def close(self, firing: Firing, errors: Mapping[str, BaseException] | None = None) -> None:
        """Note the end of a firing."""
        end = self._monotonic()
        seconds = end - firing.moment
        self.latency.record(seconds)
        self.noted += 1
        fired = Fired(firing, seconds, errors, self.graphs, self.noted)
        self._fired.append(fired)
        if self._keep is not None:
            self._keep(fired)
        elif not self._listeners:
            self._skip_burst(end)

        for listener in self._listeners:
            listener(fired)

        self._gate.ended(end)

    def _skip_burst(self, now: float) -> None:
        """Note none of the firings that follow at once."""
        self._credit = max(min(self._credit + (now - self._noted_at) * CREDIT_RATE, CREDIT) - 1.0, 0.0)
        self._noted_at = now
        self._note_from = now + (BURST_GAP if self._credit >= 1.0 else LONG_GAP)
        self.look_from = min(self._note_from, self._gate.slice_end)

    def listen(self, listener: Callable[[Fired], None]) -> Callable[[], None]:
        """Call ``listener`` with each firing that is over, those of bursts as well, until what is returned is called.

        The listener must neither wait nor raise. While nobody listens, the way to a firing does not even look.
        """

        def leave() -> None:
            self._listeners = tuple(each for each in self._listeners if each is not listener)

        self._listeners = (*self._listeners, listener)
        self.look_from = self._note_from = -math.inf
        return leave

    def newest_first(self) -> list[Fired]:
        """Return the last firings."""
        return list(reversed(self._fired))
