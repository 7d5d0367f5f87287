"""Whole graphs, declared and run as users do. Numbers are those of the acceptance scenarios for graphs."""

import asyncio
import functools
import threading
import traceback
from dataclasses import dataclass, field
from typing import Any, NotRequired, TypedDict

import msgspec
import pytest
from anyio.lowlevel import checkpoint

from penstock.graphs.graph import ComputationGraph
from penstock.graphs.sources import first_of, optional
from penstock.runtime.effects import Start
from penstock.runtime.errors import DecodeError, DefinitionError, GraphError, InputError, NodeFailed
from tests.graphs.streams import Book, Hold, Rate, Trade, market, orderbook


def of(**inputs: object) -> ComputationGraph:
    return ComputationGraph("under_test", inputs=inputs)


# -- linear, routed, absent ----------------------------------------------------------------------------------


def test_values_flow_through_a_line() -> None:  # 1, 5
    graph = of(alpha=float)
    graph.node(name="entry")(lambda alpha: alpha * 2)
    graph.node(name="process")(lambda entry: entry + 10)
    graph.node(name="output")(lambda process: {"published": True, "value": process})
    assert graph.run_sync(alpha=5.0).outputs == {"output": {"published": True, "value": 20.0}}


def threshold() -> ComputationGraph:
    graph = ComputationGraph("threshold", reactor=market)

    @graph.node
    def decide(orderbook: Book, reference: Rate | None) -> Trade | Hold:
        total = orderbook.bid + (reference.mid if reference else 0.0)
        return Trade(total) if total > 10 else Hold("small")

    @graph.node
    def execute(decide: Trade) -> float:
        return decide.price

    @graph.node
    def audit(decide: Hold) -> str:
        return decide.reason

    return graph


@pytest.mark.parametrize(
    ("bid", "mid", "outputs"),
    [(8.0, 5.0, {"execute": 13.0}), (2.0, 1.0, {"audit": "small"}), (8.0, None, {"audit": "small"})],
)
async def test_only_the_branch_of_the_returned_variant_runs(  # 2, 3, 4, 6, 7
    bid: float, mid: float | None, outputs: dict[str, object]
) -> None:
    result = await threshold().run(orderbook=Book(bid, 0.0), reference=None if mid is None else Rate(mid))
    assert result.outputs == outputs
    assert result.ran == ("decide", *outputs)
    assert {*result.skipped} == {"execute", "audit"} - {*outputs}


def test_node_without_a_required_input_is_not_ready_and_neither_are_its_dependents() -> None:
    result = threshold().run_sync(reference=Rate(1.0))
    assert (result.outputs, result.ran) == ({}, ())
    assert result.not_ready == ("decide", "execute", "audit")


def test_default_stands_for_an_absent_input_only() -> None:
    graph = ComputationGraph("g", reactor=market)

    @graph.node
    def mid(reference: Rate = Rate(7.0)) -> float:  # noqa: B008
        return reference.mid

    assert graph.run_sync().outputs == {"mid": 7.0}
    assert graph.run_sync(reference=Rate(1.0)).outputs == {"mid": 1.0}


def test_none_is_a_value_that_takes_its_own_branch() -> None:
    graph = of(x=int)

    @graph.node
    def find(x: int) -> str | None:
        return "found" if x else None

    graph.node(name="use")(named(lambda find: find.upper(), find=str))
    graph.node(name="miss")(named(lambda find: [find], find=None))
    assert graph.run_sync(x=1).outputs == {"use": "FOUND"}
    assert graph.run_sync(x=0).outputs == {"miss": [None]}


def named(fn: object, **annotations: object) -> object:
    """Annotate a lambda."""
    fn.__annotations__ = annotations
    return fn


# -- shapes ---------------------------------------------------------------------------------------------------


async def test_independent_async_nodes_overlap_and_a_join_takes_them_by_name() -> None:  # 8, 16
    graph, meeting = of(a=int), asyncio.Barrier(2)

    @graph.node
    async def b(a: int) -> str:
        await meeting.wait()  # alone, either would wait for ever
        return f"b{a}"

    @graph.node
    async def c(a: int) -> str:
        await meeting.wait()
        return f"c{a}"

    graph.node(name="d")(lambda b, c: (b, c))
    for number in range(10):
        assert (await graph.run(a=number)).outputs == {"d": (f"b{number}", f"c{number}")}


