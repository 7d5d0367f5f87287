"""Parameters that say where their value comes from: ``From``, ``route``, ``first_of``, ``optional``."""

from typing import Any, Literal

import msgspec
import pytest

from penstock.graphs.graph import ComputationGraph
from penstock.graphs.routes import Route
from penstock.graphs.sources import From, first_of, optional, route
from penstock.runtime.errors import NodeFailed
from tests.graphs.streams import Book, Hold, Rate, Trade, market, orderbook


def routed() -> ComputationGraph:
    graph = ComputationGraph("routed", inputs={"amount": float})

    @graph.node(terminals=(None,))
    def decide(amount: float) -> Trade | Hold | None:
        return None if not amount else Trade(amount) if amount > 0 else Hold("small")

    @graph.node
    def execute(decision: Trade = From(decide, Trade)) -> float:
        return decision.price

    @graph.node
    def audit(decide: Hold) -> str:
        return decide.reason

    return graph


def only(graph: ComputationGraph) -> str:
    (problem,) = graph.check()
    return problem


# -- From -----------------------------------------------------------------------------------------------------


def test_default_value_names_the_node_and_what_it_takes_of_its_union() -> None:
    graph = routed()
    assert graph.check() == []
    assert graph.run_sync(amount=2.0).outputs == {"execute": 2.0}
    assert graph.run_sync(amount=-2.0).outputs == {"audit": "small"}


def test_from_may_name_an_accumulator_a_name_and_a_node_that_is_declared_later() -> None:
    graph = ComputationGraph("g", reactor=market)

    def late(rate: Rate | None = From("reference")) -> str:
        return "nothing" if rate is None else str(rate.mid)

    @graph.node
    def early(book: Book = From(orderbook), text: str = From(late)) -> str:
        return f"{book.bid} {text}"

    graph.node(late)
    assert graph.check() == []
    assert graph.run_sync(orderbook=Book(1.0, 2.0)).outputs == {"early": "1.0 nothing"}
    assert graph.run_sync(orderbook=Book(1.0, 2.0), reference=Rate(3.0)).outputs == {"early": "1.0 3.0"}


def test_method_is_found_again() -> None:
    class Desk:
        def price(self, x: float) -> float:
            return x + 1

    graph, desk = ComputationGraph("g", inputs={"x": float}), Desk()
    graph.node(desk.price)
    graph.node(name="twice", inputs={"value": desk.price})(lambda value: value * 2)
    assert graph.run_sync(x=1.0).outputs == {"twice": 4.0}


def test_inputs_wins_over_the_default_value() -> None:
    graph = ComputationGraph("g", inputs={"a": int, "b": int})

    @graph.node(inputs={"value": "b"})
    def take(value: int = From("a")) -> int:
        return value

    assert graph.run_sync(a=1, b=2).outputs == {"take": 2}


def test_function_declared_again_in_main_is_still_found() -> None:
    graph = ComputationGraph("g", inputs={"a": int})
    cell = "@graph.node\ndef step(a: int) -> int: return a * {}"
    namespace: dict[str, object] = {"__name__": "__main__", "graph": graph, "From": From}
    exec(cell.format(1), namespace)  # noqa: S102 - a notebook
    exec("@graph.node\ndef use(value: int = From(step)) -> int: return value", namespace)  # noqa: S102
    exec(cell.format(10), namespace)  # noqa: S102
    assert graph.run_sync(a=3).outputs == {"use": 30}


def test_two_types_that_contradict_each_other_are_told() -> None:
    graph = routed()

    @graph.node
    def wrong(decision: Hold = From("decide", Trade)) -> None: ...

    assert "node 'wrong': parameter 'decision' is Hold, but its default value says Trade" in only(graph)


def test_types_given_as_text_are_those_of_the_producer() -> None:
    graph = routed()
    graph.node(name="any", inputs={"x": From("decide", "Hold", "Trade")})(lambda x: x)
    assert graph.run_sync(amount=1.0).outputs == {"execute": 1.0, "any": Trade(1.0)}
    assert graph.run_sync(amount=0.0).outputs == {"decide": None}
    graph.node(name="lost", inputs={"x": From("decide", "Rate")})(lambda x: x)
    assert "parameter 'x' accepts Rate, but node 'decide' gives Trade | Hold | None" in only(graph)


def test_function_that_is_no_node_is_told() -> None:
    graph = routed()

    @graph.node
    def stranger(value: float = From(only)) -> None: ...

    assert "which is no node of this graph and no input: declare it with `@graph.node`" in only(graph)


# -- Route ----------------------------------------------------------------------------------------------------


