"""Latencies, counted: cheap to record, exact to within a few per cent, however many there are.

Each power of two is divided into equal parts, so that a bucket is at most 1/16 as wide as its lower edge. A histogram
knows no single value any more; in exchange it has a fixed size, and several add up to one.
"""

import math
from collections.abc import Iterable
from math import frexp

#: Buckets per power of two.
PARTS = 16
#: Powers of two between which values are told apart, in seconds: from a nanosecond to a day and a half.
LOWEST, HIGHEST = -30, 17
SIZE = (HIGHEST - LOWEST) * PARTS
#: What turns exponent and mantissa of ``math.frexp`` (which gives mantissas from 0.5) into a bucket.
OFFSET = (-LOWEST - 2) * PARTS
SCALE = 2 * PARTS
SMALLEST = 2.0**LOWEST


class Histogram:
    """Counts durations in seconds.

    Attributes:
        sum: Their sum, in seconds.
        maximum: The longest, in seconds; 0.0 when there is none.
        counts: How many fell into each bucket.
    """

    __slots__ = ("counts", "maximum", "sum")

    def __init__(self) -> None:
        self.sum: float = 0.0
        self.maximum: float = 0.0
        self.counts: list[int] = [0] * SIZE

    @property
    def count(self) -> int:
        """How many were recorded."""
        return sum(self.counts)

    def record(self, seconds: float) -> None:
        """Count a duration. What is shorter than the smallest bucket, or negative, goes there; so for the longest."""
        # as in bucket(), written out: half of the time would go into the call
        if seconds < SMALLEST:
            index = 0
        else:
            mantissa, exponent = frexp(seconds)
            index = exponent * PARTS + OFFSET + int(mantissa * SCALE)

        self.counts[index if index < SIZE else -1] += 1
        self.sum += seconds
        if seconds > self.maximum:  # noqa: PLR1730  a call of max() would cost a quarter of the whole
            self.maximum = seconds

    def percentile(self, q: float) -> float:
        """Return a duration that ``q`` per cent of those recorded do not exceed, to within a bucket; never too short.

        Args:
            q: From 0 to 100.

        Returns:
            Seconds; 0.0 when nothing was recorded.

        Raises:
            ValueError: ``q`` is not between 0 and 100.
        """
        if not 0 <= q <= 100:  # noqa: PLR2004  per cent
            raise ValueError(f"a percentile is between 0 and 100, not {q}")

        rank, seen = max(1, math.ceil(self.count * q / 100)), 0
        for index, count in enumerate(self.counts):
            seen += count
            if seen >= rank:
                return min(edge(index + 1), self.maximum) if index < SIZE - 1 else self.maximum

        return self.maximum

    def merge(self, other: "Histogram") -> None:
        """Add what another one has counted."""
        self.sum += other.sum
        self.maximum = max(self.maximum, other.maximum)
        self.counts = [mine + its for mine, its in zip(self.counts, other.counts, strict=True)]

    def copy(self) -> "Histogram":
        """Return a histogram that has counted the same and goes its own way."""
        twin = Histogram()
        twin.merge(self)
        return twin

    def cumulative(self, bounds: Iterable[float]) -> list[tuple[float, int]]:
        """Return for each bound how many durations are below it.

        Args:
            bounds: Seconds, ascending. Exact for powers of two; for others, what shares a bucket with the bound counts
                as above it.
        """
        found, index, seen = list[tuple[float, int]](), 0, 0
        for bound in bounds:
            while index < SIZE and edge(index + 1) <= bound:
                seen += self.counts[index]
                index += 1

            found.append((bound, seen))

        return found


def bucket(seconds: float) -> int:
    """Return the bucket of a duration."""
    if seconds < SMALLEST:
        return 0

    mantissa, exponent = frexp(seconds)
    index = exponent * PARTS + OFFSET + int(mantissa * SCALE)
    return index if index < SIZE else SIZE - 1


def edge(index: int) -> float:
    """Return the lower edge of a bucket, in seconds."""
    power, part = divmod(index, PARTS)
    return math.ldexp(1.0 + part / PARTS, power + LOWEST)
