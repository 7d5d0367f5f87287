"""Durations: float seconds everywhere inside; other forms are parsed here, once, at the edge."""

import math
import re
from datetime import timedelta
from decimal import Decimal

from penstock.runtime.errors import DefinitionError

#: What a duration may be written as.
Duration = float | int | str | timedelta

#: Units by name, in seconds, the largest first: the order in which a string names them.
UNITS = {"d": Decimal(86_400), "h": Decimal(3_600), "m": Decimal(60), "s": Decimal(1), "ms": Decimal("0.001")}
FORMS = 'write seconds (0.25), or a text such as "250ms", "5s", "1m30s", "2h", "1d"'
PATTERN = re.compile(r"\s*".join(rf"(?:(?P<{unit}>\d+(?:\.\d+)?)\s*{unit}(?![a-z]))?" for unit in UNITS), re.ASCII)


def seconds(
    value: Duration, *, name: str, minimum: float = 0.0, zero: bool = False, maximum: float = math.inf
) -> float:
    """Return a duration as float seconds.

    Args:
        value: Seconds, a ``timedelta``, or a text of numbers with units, the largest unit first.
        name: What the duration is for; the error names it.
        minimum: The duration must be longer than this (seconds).
        zero: Whether ``minimum`` itself is accepted as well; it is zero unless another is given.
        maximum: The longest duration that is accepted (seconds).

    Raises:
        DefinitionError: The value is no duration, not finite, or not within the bounds.
    """
    length = _parse(value)
    if length is None or not math.isfinite(length):
        raise DefinitionError(f"{name}: {value!r} is not a duration; {FORMS}")

    if length < minimum or (length == minimum and not zero):
        raise DefinitionError(f"{name}: {value!r} must be {'at least' if zero else 'longer than'} {written(minimum)}")

    if length > maximum:
        raise DefinitionError(f"{name}: {value!r} must be at most {written(maximum)}")

    return length


def written(length: float) -> str:
    """Return seconds as people write them: ``250ms``, ``5s``, ``1m30s``; never finer than a millisecond.

    What it returns is read back by ``seconds``, to the millisecond; an endless duration is ``forever``.
    """
    if not math.isfinite(length):
        return "forever"

    if length < 0:
        return f"-{written(-length)}"

    rest = Decimal(round(length * 1000)) / 1000
    parts: list[str] = []
    for unit in ("d", "h", "m"):
        count, rest = divmod(rest, UNITS[unit])
        parts += [f"{count}{unit}"] if count else []

    if 0 < rest < 1 and not parts:
        return f"{rest * 1000:f}".rstrip("0").rstrip(".") + "ms"

    if rest or not parts:
        parts.append(f"{rest:f}s" if rest % 1 else f"{int(rest)}s")

    return "".join(parts)


def _parse(value: object) -> float | None:
    """Return seconds, or None for what is not a duration."""
    if isinstance(value, timedelta):
        return value.total_seconds()

    if isinstance(value, str):
        return _parse_text(value.strip())

    if isinstance(value, bool) or not isinstance(value, int | float):
        return None

    try:
        return float(value)
    except OverflowError:  # an int beyond what a float holds
        return None


def _parse_text(text: str) -> float | None:
    found = PATTERN.fullmatch(text)
    if not text or found is None:
        return None

    # decimal, so that "0.1s" and "100ms" are the same float
    return float(sum(Decimal(number) * UNITS[unit] for unit, number in found.groupdict().items() if number))