@pytest.mark.parametrize("amount", [1.0, -1.0])
def test_consumer_of_several_variants_runs_once_for_each_of_them(amount: float) -> None:  # 9
    graph, calls = of(amount=float), list[object]()

    @graph.node(terminals=(None,))
    def decide(amount: float) -> Trade | Hold | None:
        return None if not amount else Trade(amount) if amount > 0 else Hold("no")

    @graph.node
    def log(decide: Trade | Hold) -> None:
        calls.append(decide)

    graph.run_sync(amount=amount)
    assert calls == [Trade(1.0) if amount > 0 else Hold("no")]
    assert graph.run_sync(amount=0.0).outputs == {"decide": None}


def test_skipping_goes_down_through_nodes_and_routers() -> None:  # 10, 11
    graph = of(amount=float)

    @graph.node(terminals=(Hold,))
    def first(amount: float) -> Trade | Hold:
        return Trade(amount) if amount > 1 else Hold("first")

    @graph.node
    def x(first: Trade) -> float:
        return first.price

    @graph.node(terminals=(Hold,))
    def second(x: float) -> Trade | Hold:
        return Trade(x) if x > 2 else Hold("second")

    @graph.node
    def y(second: Trade) -> Trade:
        return second

    assert graph.run_sync(amount=3.0).outputs == {"y": Trade(3.0)}
    assert graph.run_sync(amount=1.5).outputs == {"second": Hold("second")}
    skipped = graph.run_sync(amount=0.5)
    assert (skipped.outputs, skipped.skipped) == ({"first": Hold("first")}, ("x", "second", "y"))


def test_terminals_give_their_values_by_name_in_declared_order() -> None:  # 17
    graph = of(a=int)
    graph.node(name="late")(lambda early: early + 1)
    graph.node(name="early")(lambda a: a + 1)
    graph.node(name="other")(lambda a: -a)
    result = graph.run_sync(a=1)
    assert list(result.outputs.items()) == [("late", 3), ("other", -1)]
    assert result.ran == ("early", "late", "other")


def test_values_are_shared_by_reference() -> None:  # 18, as documented
    graph = of(a=int)
    graph.node(name="make")(lambda a: [a])
    graph.node(name="left")(lambda make: make)
    graph.node(name="right")(lambda make: make)
    outputs = graph.run_sync(a=1).outputs
    assert outputs["left"] is outputs["right"]


def changing(*, copy_inputs: bool) -> ComputationGraph:
    graph = ComputationGraph("changing", inputs={"a": list[int]}, copy_inputs=copy_inputs)

    @graph.node
    def entry(a: list[int]) -> list[int]:
        a.append(1)
        return a

    @graph.node
    def left(entry: list[int]) -> list[int]:
        entry.append(2)
        return entry

    @graph.node(inputs={"values": first_of("entry"), "more": optional("left")})
    def right(*, values: list[int], more: list[int] | None) -> list[int]:
        return values

    return graph


def test_scenario_18_copies_keep_a_change_from_siblings_and_from_the_input() -> None:
    value = [0]
    assert changing(copy_inputs=True).run_sync(a=value).outputs == {"right": [0, 1]}
    assert value == [0]
    shared = changing(copy_inputs=False)
    assert shared.run_sync(a=value).outputs == {"right": [0, 1, 2]}


def test_what_cannot_be_copied_fails_the_node() -> None:
    graph = ComputationGraph("g", inputs={"a": Any}, copy_inputs=True)
    graph.node(name="take")(lambda a: a)
    with pytest.raises(NodeFailed, match=r"node 'take'.*cannot pickle"):
        graph.run_sync(a=threading.Lock())


def test_single_node_is_a_graph() -> None:  # 30
    graph = of()
    graph.node(name="only")(lambda: 1)
    assert graph.run_sync().outputs == {"only": 1}


def test_parameter_takes_what_inputs_renames() -> None:
    graph = ComputationGraph("g", reactor=market)

    @graph.node(inputs={"x": orderbook, "y": "reference"})
    def entry(x: Book, y: Rate | None) -> float:
        return x.bid + (y.mid if y else 0)

    @graph.node(inputs={"value": entry})
    def out(*, value: float) -> float:
        return -value

    assert graph.run_sync(orderbook=Book(1.0, 2.0), reference=Rate(3.0)).outputs == {"out": -4.0}
    assert out(value=1.0) == -1.0  # the decorator gave the function back


async def test_nodes_may_be_methods_and_objects() -> None:
    class Scale:
        def __init__(self, factor: float) -> None:
            self.factor = factor

        async def times(self, a: float) -> float:
            return a * self.factor

        def __call__(self, times: float) -> float:
            return times + self.factor

    graph, scale = of(a=float), Scale(3.0)
    graph.node(scale.times)
    graph.node(name="plus")(scale)
    assert (await graph.run(a=2.0)).outputs == {"plus": 9.0}


