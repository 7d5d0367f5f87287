"""Draws the chart of a report: one signal over time, what is normal for it, and where it left that.

Plain SVG, written by hand: it needs no library, can be read as text, and shows in any browser beside its report.
"""

from collections.abc import Sequence
from html import escape
from itertools import pairwise

import msgspec

from penstock.demo.signals import Sample
from penstock.demo.words import quantity

WIDTH, HEIGHT = 760, 300
#: The edges of the plot within the picture.
LEFT, RIGHT, TOP, BOTTOM = 78, WIDTH - 20, 66, HEIGHT - 40
#: About how wide the label of a value is.
LABEL = 110
#: About so many lines cross the plot in each direction.
LINES = 4
#: Steps between lines that people can count in, before the power of ten.
STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)

STYLE = """
text { font-family: system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif; fill: #52606d; font-size: 11px }
.title { font-size: 15px; font-weight: 600; fill: #1f2933 }
.subtitle { font-size: 12px }
.value { font-size: 12px; font-weight: 600; fill: #c2410c; paint-order: stroke; stroke: #ffffff; stroke-width: 4px }
.grid { stroke: #e4e7eb }
.axis { stroke: #9aa5b1 }
.normal { fill: #0f766e; opacity: 0.10 }
.centre { stroke: #0f766e; stroke-dasharray: 5 4 }
.line { fill: none; stroke: #2563a6; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round }
.area { fill: url(#under) }
.above { fill: none; stroke: #ea580c; stroke-width: 2.5; stroke-linejoin: round; stroke-linecap: round }
.opened { stroke: #c2410c; stroke-dasharray: 2 3 }
.dot { fill: #ea580c; stroke: #ffffff; stroke-width: 1.5 }
""".strip()


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """What a chart shows."""

    title: str
    subtitle: str
    unit: str
    #: At least two, oldest first.
    samples: tuple[Sample, ...]
    #: What is normal: from zero to the limit, usually the centre.
    centre: float
    limit: float
    #: Which sample was the newest when the incident was opened.
    opened: int


class Scale(msgspec.Struct, frozen=True, kw_only=True):
    """From values to places in the picture."""

    seconds: float
    top: float

    def x(self, seconds: float) -> float:
        """Return the place of an instant, in seconds after the first sample."""
        return LEFT + (RIGHT - LEFT) * seconds / self.seconds

    def y(self, value: float) -> float:
        """Return the place of a value; what does not fit is drawn at the edge."""
        return BOTTOM - (BOTTOM - TOP) * min(max(value, 0.0), self.top) / self.top


def step(span: float) -> float:
    """Return a round distance between lines, so that about four of them fit into the span."""
    wanted, power = span / LINES, 1.0
    while power * STEPS[-1] < wanted:
        power *= 10.0

    while power > wanted:
        power /= 10.0

    return next(factor * power for factor in STEPS if factor * power >= wanted * 0.99)


def draw(picture: Picture) -> str:
    """Return the chart as the text of an SVG file."""
    start = picture.samples[0].at
    places = [((sample.at - start).total_seconds(), sample.value) for sample in picture.samples]
    highest = max(picture.limit, *(value for _, value in places)) * 1.1
    top = 100.0 if picture.unit == "%" else step(highest) * (highest // step(highest) + 1)
    scale = Scale(seconds=max(places[-1][0], 1e-3), top=max(top, 1e-3))
    body = [
        *_frame(picture),
        *_values(scale, picture.unit),
        *_instants(scale, places[picture.opened][0]),
        *_normal(scale, picture),
        *_signal(scale, places, picture.limit),
        *_opened(scale, places, picture.opened, picture.unit),
    ]
    return "\n".join([_head(), *body, "</svg>", ""])


def _head() -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'role="img">\n<style>\n{STYLE}\n</style>\n'
        '<defs><linearGradient id="under" x1="0" y1="0" x2="0" y2="1">'
        '<stop offset="0" stop-color="#2563a6" stop-opacity="0.28"/>'
        '<stop offset="1" stop-color="#2563a6" stop-opacity="0.02"/></linearGradient></defs>'
    )


