"""Every problem of a declaration: found at once, said with the fix. Numbers are those of the acceptance scenarios."""

import itertools
from collections.abc import Callable
from random import Random
from typing import Any, Union

import pytest
from hypothesis import given, strategies as st

from penstock.graphs.graph import ComputationGraph
from tests.graphs.streams import Book, Hold, Rate, Trade, market


def fn(returns: object = None, /, **annotations: object) -> Callable[..., object]:
    """Make a function with these parameters; ``...`` stands for no annotation."""
    namespace: dict[str, Any] = {}
    exec(f"def made({', '.join(annotations)}): ...", namespace)  # noqa: S102
    known = {name: type_ for name, type_ in annotations.items() if type_ is not ...}
    namespace["made"].__annotations__ = known | ({} if returns is None else {"return": returns})
    return namespace["made"]


def graph_of(**nodes: Callable[..., object]) -> ComputationGraph:
    graph = ComputationGraph("g", reactor=market)
    for name, function in nodes.items():
        graph.node(name=name)(function)

    return graph


def only(graph: ComputationGraph) -> str:
    (problem,) = graph.check()
    return problem


# -- wiring ---------------------------------------------------------------------------------------------------


def test_unknown_source_lists_inputs_and_nodes_with_the_nearest() -> None:  # 19, 20, 22
    problem = only(graph_of(decide=fn(orderbok=Book), audit=fn(orderbook=Book)))
    assert problem.startswith("graph 'g', node 'decide': parameter 'orderbok' takes 'orderbok'")
    assert "did you mean 'orderbook'?" in problem
    assert "inputs of reactor 'market': orderbook, reference; other nodes: audit" in problem


def test_default_makes_no_constant_of_a_parameter() -> None:
    def threshold(orderbook: Book, limit: float = 0.5) -> None: ...

    assert "'limit', which is neither an input nor a node; bind a constant with functools.partial" in only(
        graph_of(threshold=threshold)
    )


def test_declared_inputs_are_listed_as_such() -> None:  # 21
    graph = ComputationGraph("g", inputs={"amount": float})
    graph.node(name="n")(fn(history=...))
    assert "(declared inputs: amount; other nodes: none)" in only(graph)


def test_cycle_is_told_with_its_path_along_the_data() -> None:  # 26
    graph = graph_of(a=fn(c=...), b=fn(a=...), c=fn(b=...), after=fn(c=...))
    assert "a → b → c → a is a cycle" in only(graph)


def test_every_cycle_is_told() -> None:
    problems = graph_of(a=fn(a=...), b=fn(c=...), c=fn(b=...)).check()
    assert [problem.split(": ")[1].split(" is")[0] for problem in problems] == ["a → a", "b → c → b"]


def test_node_with_the_name_of_an_input_is_ambiguous() -> None:
    assert "rename it, or write name='orderbook_node'" in only(graph_of(orderbook=fn(reference=Rate)))


def test_graph_without_nodes_is_empty() -> None:
    assert only(graph_of()) == "graph 'g' has no nodes: decorate a function with `@g.node`"


def test_two_nodes_of_one_name_are_told_with_their_places() -> None:
    graph = graph_of(a=fn())

    @graph.node
    def a() -> None: ...

    assert "two nodes are called 'a'" in only(graph)
    assert "test_checks.py:" in only(graph)


def test_name_that_no_parameter_can_have() -> None:
    assert "name='a_b'" in only(graph_of(**{"a-b": fn()}))
    assert "name='class_'" in only(graph_of(**{"class": fn()}))
    assert "name='node_1st'" in only(graph_of(**{"1st": fn()}))
    graph = graph_of()
    graph.node(lambda: 1)
    assert "<lambda>" in only(graph)


def test_gathering_parameters_and_lost_annotations_are_told_with_the_graph() -> None:  # 27
    def lost(orderbook: "Missing") -> None: ...  # noqa: F821

    def gathering(*books: Book) -> None: ...

    def after(lost: int, gathering: int) -> None: ...

    graph = graph_of(lost=lost, gathering=gathering, after=after)
    problems = graph.check()
    assert len(problems) == 2
    assert all(problem.startswith("graph 'g': ") for problem in problems)


