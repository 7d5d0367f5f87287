"""Graphs built from data."""

from typing import Any

import msgspec
import pytest
from hypothesis import given

from penstock.graphs.graph import ComputationGraph
from penstock.graphs.routes import Route
from penstock.runtime.errors import DefinitionError
from tests.graphs import work
from tests.graphs.streams import Book, Hold, Trade, market
from tests.graphs.test_compile import only_unreachable, traverse, values_of
from tests.graphs.test_subscriber import Settle
from tests.graphs.topologies import GraphSpec, Settle as Settling, graph_of, graph_specs

JSON = b"""{
    "name": "threshold",
    "inputs": {"amount": "float", "limit": "int | None"},
    "nodes": {
        "decide": {"inputs": ["amount", "limit"]},
        "large": {"function": "twice", "inputs": {"value": {"route": "decide", "variant": "large"}}},
        "small": {"function": "twice", "inputs": {"value": {"route": "decide", "variant": "small"}}},
        "join": {"inputs": {"value": {"first_of": ["large", "small"]}, "late": {"optional": "large", "default": 0}}}
    }
}"""


def decide(amount: float, limit: int | None) -> Route:
    return Route("large" if amount > (limit or 10) else "small", amount)


def twice(value: float) -> float:
    return value * 2


def join(value: float, late: float) -> tuple[float, float]:
    return value, late


FUNCTIONS = {"decide": decide, "twice": twice, "join": join}


def built(data: Any, functions: Any = FUNCTIONS, **options: Any) -> ComputationGraph:
    return ComputationGraph.from_topology(data, functions=functions, **options)


def test_graph_from_json_is_checked_and_runs() -> None:
    graph = built(JSON)
    assert graph.check() == []
    assert graph.run_sync(amount=11.0).outputs == {"join": (22.0, 22.0)}
    assert graph.run_sync(amount=11.0, limit=20).outputs == {"join": (22.0, 0)}


def test_topology_is_what_it_was_built_from() -> None:
    graph = built(JSON)
    again = ComputationGraph.from_topology(graph.topology(), functions=graph.functions)
    assert again.topology() == graph.topology()
    assert again.explain(source=True) == graph.explain(source=True)
    assert msgspec.json.decode(msgspec.json.encode(graph.topology())) == graph.topology()


def test_everything_that_a_node_may_say_stands_in_the_topology() -> None:
    graph = ComputationGraph("g", reactor=market, copy_inputs=True, commit_snapshot=True)

    @graph.node(terminals=(Hold,))
    def decide(orderbook: Book) -> Trade | Hold:
        return Trade(1.0)

    graph.node(name="start", starts=Settle(), inputs={"decide": "decide"})(start)
    graph.node(name="slow", executor="process", timeout="5s")(slow)
    data = graph.topology()
    assert data == {
        "name": "g",
        "reactor": "market",
        "copy_inputs": True,
        "commit_snapshot": True,
        "nodes": {
            "decide": {"terminals": ["Hold"]},
            "start": {"starts": "settle"},
            "slow": {"executor": "process", "timeout": 5.0},
        },
    }
    again = built(data, graph.functions, reactor=market, parts={"settle": Settle()})
    assert again.check() == []
    assert again.topology() == data
    assert (again.copy_inputs, again.commit_snapshot) == (True, True)


def start(decide: Trade) -> Trade:
    return decide


def slow(orderbook: Book) -> int:
    return 1


@given(graph_specs())
async def test_every_graph_survives_the_way_through_json(spec: GraphSpec) -> None:
    graph, values = graph_of(spec), values_of(spec)
    text = msgspec.json.encode(graph.topology())
    again = built(text, graph.functions, inputs=dict.fromkeys(spec.inputs, Any), parts={"settle": Settling()})
    again._given = graph._given
    assert again.check() == graph.check()
    assert again.topology() == graph.topology()
    if not only_unreachable(graph):
        assert await traverse(again, values) == await traverse(graph, values)


# -- mistakes -------------------------------------------------------------------------------------------------


