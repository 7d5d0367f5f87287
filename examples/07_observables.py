"""Observables: events come in from one, operators work behind a function; boundaries, firings and results go out.

Run it:  python examples/07_observables.py
"""

import asyncio
import tempfile
import threading
from pathlib import Path

import msgspec
import reactivex
from reactivex import operators as ops
from reactivex.abc import DisposableBase, ObserverBase, SchedulerBase
from reactivex.disposable import Disposable

import penstock as ps


class Trade(msgspec.Struct, frozen=True):
    symbol: str
    price: float


class Bar(msgspec.Struct, frozen=True):
    low: float
    high: float


# When the stock exchange of this example opens.
opened = threading.Event()


def trade(observer: ObserverBase[Trade], scheduler: SchedulerBase | None = None) -> DisposableBase:
    def emit() -> None:
        opened.wait()
        for price in (10.0, 12.0, -1.0, 11.0, 20.0, 20.5, 19.0):
            observer.on_next(Trade("ACME", price))

        observer.on_completed()

    threading.Thread(target=emit).start()
    return Disposable()


# What another library, or another thread, emits. An Observable cannot be made to wait: what does not fit into the
# buffer of the source is dropped and counted.
exchange = reactivex.create(trade)


def bar_of(trades: list[Trade]) -> Bar:
    prices = [trade.price for trade in trades]
    return Bar(low=min(prices), high=max(prices))


# The operators work on what the function returns, on the clock of the app; `value=` is the type of what comes out.
@ps.stream_accumulator(
    ps.FromObservable(exchange, capacity=1000, name="exchange"),
    pipe=[ops.buffer_with_count(3), ops.map(bar_of)],
    value=Bar,
)
def bars(event: Trade) -> Trade | None:
    return event if event.price > 0 else None


reactor = ps.Reactor("bars_reactor", [bars], strategy="latest")
graph = ps.ComputationGraph("ranges", reactor=reactor)


@graph.node
def spread(bars: Bar) -> float:
    return bars.high - bars.low


async def main(store: str) -> None:
    app = ps.App(store, parts=[graph])
    async with app:
        # One listener reads at its own pace, with `async for` …
        one = app.boundaries(bars)
        # … and another one gets an Observable. Neither can slow the stream down.
        highs: list[float] = []
        app.boundaries(bars).to_observable().pipe(ops.map(lambda boundary: boundary.value.high)).subscribe(highs.append)

        # So it is with the firings of a reactor that are over, and with what a graph gave for each of them.
        firings = app.firings(reactor)
        spreads: list[tuple[str, float]] = []
        app.results(graph).to_observable().pipe(
            ops.map(lambda result: (result.firing, result.outputs["spread"])),
        ).subscribe(spreads.append)

        opened.set()
        for _ in range(2):
            boundary = await anext(one)
            print(f"bar {boundary.sequence}: {boundary.value.low:g} to {boundary.value.high:g}")

        await app.wait_idle()
        print("highs:", highs)
        print("spreads:", dict(spreads))
        firing = await anext(firings)
        print(f"firing {firing.id} of {firing.inputs['bars']}: {'ok' if firing.ok else firing.results}")
        statistics = app.statistics().accumulators["bars"]
        print("trades:", statistics.events, "bars:", statistics.boundaries, "dropped:", one.dropped)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(main(f"sqlite:///{Path(folder) / 'example.db'}"))
