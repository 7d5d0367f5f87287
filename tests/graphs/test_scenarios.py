"""The acceptance scenarios of graphs, by their numbers. Those of data (19 - 21, 27) also stand in ``test_data``."""

import asyncio
import threading
import traceback
from typing import Any

import msgspec
import pytest
from anyio.lowlevel import checkpoint

from penstock.accumulators.passthrough import passthrough_accumulator
from penstock.app import App
from penstock.graphs.graph import ComputationGraph
from penstock.graphs.routes import Route
from penstock.graphs.sources import first_of, route
from penstock.reactors.reactor import Reactor, broadcast
from penstock.runtime.errors import DefinitionError, NodeFailed
from tests.graphs.streams import Book, Hold, Rate, Trade, market


def of(**inputs: object) -> ComputationGraph:
    return ComputationGraph("g", inputs=inputs)


# -- execution ------------------------------------------------------------------------------------------------


def test_scenario_01_linear_graph() -> None:
    graph = of(alpha=float)
    graph.node(name="entry")(lambda alpha: alpha * 2)
    graph.node(name="process")(lambda entry: entry + 10)
    graph.node(name="output")(lambda process: {"published": True, "value": process})
    assert graph.run_sync(alpha=5.0).outputs == {"output": {"published": True, "value": 20.0}}


@passthrough_accumulator
def alpha(event: float) -> float:
    return event


@passthrough_accumulator
def beta(event: float) -> float:
    return event


sums = Reactor("sums", [alpha, broadcast(beta)])


class Signal(msgspec.Struct, frozen=True):
    value: float


class NoAction(msgspec.Struct, frozen=True):
    value: float


def adding() -> ComputationGraph:
    graph = ComputationGraph("adding", reactor=sums)

    @graph.node
    def decide(alpha: float, beta: float | None) -> Signal | NoAction:
        total = alpha + (beta or 0.0)
        return Signal(total) if total > 10 else NoAction(total)

    @graph.node
    def signal(decide: Signal) -> float:
        return decide.value

    @graph.node
    def nothing(decide: NoAction) -> float:
        return decide.value

    return graph


def test_scenario_02_router_runs_only_the_branch_of_the_signal() -> None:
    result = adding().run_sync(alpha=8.0, beta=5.0)
    assert (result.outputs, result.skipped) == ({"signal": 13.0}, ("nothing",))


def test_scenario_03_router_runs_only_the_other_branch() -> None:
    result = adding().run_sync(alpha=2.0, beta=1.0)
    assert (result.outputs, result.skipped) == ({"nothing": 3.0}, ("signal",))


def test_scenario_04_input_that_never_came_is_none() -> None:
    assert adding().run_sync(alpha=8.0).outputs == {"nothing": 8.0}


def test_scenario_05_linear_graph_of_mappings() -> None:
    graph = of(alpha=dict[str, float])
    graph.node(name="entry")(lambda alpha: {"value": alpha["value"] * 2})
    graph.node(name="output")(lambda entry: {"result": entry["value"] + 10, "done": True})
    assert graph.run_sync(alpha={"value": 5.0}).outputs == {"output": {"result": 20.0, "done": True}}


def test_scenario_06_route_by_name_runs_that_terminal_only() -> None:
    graph = of(x=float)
    graph.node(name="decide")(lambda x: Route("Signal", x * 2))
    graph.node(name="signal", inputs={"value": route("decide", "Signal")})(lambda value: value)
    graph.node(name="nothing", inputs={"value": route("decide", "NoAction")})(lambda value: value)
    assert graph.run_sync(x=4.0).outputs == {"signal": 8.0}


