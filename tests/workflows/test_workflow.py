"""Declaring workflows: decorators, the with-builder, and everything that check() finds."""

import json
import threading
from dataclasses import dataclass
from typing import TypedDict

import msgspec
import pytest

from penstock.accumulators.passthrough import passthrough_accumulator
from penstock.graphs.graph import ComputationGraph
from penstock.reactors.reactor import Reactor
from penstock.runtime.effects import Startable
from penstock.runtime.errors import DefinitionError, InputError
from penstock.workflows.context import Context
from penstock.workflows.workflow import Workflow, task


class Order(msgspec.Struct):
    amount: float
    note: str | None = None


class Booked(msgspec.Struct):
    number: int


class Totals(TypedDict):
    total: float


@dataclass
class Sums:
    gross: float


def graph() -> ComputationGraph:
    made = ComputationGraph("scoring", inputs={"amount": float})

    @made.node
    def score(amount: float) -> float:
        return amount

    return made


def noop(context: Context) -> None: ...


def workflow_of(needs: dict[str, list[str]]) -> Workflow:
    """A workflow whose tasks do nothing."""
    made = Workflow("w")
    for name, own in needs.items():
        made.task(name=name, dependencies=own)(noop)

    return made


def problem(made: Workflow) -> str:
    """The only problem of a workflow."""
    (text,) = made.check()
    return text


# -- decorators ------------------------------------------------------------------------------------------------


def test_decorated_function_is_the_function_it_was() -> None:
    made = Workflow("w")

    def body(context: Context) -> None:
        context["x"] = 1

    assert made.task(body) is body
    context = Context()
    body(context)
    assert context == {"x": 1}


def test_name_of_a_task_is_that_of_its_function_or_the_given_one() -> None:
    made = Workflow("w")
    made.task(noop)
    made.task(name="other", dependencies=[noop])(lambda: None)
    assert made.plan().names == ("noop", "other")


def test_dependency_on_a_renamed_function_is_found() -> None:
    made = Workflow("w")
    first = made.task(name="x")(lambda: None)

    @made.task(dependencies=[first])
    def second() -> None: ...

    assert made.tasks[1].dependencies == ("x",)


def test_dependency_may_be_declared_further_down() -> None:
    assert workflow_of({"b": ["a"], "a": []}).plan().names == ("a", "b")


def test_unknown_keyword_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="retries"):
        Workflow("w").task(retries=3)  # type: ignore[call-overload]


def test_workflow_can_be_named_in_starts() -> None:
    assert isinstance(Workflow("w"), Startable)


# -- the with-builder ------------------------------------------------------------------------------------------


def test_with_block_means_the_same() -> None:
    with Workflow("w") as made:

        @task
        def first(context: Context) -> None: ...

        @task(dependencies=[first])
        def second(context: Context) -> None: ...

    assert made.plan().names == ("first", "second")
    assert made.structure_version == workflow_of({"first": [], "second": ["first"]}).structure_version


def test_with_block_that_raises_registers_nothing() -> None:
    made = Workflow("w")
    with pytest.raises(ZeroDivisionError), made:  # noqa: PT012
        task(noop)
        _ = 1 / 0

    assert problem(made) == "workflow 'w' has no tasks: decorate a function with its `.task`"


def test_with_block_reports_all_problems_at_its_end() -> None:
    with pytest.raises(DefinitionError) as caught, Workflow("w"):  # noqa: PT012
        task(name="a", dependencies=["b"])(noop)
        task(name="c", dependencies=["d"])(noop)

    assert len(caught.value.problems) == 2


def test_task_without_a_block_says_what_to_write() -> None:
    with pytest.raises(DefinitionError, match=r"put it into one, or write `@w\.task`"):
        task(noop)


def test_block_of_another_thread_does_not_count() -> None:
    errors: list[DefinitionError] = []

    def declare() -> None:
        try:
            task(noop)
        except DefinitionError as error:
            errors.append(error)

    with Workflow("w"):
        task(noop)
        thread = threading.Thread(target=declare)
        thread.start()
        thread.join()

    assert len(errors) == 1


def test_blocks_may_be_nested() -> None:
    with Workflow("outer") as outer:
        task(name="a")(noop)
        with Workflow("inner") as inner:
            task(name="b")(noop)

        task(name="c")(noop)

    assert outer.plan().names == ("a", "c")
    assert inner.plan().names == ("b",)


