"""Puts readings into words and curves: pure functions from what was read to what is shown."""

from collections.abc import Sequence

import msgspec

from penstock.demo.baseline import Deviation, baseline
from penstock.demo.frame import Stream
from penstock.demo.judging import RULES, Reading, newcomers, read_at, snapshot, tracks, unusual
from penstock.demo.signals import Cpu, Disk, Memory, Network, Processes
from penstock.demo.words import plural, quantity, size

#: What a stream shows that has never had a reading.
ABSENT = "this machine does not tell"
#: Traffic is drawn as a part of the most there was, or of this, in bytes per second.
LEAST_TRAFFIC = 2.0**20
#: How many processes are named.
NAMED = 2


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """What an accumulator has counted."""

    events: int
    #: Per second, lately.
    rate: float


def stream(name: str, counts: Counts, reading: Reading | None, *, patient: bool) -> Stream:
    """Return what is shown of one accumulator.

    Args:
        name: Of the accumulator.
        counts: What it has counted.
        reading: Its newest value.
        patient: Whether it is too early to say that there will be no reading.
    """
    if reading is None:
        absent = None if patient else ABSENT
        return Stream(name=name, events=counts.events, rate=counts.rate, absent=absent)

    return Stream(
        name=name,
        events=counts.events,
        rate=counts.rate,
        now=now(reading),
        brief=brief(reading),
        normal=normal(reading),
        course=course(reading),
        strange=bool(strange(reading)),
    )


def now(reading: Reading) -> str:
    """Return the newest values in words."""
    match reading:
        case Cpu():
            load = "" if reading.load is None else f", load {reading.load:.1f}"
            return f"{quantity(reading.busy.value, '%')} of {plural(reading.cores, 'core')}{load}"
        case Memory():
            return f"{quantity(reading.used.value, '%')} of {size(reading.total_bytes)}"
        case Disk():
            return f"{quantity(reading.read.value, 'B/s')} read, {quantity(reading.written.value, 'B/s')} written"
        case Network():
            return f"{quantity(reading.received.value, 'B/s')} in, {quantity(reading.sent.value, 'B/s')} out"
        case Processes():
            return ", ".join(f"{each.name} {each.use.value:.0f} %" for each in reading.busiest[:NAMED])


def brief(reading: Reading) -> str:
    """Return the newest value in a few letters; for processes, how many there are."""
    match reading:
        case Cpu():
            return f"{reading.busy.value:.0f} %"
        case Memory():
            return f"{reading.used.value:.0f} %"
        case Disk():
            return size(reading.read.value + reading.written.value, "B/s")
        case Network():
            return size(reading.received.value + reading.sent.value, "B/s")
        case Processes():
            return str(reading.total)


def normal(reading: Reading) -> str:
    """Return up to what the values are normal, in words; empty while that is not known."""
    for subject, track in tracks(reading).items():
        known = baseline(track.values, RULES[subject])
        if known is not None:
            limit = min(known.limit, 100.0) if subject.unit == "%" else known.limit
            return f"up to {quantity(limit, subject.unit)}"

    return ""


def course(reading: Reading) -> tuple[float, ...]:
    """Return the latest values as parts of the highest that is drawn."""
    match reading:
        case Cpu():
            return tuple(value / 100.0 for value in reading.busy.values)
        case Memory():
            return tuple(value / 100.0 for value in reading.used.values)
        case Disk():
            return traffic(reading.read.values, reading.written.values)
        case Network():
            return traffic(reading.received.values, reading.sent.values)
        case Processes():
            return tuple(value / 100.0 for value in reading.busiest[0].use.values) if reading.busiest else ()


def traffic(one: Sequence[float], other: Sequence[float]) -> tuple[float, ...]:
    """Return the traffic in both directions as parts of the most there was."""
    sums = [sum(pair) for pair in zip(one, other, strict=True)]
    most = max(LEAST_TRAFFIC, *sums)
    return tuple(each / most for each in sums)


def strange(reading: Reading) -> tuple[Deviation, ...]:
    """Return what is not normal in one reading, without regard to the others."""
    seen = snapshot(
        reading if isinstance(reading, Cpu) else None,
        reading if isinstance(reading, Memory) else None,
        reading if isinstance(reading, Disk) else None,
        reading if isinstance(reading, Network) else None,
        reading if isinstance(reading, Processes) else None,
        since=read_at(reading),
    )
    return (*unusual(seen), *newcomers(seen))
