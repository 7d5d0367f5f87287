"""What the victim of the kill tests runs: the whole path, from durable events over async nodes to runs.

How long a node or a task takes is part of the event: an event that is processed again takes as long again. One with a
fuse kills the process that processes it.
"""

import asyncio
from collections.abc import Callable

import msgspec

import penstock as ps
from penstock.testing.faults import kill_own_process


class Order(msgspec.Struct, frozen=True):
    id: int
    amount: float
    node: float = 0.0
    task: float = 0.0
    fuse: float | None = None


class Booking(msgspec.Struct, frozen=True):
    id: int
    total: float
    task: float = 0.0


class Small(msgspec.Struct, frozen=True):
    id: int


class Sum(msgspec.Struct):
    total: float


async def sleep(seconds: float) -> None:
    await asyncio.sleep(seconds)  # noqa: TID251 - real time: the kill must find nodes and tasks in flight


async def burn(fuse: float) -> None:
    await sleep(fuse)
    kill_own_process()


@ps.passthrough_accumulator(durable=True)
def orders(event: Order) -> Order:
    return event


reactor = ps.Reactor("orders_in", [orders], key="id")
graph = ps.ComputationGraph("desk", reactor=reactor)


@graph.node
async def price(orders: Order) -> Booking | Small:
    await sleep(orders.node)
    if orders.fuse is not None:
        await burn(orders.fuse)

    return Booking(orders.id, orders.amount * 2, orders.task) if orders.amount > 0 else Small(orders.id)


taxes = ps.ComputationGraph("taxes", inputs=Sum)


@taxes.node
def taxed(total: float) -> float:
    return total * 1.5


book = ps.Workflow("book", input=Booking)


@book.task
async def enter(total: float, task: float) -> dict[str, float]:
    await sleep(task)
    return {"entered": total}


@book.task(dependencies=[enter], invokes=taxes)
def tax(context: ps.Context) -> None:
    context["seen"] = True


@graph.node(starts=book)
def accept(price: Booking) -> Booking:
    return price


@graph.node
def ignore(price: Small) -> int:
    return price.id


lethal = ps.Workflow("lethal", input=Booking)


@lethal.task
async def kill(task: float) -> None:
    await burn(task)


def change() -> None:
    """Give the workflow another structure, as a new release would: runs of the old one are parked."""

    @book.task(dependencies=[tax])
    def audit(context: ps.Context) -> None:
        context["audited"] = True


def app_for(store: str, faults: Callable[[str], None], *, interval: float, drain: float) -> ps.App:
    config = ps.Config(checkpoint_interval=interval, drain_timeout=drain)
    return ps.App(store, parts=[graph, book, lethal], config=config, faults=faults)
