"""Tells what is normal, and what is not: pure statistics.

The baseline of a signal is the median of its window, and its spread the median distance from that: one spike moves
neither, as it would mean and variance. A floor under the allowed distance keeps a signal that hardly moves from
raising an alarm at its first twitch.
"""

from collections.abc import Sequence
from statistics import median

import msgspec

from penstock.demo.signals import Process

#: Makes the median distance comparable with a standard deviation, for values that are normally distributed.
SIGMAS = 1.4826
#: Whatever so great a part of the samples does not exceed is normal.
HABIT = 0.9


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """What counts as a deviation of one signal."""

    #: The least distance above the baseline, in the signal's unit.
    floor: float
    #: The least distance above the baseline, in spreads.
    spreads: float = 6.0
    #: How many samples in a row must lie above the limit: one may be noise.
    sustained: int = 3
    #: How many samples a baseline needs.
    warm_up: int = 6


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """A signal that is judged."""

    key: str
    name: str
    unit: str


class Baseline(msgspec.Struct, frozen=True, kw_only=True):
    """What is normal for a signal, in the signal's unit."""

    centre: float
    spread: float
    #: The highest value that is still normal.
    limit: float


class Deviation(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is not normal."""

    #: What it is about: ``cpu``, ``memory``, ``disk.read`` …, or ``process``.
    subject: str
    #: The same as people call it.
    name: str
    #: Which process it is about, if it is about one.
    pid: int | None = None
    #: ``%``, ``% of a core`` or ``B/s``.
    unit: str
    value: float
    #: What it usually is, and up to what it would be normal.
    centre: float
    limit: float

    @property
    def severity(self) -> float:
        """How far above normal it is, as a multiple of the distance that is allowed."""
        return (self.value - self.centre) / max(self.limit - self.centre, 1e-9)


def baseline(values: Sequence[float], rule: Rule) -> Baseline | None:
    """Return what is normal by all samples but the latest, which are what is judged; None while there are too few."""
    known = values[: -rule.sustained]
    if len(known) < rule.warm_up:
        return None

    centre = median(known)
    spread = SIGMAS * median(abs(value - centre) for value in known)
    # a signal with two habits has no spread around the more frequent one; the other is normal nevertheless
    habit = sorted(known)[int(HABIT * (len(known) - 1))]
    limit = max(centre + max(rule.floor, rule.spreads * spread), habit)
    return Baseline(centre=centre, spread=spread, limit=limit)


def deviation(subject: Subject, values: Sequence[float], rule: Rule) -> Deviation | None:
    """Return the deviation if all the latest samples lie above what is normal."""
    normal, latest = baseline(values, rule), values[-rule.sustained :]
    if normal is None or min(latest) <= normal.limit:
        return None

    return Deviation(
        subject=subject.key,
        name=subject.name,
        unit=subject.unit,
        value=median(latest),
        centre=normal.centre,
        limit=normal.limit,
    )


def saturation(subject: Subject, values: Sequence[float], *, limit: float, sustained: int) -> Deviation | None:
    """Return a deviation if a percentage has been above an absolute limit for so many samples.

    The relative rule is blind to this: when it lasts, saturation becomes the baseline.
    """
    latest = values[-sustained:]
    if len(latest) < sustained or median(latest) < limit or values[-1] < limit:
        return None

    return Deviation(
        subject=subject.key, name=subject.name, unit=subject.unit, value=median(latest), centre=0.0, limit=limit
    )


def newcomer(process: Process, *, share: float, sustained: int = 2, warm_up: int = 2) -> Deviation | None:
    """Return a deviation if a process that used next to nothing has begun to use much of a core.

    This sees what the sum over all cores hides: one busy core among many, or one more process on a machine that is
    fully loaded already.

    Args:
        share: How much is much, in percent of one core; less than a quarter of it is next to nothing.
        sustained: For how many polls in a row.
        warm_up: How many polls before that it must have been seen, or have been absent.
    """
    values = process.use.values
    # the poll in which it began may have seen only a part of it: neither quiet nor busy
    quiet, latest = values[: -sustained - 1], values[-sustained:]
    if len(quiet) < warm_up or max(quiet) > share / 4 or min(latest) < share:
        return None

    return Deviation(
        subject="process",
        name=f"process {process.name} ({process.pid})",
        pid=process.pid,
        unit="% of a core",
        value=median(latest),
        centre=median(quiet),
        limit=share,
    )
