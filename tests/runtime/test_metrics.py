"""What Prometheus sees: facts counted, samples read at each scrape, every name in the table."""

import re
from collections.abc import Iterable, Iterator

import pytest

from penstock.runtime import metrics, observe
from penstock.runtime.errors import InvariantError
from penstock.runtime.histogram import Histogram
from penstock.runtime.metrics import METRICS, Metrics
from penstock.runtime.observe import (
    CircuitChanged,
    CutCommitted,
    DomainLost,
    EventDropped,
    Fact,
    FiringFailed,
    FunctionsLeft,
    PartRestarted,
    RunFinished,
    RunLeft,
    RunStarted,
    StateIgnored,
    StoreRetried,
    TaskFinished,
)
from penstock.runtime.samples import Sample, circuit_samples, scheduler_samples, threads_samples
from penstock.runtime.scheduler import SchedulerStatistics
from penstock.runtime.tally import COUNTS
from penstock.runtime.threads import Threads

SCHEDULER = SchedulerStatistics(pending=1, fired=2, cancelled=3, failed=4, missed=5, late=0.5)


def lines(published: Metrics) -> dict[str, float]:
    """Return the values that a scrape shows, by name and labels; of histograms, count, sum and full buckets only."""
    found = dict[str, float]()
    for line in published.render().splitlines():
        name, _, value = line.rpartition(" ")
        if not line.startswith("#"):
            found[name] = float(value)

    return found


def told(*facts: Fact) -> dict[str, float]:
    published = Metrics()
    for fact in facts:
        published(fact)

    return {name: value for name, value in lines(published).items() if "_bucket" not in name}


@pytest.mark.parametrize(
    ("fact", "expected"),
    [
        (EventDropped(part="a", reason="decode"), {'penstock_events_dropped_total{part="a",reason="decode"}': 1}),
        (
            EventDropped(part="a", reason="decode", letter=True),
            {
                'penstock_events_dropped_total{part="a",reason="decode"}': 1,
                'penstock_dead_letters_total{part="a",reason="decode"}': 1,
            },
        ),
        (
            FiringFailed(reactor="r", graph="g", firing="r:1-1", attempt=1, error="no", outcome="retry"),
            {'penstock_firings_failed_total{graph="g",outcome="retry",reactor="r"}': 1},
        ),
        (
            CutCommitted(domain="d", rows=3, effects=2, seconds=0.25),
            {
                'penstock_cuts_total{domain="d"}': 1,
                'penstock_cut_rows_total{domain="d"}': 3,
                'penstock_cut_effects_total{domain="d"}': 2,
                'penstock_cut_seconds_count{domain="d"}': 1,
                'penstock_cut_seconds_sum{domain="d"}': 0.25,
            },
        ),
        (DomainLost(domain="d", epoch=2), {'penstock_domains_lost_total{domain="d"}': 1}),
        (RunStarted(workflow="w", run_id="1-1", origin="app"), {'penstock_runs_started_total{workflow="w"}': 1}),
        (
            TaskFinished(workflow="w", run_id="1-1", task="t", status="completed", seconds=0.5),
            {
                'penstock_tasks_finished_total{status="completed",task="t",workflow="w"}': 1,
                'penstock_task_seconds_count{task="t",workflow="w"}': 1,
                'penstock_task_seconds_sum{task="t",workflow="w"}': 0.5,
            },
        ),
        (
            RunFinished(workflow="w", run_id="1-1", status="failed", seconds=0.5),
            {
                'penstock_runs_finished_total{status="failed",workflow="w"}': 1,
                'penstock_run_seconds_count{workflow="w"}': 1,
                'penstock_run_seconds_sum{workflow="w"}': 0.5,
            },
        ),
        (
            RunLeft(workflow="w", run_id="1-1", why="lost", reason="taken over"),
            {'penstock_runs_left_total{why="lost",workflow="w"}': 1},
        ),
        (FunctionsLeft(functions=("book", "rate")), {"penstock_functions_left_total": 2}),
        (StateIgnored(part="m", what="key 'z'", reason="gone"), {'penstock_states_ignored_total{part="m"}': 1}),
        (PartRestarted(part="p", restarts=1, delay=1.0, error="no"), {'penstock_part_restarts_total{part="p"}': 1}),
        (
            CircuitChanged(part="p", state="open"),
            {
                'penstock_circuit_state{part="p",state="closed"}': 0,
                'penstock_circuit_state{part="p",state="half_open"}': 0,
                'penstock_circuit_state{part="p",state="open"}': 1,
            },
        ),
        (StoreRetried(store="sqlite:///x", attempt=1, delay=0.1, error="busy"), {"penstock_store_retries_total": 1}),
    ],
)
def test_fact_is_counted(fact: Fact, expected: dict[str, float]) -> None:
    assert told(fact) == expected


