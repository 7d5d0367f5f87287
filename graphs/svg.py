"""A picture of a graph as SVG text, without any library: shapes, arrows, and a font whose widths are known."""

import unicodedata
from collections.abc import Iterator, Sequence
from html import escape

from penstock.graphs.layout import Layout, Rectangle, Way, lay_out
from penstock.graphs.picture import Box, Link, Picture

FONT = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
#: Sizes in pixels; a character of these fonts is 0.6 of its size wide, of a few of them a little more.
TITLE, SMALL, WIDE = 13.0, 11.0, 0.62
PADDING, LINE = 10.0, 16.0
HEADING = 34.0
ARROW = 8.0

INK, PALE, EDGE, PAPER, FAILED = "#1f2933", "#52606d", "#7b8794", "#ffffff", "#c81e1e"
#: Fill and outline of each kind of box.
COLOURS = {
    "input": ("#e1effe", "#3f83f8"),
    "node": ("#ffffff", "#627d98"),
    "router": ("#fff7e0", "#d99e0b"),
    "start": ("#def7ec", "#0e9f6e"),
    "emit": ("#edebfe", "#7e5bef"),
}


def svg(picture: Picture) -> str:
    """Return the picture as a document that also stands inside HTML."""
    boxes = {box.key: box for box in picture.boxes}
    layout = lay_out(
        {key: size_of(box) for key, box in boxes.items()},
        [(link.source, link.target) for link in picture.links],
        [label_size(link.label) for link in picture.links],
    )
    width = max(layout.width, text_width(picture.title, TITLE) + 2 * PADDING)
    height = layout.height + HEADING
    lines = [
        _head(width, height),
        f"<title>{escape(picture.title)}</title>",
        f'<rect width="{_n(width)}" height="{_n(height)}" rx="8" fill="#f8fafc"/>',
        _text(PADDING + 6, 24, picture.title, TITLE, INK, anchor="start", bold=True),
        f'<g transform="translate(0 {_n(HEADING)})">',
        *_links(picture.links, layout),
        *(line for key, box in boxes.items() for line in _box(box, layout.boxes[key])),
        "</g>",
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _head(width: float, height: float) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_n(width)} {_n(height)}" width="{_n(width)}"'
        f' height="{_n(height)}" font-family="{FONT}" role="img">'
    )


# -- sizes ----------------------------------------------------------------------------------------------------


def text_width(text: str, size: float) -> float:
    """Return how wide a text is at most."""
    cells = sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)
    return cells * size * WIDE


def size_of(box: Box) -> tuple[float, float]:
    """Return width and height of a box."""
    widths = [text_width(box.title, TITLE), *(text_width(line, SMALL) for line in box.lines)]
    return max(widths) + 2 * PADDING + 8, LINE * (1 + len(box.lines)) + 14


def label_size(label: str) -> tuple[float, float]:
    """Return width and height of the label of a link."""
    return (text_width(label, SMALL) + 12, 17.0) if label else (0.0, 0.0)


# -- boxes ----------------------------------------------------------------------------------------------------


def _box(box: Box, place: Rectangle) -> Iterator[str]:
    fill, line = COLOURS[box.kind]
    line = FAILED if box.is_failing else line
    dash = "" if box.has_run else ' stroke-dasharray="4 3"'
    thick = 2.4 if box.is_output or box.is_failing else 1.4
    yield f'<g class="{box.kind}">'
    if box.tooltip:
        yield f"<title>{escape(box.tooltip)}</title>"

    yield f'{_shape(box, place)} fill="{fill}" stroke="{line}" stroke-width="{thick}"{dash}/>'
    middle = place.x + place.width / 2
    y = place.y + 7 + TITLE
    yield _text(middle, y, box.title, TITLE, INK, bold=True)
    for number, each in enumerate(box.lines, 1):
        yield _text(middle, y + LINE * number, each, SMALL, FAILED if box.is_failing and "failed" in each else PALE)

    yield "</g>"


def _shape(box: Box, place: Rectangle) -> str:
    """Return the outline: inputs round, what starts a workflow as a flag, all others as boxes."""
    x, y, width, height = place.x, place.y, place.width, place.height
    if box.kind == "start":
        right, bottom, notch = x + width, y + height, 8.0
        corners = [(x, y), (right, y), (right, bottom), (x, bottom), (x + notch, y + height / 2)]
        return f'<polygon points="{" ".join(f"{_n(a)},{_n(b)}" for a, b in corners)}"'

    radius = {"input": height / 2, "emit": 12.0}.get(box.kind, 5.0)
    return f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}" rx="{_n(min(radius, height / 2))}"'


# -- links ----------------------------------------------------------------------------------------------------


def _links(links: Sequence[Link], layout: Layout) -> Iterator[str]:
    for link, way in zip(links, layout.ways, strict=True):
        dash = ' stroke-dasharray="5 4"' if link.is_loose or link.is_effect else ""
        yield f'<path d="{_line(way)}" fill="none" stroke="{EDGE}" stroke-width="1.4"{dash}/>'
        yield f'<polygon points="{_arrow(way)}" fill="{EDGE}"/>'

    for link, way in zip(links, layout.ways, strict=True):
        if link.label:  # above all lines
            place = way.label
            yield (
                f'<rect class="label" x="{_n(place.x)}" y="{_n(place.y)}" width="{_n(place.width)}"'
                f' height="{_n(place.height)}" rx="8" fill="{PAPER}" stroke="{EDGE}" stroke-width="0.8"/>'
            )
            middle = place.x + place.width / 2
            yield _text(middle, place.y + place.height / 2 + 4, link.label, SMALL, INK)


def _line(way: Way) -> str:
    """Return the path of a link: straight across its columns, a curve between them; it ends where the arrow begins."""
    points = list(way.points)
    (x, y), (before, _) = points[-1], points[-2]
    points[-1] = (x - ARROW if x >= before else x + ARROW, y)
    parts = [f"M{_n(points[0][0])} {_n(points[0][1])}"]
    for number, (x, y) in enumerate(points[1:], 1):
        left, height = points[number - 1]
        middle = (left + x) / 2
        straight = number % 2 == 1 or height == y
        parts.append(
            f"L{_n(x)} {_n(y)}" if straight else f"C{_n(middle)} {_n(height)} {_n(middle)} {_n(y)} {_n(x)} {_n(y)}"
        )

    return " ".join(parts)


def _arrow(way: Way) -> str:
    (x, y), (before, _) = way.points[-1], way.points[-2]
    back = x - ARROW if x >= before else x + ARROW
    return f"{_n(x)},{_n(y)} {_n(back)},{_n(y - 4)} {_n(back)},{_n(y + 4)}"


def _text(
    x: float, y: float, text: str, size: float, colour: str, *, anchor: str = "middle", bold: bool = False
) -> str:
    weight = ' font-weight="600"' if bold else ""
    return (
        f'<text x="{_n(x)}" y="{_n(y)}" font-size="{_n(size)}" fill="{colour}" text-anchor="{anchor}"{weight}>'
        f"{escape(text)}</text>"
    )


def _n(value: float) -> str:
    """Return a number without more digits than a picture needs."""
    return f"{value:.1f}".removesuffix(".0")
