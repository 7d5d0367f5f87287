"""What tasks get and leave, from one to the next and through graphs, as a worker runs them."""

import asyncio

import pytest

from penstock.graphs.graph import ComputationGraph
from penstock.runtime.errors import (
    RunFailed,
)
from penstock.testing.clock import VirtualClock
from penstock.workflows.context import Context
from penstock.workflows.workflow import Workflow
from tests.workflows.conftest import Machine
from tests.workflows.runs import Booked, Order, Total, events

# -- contexts --------------------------------------------------------------------------------------------------


async def test_branches_are_merged_where_they_join_and_in_the_output(machine: Machine) -> None:
    made = Workflow("w")
    seen: list[dict[str, object]] = []
    made.task(name="a")(lambda: {"a": 1, "log": ["a"]})

    @made.task(name="b", dependencies=["a"])
    def b(context: Context) -> None:
        context["log"].append("b")  # type: ignore[attr-defined]
        del context["a"]

    @made.task(name="c", dependencies=["a"])
    def c(context: Context) -> None:
        context["log"].append("c")  # type: ignore[attr-defined]
        context["c"] = 3

    @made.task(dependencies=[b, c])
    def join(context: Context) -> None:
        seen.append(context.to_dict())

    made.task(name="leaf", dependencies=["c"])(lambda: {"leaf": True})
    worker = await machine.open(made)
    run = await worker.start(made, {"x": 0})
    assert await run.result() == {"x": 0, "log": ["a", "b", "c"], "c": 3, "leaf": True}
    assert seen == [{"x": 0, "log": ["a", "b", "c"], "c": 3}]
    assert run.input == {"x": 0}


async def test_a_conflict_is_told_once(machine: Machine) -> None:
    made = Workflow("w")
    made.task(name="a")(lambda: {"k": 1})
    made.task(name="b")(lambda: {"k": 2})
    made.task(name="c", dependencies=["a", "b"])(lambda: None)
    made.task(name="d", dependencies=["a", "b"])(lambda: None)
    worker = await machine.open(made)
    run = await worker.start(made)
    assert await run.result() == {"k": 2}
    assert [text for text in await events(machine, run) if "conflict" in text] == ["context_conflict c"]


async def test_tasks_do_not_share_objects(machine: Machine) -> None:
    made = Workflow("w")
    made.task(name="a")(lambda: {"list": [1]})

    @made.task(name="b", dependencies=["a"])
    def b(context: Context) -> Context:
        context["list"].append(2)  # type: ignore[attr-defined]
        return Context()

    @made.task(dependencies=["a"])
    def c(context: Context) -> dict[str, object]:
        return {"seen": context["list"]}

    worker = await machine.open(made)
    assert (await (await worker.start(made)).result())["seen"] == [1]


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2], [2, 0, 3, 1]])
async def test_result_does_not_depend_on_which_branch_ends_first(
    machine: Machine, clock: VirtualClock, order: list[int]
) -> None:
    gates = [asyncio.Event() for _ in range(4)]
    made = Workflow("w")

    def branch(at: int) -> object:
        async def body(context: Context) -> None:
            await gates[at].wait()
            context["log"].append(at)  # type: ignore[attr-defined]
            context[f"own{at}"] = context["last"] = at

        return body

    for at in range(4):
        made.task(name=f"branch{at}")(branch(at))  # type: ignore[type-var]

    made.task(name="join", dependencies=["branch3", "branch1", "branch0"])(lambda: None)
    worker = await machine.open(made)
    run = await worker.start(made, {"log": []})
    for at in order:
        await clock.settle()
        gates[at].set()

    own = {f"own{at}": at for at in range(4)}
    assert await run.result() == {"log": [0, 1, 2, 3], "last": 3} | own


# -- graphs ----------------------------------------------------------------------------------------------------


def scoring() -> ComputationGraph:
    graph = ComputationGraph("scoring", inputs={"amount": float, "history": list[float]})

    @graph.node
    def score(amount: float, history: list[float]) -> Booked | Total:
        return Booked(int(amount)) if history else {"total": amount}

    @graph.node
    def number(score: Booked) -> int:
        return score.number

    @graph.node
    async def total(score: Total) -> float:
        return score["total"]

    return graph


async def test_invoked_graph_reads_keys_and_its_chosen_terminals_become_keys(machine: Machine) -> None:
    made = Workflow("w", input=Order)

    @made.task(invokes=scoring())
    def rate() -> dict[str, object]:
        return {"history": [1.0]}

    @made.task(dependencies=[rate])
    def book(number: int | None, total: float | None) -> dict[str, object]:
        return {"seen": [number, total]}

    worker = await machine.open(made)
    result = await (await worker.start(made, Order(3.0))).result()
    assert result == {"amount": 3.0, "history": [1.0], "number": 3, "seen": [3, None]}


async def test_input_that_a_graph_lacks_fails_the_task(machine: Machine) -> None:
    made = Workflow("w", input=Order)
    made.task(name="rate", invokes=scoring())(lambda: None)
    worker = await machine.open(made)
    with pytest.raises(RunFailed, match="history"):
        await (await worker.start(made, Order(3.0))).result()