@pytest.mark.parametrize(
    ("book", "mid", "outputs"),
    [
        (None, 100.0, {}),
        (Book(99.95, 100.05), 100.0, {"trade": 1.0}),
        (Book(99.5, 100.5), 100.0, {"hold": "NoAction"}),
        (Book(104.9, 105.0), 100.0, {"hold": "NoAction"}),
        (Book(99.99, 100.07), 100.0, {"trade": 0.9997}),
    ],
)
def test_scenario_07_market_maker(book: Book | None, mid: float, outputs: dict[str, object]) -> None:
    graph = ComputationGraph("maker", reactor=market)

    @graph.node
    def decide(orderbook: Book, reference: Rate) -> Trade | Hold:
        middle = (orderbook.bid + orderbook.ask) / 2
        difference = abs(middle - reference.mid)
        if orderbook.ask - orderbook.bid > 0.5 or difference > 0.1:
            return Hold("NoAction")

        return Trade(round(1 - difference / reference.mid, 6))

    @graph.node
    def trade(decide: Trade) -> float:
        return decide.price

    @graph.node
    def hold(decide: Hold) -> str:
        return decide.reason

    inputs = {"reference": Rate(mid)} | ({} if book is None else {"orderbook": book})
    assert graph.run_sync(**inputs).outputs == outputs


async def test_scenario_08_independent_nodes_overlap_and_join_in_declared_order() -> None:
    graph, meeting = of(a=int), asyncio.Barrier(2)

    @graph.node
    async def b(a: int) -> str:
        await meeting.wait()  # each waits for the other: one after the other, neither would ever end
        return f"b{a}"

    @graph.node
    async def c(a: int) -> str:
        await meeting.wait()
        return f"c{a}"

    graph.node(name="d")(lambda b, c: (b, c))
    for number in range(1000):
        assert (await graph.run(a=number)).outputs == {"d": (f"b{number}", f"c{number}")}


@pytest.mark.parametrize("variant", ["one", "other"])
def test_scenario_09_variants_that_converge_run_their_node_once(variant: str) -> None:
    graph, calls = of(x=str), list[str]()
    graph.node(name="decide")(lambda x: Route(x, x.upper()))

    @graph.node(inputs={"value": first_of(route("decide", "one"), route("decide", "other"))})
    def meet(value: str) -> None:
        calls.append(value)

    graph.run_sync(x=variant)
    assert calls == [variant.upper()]


def routed() -> ComputationGraph:
    graph = of(amount=float)

    @graph.node(terminals=(Hold,))
    def first(amount: float) -> Trade | Hold:
        return Trade(amount) if amount > 1 else Hold("first")

    return graph


def test_scenario_10_skipping_is_transitive() -> None:
    graph = routed()

    @graph.node
    def x(first: Trade) -> float:
        return first.price

    @graph.node
    def y(x: float) -> float:
        return x

    result = graph.run_sync(amount=0.5)
    assert (result.outputs, result.skipped) == ({"first": Hold("first")}, ("x", "y"))
    assert graph.run_sync(amount=2.0).outputs == {"y": 2.0}


def test_scenario_11_targets_of_a_skipped_router_do_not_run() -> None:
    graph = routed()

    @graph.node(terminals=(Hold,))
    def second(first: Trade) -> Trade | Hold:
        return first if first.price > 2 else Hold("second")

    @graph.node
    def y(second: Trade) -> float:
        return second.price

    assert graph.run_sync(amount=0.5).skipped == ("second", "y")
    assert graph.run_sync(amount=1.5).outputs == {"second": Hold("second")}
    assert graph.run_sync(amount=3.0).outputs == {"y": 3.0}


def test_scenario_12_undeclared_variant_fails_with_node_variant_and_the_allowed_ones() -> None:
    graph = of(x=int)
    graph.node(name="decide")(lambda x: Route("sell", x))
    graph.node(name="buy", inputs={"x": route("decide", "buy")})(lambda x: x)
    graph.node(name="wait", inputs={"x": route("decide", "wait")})(lambda x: x)
    with pytest.raises(NodeFailed, match=r"node 'decide'.*Route\('sell', …\).*declared variants: buy, wait") as caught:
        graph.run_sync(x=1)

    assert caught.value.node == "decide"