def picking(returns: object = Route) -> ComputationGraph:
    graph = ComputationGraph("picking", inputs={"amount": int})

    def pick(amount: int) -> object:
        return Route("up", [amount]) if amount > 0 else Route("down", ["a"]) if amount else Route("else", None)

    pick.__annotations__["return"] = returns
    graph.node(pick)

    @graph.node(inputs={"numbers": route(pick, "up")})
    def upward(numbers: list[int]) -> int:
        return numbers[0]

    @graph.node
    def downward(texts: list[str] = route(pick, "down", list[str])) -> str:
        return texts[0]

    return graph


LISTED = Route[Literal["up"], list[int]] | Route[Literal["down"], list[str]]


@pytest.mark.parametrize(
    "returns",
    [Route, LISTED, Route[Literal["up", "down"], list[int] | list[str]], Route[str, list]],
    ids=["any", "union", "list", "text"],
)
def test_route_goes_to_the_consumers_of_its_variant_which_get_the_value(returns: object) -> None:
    graph = picking(returns)
    assert graph.check() == []
    assert graph.run_sync(amount=3).outputs == {"upward": 3}
    down = graph.run_sync(amount=-1)
    assert (down.outputs, down.skipped) == ({"downward": "a"}, ("upward",))


def test_variant_that_nobody_declared_fails_the_node() -> None:
    with pytest.raises(NodeFailed, match=r"'pick'.*gave Route\('else', …\), which is none of .*: up, down"):
        picking().run_sync(amount=0)


def test_path_of_a_variant_may_end_and_the_whole_route_may_be_taken() -> None:
    graph = ComputationGraph("g", inputs={"x": int})
    graph.node(name="pick", terminals=("rest",))(lambda x: Route("big" if x > 9 else "rest", x))
    graph.node(name="big", inputs={"x": route("pick", "big")})(lambda x: x)
    graph.node(name="log")(lambda pick: pick.variant)
    assert graph.check() == []
    assert graph.run_sync(x=1).outputs == {"pick": Route("rest", 1), "log": "rest"}
    assert graph.run_sync(x=10).outputs == {"big": 10, "log": "big"}


def test_class_and_route_may_stand_in_one_union() -> None:
    graph = ComputationGraph("g", inputs={"x": int})

    @graph.node
    def decide(x: int) -> Hold | Route[Literal["Hold"], int]:
        return Route("Hold", x) if x else Hold("zero")

    graph.node(name="a", inputs={"x": route(decide, "Hold")})(lambda x: x)

    @graph.node
    def b(decide: Hold) -> str:
        return decide.reason

    assert graph.run_sync(x=5).outputs == {"a": 5}
    assert graph.run_sync(x=0).outputs == {"b": "zero"}


def test_what_is_wrong_with_a_route_is_told_with_what_to_write() -> None:
    graph = picking(Route[Literal["up", "down", "else"], Any])
    assert "variant Route 'else' goes nowhere: consume it (inputs={'x': ps.route(pick, 'else')})" in only(graph)
    assert "terminals=('else',)" in only(graph)
    graph = picking(LISTED)
    graph.node(name="lost", inputs={"x": route("pick", "uup")})(lambda x: x)
    assert "takes variant 'uup' of 'pick', but node 'pick' gives Route 'up' | Route 'down'; did you mean 'up'?" in only(
        graph
    )
    graph = picking(LISTED)

    @graph.node
    def wrong(text: str = route("pick", "up", str)) -> None: ...

    assert "parameter 'text' accepts str, but node 'pick' gives Route 'up'" in only(graph)
    graph.node(name="plain", inputs={"x": route("wrong", "up")})(lambda x: x)
    assert (
        "takes variant 'up' of 'wrong', but node 'wrong' gives None: let it return `ps.Route('name', value)`"
        in graph.check()[1]
    )


def test_types_that_cannot_be_told_apart_are_to_be_routes() -> None:
    graph = ComputationGraph("g", inputs={"x": int})

    @graph.node
    def find(x: int) -> list[int] | list[str]: ...

    @graph.node
    def use(find: list[int]) -> None: ...

    assert "return `ps.Route('name', value)` and take it with inputs={'x': ps.route(find, 'name')}" in graph.check()[0]


# -- first_of and optional ------------------------------------------------------------------------------------


def test_first_source_that_has_a_value_is_taken() -> None:
    graph = routed()
    graph.node(name="after", inputs={"x": first_of("audit", "execute")})(lambda x: [x])
    graph.node(name="later")(lambda after: after)
    assert graph.run_sync(amount=1.0).outputs == {"later": [1.0]}
    assert graph.run_sync(amount=-1.0).outputs == {"later": ["small"]}
    ended = graph.run_sync(amount=0.0)
    assert ended.outputs == {"decide": None}
    assert ended.skipped == ("execute", "audit", "after", "later")


