"""The page about metrics says what is exported, and nothing else."""

import re

from penstock.runtime.metrics import METRICS
from penstock.testing import open_test_app
from tests.docs.pages import page
from tests.flows.market import Book, Market

ROW = re.compile(r"^\| `(penstock_\w+)` \| (\w+) \| (.*?) \| (.*) \|$", re.MULTILINE)


def documented() -> list[tuple[str, str, tuple[str, ...], str]]:
    rows = ROW.findall(page("docs/metrics.md"))
    return [(name, kind, tuple(re.findall(r"`(\w+)`", labels)), meaning) for name, kind, labels, meaning in rows]


def test_scenario_118_the_page_has_each_metric_with_its_kind_labels_and_meaning() -> None:
    assert documented() == [
        (name, metric.kind.__name__.removesuffix("MetricFamily").lower(), metric.labels, metric.meaning)
        for name, metric in METRICS.items()
    ]


async def test_scenario_118_what_an_app_exports_is_on_the_page() -> None:
    market = Market()
    async with open_test_app(market.parts) as test:
        await test.app.push(market.orderbook, Book("A", 2.0, 4.0))
        await test.settle()
        types = re.findall(r"^# TYPE (\w+) (\w+)$", test.app.metrics(), re.MULTILINE)

    kinds = {name: kind for name, kind, _, _ in documented()}
    assert {name: kinds.get(name) for name, _ in types} == dict(types)
    assert {"penstock_firings_total", "penstock_part_state", "penstock_ready"} <= {name for name, _ in types}
