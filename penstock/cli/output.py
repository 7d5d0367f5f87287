"""What commands print: one JSON document, or text that a person reads.

Results go to stdout, everything else to stderr, so that ``--json`` can be piped. Tables are drawn on a terminal and are
plain aligned columns everywhere else.
"""

import io
import json
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of text under headings; numbers are text already."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    #: What is said instead of an empty table.
    empty: str = "nothing to show"


def print_json(value: object) -> None:
    """Print one JSON document on stdout."""
    # where the terminal cannot show a character, JSON has an escape for it
    print(json.dumps(value, indent=2, ensure_ascii=not writes_unicode()))


def writes_unicode() -> bool:
    """Tell whether stdout can write every character."""
    return sys.stdout.encoding.lower().replace("-", "").startswith("utf")


def show_unknown_characters() -> None:
    """Let characters that stdout and stderr cannot write come as escapes, instead of ending the command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def print_table(table: Table) -> None:
    """Print a table: with lines on a terminal, as aligned columns when piped."""
    rows = [tuple(cell(value) for value in row) for row in table.rows]
    if not rows:
        print(table.empty)
    elif sys.stdout.isatty():
        print_drawn(table.columns, rows)
    else:
        print_columns(table.columns, rows)


def print_drawn(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Draw the table; rich is imported only here, because starting quickly matters more often."""
    from rich.console import Console  # noqa: PLC0415 - see above
    from rich.table import Table as Drawing  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415 - brackets in a value are no markup

    drawing = Drawing(*columns, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        drawing.add_row(*(Text(value) for value in row))

    Console().print(drawing)


def print_columns(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print aligned columns, two spaces apart, without blanks at the end of a line."""
    lines = [tuple(columns), *(tuple(row) for row in rows)]
    widths = [max(len(value) for value in column) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(value.ljust(width) for value, width in zip(line, widths, strict=True)).rstrip())


def print_fields(fields: Iterable[tuple[str, str]]) -> None:
    """Print names and values, one pair a line, the values below each other."""
    pairs = [(name, value) for name, value in fields if value]
    width = max((len(name) for name, _ in pairs), default=0)
    for name, value in pairs:
        print(f"{name.ljust(width)}  {cell(value)}".rstrip())


def complain(text: str) -> None:
    """Print a line for people on stderr."""
    print(text, file=sys.stderr)


def cell(text: str) -> str:
    """Return the text on one line and without control characters: what is stored may come from anywhere."""
    return "".join(character if character.isprintable() else " " for character in text)


def counted(number: int, plural: str) -> str:
    """Return a number of things, given their name in the plural."""
    return f"{number} {plural.removesuffix('s') if number == 1 else plural}"


def iso(time: datetime | None) -> str | None:
    """Return a time for programs: ISO 8601 in UTC, to the microsecond."""
    return time.isoformat(timespec="microseconds").replace("+00:00", "Z") if time else None


def clock_time(time: datetime | None) -> str:
    """Return a time for people: UTC, to the second; empty when there is none."""
    return f"{time:%Y-%m-%d %H:%M:%S}Z" if time else ""


def duration(seconds: float | None) -> str:
    """Return a length of time for people, with three significant digits at most; empty when there is none."""
    if seconds is None:
        return ""

    if seconds < 1:
        return f"{seconds * 1000:.3g} ms"

    return f"{seconds:.3g} s" if seconds < 100 else f"{seconds:.0f} s"  # noqa: PLR2004 - below it, three digits are exact


def size(n_bytes: int) -> str:
    """Return a number of bytes for people."""
    value = float(n_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:  # noqa: PLR2004 - the step between the units
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"

        value /= 1024

    return f"{value:.1f} TiB"
