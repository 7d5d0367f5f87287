"""Routing: a value decides which way it goes on, branches come together again, and the picture shows it all.

Run it:  python examples/05_routing.py [picture.svg]
"""

import asyncio
import sys
from pathlib import Path
from typing import Literal

import msgspec
from anyio.lowlevel import checkpoint

import penstock as ps


class Order(msgspec.Struct, frozen=True):
    customer: str
    amount: float
    note: str = ""


class Accepted(msgspec.Struct, frozen=True):
    order: Order
    fee: float


class Refused(msgspec.Struct, frozen=True):
    order: Order
    reason: str


desk = ps.ComputationGraph("order_desk", inputs={"order": Order})


# A router by type: it returns one of two classes, and each consumer says which one it takes.
@desk.node
def check(order: Order, limit: float) -> Accepted | Refused:
    if order.amount > limit:
        return Refused(order, f"{order.amount:g} is above the limit of {limit:g}")

    return Accepted(order, fee=order.amount / 100)


# Two nodes that wait run at the same time; one that blocks leaves the event loop, and may not take for ever.
@desk.node
async def limit(order: Order) -> float:
    await checkpoint()  # a call to another service
    return 50.0 if order.customer == "eve" else 500.0


@desk.node(executor="thread", timeout="5s")
def history(order: Order) -> int:
    return len(order.customer)


# A router by name, for values that their types do not tell apart: both ways carry an order. `From` names the node, in
# a form that type checkers verify.
@desk.node
def pace(
    accepted: Accepted = ps.From(check, Accepted),
) -> ps.Route[Literal["fast", "slow"], Order]:
    return ps.Route("fast" if accepted.order.amount < 100 else "slow", accepted.order)


@desk.node
def courier(order: Order = ps.route(pace, "fast", Order)) -> str:
    return f"courier to {order.customer}"


@desk.node
async def freight(order: Order = ps.route(pace, "slow", Order)) -> str:
    await checkpoint()
    return f"freight to {order.customer}"


# The other branch of `check`; it needs no `From`, since the parameter has the name of the node.
@desk.node
def letter(check: Refused) -> str:
    return f"letter to {check.order.customer}: {check.reason}"


# The branches converge: the first of them that has a value. What did not run can be left out, or have a default.
@desk.node
def answer(
    text: str = ps.first_of(ps.From(courier), ps.From(freight), ps.From(letter)),
    visits: int = ps.From(history),
    fee: Accepted | None = ps.optional(ps.From(check, Accepted)),
) -> str:
    return f"{text} (visits: {visits}, fee: {fee.fee if fee else 0:g})"


# The same kind of graph from data, with functions that are registered by name: it goes through the same checks.
DATA = """{
    "name": "shipping",
    "inputs": {"amount": "float"},
    "nodes": {
        "choose": {},
        "small": {"function": "ship", "inputs": {"amount": {"route": "choose", "variant": "small"}}},
        "large": {"function": "ship", "inputs": {"amount": {"route": "choose", "variant": "large"}}},
        "done": {"inputs": {"text": {"first_of": ["small", "large"]}}}
    }
}"""


def choose(amount: float) -> ps.Route[Literal["small", "large"], float]:
    return ps.Route("large" if amount > 10 else "small", amount)


def ship(amount: float) -> str:
    return f"shipped {amount:g}"


def done(text: str) -> str:
    return text.upper()


def halve(amount: float) -> float:
    return amount / 0


async def main() -> None:
    print("problems:", desk.check())
    for order in (Order("ada", 40), Order("ada", 400), Order("eve", 60)):
        result = await desk.run(order=order)
        print(result.outputs["answer"], "- skipped:", ", ".join(result.skipped))

    # What runs when, and why not, in words:
    print(*desk.explain().splitlines()[:4], sep="\n")

    # An error names the node and what it was called with; the compiled source stands in its traceback.
    broken = ps.ComputationGraph("broken", inputs={"amount": float})
    broken.node(halve)
    try:
        broken.run_sync(amount=3)
    except ps.NodeFailed as error:
        print(f"failed: {error.node} with {error.inputs}: {error.reason}")

    shipping = ps.ComputationGraph.from_topology(DATA, functions={"choose": choose, "ship": ship, "done": done})
    again = ps.ComputationGraph.from_topology(shipping.topology(), functions=shipping.functions)
    print(shipping.run_sync(amount=12).outputs, "- again:", again.run_sync(amount=3).outputs)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(desk.draw("svg"), encoding="utf-8")

    asyncio.run(main())
