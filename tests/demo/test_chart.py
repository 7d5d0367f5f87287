from xml.etree import ElementTree as ET

from hypothesis import given, strategies as st

from penstock.demo.chart import LINES, Picture, draw, step
from tests.demo.samples import samples

NAMESPACE = "{http://www.w3.org/2000/svg}"


def picture(values: list[float], unit: str = "%", title: str = "CPU", limit: float = 30.0) -> Picture:
    return Picture(
        title=title, subtitle="", unit=unit, samples=samples(values), centre=5.0, limit=limit, opened=len(values) - 1
    )


def classes(svg: str) -> list[str]:
    return [element.get("class", "") for element in ET.fromstring(svg).iter()]  # noqa: S314 - drawn by us


@given(st.lists(st.floats(0.0, 1e12), min_size=2, max_size=60), st.sampled_from(["%", "% of a core", "B/s"]), st.text())
def test_every_chart_is_well_formed(values: list[float], unit: str, title: str) -> None:
    printable = "".join(character for character in title if character.isprintable())
    root = ET.fromstring(draw(picture(values, unit, printable, limit=1e6)))  # noqa: S314 - drawn by us
    assert root.tag == f"{NAMESPACE}svg"


def test_what_is_above_normal_has_a_line_of_its_own() -> None:
    assert "above" in classes(draw(picture([5.0, 6.0, 80.0])))
    assert "above" not in classes(draw(picture([5.0, 6.0, 7.0])))


def test_text_of_the_machine_is_escaped() -> None:
    assert "<b>" not in draw(picture([1.0, 2.0], title="process <b> & co"))


@given(st.floats(1e-3, 1e15))
def test_about_four_lines_cross_the_plot(span: float) -> None:
    assert LINES / 2 <= span / step(span) <= LINES * 1.02
