"""How long ago something came from each accumulator, at no cost for what comes.

The accumulators number their boundaries anyway. Each cut that finds an accumulator changed notes the number with the
time; so an age is as exact as the interval of the cuts.
"""

from collections.abc import Callable

from penstock.accumulators.live import LiveAccumulator


class Ages:
    """The ages of one domain's accumulators."""

    __slots__ = ("_monotonic", "_noted")

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._noted: dict[LiveAccumulator, tuple[int, float | None]] = {}

    def begin(self, accumulator: LiveAccumulator) -> None:
        """Note what an accumulator starts with: nothing has come since."""
        self._noted[accumulator] = (accumulator.sequence, None)

    def note(self, accumulator: LiveAccumulator) -> None:
        """Note that a cut finds an accumulator changed."""
        sequence, _ = self._noted.get(accumulator, (0, None))
        if accumulator.sequence != sequence:
            self._noted[accumulator] = (accumulator.sequence, self._monotonic())

    def age(self, accumulator: LiveAccumulator) -> float | None:
        """Return the seconds since the last boundary came; None when none has since the start."""
        sequence, moment = self._noted.get(accumulator, (0, None))
        if accumulator.sequence != sequence:
            return 0.0  # since the last cut

        return None if moment is None else self._monotonic() - moment