def test_all_problems_are_reported_together() -> None:  # 27
    graph = graph_of(a=fn(b=...), b=fn(a=...), c=fn(nowhere=...), d=fn(orderbook=Rate), reference=fn())
    assert len(graph.check()) == 4


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "give reactor=… or inputs=…"),
        ({"reactor": market, "inputs": {"a": int}}, "not both"),
        ({"reactor": "market"}, "reactor='market' is not a Reactor"),  # 23
        ({"inputs": 3}, "give a msgspec.Struct, a dataclass, a TypedDict, or types by name"),
        ({"inputs": {"a": Callable[[int], int]}}, "g.a"),
    ],
)
def test_graph_needs_a_reactor_or_inputs(options: dict[str, Any], said: str) -> None:
    graph = ComputationGraph("g", **options)
    graph.node(name="n")(fn())
    assert said in only(graph)


def test_graph_needs_a_name() -> None:
    graph = ComputationGraph("", inputs={})
    graph.node(name="n")(fn())
    assert "empty name" in only(graph)


@pytest.mark.parametrize("name", ["a\0b", "half \udcff", "é" * 101])
def test_name_of_a_graph_is_one_that_every_database_keeps(name: str) -> None:
    graph = ComputationGraph(name, inputs={})
    graph.node(name="n")(fn())
    assert only(graph).startswith("graph: ")
    assert "is no name" in only(graph)


def test_renamed_parameters_and_their_sources_must_exist() -> None:
    graph = graph_of()
    graph.node(name="a", inputs={"x": "orderbook", "z": "orderbook"})(fn(x=...))
    assert "inputs= names 'z', which is not a parameter: it has x" in only(graph)
    stranger = graph_of()
    stranger.node(name="a", inputs={"orderbook": fn()})(fn(orderbook=...))
    assert "no node of this graph" in only(stranger)


# -- types ----------------------------------------------------------------------------------------------------


def test_mismatch_is_told_with_both_types() -> None:
    assert only(graph_of(a=fn(orderbook=Rate))) == (
        "graph 'g', node 'a': parameter 'orderbook' accepts Rate, but input 'orderbook' gives Book: change one of the"
        " annotations"
    )
    assert "accepts list[int], but node 'a' gives list[str]" in only(
        graph_of(a=fn(list[str], orderbook=Book), b=fn(a=list[int]))
    )


def test_variant_that_nobody_takes_goes_nowhere() -> None:
    problem = only(graph_of(decide=fn(Trade | Hold, orderbook=Book), execute=fn(decide=Trade)))
    assert "variant Hold goes nowhere" in problem
    assert "`def ...(decide: Hold)`" in problem
    assert "terminals=(Hold,)" in problem


def test_none_is_a_variant_like_others() -> None:
    problem = only(graph_of(decide=fn(Trade | None, orderbook=Book), execute=fn(decide=Trade)))
    assert "terminals=(None,)" in problem


class Special(Trade, frozen=True): ...


@pytest.mark.parametrize(
    ("union", "wanted", "said"),
    [
        (list[int] | list[str], list[int], "list[int] and list[str] cannot be told apart"),
        (Trade | Special, Special, "Trade and Special cannot be told apart"),
        (int | bool, bool, "int and bool cannot be told apart"),
        (Union[Hold, Any], Trade, "Any cannot be told from the other variants"),  # noqa: UP007
    ],
)
def test_variants_that_overlap_are_to_be_wrapped_or_split(union: object, wanted: object, said: str) -> None:
    graph = graph_of(use=fn(decide=wanted), rest=fn(decide=...))
    graph.node(name="decide")(fn(union, orderbook=Book))
    assert said in only(graph)
    assert "wrap each in a class" in only(graph)


