"""Pictures as SVG: what they show, and that nothing in them overlaps."""

import itertools
import re
import xml.etree.ElementTree as ET

from hypothesis import given, strategies as st

from penstock.graphs.graph import ComputationGraph
from penstock.graphs.layout import MARGIN, Layout, Rectangle, lay_out
from penstock.graphs.picture import LONGEST, Box
from penstock.graphs.ranks import crossings, rank
from penstock.graphs.sources import first_of, optional
from penstock.graphs.svg import SMALL, TITLE, size_of, text_width
from penstock.graphs.ways import NodeCounts
from tests.graphs.streams import Book, Hold, Rate, Trade, market
from tests.graphs.test_subscriber import Settle
from tests.graphs.topologies import GraphSpec, graph_of, graph_specs

SVG = "{http://www.w3.org/2000/svg}"


def maker() -> ComputationGraph:
    graph = ComputationGraph("maker", reactor=market)

    @graph.node
    def decide(orderbook: Book, reference: Rate | None) -> Trade | Hold:
        return Trade(orderbook.bid) if orderbook.bid > 1 else Hold("<small> & cheap")

    @graph.node(starts=Settle())
    async def escalate(decide: Trade) -> Trade:
        return decide

    @graph.node
    def audit(decide: Hold) -> str:
        return decide.reason

    return graph


def texts(document: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(document).iter(f"{SVG}text")]  # noqa: S314 - we wrote it


# -- what it shows --------------------------------------------------------------------------------------------


def test_picture_shows_inputs_nodes_types_variants_and_effects() -> None:
    assert texts(maker().draw("svg")) == [
        "maker · inputs of reactor 'market'",
        *("Trade", "starts", "Hold"),
        *("orderbook", "Book"),
        *("reference", "Rate"),
        *("decide", "→ Trade | Hold"),
        *("escalate", "→ Trade", "async"),
        "settle",
        *("audit", "→ str"),
    ]


def test_notebook_shows_it() -> None:
    assert maker()._repr_svg_() == maker().draw("svg")


def test_text_is_escaped_and_long_types_are_cut_and_whole_in_the_tooltip() -> None:
    graph = ComputationGraph("a<b&c", inputs={"x": dict[str, tuple[int, str, float, bytes, int, float]]})
    graph.node(name="take")(lambda x: x)
    document = graph.draw("svg")
    assert texts(document)[0] == "a<b&c · declared inputs"
    (cut,) = [text for text in texts(document) if text.startswith("dict")]
    assert len(cut) == LONGEST
    assert cut.endswith("…")
    assert "<title>dict[str, tuple[int, str, float, bytes, int, float]]</title>" in document


class Told:
    """A running app, as far as pictures need one."""

    def __init__(self, **counts: NodeCounts) -> None:
        self.counts = counts

    def node_counts(self, graph: str) -> dict[str, NodeCounts]:
        assert graph == "maker"
        return self.counts


def test_counts_of_a_running_app_stand_in_the_boxes() -> None:
    told = Told(decide=NodeCounts(ran=1200, failed=3), audit=NodeCounts(skipped=7, not_ready=1))
    shown = texts(maker().draw("svg", app=told))
    assert shown[shown.index("decide") + 2] == "1,200 ran · 3 failed"
    assert shown[shown.index("audit") + 2] == "7 skipped · 1 not ready"
    assert shown[shown.index("escalate") + 3] == "0 ran"
    document = maker().draw("svg", app=told)
    assert document.count("#c81e1e") == 2  # outline and text of the node that failed
    assert 'node_decide["decide<br/>1,200 ran · 3 failed"]' in maker().draw("mermaid", app=told)


def test_graph_with_problems_is_drawn_as_far_as_it_goes() -> None:
    graph = ComputationGraph("g", inputs={"x": int})
    graph.node(name="a")(lambda c, x: (c, x))
    graph.node(name="b")(lambda a, nowhere: (a, nowhere))
    graph.node(name="c")(lambda b, c: (b, c))  # a cycle, and one of its own
    assert len(graph.check()) == 2
    assert {"a", "b", "c", "x"} <= set(texts(graph.draw("svg")))
    assert texts(ComputationGraph("empty", inputs={}).draw("svg")) == ["empty · declared inputs"]


# -- geometry -------------------------------------------------------------------------------------------------


def apart(one: Rectangle, other: Rectangle) -> bool:
    return (
        one.x + one.width <= other.x
        or other.x + other.width <= one.x
        or one.y + one.height <= other.y
        or other.y + other.height <= one.y
    )


def meets(rectangle: Rectangle, start: tuple[float, float], end: tuple[float, float]) -> bool:
    """Tell whether the box around a piece of a link (which holds its curve) has a point inside a rectangle."""
    (x0, x1), (y0, y1) = sorted((start[0], end[0])), sorted((start[1], end[1]))
    inside_x = x0 < rectangle.x + rectangle.width - 0.01 and rectangle.x + 0.01 < x1
    return inside_x and y0 < rectangle.y + rectangle.height - 0.01 and rectangle.y + 0.01 < y1 + 0.02


