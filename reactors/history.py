"""The last firings of a reactor, and how long they took."""

import math
from collections import deque
from collections.abc import Callable, Mapping

import msgspec

from penstock.reactors.firing import Firing
from penstock.runtime.histogram import Histogram

#: Of the firings of a burst one in this many (and one more) is measured: a mask …
UNMEASURED = 15
#: … and a firing belongs to a burst when it follows a measured one within this many seconds.
BURST_GAP = 0.0005


class Fired(msgspec.Struct, frozen=True):
    """One firing that is over, for whoever looks back."""

    firing: Firing
    #: From the decision to the end of the last graph; None when it was not measured, in a burst.
    seconds: float | None
    #: By graph; None when all were done.
    errors: Mapping[str, Exception] | None


class History:
    """Remembers firings. In a burst only some are measured: measuring costs as much as a small graph.

    Attributes:
        count: Firings that are over.
        latency: Seconds from the decision to the end of those that were measured.
    """

    __slots__ = ("_ended", "_fired", "_measure_from", "_monotonic", "count", "latency")

    def __init__(self, monotonic: Callable[[], float], length: int, ended: Callable[[float], None]) -> None:
        """Begin with nothing.

        Args:
            monotonic: Tells the time.
            length: Firings that are remembered.
            ended: Told when a firing that was measured has ended.
        """
        self._ended = ended
        self._monotonic = monotonic
        self._fired: deque[Fired | Firing] = deque(maxlen=length)
        self._measure_from = -math.inf
        self.count = 0
        self.latency = Histogram()

    def note(self, firing: Firing) -> None:
        """Note the end of a firing without errors; the hot path."""
        self.count = count = self.count + 1
        if firing.moment > self._measure_from or not count & UNMEASURED:
            end = self._monotonic()
            self._measure_from = end + BURST_GAP
            self._ended(end)
            self._measure(firing, end, None)
        else:
            self._fired.append(firing)

    def close(self, firing: Firing, errors: Mapping[str, Exception] | None) -> None:
        """Note the end of a firing that was in flight."""
        self.count += 1
        self._measure(firing, self._monotonic(), errors)

    def _measure(self, firing: Firing, end: float, errors: Mapping[str, Exception] | None) -> None:
        seconds = end - firing.moment
        self.latency.record(seconds)
        self._fired.append(Fired(firing, seconds, errors))

    def newest_first(self) -> list[Fired]:
        """Return the last firings."""
        return [fired if isinstance(fired, Fired) else Fired(fired, None, None) for fired in reversed(self._fired)]