def test_union_that_nobody_tells_apart_may_overlap() -> None:
    assert graph_of(decide=fn(list[int] | list[str], orderbook=Book), use=fn(decide=...)).check() == []


def test_node_that_needs_two_branches_at_once_never_runs() -> None:  # 27: unreachable
    decide = fn(Trade | Hold, orderbook=Book)
    graph = graph_of(decide=decide, x=fn(decide=Trade), y=fn(decide=Hold), join=fn(x=..., y=...), after=fn(join=...))
    assert "node 'join' can never run" in only(graph)
    assert "node 'decide' at once" in only(graph)


def test_terminals_must_be_variants_of_the_node() -> None:
    graph = graph_of(use=fn(decide=...))
    graph.node(name="decide", terminals=(Book,))(fn(Trade | Hold, orderbook=Book))
    assert "terminals= names Book, but the node returns Trade | Hold" in graph.check()[-1]


class Settle:
    name = "settle"

    def prepare(self, value: object) -> object: ...


def test_node_that_starts_a_workflow_is_the_end_of_its_path() -> None:
    graph = graph_of(use=fn(escalate=...), more=fn(escalate=...))
    graph.node(name="escalate", starts=Settle())(fn(orderbook=Book))
    assert "use and more takes its value" in only(graph)


def test_starts_names_the_workflow_itself() -> None:
    graph = graph_of()
    graph.node(name="escalate", starts="settle")(fn(orderbook=Book))  # the wrong type, on purpose
    assert "starts='settle' is not a workflow" in only(graph)


def test_unused_input_is_a_note() -> None:  # 27
    graph = graph_of(a=fn(orderbook=Book))
    graph.node(name="b", terminals=(Trade,))(fn(Trade | Hold))
    assert graph.check() == []
    assert graph.notes() == [
        "graph 'g': no node takes reference (inputs of reactor 'market')",
        "graph 'g', node 'b': terminals= changes nothing, since nothing consumes its value",
    ]


# -- whatever comes -------------------------------------------------------------------------------------------

NAMES = ["in0", "in1", "n0", "n1", "n2", "n3", "n4", "stranger"]
TYPES = [..., int, str, None, list[int], int | str, int | None, Trade | Hold | None, bool | int, Any, "Lost"]


@given(
    st.dictionaries(
        st.sampled_from([*NAMES[:-1], "not a name"]),
        st.tuples(
            st.sampled_from(TYPES),
            st.dictionaries(st.sampled_from(NAMES), st.sampled_from(TYPES), max_size=4),
            st.lists(st.sampled_from([int, None, Trade]), max_size=2),
            st.sampled_from([None, Settle(), "settle"]),
        ),
        max_size=6,
    )
)
def test_check_reports_and_never_crashes(nodes: dict[str, Any]) -> None:
    graph = ComputationGraph("g", inputs={"in0": int, "in1": int | str | None})
    for name, (returns, parameters, terminals, starts) in nodes.items():
        graph.node(name=name, terminals=terminals, starts=starts)(fn(returns, **parameters))

    problems = graph.check()
    assert all("'g'" in problem for problem in problems)
    assert graph.draw().startswith("flowchart LR\n")
    assert set(graph.terminals) <= set(nodes)
    if not problems:
        assert graph.run_sync(in0=1).outputs.keys() <= graph.terminals.keys()


@given(st.integers(1, 30), st.randoms())
def test_round_is_found_however_long_and_in_whatever_order_declared(length: int, random: Random) -> None:
    line = [f"n{index}" for index in range(length)]
    edges = list(zip([line[-1], *line], line, strict=False))
    random.shuffle(edges)
    graph = graph_of(**{name: fn(**{before: ...}) for before, name in edges})
    path = only(graph).split(": ")[1].split(" is")[0].split(" → ")
    assert path[0] == path[-1] == edges[0][1]
    assert sorted(path[1:]) == sorted(line)
    assert all((before, name) in edges for before, name in itertools.pairwise(path))