def problems(nodes: Any, **options: Any) -> list[str]:
    return built({"name": "g", "inputs": ["amount", "limit"], "nodes": nodes}, **options).check()


def test_scenario_19_node_without_function() -> None:
    (problem, *_) = problems({"decid": {}, "join": {"inputs": {"value": "amount", "late": "limit"}}, "twice": {}})
    assert problem.startswith("graph 'g', node 'decid': there is no function 'decid'; did you mean 'decide'?")


def test_scenario_20_function_that_is_not_in_the_topology() -> None:
    found = problems({"twice": {"inputs": {"value": "amount"}}}, functions={"twice": twice, "decide": decide})
    assert found == [
        "graph 'g': function 'decide' is not in the topology: add a node for it, or leave it out",
    ]


def test_scenario_21_declared_inputs_are_the_only_ones() -> None:
    (problem,) = problems({"twice": {"inputs": {"value": "alpha"}}}, functions={"twice": twice})
    assert "takes 'alpha', which is neither an input nor a node" in problem
    assert "declared inputs: amount, limit" in problem


@pytest.mark.parametrize(
    ("node", "said"),
    [
        ({"inputs": {"value": "amount"}, "next": "join"}, "'next' is no key of a node: edges stand at"),
        ({"inputs": {"value": "amount"}, "routes": {}}, "'routes' is no key of a node"),
        ({"inputs": {"value": "amount"}, "input": []}, "unknown key 'input'; did you mean 'inputs'?"),
        ({"inputs": ["amount"]}, "inputs lists amount, but the function takes value"),
        ({"inputs": 3}, "inputs must be a list of names or a mapping, not int"),
        ({"inputs": {"value": 3}}, "3 is no source: write a name"),
        ({"inputs": {"value": {"route": "a", "from": "b"}}}, "is no source: write a name"),
        ({"inputs": {"value": {"route": "a"}}}, "a route has a variant"),
        ({"inputs": {"value": {"first_of": []}}}, "first_of must list names"),
        ({"inputs": {"value": {"first_of": [{"optional": "amount"}]}}}, "first_of must list names"),
        ({"inputs": {"value": {"form": "amount"}}}, "unknown key 'form'; did you mean 'from'?"),
        ({"inputs": {"value": "amount"}, "starts": "setle"}, "starts names 'setle', which is not given"),
        ({"inputs": {"value": "amount"}, "terminals": "a"}, "terminals must be a list of variants"),
        ("join", "it must be a mapping, not str"),
    ],
)  # fmt: skip
def test_scenario_27_mistakes_of_a_node_are_told(node: object, said: str) -> None:
    assert any(said in problem for problem in problems({"twice": node}, functions={"twice": twice}))


def test_mistakes_of_a_graph_are_told_together() -> None:
    graph = built({"name": "g", "reactor": "stream", "node": {}}, {}, reactor=market)
    assert [problem.split(": ", 1)[1].split(":")[0].split("?; there")[0] for problem in graph.check()[:3]] == [
        "unknown key 'node'; did you mean 'nodes'",
        "it names reactor 'stream', but it was given 'market'",
        "nodes must be a mapping of names, not None",
    ]
    graph = built({"name": "g", "inputs": {"a": "Trade"}, "nodes": {"n": {"inputs": ["a"]}}}, {"n": lambda a: a})
    assert "input 'a' has type 'Trade', which data cannot name" in graph.check()[0]


def test_text_that_is_no_topology_is_refused_at_once() -> None:
    with pytest.raises(DefinitionError, match="no JSON"):
        built("{")

    with pytest.raises(DefinitionError, match="a topology is a mapping"):
        built("[1]")


def test_accumulators_of_the_reactor_are_known() -> None:
    data = {"name": "g", "reactor": "market", "nodes": {"n": {"inputs": ["orderbook"], "emits": "orderbook"}}}

    def n(orderbook: Book) -> Book: ...

    (problem,) = built(data, {"n": n}, reactor=market).check()
    assert "is an input of its own reactor" in problem
    assert work.add_up(3).of == 6