def test_facts_add_up_by_their_labels() -> None:
    first, second = (RunStarted(workflow=name, run_id="1-1", origin="app") for name in ("a", "b"))
    assert told(first, second, first) == {
        'penstock_runs_started_total{workflow="a"}': 2,
        'penstock_runs_started_total{workflow="b"}': 1,
    }


def test_circuit_shows_its_last_state() -> None:
    found = told(CircuitChanged(part="p", state="open"), CircuitChanged(part="p", state="closed"))
    assert [name for name, value in found.items() if value] == ['penstock_circuit_state{part="p",state="closed"}']


def test_every_kind_of_fact_is_counted() -> None:
    kinds = {value for value in vars(observe).values() if isinstance(value, type) and issubclass(value, Fact)}
    assert set(COUNTS) == kinds - {Fact}


def test_unknown_kind_of_fact_is_ignored() -> None:
    class Other(Fact, frozen=True, kw_only=True):
        pass

    assert told(Other()) == {}


def test_samples_are_read_at_each_scrape_until_removed() -> None:
    published, pending = Metrics(), [1.0]
    remove = published.add(lambda: [Sample(metric="penstock_timers_pending", value=pending[0])])
    assert lines(published) == {"penstock_timers_pending": 1}
    pending[0] = 5.0
    assert lines(published) == {"penstock_timers_pending": 5}
    remove()
    assert lines(published) == {}


def test_samples_of_two_apps_add_up_whatever_the_order_of_their_labels() -> None:
    labels = [{"part": "p", "reason": "decode"}, {"reason": "decode", "part": "p"}]
    published = Metrics()
    for each in labels:
        published.add(lambda each=each: [Sample(metric="penstock_dead_letters_total", value=2, labels=each)])  # type: ignore[misc]

    assert lines(published) == {'penstock_dead_letters_total{part="p",reason="decode"}': 4}


def test_histogram_has_cumulative_buckets_and_is_not_used_up_by_a_scrape() -> None:
    published, histogram = Metrics(), Histogram()
    for seconds in (0.001, 0.3, 2000.0):
        histogram.record(seconds)

    published.add(lambda: [Sample(metric="penstock_firing_seconds", value=histogram, labels={"reactor": "r"})])
    for _ in range(2):
        found = lines(published)
        assert found['penstock_firing_seconds_bucket{le="0.0009765625",reactor="r"}'] == 0
        assert found['penstock_firing_seconds_bucket{le="0.25",reactor="r"}'] == 1
        assert found['penstock_firing_seconds_bucket{le="1024.0",reactor="r"}'] == 2
        assert found['penstock_firing_seconds_bucket{le="+Inf",reactor="r"}'] == 3
        assert found['penstock_firing_seconds_sum{reactor="r"}'] == pytest.approx(2000.301)


@pytest.mark.parametrize(
    "sample",
    [
        Sample(metric="penstock_other", value=1),
        Sample(metric="penstock_firings_total", value=1, labels={"reactor": "r"}),
        Sample(metric="penstock_firings_total", value=1, labels={"reactor": "r", "graph": "g"}),
        Sample(metric="penstock_firings_total", value=Histogram(), labels={"reactor": "r", "outcome": "completed"}),
        Sample(metric="penstock_firing_seconds", value=1, labels={"reactor": "r"}),
    ],
)
def test_sample_that_is_not_in_the_table_is_a_mistake_of_ours(sample: Sample) -> None:
    published = Metrics()
    published.add(lambda: [sample])
    with pytest.raises(InvariantError, match="table"):
        published.render()


async def kernel() -> Iterable[Sample]:
    threads = Threads("t", 1)
    await threads.close()
    return [
        *threads_samples(threads.statistics()),
        *scheduler_samples(SCHEDULER),
        *circuit_samples("p", "closed"),
    ]


async def test_samples_of_the_kernel_are_in_the_table() -> None:
    samples, published = await kernel(), Metrics()
    published.add(lambda: samples)
    found = lines(published)
    assert found["penstock_timer_late_max_seconds"] == 0.5
    assert found['penstock_threads{pool="t"}'] == 0
    assert len(found) == 14


def test_nothing_is_shared_between_two() -> None:
    first, second = Metrics(), Metrics()
    first(PartRestarted(part="p", restarts=1, delay=1.0, error="no"))
    assert lines(second) == {}


def names(text: str) -> Iterator[str]:
    return (match.group() for match in re.finditer(r"penstock_\w+", text))


def test_docstring_names_every_metric() -> None:
    assert sorted(names(metrics.__doc__ or "")) == sorted(METRICS)


def test_names_end_as_their_kind_asks() -> None:
    kinds = {"_total": "CounterMetricFamily", "_seconds": "HistogramMetricFamily"}
    for name, metric in METRICS.items():
        gauge = "_max_" in name or "_age_" in name
        ending = "" if gauge else next((ending for ending in kinds if name.endswith(ending)), "")
        assert metric.kind.__name__ == kinds.get(ending, "GaugeMetricFamily"), name