@pytest.mark.parametrize("value", [3, ("buy", 3), None])
def test_scenario_13_router_that_returns_no_route_fails(value: object) -> None:
    graph = of(x=Any)
    graph.node(name="decide")(lambda x: x)
    graph.node(name="buy", inputs={"x": route("decide", "buy")})(lambda x: x)
    with pytest.raises(NodeFailed, match=f"node 'decide'.*gave {type(value).__name__}, which is none"):
        graph.run_sync(x=value)


def test_scenario_14_error_has_node_text_inputs_and_traceback() -> None:
    graph = of(x=int)

    @graph.node
    def broken(x: int) -> None:
        raise ValueError("x")

    with pytest.raises(NodeFailed, match="node 'broken' of graph 'g' failed: ValueError: x; it was called with x=7"):
        graph.run_sync(x=7)

    try:
        graph.run_sync(x=7)
    except NodeFailed as error:
        text = "".join(traceback.format_exception(error))

    assert 'raise ValueError("x")' in text
    assert "broken = _broken(x)" in text  # the compiled line


async def test_scenario_15_blocking_node_leaves_the_loop_free() -> None:
    graph, turned = of(x=int), threading.Event()

    @graph.node(executor="thread")
    def block(x: int) -> int:
        assert turned.wait(10)
        return x

    @graph.node
    async def turn(x: int) -> None:
        await checkpoint()
        turned.set()

    assert (await graph.run(x=1)).outputs == {"block": 1, "turn": None}


async def test_scenario_16_async_node_is_awaited() -> None:
    graph = of(x=int)

    @graph.node
    async def wait(x: int) -> int:
        await checkpoint()
        return x + 1

    graph.node(name="after")(lambda wait: wait * 2)
    assert (await graph.run(x=1)).outputs == {"after": 4}


def test_scenario_17_several_terminals_are_a_mapping() -> None:
    graph = of(a=int)
    graph.node(name="left")(lambda a: a + 1)
    graph.node(name="right")(lambda a: -a)
    assert graph.run_sync(a=1).outputs == {"left": 2, "right": -1}


@pytest.mark.parametrize(("copies", "seen"), [(True, [0]), (False, [0, 1])])
def test_scenario_18_change_of_an_input_is_seen_unless_inputs_are_copied(copies: bool, seen: list[int]) -> None:
    graph = ComputationGraph("g", inputs={"a": list[int]}, copy_inputs=copies)

    @graph.node
    def changes(a: list[int]) -> None:
        a.append(1)

    @graph.node
    def sibling(a: list[int]) -> list[int]:
        return a

    assert graph.run_sync(a=[0]).outputs["sibling"] == seen


# -- declarations ---------------------------------------------------------------------------------------------


def test_scenario_19_node_without_function_is_told_with_graph_and_node() -> None:
    graph = ComputationGraph.from_topology({"name": "g", "inputs": ["x"], "nodes": {"entry": {}}}, functions={})
    assert "graph 'g', node 'entry': there is no function 'entry'" in graph.check()[0]


def test_scenario_20_function_outside_of_the_topology_is_told() -> None:
    data = {"name": "g", "inputs": ["x"], "nodes": {"entry": {}}}
    graph = ComputationGraph.from_topology(data, functions={"entry": lambda x: x, "unused": lambda x: x})
    assert graph.check() == ["graph 'g': function 'unused' is not in the topology: add a node for it, or leave it out"]


def test_scenario_21_triggerless_graph_has_only_its_declared_inputs() -> None:
    graph = of(amount=float)
    graph.node(name="entry")(lambda alpha: alpha)
    assert "takes 'alpha', which is neither an input nor a node (declared inputs: amount" in graph.check()[0]


def test_scenario_22_input_that_is_no_accumulator_is_told_with_those_that_are() -> None:
    graph = ComputationGraph("g", reactor=market)
    graph.node(name="entry")(lambda alpha: alpha)
    assert "(inputs of reactor 'market': orderbook, reference; other nodes: none)" in graph.check()[0]


@pytest.mark.parametrize("reactor", ["market", Book])
def test_scenario_23_reactor_that_is_none_is_told(reactor: object) -> None:
    graph = ComputationGraph("g", reactor=reactor)  # type: ignore[arg-type]
    graph.node(name="entry")(lambda: 1)
    assert "is not a Reactor: give the Reactor itself" in graph.check()[0]


