"""A durable workflow: tasks with dependencies, whose progress survives a crash.

Run it:  python examples/03_first_workflow.py
"""

import asyncio
import tempfile
from pathlib import Path

import msgspec

import penstock as ps


class Order(msgspec.Struct, frozen=True):
    customer: str
    amount: float


class Prices(msgspec.Struct, frozen=True):
    history: list[float]


settle = ps.Workflow("settle", input=Order, description="book an order")


# Tasks name what they need: fields of the input …
@settle.task
def check(amount: float) -> None:
    if amount <= 0:
        raise ValueError(f"an order of {amount:g} makes no sense")


# … and they leave values for others: each field of what they return.
@settle.task
async def fetch() -> Prices:
    return Prices(history=[99.0, 100.0, 101.0])


# `check` and `fetch` run at the same time; this one waits for both. A task's completion is in the store before the
# tasks that depend on it start.
@settle.task(dependencies=[check, fetch])
def book(customer: str, amount: float, history: list[float]) -> dict[str, str]:
    price = sum(history) / len(history)
    return {"booked": f"{amount:g} at {price:g} for {customer}"}


async def main(store: str) -> None:
    app = ps.App(store, parts=[settle])
    async with app:
        # `start` returns when the run is committed, `result` when it has ended.
        run = await app.start(settle, {"customer": "ada", "amount": 3.0}, idempotency_key="order-17")
        print("output:", (await run.result())["booked"])

        # The same key is the same run: nothing is booked twice.
        again = await app.start(settle, {"customer": "ada", "amount": 3.0}, idempotency_key="order-17")
        print("same run:", again.id == run.id)

        try:
            await app.execute(settle, {"customer": "bob", "amount": -1.0})
        except ps.RunFailed as error:
            print("failed:", error.failures["check"])

    # The store outlives the app: another one sees the same history.
    async with ps.App(store, parts=[settle]) as later:
        print("history:", [run.status async for run in later.runs(workflow=settle)])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(main(f"sqlite:///{Path(folder) / 'settle.db'}"))