# -- notebooks -------------------------------------------------------------------------------------------------


def cell(made: Workflow, source: str) -> None:
    """Run code as a notebook does."""
    exec(source, {"__name__": "__main__", "made": made, "Context": Context})  # noqa: S102


def test_cell_that_runs_again_replaces_its_task() -> None:
    made = Workflow("w")
    cell(made, "@made.task\ndef first() -> None: ...\n@made.task(dependencies=[first])\ndef second() -> None: ...")
    cell(made, "@made.task(produces=['x'])\ndef first() -> None: ...")
    assert made.plan().names == ("first", "second")
    assert list(made.tasks[0].produces) == ["x"]


def test_problem_goes_away_with_the_cell_that_had_it() -> None:
    made = Workflow("w")
    cell(made, "@made.task\ndef first(context) -> None: ...")
    assert made.check() != []
    cell(made, "@made.task\ndef first(context: Context) -> None: ...")
    assert made.check() == []


# -- problems --------------------------------------------------------------------------------------------------


def test_same_name_twice_is_a_problem() -> None:
    made = Workflow("w")
    made.task(noop)
    made.task(noop)
    assert problem(made) == "workflow 'w' has 2 tasks named 'noop': give each a name= of its own"


def test_unknown_dependency_is_named_with_its_nearest() -> None:
    assert problem(workflow_of({"fetch": [], "rate": ["fetsh"]})) == (
        "workflow 'w', task 'rate' depends on 'fetsh', which is no task of the workflow; did you mean 'fetch'?"
    )


def test_dependency_on_a_function_of_another_workflow_is_a_problem() -> None:
    made = Workflow("w")
    made.task(dependencies=[noop])(lambda: None)
    assert "depends on 'noop', which is no task of the workflow; there is none" in problem(made)


@pytest.mark.parametrize(
    ("needs", "path"),
    [
        ({"a": ["a"]}, "a -> a"),
        ({"a": ["b"], "b": ["c"], "c": ["a"]}, "a -> b -> c -> a"),
        ({"x": [], "a": ["x", "b"], "b": ["a"]}, "a -> b -> a"),
    ],
)
def test_cycle_is_reported_as_a_closed_path(needs: dict[str, list[str]], path: str) -> None:
    assert problem(workflow_of(needs)) == f"workflow 'w': tasks wait for each other: {path}"


def test_all_problems_are_found_together() -> None:
    made = workflow_of({"a": ["b"], "b": ["a"], "c": ["zzz"]})
    made.task(name=" ")(noop)

    @made.task
    def rate(amout: float) -> None: ...

    assert len(made.check()) == 4


@pytest.mark.parametrize("name", ["", " w", "a\nb", "a\0b", "half \udcff", "x" * 201, "é" * 101])
def test_name_that_cannot_be_shown_is_a_problem(name: str) -> None:
    made = Workflow(name)
    made.task(noop)
    assert "is no name" in problem(made)


def test_signature_that_cannot_be_read_is_a_problem() -> None:
    made = Workflow("w")

    @made.task
    def gather(*args: int) -> None: ...

    made.task(dependencies=[gather], name="after")(noop)
    assert "takes *args" in problem(made)


@pytest.mark.parametrize("type_", [float, list, dict])
def test_input_without_fields_is_a_problem(type_: type) -> None:
    made = Workflow("w", input=type_)
    made.task(noop)
    assert "has no named fields" in problem(made)


def test_input_with_a_field_that_cannot_be_stored_is_a_problem() -> None:
    class Running(msgspec.Struct):
        thread: threading.Thread

    made = Workflow("w", input=Running)
    made.task(noop)
    assert "Thread" in problem(made)


def test_graph_with_a_reactor_cannot_be_invoked() -> None:
    @passthrough_accumulator
    def orders(event: Order) -> Order:
        return event

    made = Workflow("w")
    made.task(invokes=ComputationGraph("scoring", reactor=Reactor("market", [orders])))(noop)
    assert problem(made) == (
        "workflow 'w', task 'noop' invokes graph 'scoring', which reactor 'market' fires: "
        "a task invokes a graph that is declared with inputs= instead of reactor="
    )