def test_annotations_may_name_local_types_and_be_text() -> None:
    graph = of(x=int)

    class Local(msgspec.Struct):
        x: int

    @graph.node
    def make(x: "int") -> "Local":
        return Local(x)

    @graph.node()
    def take(make: "Local | Later") -> int:
        return make.x

    assert graph.check() == []
    assert graph.run_sync(x=4).outputs == {"take": 4}


class Later: ...


def test_names_that_compiled_code_uses_are_free() -> None:
    graph = ComputationGraph("with space", inputs={"isinstance": int, "_absent": int, "class": int, "__inputs": int})

    @graph.node(inputs={"a": "isinstance", "b": "_absent", "c": "class", "d": "__inputs"})
    def _list(a: int, b: int, c: int, d: int) -> Trade | Hold:
        return Trade(a + b + c + d)

    @graph.node
    def print(_list: Trade) -> float:  # noqa: A001
        return _list.price

    graph.node(name="__absent")(named(lambda _list: 0, _list=Hold))
    inputs = {"isinstance": 1, "_absent": 2, "class": 3, "__inputs": 4}
    assert graph.check() == []
    assert graph.run_sync(**inputs).outputs == {"print": 10}


def test_classes_of_one_name_are_told_apart() -> None:
    def family() -> type[msgspec.Struct]:
        class Twin(msgspec.Struct): ...

        return Twin

    first, second = family(), family()
    graph = of(x=int)
    router = named(lambda x: second() if x else first())
    router.__annotations__["return"] = first | second
    graph.node(name="decide")(router)
    graph.node(name="left")(named(lambda decide: type(decide), decide=first))  # noqa: PLW0108
    graph.node(name="right")(named(lambda decide: type(decide), decide=second))  # noqa: PLW0108
    assert graph.check() == []
    assert graph.run_sync(x=0).outputs == {"left": first}
    assert graph.run_sync(x=1).outputs == {"right": second}


def test_node_that_did_not_run_gives_no_value_not_even_to_an_optional_parameter() -> None:
    graph = ComputationGraph("g", reactor=market)
    graph.node(name="mid")(named(lambda reference: reference.mid, reference=Rate))
    graph.node(name="use")(named(lambda mid: mid, mid=float | None))
    assert graph.run_sync(orderbook=Book(1.0, 2.0)).not_ready == ("mid", "use")


def test_graphs_of_one_shape_share_their_source_and_not_their_functions() -> None:
    graphs = [of(a=int), of(a=int)]
    for number, graph in enumerate(graphs):
        graph.node(functools.partial(add, number=number))

    assert len({graph.compiled.text for graph in graphs}) == 1
    assert [graph.run_sync(a=5).outputs for graph in graphs] == [{"add": 5}, {"add": 6}]


def add(a: int, number: int) -> int:
    return a + number


# -- failing --------------------------------------------------------------------------------------------------


def test_router_that_returns_none_of_its_variants_fails() -> None:  # 12, 13
    graph = of(x=int)
    router = named(lambda x: [x], x=int)
    router.__annotations__["return"] = Trade | Hold
    graph.node(name="decide")(router)
    graph.node(name="use")(named(lambda decide: decide, decide=Trade))
    graph.node(name="rest")(named(lambda decide: decide, decide=Hold))
    with pytest.raises(NodeFailed, match=r"'decide'.*gave list.*Trade, Hold") as caught:
        graph.run_sync(x=3)

    assert (caught.value.node, caught.value.inputs) == ("decide", {"x": 3})


def test_failure_has_the_nodes_frames_and_the_compiled_line() -> None:  # 14
    graph = of(a=int)
    graph.node(name="fine")(lambda a: a + 1)

    @graph.node
    def broken(fine: int) -> int:
        raise ValueError("x")

    with pytest.raises(NodeFailed, match="node 'broken' of graph 'under_test' failed: ValueError: x") as caught:
        graph.run_sync(a=1)

    assert caught.value.inputs == {"fine": 2}
    text = "".join(traceback.format_exception(caught.value))
    assert "broken = _broken(fine)" in text
    assert "in under_test" in text
    assert 'raise ValueError("x")' in text