def _text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(words)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def _frame(picture: Picture) -> list[str]:
    card = f'<rect x="0.5" y="0.5" width="{WIDTH - 1}" height="{HEIGHT - 1}" rx="8" fill="#ffffff" stroke="#d9dee4"/>'
    return [card, _text(20, 28, picture.title, "title"), _text(20, 47, picture.subtitle, "subtitle")]


def _values(scale: Scale, unit: str) -> list[str]:
    """Draw the lines of equal value."""
    distance = step(scale.top)
    lines: list[str] = []
    for index in range(int(scale.top / distance + 1e-6) + 1):
        value = index * distance
        y = scale.y(value)
        label = f"{value:g} %" if unit.startswith("%") else quantity(value, unit)
        lines += [_line(LEFT, y, RIGHT, y, "grid" if index else "axis"), _text(LEFT - 8, y + 4, label, "", "end")]

    return lines


def _instants(scale: Scale, opened: float) -> list[str]:
    """Mark the seconds before and after the incident was opened."""
    distance = max(step(scale.seconds), 1.0)
    first, last = -int(opened / distance), int((scale.seconds - opened) / distance)
    labels: list[str] = []
    for index in range(first, last + 1):
        seconds = index * distance
        label = f"{seconds:+g} s".replace("-", "\N{MINUS SIGN}") if index else "opened"
        x = scale.x(opened + seconds)
        labels.append(_text(x, BOTTOM + 20, label, "", "end" if x > RIGHT - 20 else "middle"))

    return labels


def _normal(scale: Scale, picture: Picture) -> list[str]:
    """Shade what is normal."""
    y, centre = scale.y(picture.limit), scale.y(picture.centre)
    band = f'<rect x="{LEFT}" y="{y:.1f}" width="{RIGHT - LEFT}" height="{BOTTOM - y:.1f}" class="normal"/>'
    words = f"normal: up to {quantity(picture.limit, picture.unit)}"
    return [band, _line(LEFT, centre, RIGHT, centre, "centre"), _text(LEFT + 8, y - 6, words)]


def _signal(scale: Scale, places: Sequence[tuple[float, float]], limit: float) -> list[str]:
    """Draw the signal, in another colour where it is above normal."""
    points = [(scale.x(seconds), scale.y(value)) for seconds, value in places]
    path = " L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    area = f'<path d="M{points[0][0]:.1f} {BOTTOM} L{path} L{points[-1][0]:.1f} {BOTTOM} Z" class="area"/>'
    above = "".join(
        f"M{x1:.1f} {y1:.1f} L{x2:.1f} {y2:.1f}"
        for ((x1, y1), (x2, y2)), (before, after) in zip(pairwise(points), pairwise(places), strict=True)
        if max(before[1], after[1]) > limit
    )
    return [area, f'<path d="M{path}" class="line"/>', *([f'<path d="{above}" class="above"/>'] if above else [])]


def _opened(scale: Scale, places: Sequence[tuple[float, float]], opened: int, unit: str) -> list[str]:
    """Mark the sample at which the incident was opened; its value stands above the line."""
    points = [(scale.x(seconds), scale.y(value)) for seconds, value in places]
    x, y = points[opened]
    side = -1 if x > (LEFT + RIGHT) / 2 else 1
    beneath = [height for place, height in points if 0 <= (place - x) * side <= LABEL]
    label = _text(
        x + 10 * side,
        max(min(beneath) - 10, TOP - 4),
        quantity(places[opened][1], unit),
        "value",
        "end" if side < 0 else "start",
    )
    dot = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" class="dot"/>'
    return [_line(x, TOP, x, BOTTOM, "opened"), dot, label]
