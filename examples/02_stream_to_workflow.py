"""From a stream to a durable workflow: events fire a graph, and one of its nodes starts runs.

Run it:  python examples/02_stream_to_workflow.py
"""

import asyncio
import tempfile
from pathlib import Path

import msgspec

import penstock as ps


class Book(msgspec.Struct, frozen=True):
    symbol: str
    bid: float
    ask: float


class Quiet(msgspec.Struct, frozen=True):
    symbol: str


class Alert(msgspec.Struct, frozen=True):
    symbol: str
    spread: float


investigate = ps.Workflow("investigate", input=Alert, description="look into a wide spread")


@investigate.task
def report(symbol: str, spread: float) -> dict[str, str]:
    return {"report": f"{symbol}: spread of {spread:g}"}


# An accumulator turns events into boundaries. This one is fed by `app.push`; durable means that `push` returns when the
# event is in the store. None would drop the event, and the drop would be counted.
@ps.passthrough_accumulator(durable=True)
def orderbook(event: Book) -> Book | None:
    return event if event.ask > event.bid else None


# A reactor keeps the newest value of each input and fires its graphs. With a key, each symbol has its own.
market = ps.Reactor("market", [orderbook], criteria=ps.when_any(), key="symbol")

watch = ps.ComputationGraph("watch", reactor=market)


@watch.node(terminals=(Quiet,))
def judge(orderbook: Book) -> Alert | Quiet:
    spread = orderbook.ask - orderbook.bid
    return Alert(orderbook.symbol, spread) if spread > 1.0 else Quiet(orderbook.symbol)


# What this node returns becomes the input of a run. The run, the event that led to it and all state in between are
# committed together: after a crash nothing is lost, and no run is started twice.
@watch.node(starts=investigate)
def escalate(judge: Alert) -> Alert:
    return judge


async def main(store: str) -> None:
    app = ps.App(store, parts=[watch])  # the workflow comes along, since the graph refers to it
    async with app:
        await app.push(orderbook, Book("ACME", 99.9, 100.1))
        await app.push(orderbook, Book("ACME", 98.0, 102.0))
        await app.push(orderbook, Book("INIT", 50.0, 53.0))
        await app.push(orderbook, Book("INIT", 53.0, 50.0))  # crossed: dropped

        await app.wait_idle()  # until every event has led to whatever it leads to
        reports = [run.output["report"] async for run in app.runs(workflow=investigate) if run.output]
        print("reports:", sorted(reports))
        print("newest:", app.state(market).values["INIT"]["orderbook"])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(main(f"sqlite:///{Path(folder) / 'market.db'}"))