def test_absent_input_is_told_as_the_node_saw_it() -> None:
    graph = ComputationGraph("g", reactor=market)

    @graph.node
    def broken(orderbook: Book | None, reference: Rate = Rate(1.0)) -> None:  # noqa: B008
        raise ValueError

    with pytest.raises(
        NodeFailed, match=r"failed: ValueError; it was called with orderbook=None, reference=Rate\(mid=1\.0\)$"
    ) as caught:
        graph.run_sync()

    assert caught.value.inputs == {"orderbook": None, "reference": Rate(1.0)}


class Array:
    def __eq__(self, other: object) -> bool:
        raise ValueError("the truth of an array is ambiguous")

    __hash__ = None


def test_values_are_never_compared() -> None:
    graph = ComputationGraph("g", inputs={"a": object})
    default = Array()

    @graph.node(terminals=(None,))
    def pick(a: object) -> Array | None:
        return a if isinstance(a, Array) else None

    @graph.node
    def broken(pick: Array, a: object = default) -> None:
        raise KeyError

    value = Array()
    with pytest.raises(NodeFailed) as caught:
        graph.run_sync(a=value)

    assert caught.value.inputs["pick"] is value
    assert graph.run_sync(a=1).outputs == {"pick": None}


async def test_stop_iteration_of_a_node_is_a_failure_of_that_node() -> None:
    graph = of(a=int)
    graph.node(name="first")(lambda a: next(iter([a][1:])))

    @graph.node
    async def second(first: int) -> None: ...

    with pytest.raises(NodeFailed, match="'first'"):
        await graph.run(a=1)