def check_layout(layout: Layout, links: list[tuple[str, str]]) -> None:
    labels = [way.label for way in layout.ways if way.label.width]
    things = [*layout.boxes.values(), *labels]
    assert all(apart(one, other) for one, other in itertools.combinations(things, 2))
    for thing in things:
        assert thing.x >= MARGIN - 0.01
        assert thing.y >= MARGIN - 0.01
        assert thing.x + thing.width <= layout.width - MARGIN + 0.01
        assert thing.y + thing.height <= layout.height - MARGIN + 0.01

    for (source, target), way in zip(links, layout.ways, strict=True):
        first, last = layout.boxes[source], layout.boxes[target]
        assert way.points[0][0] in {first.x, first.x + first.width}
        assert way.points[-1][0] in {last.x, last.x + last.width}
        assert first.y < way.points[0][1] < first.y + first.height
        assert last.y < way.points[-1][1] < last.y + last.height
        for start, end in itertools.pairwise(way.points):
            assert not any(meets(box, start, end) for box in layout.boxes.values())
            assert not any(meets(label, start, end) for label in labels if label is not way.label)


Drawing = tuple[dict[str, tuple[float, float]], list[tuple[str, str]], list[tuple[float, float]]]


@st.composite
def drawings(draw: st.DrawFn) -> Drawing:
    names = [f"n{index}" for index in range(draw(st.integers(1, 12)))]
    sizes = st.tuples(st.integers(20, 200).map(float), st.integers(30, 90).map(float))
    pairs = st.tuples(st.sampled_from(names), st.sampled_from(names)).filter(lambda pair: pair[0] != pair[1])
    links = draw(st.lists(pairs, max_size=2 * len(names))) if len(names) > 1 else []
    label = st.one_of(st.just((0.0, 0.0)), st.tuples(st.integers(10, 90).map(float), st.just(17.0)))
    return {name: draw(sizes) for name in names}, links, [draw(label) for _ in links]


@given(drawings())
def test_nothing_overlaps_and_no_link_runs_through_a_box(
    drawing: Drawing,
) -> None:
    boxes, links, labels = drawing
    check_layout(lay_out(boxes, links, labels), links)


@given(graph_specs())
def test_every_graph_is_drawn(spec: GraphSpec) -> None:
    graph = graph_of(spec)
    document = graph.draw("svg")
    assert {node.name for node in spec.nodes} <= set(texts(document))
    assert "nan" not in document


@given(st.text(max_size=60), st.lists(st.text(max_size=60), max_size=4))
def test_text_is_inside_its_box(title: str, lines: list[str]) -> None:
    width, height = size_of(Box(key="k", kind="node", title=title, lines=tuple(lines)))
    assert width >= max(text_width(title, TITLE), *(text_width(line, SMALL) for line in [*lines, ""])) + 8
    assert height >= 16 * (1 + len(lines)) + 8


def test_wide_characters_take_two_cells() -> None:
    assert text_width("日本", 10.0) == text_width("abcd", 10.0)


def test_links_that_need_not_cross_do_not() -> None:
    boxes = dict.fromkeys(("a", "b", "c", "x", "y", "z"), (40.0, 30.0))
    links = [("a", "z"), ("b", "y"), ("c", "x"), ("a", "y")]
    assert crossings(rank(boxes, links, [(0.0, 0.0)] * 4).ranks) == 0


def test_straight_chain_is_a_straight_line() -> None:
    boxes = dict.fromkeys("abc", (40.0, 30.0))
    layout = lay_out(boxes, [("a", "b"), ("b", "c")], [(0.0, 0.0)] * 2)
    assert {round(y, 6) for way in layout.ways for _, y in way.points} == {MARGIN + 15.0}
    assert layout.boxes["a"].x < layout.boxes["b"].x < layout.boxes["c"].x


def test_numbers_have_no_more_digits_than_needed() -> None:
    assert not re.search(r"\d\.\d\d", maker().draw("svg").replace("0.62", ""))


# -- in words -------------------------------------------------------------------------------------------------


def test_explanation_says_order_conditions_and_reasons() -> None:
    graph = maker()

    @graph.node
    def price(decide: Trade) -> float: ...

    @graph.node
    async def report(text: object = first_of("audit", price), rate: Rate | None = optional("reference")) -> None: ...

    assert graph.explain().splitlines() == [
        "graph 'maker': inputs of reactor 'market': orderbook, reference",
        "  1. decide(orderbook, reference) → Trade | Hold",
        "     runs when orderbook is there",
        "     not ready while orderbook is absent",
        "  2. audit(decide) → str",
        "     runs when orderbook is there and decide is Hold",
        "     skipped when decide is Trade",
        "     does not run without decide",
        "  3. price(decide) → float",
        "     runs when orderbook is there and decide is Trade",
        "     skipped when decide is Hold",
        "     does not run without decide",
        "  at the same time: escalate | report",
        "    4. escalate(decide) → Trade  [awaited]",
        "       runs when orderbook is there and decide is Trade",
        "       skipped when decide is Hold",
        "       does not run without decide",
        "       its value starts settle",
        "    5. report(text = first of audit, price, rate = reference or None) → None  [awaited]",
        "       runs when audit ran or price ran",
        "       skipped when none of audit, price has a value",
        "  outputs:",
        "    escalate, when orderbook is there and decide is Trade",
        "    report, when audit ran or price ran",
    ]
    assert "decide = _decide(orderbook, " in graph.explain(source=True)
    assert "_decide" not in graph.explain()


def test_explanation_shows_what_runs_at_the_same_time() -> None:
    graph = ComputationGraph("g", inputs={"x": int})

    @graph.node
    async def a(x: int) -> None: ...

    @graph.node(timeout=5)
    async def b(x: int) -> None: ...

    @graph.node
    def c(a: None) -> None: ...

    assert graph.explain().splitlines()[1:] == [
        "  at the same time: a | b",
        "    1. a(x) → None  [awaited]",
        "    2. b(x) → None  [at most 5s]",
        "  3. c(a) → None",
        "  outputs:",
        "    b",
        "    c",
    ]
