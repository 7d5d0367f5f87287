"""The process that the kill tests kill: the whole path, with async nodes, runs and an outbox in flight.

    python -m tests.faults.victim load STORE ACKNOWLEDGED --first 0 --count 400 [--crash POINT --hits N]
    python -m tests.faults.victim finish STORE

``load`` pushes events and starts runs from many tasks at once and writes every acknowledgement to a file, as one line,
the moment it is given. ``finish`` opens the store, lets what was in flight end, and stops.
"""

import argparse
import asyncio
import os
import sys
from pathlib import Path

import anyio
import msgspec

import penstock as ps
from penstock.testing import FaultPoints

CALLERS = 24


class Order(msgspec.Struct, frozen=True):
    id: int
    amount: float


class Booking(msgspec.Struct, frozen=True):
    id: int
    total: float


class Small(msgspec.Struct, frozen=True):
    id: int


class Sum(msgspec.Struct):
    total: float


@ps.passthrough_accumulator(durable=True)
def orders(event: Order) -> Order:
    return event


reactor = ps.Reactor("orders_in", [orders], key="id")
graph = ps.ComputationGraph("desk", reactor=reactor)


@graph.node
async def price(orders: Order) -> Booking | Small:
    await asyncio.sleep(0.002 * (orders.id % 3))  # noqa: TID251 - real time: the kill must find nodes in flight
    return Booking(orders.id, orders.amount * 2) if orders.amount > 0 else Small(orders.id)


taxes = ps.ComputationGraph("taxes", inputs=Sum)


@taxes.node
def taxed(total: float) -> float:
    return total * 1.5


book = ps.Workflow("book", input=Booking)


@book.task
async def enter(context: ps.Context) -> dict[str, float]:
    await asyncio.sleep(0.001)  # noqa: TID251 - as above, for runs in flight
    return {"entered": context["total"]}


@book.task(dependencies=[enter], invokes=taxes)
def tax(context: ps.Context) -> None:
    context["seen"] = True


@graph.node(starts=book)
def accept(price: Booking) -> Booking:
    return price


@graph.node
def ignore(price: Small) -> int:
    return price.id


def app_for(store: Path, faults: FaultPoints | None = None) -> ps.App:
    config = ps.Config(checkpoint_interval=0.05)
    return ps.App(f"sqlite:///{store}", parts=[graph, book], config=config, faults=faults)


async def load(app: ps.App, acknowledged: Path, first: int, count: int) -> None:
    file = os.open(acknowledged, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    waiting = iter(range(first, first + count))

    async def call() -> None:
        for number in waiting:
            if number % 4 == 3:
                run = await app.start(book, {"id": number, "total": 1.0}, idempotency_key=f"direct-{number}")
                os.write(file, f"run {number} {run.id}\n".encode())
            else:
                await app.push(orders, Order(number, 0.0 if number % 4 == 2 else 1.0))
                os.write(file, f"push {number}\n".encode())

    async with app, anyio.create_task_group() as callers:
        for _ in range(CALLERS):
            callers.start_soon(call)


async def finish(app: ps.App) -> None:
    async with app:
        await app.wait_idle()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("mode", choices=["load", "finish"])
    parser.add_argument("store", type=Path)
    parser.add_argument("acknowledged", type=Path, nargs="?")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--crash")
    parser.add_argument("--hits", type=int, default=1)
    options = parser.parse_args()
    faults = FaultPoints()

    if options.crash:
        faults.crash(options.crash, after=options.hits)

    app = app_for(options.store, faults)
    if options.mode == "load":
        asyncio.run(load(app, options.acknowledged, options.first, options.count))
    else:
        asyncio.run(finish(app))


if __name__ == "__main__":
    sys.exit(main())
