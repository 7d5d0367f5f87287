"""The figures for Prometheus, and every metric's name; the only file that imports its library.

Facts are counted as they are told. What happens too often to be told is counted where it happens, and is read as
samples at each scrape. ``METRICS`` is the table, with the meaning of each; in short:

* streams: penstock_accumulator_events_total penstock_accumulator_events_waiting penstock_accumulator_events_held
  penstock_events_dropped_total penstock_dead_letters_total penstock_accumulator_live
  penstock_source_lag_events penstock_source_events_per_second penstock_listeners
  penstock_listener_values_dropped_total penstock_listeners_failed_total
* firings: penstock_firings_total penstock_firings_in_flight penstock_firings_failed_total penstock_firing_seconds
  penstock_graph_nodes_total penstock_boundaries_coalesced_total penstock_queue_boundaries
  penstock_queue_overflowed_total penstock_criteria_failures_total penstock_input_age_seconds penstock_keys
  penstock_keys_due penstock_reactor_paused penstock_outbox_effects penstock_cuts_total penstock_cut_rows_total
  penstock_cut_effects_total penstock_cut_seconds penstock_cuts_failed_total penstock_domains_lost_total
  penstock_states_ignored_total
* runs: penstock_runs penstock_runs_started_total penstock_runs_finished_total penstock_runs_left_total
  penstock_run_seconds penstock_tasks penstock_tasks_finished_total penstock_task_seconds
* store: penstock_store_commits_total penstock_store_units_total penstock_store_units_failed_total
  penstock_store_units_waiting penstock_store_rows_total penstock_store_retries_total
  penstock_store_commit_seconds_total
* kernel: penstock_functions_left_total penstock_timers_pending penstock_timers_fired_total penstock_timers_failed_total
  penstock_timer_ticks_missed_total penstock_timer_late_max_seconds penstock_threads penstock_thread_calls_running
  penstock_thread_calls_waiting penstock_thread_calls_overdue penstock_thread_calls_total
  penstock_thread_calls_abandoned_total
  penstock_part_restarts_total penstock_circuit_state penstock_part_state penstock_ready

The buckets of all histograms are powers of four, from a microsecond to 17 minutes: the edges are exact, and two
dashboards can be compared.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial

import msgspec
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric as Family
from prometheus_client.registry import Collector
from typing_extensions import override

from penstock.runtime.errors import InvariantError
from penstock.runtime.histogram import Histogram
from penstock.runtime.observe import Fact
from penstock.runtime.samples import Collect, Sample
from penstock.runtime.tally import Tally

#: Upper edges of the buckets, in seconds.
BOUNDS = tuple(2.0**power for power in range(-20, 11, 2))


class Metric(msgspec.Struct, frozen=True):
    """What a metric is."""

    kind: type[CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily]
    meaning: str
    labels: tuple[str, ...]

    @property
    def is_histogram(self) -> bool:
        """Whether its values are histograms."""
        return self.kind is HistogramMetricFamily


def counter(meaning: str, *labels: str) -> Metric:
    """Return a total since the start."""
    return Metric(CounterMetricFamily, meaning, labels)


def gauge(meaning: str, *labels: str) -> Metric:
    """Return a current value."""
    return Metric(GaugeMetricFamily, meaning, labels)


def histogram(meaning: str, *labels: str) -> Metric:
    """Return a histogram of durations."""
    return Metric(HistogramMetricFamily, meaning, labels)


METRICS = {
    # streams
    "penstock_accumulator_events_total": counter(
        "Events that came in; outcome: boundary, filtered, undecodable, failed, refused or overflowed",
        "accumulator",
        "outcome",
    ),
    "penstock_accumulator_events_waiting": gauge("Events that are taken and not applied yet", "accumulator"),
    "penstock_accumulator_events_held": gauge(
        "Events in a batch that is not flushed, values in a window", "accumulator"
    ),
    "penstock_events_dropped_total": counter("Drops that were told one by one", "part", "reason"),
    "penstock_dead_letters_total": counter("Dropped events that a dead letter keeps", "part", "reason"),
    "penstock_accumulator_live": gauge(
        "1 while an accumulator takes events, and what feeds it is connected", "accumulator"
    ),
    "penstock_source_lag_events": gauge("Events that wait in the source of an accumulator", "accumulator"),
    "penstock_source_events_per_second": gauge("Events that the source of an accumulator gives now", "accumulator"),
    "penstock_listeners": gauge("Who listens to a part; kind: boundaries, firings or results", "kind", "part"),
    "penstock_listener_values_dropped_total": counter(
        "Values that listeners missed because they read too slowly", "kind", "part"
    ),
    "penstock_listeners_failed_total": counter("Observers that raised, and got no more", "kind", "part"),
    # firings
    "penstock_firings_total": counter(
        "Firings that ended; outcome: completed, failed or superseded (by a newer value, after it failed)",
        "reactor",
        "outcome",
    ),
    "penstock_firings_in_flight": gauge("Firings that run, or wait to be tried again", "reactor"),
    "penstock_firings_failed_total": counter(
        "Failures of a graph in a firing; outcome: retry or dead_letter", "reactor", "graph", "outcome"
    ),
    "penstock_firing_seconds": histogram("From the start of a firing to its end", "reactor"),
    "penstock_graph_nodes_total": counter(
        "Nodes of graphs in firings; outcome: ran, skipped, not_ready or failed", "graph", "node", "outcome"
    ),
    "penstock_boundaries_coalesced_total": counter(
        "Values that gave way to a newer one before they could fire", "reactor"
    ),
    "penstock_queue_boundaries": gauge("Boundaries that wait for their turn, of a sequential reactor", "reactor"),
    "penstock_queue_overflowed_total": counter("Boundaries for which the queue had no room", "reactor"),
    "penstock_criteria_failures_total": counter("Evaluations of a predicate that failed", "reactor"),
    "penstock_input_age_seconds": gauge(
        "Since the newest value of an input came, as exact as the checkpoint interval", "reactor", "input"
    ),
    "penstock_keys": gauge("Keys that a reactor holds", "reactor"),
    "penstock_keys_due": gauge("Keys that should fire, and may not yet", "reactor"),
    "penstock_reactor_paused": gauge("1 while an operator keeps a reactor from firing", "reactor"),
    "penstock_outbox_effects": gauge("Effects that wait for a cut", "domain"),
    "penstock_cuts_total": counter("Cuts that were committed", "domain"),
    "penstock_cuts_failed_total": counter("Cuts that were not committed; the next one holds what they held", "domain"),
    "penstock_cut_rows_total": counter("Rows of committed cuts", "domain"),
    "penstock_cut_effects_total": counter("Effects of committed cuts", "domain"),
    "penstock_cut_seconds": histogram("From the beginning of a cut to its commit", "domain"),
    "penstock_domains_lost_total": counter("Times that another owner took a domain", "domain"),
    "penstock_states_ignored_total": counter("Stored state that no part of the code belongs to", "part"),
    # runs
    "penstock_runs": gauge("Runs in memory; state: live or parked", "state"),
    "penstock_runs_started_total": counter("Runs that were committed to the store", "workflow"),
    "penstock_runs_finished_total": counter("Runs that ended", "workflow", "status"),
    "penstock_runs_left_total": counter(
        "Unfinished runs that left this worker; why: lost, parked or store", "workflow", "why"
    ),
    "penstock_run_seconds": histogram("From the creation of a run to its end", "workflow"),
    "penstock_tasks": gauge("Task runs in memory; state: queued or running", "state"),
    "penstock_tasks_finished_total": counter("Task runs that ended", "workflow", "task", "status"),
    "penstock_task_seconds": histogram("From the start of a task run to its end", "workflow", "task"),
    # store
    "penstock_store_commits_total": counter("Transactions that were committed"),
    "penstock_store_units_total": counter("Write units that were committed"),
    "penstock_store_units_failed_total": counter("Write units that were rolled back"),
    "penstock_store_units_waiting": gauge("Write units that wait for their commit"),
    "penstock_store_rows_total": counter("Rows that were written"),
    "penstock_store_retries_total": counter("Commits that met passing trouble and were tried again"),
    "penstock_store_commit_seconds_total": counter("Seconds that commits took in the writer"),
    # kernel
    "penstock_functions_left_total": counter("Functions that still ran in threads when the app stopped"),
    "penstock_timers_pending": gauge("Timers that wait for their deadline"),
    "penstock_timers_fired_total": counter("Callbacks of timers that were called"),
    "penstock_timers_failed_total": counter("Callbacks of timers that raised"),
    "penstock_timer_ticks_missed_total": counter("Ticks of intervals that were skipped"),
    "penstock_timer_late_max_seconds": gauge("The longest time by which a callback was late"),
    "penstock_threads": gauge("Threads of a pool", "pool"),
    "penstock_thread_calls_running": gauge("Functions that run in a thread", "pool"),
    "penstock_thread_calls_waiting": gauge("Functions that wait for a thread", "pool"),
    "penstock_thread_calls_overdue": gauge("Functions that still run although nobody waits for them", "pool"),
    "penstock_thread_calls_total": counter("Functions that ended in a thread", "pool"),
    "penstock_thread_calls_abandoned_total": counter("Functions whose caller was cancelled meanwhile", "pool"),
    "penstock_part_restarts_total": counter("Restarts of a supervised part after a crash", "part"),
    "penstock_circuit_state": gauge("1 for the state of a supervised part: closed, half_open or open", "part", "state"),
    "penstock_part_state": gauge(
        "1 for the state that a part is in, as in the health of the app", "part", "kind", "state"
    ),
    "penstock_ready": gauge("1 while the app takes what it is given"),
}


class Metrics(Collector):
    """Publishes what an app does to Prometheus: give it to ``App(observer=…)``.

    Everything happens on the event loop: facts, ``add`` and the scrape.

    Args:
        registry: Where to appear; one of its own unless given, so that nothing global is shared.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry: CollectorRegistry = registry or CollectorRegistry(auto_describe=False)
        self._facts = Tally()
        self._collects: list[Collect] = []
        self.registry.register(self)

    def __call__(self, fact: Fact) -> None:
        """Count a fact."""
        self._facts.tell(fact)

    def add(self, collect: Collect) -> Callable[[], None]:
        """Read samples at each scrape from now on.

        Samples of the same metric with the same labels add up: two apps may publish in one place.

        Returns:
            What ends it.
        """
        self._collects.append(collect)
        return partial(self._collects.remove, collect)

    def render(self) -> str:
        """Return everything in the text format of Prometheus."""
        return generate_latest(self.registry).decode()

    @override
    def collect(self) -> Iterator[Family]:
        now = Tally()
        for sample in self._facts.samples():
            now.take(sample)

        for collect in self._collects:
            for sample in collect():
                now.take(sample)

        return families(now.samples())