def test_problems_of_an_invoked_graph_are_reported() -> None:
    made = Workflow("w")
    made.task(invokes=ComputationGraph("scoring", inputs={"amount": float}))(noop)
    assert problem(made).startswith("workflow 'w', task 'noop' invokes graph 'scoring': graph 'scoring'")


def test_invoked_graph_cannot_start_runs() -> None:
    starter = graph()
    starter.node(starts=Workflow("other"), name="more")(lambda score: score)
    made = Workflow("w")
    made.task(invokes=starter)(noop)
    assert "node 'more' has starts=: only a graph that a reactor fires starts runs" in problem(made)


# -- parameters ------------------------------------------------------------------------------------------------


def test_parameters_name_input_fields_terminals_and_declared_keys() -> None:
    made = Workflow("w", input=Order)

    @made.task(produces=("history",), invokes=graph())
    def fetch(amount: float) -> Booked | None: ...

    @made.task(dependencies=[fetch])
    def add() -> Totals: ...

    @made.task(dependencies=[fetch])
    def net() -> Sums: ...

    @made.task(dependencies=[add, net])
    def book(  # noqa: PLR0917
        context: Context, note: str | None, history: list[int], score: float, number: int, total: float, gross: float
    ) -> None: ...

    assert made.check() == []
    assert [argument.key for argument in made.tasks[-1].arguments] == [
        None, "note", "history", "score", "number", "total", "gross",
    ]  # fmt: skip


def test_unknown_parameter_is_named_with_its_nearest() -> None:
    made = Workflow("w", input=Order)

    @made.task
    def rate(amout: float) -> None: ...

    assert problem(made).startswith("workflow 'w', task 'rate': parameter 'amout' (float) is no Context, no field")
    assert problem(made).endswith("did you mean 'amount'?")


def test_key_of_a_task_that_is_not_upstream_is_a_problem_that_names_the_task() -> None:
    made = Workflow("w")
    made.task(name="fetch", produces=["history"])(noop)

    @made.task
    def rate(history: list[float]) -> None: ...

    assert problem(made) == (
        "workflow 'w', task 'rate': 'history' comes from task 'fetch', which is not upstream: add it to dependencies"
    )


def test_context_without_annotation_says_what_to_write() -> None:
    made = Workflow("w")

    @made.task
    def rate(context) -> None: ...  # type: ignore[no-untyped-def]

    assert problem(made) == "workflow 'w', task 'rate': annotate the parameter: `context: Context`"


def test_parameter_type_that_cannot_be_decoded_is_a_problem() -> None:
    made = Workflow("w")
    made.task(name="fetch", produces=["history"])(noop)

    @made.task(dependencies=["fetch"])
    def rate(history: threading.Thread) -> None: ...

    assert "Thread" in problem(made)


def test_types_may_be_local_to_the_function_that_declares() -> None:
    class Local(msgspec.Struct):
        x: int

    made = Workflow("w", input=Local)
    exec("@made.task\ndef rate(x: 'Local') -> 'Local': ...", {"made": made}, {"Local": Local})  # noqa: S102
    assert made.check() == []


# -- the plan --------------------------------------------------------------------------------------------------


def test_diamond_has_a_root_and_a_leaf() -> None:
    plan = workflow_of({"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]}).plan()
    assert (plan.root_positions, plan.single_leaf) == ((0,), 3)
    assert plan.dependents == ((1, 2), (3,), (3,), ())


# -- input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [Order(3.0), {"amount": 3}, {"amount": 3.0, "note": None}])
def test_input_is_checked_and_written_as_json(value: object) -> None:
    start = Workflow("w", input=Order).prepare(value)
    assert (start.workflow, json.loads(start.input)) == ("w", {"amount": 3.0, "note": None})


def test_no_input_is_an_empty_one() -> None:
    assert Workflow("w").prepare(None).input == "{}"


@pytest.mark.parametrize(
    ("made", "value", "reason"),
    [
        (Workflow("w", input=Order), {}, "amount"),
        (Workflow("w", input=Order), {"amount": "x"}, "amount"),
        (Workflow("w", input=Order), {"amount": float("nan")}, "finite"),
        (Workflow("w"), {"a": {1}}, r"input\['a'\] cannot hold a value of type set"),
        (Workflow("w"), {1: 2}, "keys are text"),
        (Workflow("w"), 3, "it is a int"),
    ],
)
def test_bad_input_is_refused(made: Workflow, value: object, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        made.prepare(value)
