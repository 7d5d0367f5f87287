"""The five kinds of accumulators in one app: what each is for, and what of it is there after a restart.

Run it:  python examples/04_accumulators.py
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec

import penstock as ps


class Trade(msgspec.Struct, frozen=True):
    symbol: str
    price: float
    amount: int


# Passthrough: one event in, at most one boundary out. None drops the event, and the drop is counted. Durable: `push`
# returns when the event is in the store.
@ps.passthrough_accumulator(durable=True)
def trades(event: Trade) -> Trade | None:
    return event if event.amount > 0 else None


# Batch: the function is given many events at once: when there are three of them, or when the oldest has waited for an
# hour. What waits is stored as well; being durable, it is kept when the app stops.
@ps.batch_accumulator(max_size=3, max_age="1h", durable=True)
def volumes(events: list[Trade]) -> int:
    return sum(event.amount for event in events)


# Polling: a function is asked at once, and then at every interval. None would mean that there is nothing new.
@ps.polling_accumulator(interval="1h")
def limit() -> float | None:
    return 101.5


# Stream: fed by a source that knows its positions. This function carries a state from event to event, which is
# committed together with the position.
async def ticks() -> AsyncIterator[float]:
    for price in (100.0, 103.0, 101.0):
        yield price


@ps.stream_accumulator(ps.FromIterator(ticks), state=0.0)
def highest(event: float, state: float) -> tuple[float, float | None]:
    return (event, event) if event > state else (state, None)


# State: a window of the newest values, written by nodes of graphs.
recent = ps.state_accumulator("recent", value=float, capacity=2)

desk = ps.Reactor("desk", [trades, volumes, limit, highest, recent], criteria=ps.when_any(trades))
pricing = ps.ComputationGraph("pricing", reactor=desk)
seen: list[str] = []


# What the node returns enters the window when the firing has succeeded, and is committed with it.
@pricing.node(emits=recent)
def price(trades: Trade) -> float:
    return trades.price


@pricing.node
def compare(price: float, recent: tuple[float, ...] | None) -> str:
    seen.append(f"{price:g} after {list(recent or ())}")
    return seen[-1]


async def poll_and_stream(app: ps.App) -> None:
    """Wait until the function was asked and the source has ended."""
    while True:
        statistics = app.statistics().accumulators
        if statistics["limit"].boundaries and statistics["highest"].health == "ended":
            return

        await app.scheduler.sleep(0.01)


async def main(store: str) -> None:
    app = ps.App(store, parts=[pricing])
    async with app:
        await poll_and_stream(app)
        for number, amount in enumerate((5, 0, 7, 9), 1):
            trade = Trade("ACME", 99.0 + number, amount)
            await app.push(trades, trade, key=f"trade-{number}")
            await app.push(volumes, trade)

        # an event that comes again under its key is not taken again
        print("taken again:", await app.push(trades, Trade("ACME", 100.0, 5), key="trade-1"))
        await app.wait_idle()
        print("prices:", seen)
        values = app.state(desk).values[None]
        print("volume of three:", values["volumes"])
        print("limit:", values["limit"], "- highest:", values["highest"])
        statistics = app.statistics().accumulators
        print("dropped:", statistics["trades"].filtered, "- in the batch:", statistics["volumes"].held)

    async with app:  # opened again: window and batch are back, and nothing has fired
        print("after a restart:", app.state(desk).values[None]["recent"], app.statistics().accumulators["volumes"].held)
        print("flushed:", await app.flush(volumes))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(main(f"sqlite:///{Path(folder) / 'desk.db'}"))