def families(samples: Iterable[Sample]) -> Iterator[Family]:
    """Yield the samples as Prometheus wants them: grouped by metric.

    Raises:
        InvariantError: A sample is not as the table says.
    """
    found = dict[str, list[Sample]]()
    for sample in samples:
        found.setdefault(sample.metric, []).append(sample)

    for name in sorted(found):
        if name not in METRICS:
            raise InvariantError(f"metric {name!r} is not in the table")

        yield family(name, METRICS[name], found[name])


def family(name: str, metric: Metric, samples: Iterable[Sample]) -> Family:
    """Return the samples of one metric."""
    result = metric.kind(name, metric.meaning, labels=metric.labels)
    for sample in samples:
        if set(sample.labels) != set(metric.labels) or isinstance(sample.value, Histogram) != metric.is_histogram:
            raise InvariantError(f"a sample of {name!r} with labels {sorted(sample.labels)} is not as the table says")

        labels = [sample.labels[label] for label in metric.labels]
        if isinstance(result, HistogramMetricFamily) and isinstance(sample.value, Histogram):
            result.add_metric(labels, buckets(sample.value), sample.value.sum)
        elif not isinstance(result, HistogramMetricFamily) and not isinstance(sample.value, Histogram):
            result.add_metric(labels, sample.value)

    return result


def buckets(histogram: Histogram) -> list[tuple[str, float]]:
    """Return the upper edge of each bucket with how many durations are below it."""
    below = [(repr(bound), float(count)) for bound, count in histogram.cumulative(BOUNDS)]
    return [*below, ("+Inf", float(histogram.count))]
