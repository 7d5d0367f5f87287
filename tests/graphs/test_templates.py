"""Graphs from the same lines of code share what was made of them, and nothing else."""

import msgspec
import pytest

from penstock.graphs.graph import ComputationGraph
from penstock.graphs.templates import LIMIT, TEMPLATES, Templates, likeness_of
from penstock.reactors.reactor import Reactor
from tests.graphs.streams import Book, Rate, market, orderbook
from tests.graphs.test_subscriber import Settle


def scaled(factor: float, reactor: Reactor = market) -> ComputationGraph:
    graph = ComputationGraph(f"times {factor}", reactor=reactor)

    @graph.node
    def scale(orderbook: Book) -> float:
        return orderbook.bid * factor

    @graph.node(starts=Settle())
    def escalate(scale: float) -> float | None:
        return scale

    return graph


def test_graphs_of_one_likeness_share_a_template_and_keep_their_functions_and_names() -> None:
    one, two = scaled(2.0), scaled(3.0)
    assert one.run_sync(orderbook=Book(1.0, 0.0)).outputs == {"escalate": 2.0}
    assert TEMPLATES.find(two._blueprint) is not None
    assert two.check() == []
    assert two.run_sync(orderbook=Book(1.0, 0.0)).outputs == {"escalate": 3.0}
    assert two.compiled.call.__name__ == "times 3.0"
    assert one.compiled.call.__globals__["_scale"] is not two.compiled.call.__globals__["_scale"]


def test_other_input_types_are_another_likeness() -> None:
    other = Reactor("other", [orderbook])
    assert likeness_of(scaled(1.0)._blueprint) == likeness_of(scaled(2.0)._blueprint)
    assert likeness_of(scaled(1.0)._blueprint) != likeness_of(scaled(1.0, other)._blueprint)


def test_same_lines_with_other_types_are_checked_again() -> None:
    def typed(wanted: type) -> ComputationGraph:
        graph = ComputationGraph("g", reactor=market)

        @graph.node
        def entry(orderbook: wanted) -> None: ...

        return graph

    assert typed(Book).check() == []
    typed(Book).compiled  # noqa: B018
    assert len(typed(Rate).check()) == 1


def text(orderbook: "Book") -> None: ...


def default(orderbook: Book | None = None) -> None: ...


def nested(orderbook: list["Book"]) -> None: ...


def plain(orderbook: Book) -> None: ...


@pytest.mark.parametrize(
    "function", [text, default, nested, lambda orderbook, *, x=1: (orderbook, x), Settle().prepare]
)
def test_what_may_mean_something_else_elsewhere_has_no_likeness(function: object) -> None:
    graph = ComputationGraph("g", reactor=market)
    graph.node(name="n")(function)
    assert likeness_of(graph._blueprint) is None


def test_what_cannot_be_hashed_has_no_likeness() -> None:
    graph = ComputationGraph("g", inputs={"orderbook": Book})
    graph.node(terminals=([],))(plain)
    assert likeness_of(graph._blueprint) is None


def test_problem_of_one_graph_is_not_hidden_by_its_likeness() -> None:
    def declare(starts: object) -> ComputationGraph:
        graph = ComputationGraph("g", reactor=market)
        graph.node(starts=starts)(plain)
        return graph

    declare(Settle()).compiled  # noqa: B018
    assert len(declare("settle").check()) == 1
    twice = declare(Settle())
    twice.node(name="plain")(text)
    assert len(twice.check()) == 1


def test_templates_are_bounded() -> None:
    templates, blueprint = Templates(), scaled(1.0)._blueprint
    scaled(1.0).compiled  # noqa: B018
    template = TEMPLATES.find(blueprint)
    assert template is not None
    for number in range(LIMIT + 1):
        declarations = tuple(msgspec.structs.replace(d, name=f"n{number}") for d in blueprint.declarations)
        templates.keep(msgspec.structs.replace(blueprint, declarations=declarations), template)

    assert len(templates._known) == 1
