from collections.abc import Callable
from pathlib import Path
from typing import cast

from tests.cli.conftest import Penstock
from tests.cli.market import MARKET

Write = Callable[[str, str], Path]

NO_GRAPH = "import penstock as ps\napp = ps.App(parts=[])\n"


def test_every_graph_is_drawn_with_its_name(write: Write, penstock: Penstock) -> None:
    write("market_graph.py", MARKET)
    outcome = penstock("graph", "market_graph")
    assert (outcome.code, outcome.err) == (0, "")
    lines = outcome.out.splitlines()
    assert lines[0] == "%% sizes"
    assert lines[1].startswith(("flowchart", "graph"))
    assert all(name in outcome.out for name in ("orders", "judge", "escalate", "Large"))


def test_named_graph_alone_is_one_mermaid_document(write: Write, penstock: Penstock) -> None:
    write("market_graph_one.py", MARKET)
    outcome = penstock("graph", "market_graph_one", "--graph", "sizes", "--format", "mermaid")
    assert outcome.out.startswith(("flowchart", "graph"))


def test_json_holds_the_drawing(write: Write, penstock: Penstock) -> None:
    write("market_graph_json.py", MARKET)
    plain = penstock("graph", "market_graph_json", "--graph", "sizes").out
    document = cast("dict[str, object]", penstock("graph", "market_graph_json", "--json").json)
    assert document == {
        "app": "market_graph_json",
        "graphs": [{"name": "sizes", "format": "mermaid", "drawing": plain}],
    }


def test_unknown_graph_names_what_there_is(write: Write, penstock: Penstock) -> None:
    write("market_graph_two.py", MARKET)
    outcome = penstock("graph", "market_graph_two", "--graph", "size")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == "penstock: the app has no graph 'size'; it has sizes\n"


def test_app_without_graphs_says_so(write: Write, penstock: Penstock) -> None:
    write("market_graph_none.py", NO_GRAPH)
    outcome = penstock("graph", "market_graph_none")
    assert (outcome.code, outcome.err) == (2, "penstock: the app has no computation graph\n")


def test_unknown_format_is_misuse(write: Write, penstock: Penstock) -> None:
    outcome = penstock("graph", "market_graph", "--format", "crayon")
    assert outcome.code == 2
    assert "crayon" in outcome.err


def test_graph_is_drawn_as_svg(write: Write, penstock: Penstock) -> None:
    write("market_graph_svg.py", MARKET)
    outcome = penstock("graph", "market_graph_svg", "--format", "svg")
    assert outcome.out.startswith('<svg xmlns="http://www.w3.org/2000/svg"')
    assert outcome.out.endswith("</svg>\n")