def test_scenario_24_there_is_no_bundled_form() -> None:
    with pytest.raises(TypeError, match="react"):
        ComputationGraph("g", react=market)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("declare", "said"),
    [
        (lambda: Reactor("", [alpha]), "name"),
        (lambda: Reactor("r", []), "has no input that makes it fire"),
        (lambda: Reactor("r", [alpha, alpha]), "input 'alpha' is there twice"),
        (lambda: Reactor("r", [alpha], strategy="newest"), "strategy='newest' is neither"),
    ],
    ids=["name", "inputs", "twice", "strategy"],
)
def test_scenario_25_reactor_that_cannot_be_is_told(declare: Any, said: str) -> None:
    with pytest.raises(DefinitionError, match=said):
        declare()


def test_scenario_26_cycle_is_told_with_its_path() -> None:
    graph = of(x=int)
    graph.node(name="a")(lambda c, x: (c, x))
    graph.node(name="b")(lambda a: a)
    graph.node(name="c")(lambda b: b)
    (problem,) = graph.check()
    assert "a → b → c → a is a cycle" in problem


def test_scenario_27_everything_wrong_is_told_in_one_error() -> None:
    graph = ComputationGraph("g", reactor=market)

    @graph.node
    def decide(orderbook: Book) -> Trade | Hold: ...

    @graph.node
    def buy(decide: Trade) -> None: ...

    @graph.node(inputs={"more": "orderbook"})
    def arity(orderbook: Book) -> None: ...

    graph.node(name="unknown")(lambda nowhere: nowhere)
    with pytest.raises(DefinitionError) as caught:
        graph.run_sync()

    told = "\n".join(caught.value.problems)
    assert "inputs= names 'more', which is not a parameter" in told
    assert "takes 'nowhere', which is neither an input nor a node" in told
    unreachable = ComputationGraph("g", reactor=market)
    unreachable.node(decide)
    unreachable.node(buy)

    @unreachable.node
    def wait(decide: Hold) -> None: ...

    unreachable.node(name="both")(lambda buy, wait: (buy, wait))
    assert "node 'both' can never run" in unreachable.check()[0]
    assert "no node takes reference" in unreachable.notes()[0]


def test_scenario_28_error_in_the_block_goes_up_and_nothing_is_checked() -> None:
    def block() -> None:
        with of(x=int) as graph:
            graph.node(name="broken")(lambda nowhere: nowhere)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        block()

    with pytest.raises(DefinitionError, match="nowhere"), of(x=int) as graph:
        graph.node(name="broken")(lambda nowhere: nowhere)

    with of(x=int) as graph:
        graph.node(name="fine")(lambda x: x)

    assert graph.run_sync(x=1).outputs == {"fine": 1}


def test_scenario_29_two_graphs_of_one_name_are_refused() -> None:
    graphs = [of(x=int), of(x=int)]
    for graph in graphs:
        graph.node(name="n")(lambda x: x)

    with pytest.raises(DefinitionError, match="two graphs are called 'g': rename one of them"):
        App("sqlite:///unused.db", parts=graphs)


def test_scenario_30_single_node_is_a_graph_in_every_form() -> None:
    declared = of(x=int)
    declared.node(name="n")(lambda x: x)
    fired = ComputationGraph("g", reactor=market)
    fired.node(name="n")(lambda orderbook: orderbook.bid)
    alone = of()
    alone.node(name="n")(lambda: 1)
    data = {"name": "g", "inputs": ["x"], "nodes": {"n": {}}}
    built = ComputationGraph.from_topology(data, functions={"n": lambda x: x})
    assert declared.run_sync(x=2).outputs == built.run_sync(x=2).outputs == {"n": 2}
    assert fired.run_sync(orderbook=Book(3.0, 4.0)).outputs == {"n": 3.0}
    assert alone.run_sync().outputs == {"n": 1}
