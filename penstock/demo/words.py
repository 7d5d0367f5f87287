"""Numbers as people read them: three digits are enough, and units are always there."""

KIBI = 1024.0
HUNDRED = 100.0


def quantity(value: float, unit: str) -> str:
    """Return a value with its unit: ``12.3 %``, ``85 % of a core``, ``4.2 MiB/s``."""
    if unit.startswith("B"):
        return size(value, unit)

    return f"{digits(value)} {unit}"


def size(value: float, unit: str = "B") -> str:
    """Return bytes, or bytes per second, in the largest unit of which there is one."""
    for prefix in ("", "Ki", "Mi", "Gi", "Ti"):
        if value < KIBI or prefix == "Ti":
            break

        value /= KIBI

    return f"{digits(value) if prefix else f'{value:.0f}'} {prefix}{unit}"


def duration(seconds: float | None) -> str:
    """Return a length of time in the unit that suits it; a dash when there is none."""
    if seconds is None:
        return "–"

    for factor, unit in ((1.0, "s"), (1e3, "ms")):
        if seconds * factor >= 1.0:
            return f"{digits(seconds * factor)} {unit}"

    return f"{digits(seconds * 1e6)} µs"


def digits(value: float) -> str:
    """Return at most three digits and one decimal, and no decimal from a hundred on."""
    return f"{value:.0f}" if abs(value) >= HUNDRED else f"{value:.1f}"


def plural(count: int, word: str) -> str:
    """Return a count with its word: ``1 run``, ``2 runs``."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"