def test_absent_input_gives_way_to_the_next_source() -> None:
    graph = ComputationGraph("g", reactor=market)
    graph.node(name="guess")(lambda orderbook: Rate(orderbook.bid))

    @graph.node
    def mid(rate: Rate = first_of("reference", From("guess"))) -> float:
        return rate.mid

    assert graph.run_sync(orderbook=Book(1.0, 2.0)).outputs == {"mid": 1.0}
    assert graph.run_sync(orderbook=Book(1.0, 2.0), reference=Rate(9.0)).outputs == {"mid": 9.0}
    assert graph.run_sync().not_ready == ("guess", "mid")


def test_optional_source_that_was_skipped_is_none_or_the_default() -> None:
    graph = routed()

    @graph.node
    def report(price: float | None = optional("execute"), text: str = optional("audit", default="-")) -> object:
        return price, text

    @graph.node
    def both(value: object = optional(first_of(route_or_not := From("execute"), "audit"), default=[])) -> object:
        return value

    assert isinstance(route_or_not, object)
    assert graph.run_sync(amount=2.0).outputs == {"report": (2.0, "-"), "both": 2.0}
    assert graph.run_sync(amount=-2.0).outputs == {"report": (None, "small"), "both": "small"}
    ended = graph.run_sync(amount=0.0)
    assert ended.outputs == {"decide": None, "report": (None, "-"), "both": []}
    assert ended.ran == ("decide", "report", "both")


def test_optional_input_may_be_absent() -> None:
    graph = ComputationGraph("g", reactor=market)
    graph.node(name="a", inputs={"x": optional("reference", default=0)})(lambda x: x)
    graph.node(name="b", inputs={"x": optional("orderbook")})(lambda x: x)
    assert graph.run_sync(orderbook=Book(1.0, 2.0)).outputs == {"a": 0, "b": Book(1.0, 2.0)}


def test_failing_node_is_told_with_what_it_chose() -> None:
    graph = picking()
    graph.node(name="join", inputs={"x": first_of(route("pick", "down"), "upward"), "y": optional("downward")})(
        lambda x, y: x / y
    )
    with pytest.raises(NodeFailed) as caught:
        graph.run_sync(amount=3)

    assert caught.value.inputs == {"x": 3, "y": None}


def test_what_cannot_be_is_told_with_what_to_write() -> None:
    graph = routed()
    graph.node(name="none", inputs={"x": first_of()})(lambda x: x)
    assert "parameter 'x': first_of() names no source" in only(graph)
    graph = routed()
    graph.node(name="inside", inputs={"x": first_of(optional("execute"), "audit")})(lambda x: x)
    assert "write optional(first_of(…)), around all of them" in only(graph)
    graph = routed()

    @graph.node
    def strict(price: float = optional("execute")) -> None: ...

    assert "write `price: float | None`, or give another default=…" in only(graph)
    graph = routed()

    @graph.node(inputs={"x": From("decide", Trade), "y": first_of(From("decide", Hold), "audit")})
    def never(x: Trade, y: object) -> None: ...

    @graph.node
    def after(never: None) -> None: ...

    assert "node 'never' can never run" in only(graph)


def test_optional_consumer_lets_a_node_need_two_branches() -> None:
    graph = routed()

    @graph.node
    def join(x: float | None = optional("execute"), y: str | None = optional("audit")) -> object:
        return x, y

    assert graph.check() == []
    assert graph.run_sync(amount=1.0).outputs == {"join": (1.0, None)}


def test_default_of_an_optional_source_is_shared_and_never_compared() -> None:
    class Odd(msgspec.Struct):
        def __eq__(self, other: object) -> bool:
            raise AssertionError

        __hash__ = object.__hash__

    graph, odd = routed(), Odd()
    graph.node(name="use", inputs={"x": optional("execute", default=odd)})(lambda x: x)
    assert graph.run_sync(amount=-1.0).outputs["use"] is odd


def test_defaults_that_are_equal_and_not_the_same_are_kept_apart() -> None:
    def graph(default: object) -> ComputationGraph:
        made = routed()
        made.node(name="use", inputs={"x": optional("execute", default=default)})(same)
        return made

    outputs = [graph(default).run_sync(amount=-1.0).outputs["use"] for default in (1, True, 1.0)]
    assert [type(output) for output in outputs] == [int, bool, float]


def same(x: object) -> object:
    return x
