"""Every metric in the table has somebody who feeds it."""

import inspect

from penstock import statistics
from penstock.runtime import samples, tally
from penstock.runtime.metrics import METRICS
from penstock.testing import open_test_app
from tests.flows.market import Book, Market


def test_every_metric_of_the_table_is_fed() -> None:
    feeders = "".join(map(inspect.getsource, (samples, statistics, tally)))

    assert [name for name in METRICS if f'"{name}"' not in feeders] == []


async def test_what_an_app_counts_is_what_it_publishes() -> None:
    market = Market()
    async with open_test_app(market.parts) as test:
        await test.settle()
        await test.app.push(market.orderbook, Book("A", 2.0, 4.0))
        await test.app.push(market.orderbook, Book("B", 4.0, 2.0))
        await test.settle()
        published = dict(line.rsplit(" ", 1) for line in test.app.metrics().splitlines() if not line.startswith("#"))

    assert published['penstock_accumulator_events_total{accumulator="orderbook",outcome="boundary"}'] == "1.0"
    assert published['penstock_accumulator_events_total{accumulator="orderbook",outcome="filtered"}'] == "1.0"
    assert published['penstock_firings_total{outcome="completed",reactor="market"}'] == "1.0"
    assert published['penstock_firings_total{outcome="failed",reactor="market"}'] == "0.0"
    assert published['penstock_firing_seconds_count{reactor="market"}'] == "1.0"
    assert published['penstock_keys{reactor="market"}'] == "1.0"
    assert published['penstock_runs{state="live"}'] == "0.0"
    assert published['penstock_accumulator_live{accumulator="reference"}'] == "1.0"
    assert published['penstock_outbox_effects{domain="market"}'] == "0.0"