async def test_failing_node_cancels_its_siblings_and_waits_for_them() -> None:
    graph, trail = of(a=int), list[str]()

    @graph.node
    async def slow(a: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await checkpoint()
            trail.append("cleaned up")

    @graph.node
    async def broken(a: int) -> None:
        await checkpoint()
        raise ValueError(a)

    graph.node(name="join")(lambda slow, broken: trail.append(f"{slow} {broken}"))
    with pytest.raises(NodeFailed, match="'broken'"):
        await graph.run(a=1)

    assert trail == ["cleaned up"]


async def test_cancelling_the_caller_cancels_the_nodes_and_passes_untouched() -> None:
    graph, started, trail = of(a=int), asyncio.Event(), list[str]()

    async def wait(name: str) -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            trail.append(name)

    @graph.node
    async def left(a: int) -> None:
        await wait("left")

    @graph.node
    async def right(a: int) -> None:
        await wait("right")

    task = asyncio.get_running_loop().create_task(graph.run(a=1))
    await started.wait()
    await checkpoint()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert sorted(trail) == ["left", "right"]


@pytest.mark.parametrize("error", [asyncio.CancelledError, KeyboardInterrupt])
def test_what_is_no_exception_passes_untouched(error: type[BaseException]) -> None:
    graph = of(a=int)

    @graph.node
    def broken(a: int) -> None:
        raise error

    with pytest.raises(error):
        graph.run_sync(a=1)


# -- effects --------------------------------------------------------------------------------------------------


class Settle:
    name = "settle"

    def prepare(self, value: object) -> Start:
        if not isinstance(value, Trade | None):
            raise InputError(self.name, f"{value!r} is no Trade")

        return Start(workflow=self.name, input=msgspec.json.encode(value).decode())


def test_started_workflows_are_returned_and_not_carried_out() -> None:
    graph = of(price=float)

    @graph.node(starts=Settle())
    def escalate(price: float) -> Trade | None:
        return Trade(price) if price else None

    result = graph.run_sync(price=2.0)
    assert [(e.node, e.effect) for e in result.effects] == [
        ("escalate", Start(workflow="settle", input='{"price":2.0}'))
    ]
    assert result.outputs == {"escalate": Trade(2.0)}
    assert list(graph.run_sync(price=0.0).effects) == []
    assert graph.starts["escalate"].name == "settle"


def test_value_that_cannot_start_the_workflow_fails_the_node() -> None:
    graph = of(price=float)
    graph.node(name="escalate", starts=Settle())(lambda price: f"no trade at {price}")
    with pytest.raises(NodeFailed, match=r"'escalate'.*InputError.*no Trade") as caught:
        graph.run_sync(price=2.0)

    assert caught.value.inputs == {"price": 2.0}


# -- inputs ---------------------------------------------------------------------------------------------------


class AsStruct(msgspec.Struct):
    amount: float
    history: list[float] = []
    label: str = "x"


@dataclass
class AsDataclass:
    amount: float
    history: list[float] = field(default_factory=list[float])
    label: str = "x"


class AsTypedDict(TypedDict):
    amount: float
    history: NotRequired[list[float]]
    label: NotRequired[str]


@pytest.mark.parametrize("declared", [AsStruct, AsDataclass, AsTypedDict])
def test_declared_inputs_are_converted_once_at_the_edge(declared: type) -> None:
    graph = ComputationGraph("scoring", inputs=declared)

    @graph.node
    def score(amount: float, history: list[float] | None, label: str = "x") -> tuple[float, int, str]:
        return amount, len(history or []), label

    assert graph.run_sync(amount=3, history=[1, 2], label="y").outputs == {"score": (3.0, 2, "y")}
    assert graph.run_sync(amount=3).outputs == {"score": (3.0, 0, "x")}
    with pytest.raises(DecodeError, match=r"'scoring\.amount' expects float: it is missing"):
        graph.run_sync()

    with pytest.raises(DecodeError, match=r"scoring\.history"):
        graph.run_sync(amount=1.0, history=["a"])

    with pytest.raises(DecodeError, match="there is no 'amout'; did you mean 'amount'"):
        graph.run_sync(amout=1.0)


def test_defaults_are_made_anew() -> None:
    graph = ComputationGraph("g", inputs=AsStruct)
    graph.node(name="same")(lambda history: history)
    first, second = (graph.run_sync(amount=1.0).outputs["same"] for _ in range(2))
    assert (first, second) == ([], [])
    assert first is not second


def test_reactors_inputs_are_converted_for_a_run_by_hand() -> None:
    assert threshold().run_sync(orderbook={"bid": 20, "ask": 1}).outputs == {"execute": 20.0}
    with pytest.raises(DecodeError, match=r"threshold\.orderbook"):
        threshold().run_sync(orderbook={"bid": "high"})


def test_declared_variant_routes_as_a_nodes_value_does() -> None:
    graph = of(x=int | str | None)
    graph.node(name="number")(named(lambda x: x + 1, x=int))
    graph.node(name="text")(named(lambda x: f"{x}!", x=str | None))
    assert graph.run_sync(x=1).outputs == {"number": 2}
    assert graph.run_sync(x="a").outputs == {"text": "a!"}
    assert graph.run_sync(x=None).outputs == {"text": "None!"}
    assert graph.run_sync().not_ready == ("number",)


async def test_async_graph_refuses_to_run_synchronously() -> None:
    graph = of(a=int)

    @graph.node
    async def fetch(a: int) -> int:
        return a

    with pytest.raises(GraphError, match=r"fetch waits: write `await under_test\.run\(\.\.\.\)`"):
        graph.run_sync(a=1)

    assert graph.is_async
    assert (await graph.run(a=1)).outputs == {"fetch": 1}


# -- declaring ------------------------------------------------------------------------------------------------


def test_function_declared_again_in_main_replaces_the_first() -> None:
    graph = of(a=int)
    for number in (1, 2):
        namespace: dict[str, object] = {"__name__": "__main__", "graph": graph}
        exec(f"@graph.node\ndef step(a: int) -> int: return a * {number}", namespace)  # noqa: S102

    graph.node(name="after")(lambda step: step)
    assert graph.run_sync(a=10).outputs == {"after": 20}


def test_graph_compiled_before_a_node_is_declared_is_compiled_anew() -> None:
    graph = of(a=int)
    graph.node(name="one")(lambda a: a)
    assert graph.run_sync(a=1).outputs == {"one": 1}
    graph.node(name="two")(lambda one: one * 2)
    assert graph.run_sync(a=1).outputs == {"two": 2}


def test_graph_with_problems_does_not_run_and_names_all_of_them() -> None:
    graph = of(a=int)
    graph.node(name="one")(lambda b: b)
    graph.node(name="two")(lambda c: c)
    with pytest.raises(DefinitionError) as caught:
        graph.run_sync(a=1)

    assert list(caught.value.problems) == graph.check()
    assert len(graph.check()) == 2


def test_terminals_and_inputs_have_types() -> None:
    graph = threshold()
    assert graph.terminals == {"execute": float, "audit": str}
    assert graph.input_types == {"orderbook": Book, "reference": Rate}
    ended = of(x=int)
    router = named(lambda x: Trade(x + 1))
    router.__annotations__["return"] = Trade | Hold | None
    ended.node(name="decide", terminals=(Hold, None))(router)
    ended.node(name="use")(named(lambda decide: decide, decide=Trade))
    assert ended.terminals["decide"] == Hold | None


def test_graph_says_what_it_is() -> None:
    assert repr(threshold()) == "<graph 'threshold' of decide, execute, audit>"
    assert repr(of()) == "<graph 'under_test' of no nodes>"
