"""The counters of an open app, gathered from its parts, and the same as samples for the metrics."""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from penstock.accumulators.statistics import AccumulatorStatistics
from penstock.graphs.ways import NodeCounts
from penstock.health import Health
from penstock.listening import ListeningStatistics
from penstock.reactors.live import LiveReactor
from penstock.reactors.statistics import DomainStatistics, ReactorStatistics
from penstock.runtime.samples import Sample, scheduler_samples, threads_samples
from penstock.runtime.scheduler import SchedulerStatistics
from penstock.runtime.store.writer import WriterStatistics
from penstock.runtime.threads import ThreadsStatistics
from penstock.workflows.tally import WorkerStatistics


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """What every part of an app has done since it was opened."""

    #: By name.
    accumulators: Mapping[str, AccumulatorStatistics]
    reactors: Mapping[str, ReactorStatistics]
    domains: Mapping[str, DomainStatistics]
    #: What each node did, by graph and node.
    graphs: Mapping[str, Mapping[str, NodeCounts]]
    worker: WorkerStatistics
    store: WriterStatistics
    scheduler: SchedulerStatistics
    #: Where tasks and polls run …
    threads: ThreadsStatistics
    #: … and nodes of graphs with ``executor="thread"`` or ``"process"``.
    node_threads: ThreadsStatistics
    node_processes: ThreadsStatistics
    #: What somebody has listened to.
    listening: Sequence[ListeningStatistics]


def samples(statistics: Statistics, reactors: Mapping[str, LiveReactor]) -> Iterator[Sample]:
    """Yield the counters as the metrics want them; facts that are told one by one are counted elsewhere."""
    for name, accumulator in statistics.accumulators.items():
        yield from accumulator_samples(name, accumulator)

    for name, reactor in statistics.reactors.items():
        yield from reactor_samples(name, reactor)
        yield Sample(metric="penstock_firing_seconds", value=reactors[name].latency, labels={"reactor": name})
        for source, age in reactors[name].ages.items():
            if age is not None:
                yield Sample(metric="penstock_input_age_seconds", value=age, labels={"reactor": name, "input": source})

    for name, domain in statistics.domains.items():
        yield Sample(metric="penstock_outbox_effects", value=domain.outbox, labels={"domain": name})

    for name, nodes in statistics.graphs.items():
        yield from graph_samples(name, nodes)

    yield from listening_samples(statistics.listening)
    yield from worker_samples(statistics.worker)
    yield from store_samples(statistics.store)
    yield from scheduler_samples(statistics.scheduler)
    for pool in (statistics.threads, statistics.node_threads, statistics.node_processes):
        yield from threads_samples(pool)


def accumulator_samples(name: str, statistics: AccumulatorStatistics) -> Iterator[Sample]:
    """Yield what an accumulator did with its events."""
    outcomes = {
        "boundary": statistics.boundaries,
        "filtered": statistics.filtered,
        "undecodable": statistics.undecodable,
        "failed": statistics.failed,
        "refused": statistics.refused,
        "overflowed": statistics.overflowed,
    }
    for outcome, events in outcomes.items():
        labels = {"accumulator": name, "outcome": outcome}
        yield Sample(metric="penstock_accumulator_events_total", value=events, labels=labels)

    labels = {"accumulator": name}
    if statistics.lag is not None and statistics.rate is not None:
        yield Sample(metric="penstock_source_lag_events", value=statistics.lag, labels=labels)
        yield Sample(metric="penstock_source_events_per_second", value=statistics.rate, labels=labels)

    yield Sample(metric="penstock_accumulator_events_waiting", value=statistics.waiting, labels=labels)
    yield Sample(metric="penstock_accumulator_events_held", value=statistics.held, labels=labels)
    yield Sample(metric="penstock_accumulator_live", value=statistics.health == "live", labels=labels)


def reactor_samples(name: str, statistics: ReactorStatistics) -> Iterator[Sample]:
    """Yield what a reactor did with boundaries, and what waits in it."""
    outcomes = {
        "completed": statistics.completed,
        "failed": statistics.failed,
        "superseded": statistics.superseded,
    }
    for outcome, firings in outcomes.items():
        yield Sample(metric="penstock_firings_total", value=firings, labels={"reactor": name, "outcome": outcome})

    labels = {"reactor": name}
    yield Sample(metric="penstock_firings_in_flight", value=statistics.in_flight, labels=labels)
    yield Sample(metric="penstock_boundaries_coalesced_total", value=statistics.coalesced, labels=labels)
    yield Sample(metric="penstock_queue_boundaries", value=statistics.queued, labels=labels)
    yield Sample(metric="penstock_queue_overflowed_total", value=statistics.overflowed, labels=labels)
    yield Sample(metric="penstock_criteria_failures_total", value=statistics.criteria_failures, labels=labels)
    yield Sample(metric="penstock_keys", value=statistics.keys, labels=labels)
    yield Sample(metric="penstock_keys_due", value=statistics.due, labels=labels)
    yield Sample(metric="penstock_reactor_paused", value=statistics.paused, labels=labels)


def health_samples(health: Health) -> Iterator[Sample]:
    """Yield the state of each part: 1 for the one that it is in."""
    for part in health.parts:
        labels = {"part": part.name, "kind": part.kind, "state": part.state}
        yield Sample(metric="penstock_part_state", value=1, labels=labels)

    yield Sample(metric="penstock_ready", value=health.ready)


def graph_samples(graph: str, nodes: Mapping[str, NodeCounts]) -> Iterator[Sample]:
    """Yield what the nodes of a graph did; outcomes that never came are left out, since there are many nodes."""
    for node, counts in nodes.items():
        for outcome, count in msgspec.structs.asdict(counts).items():
            if count:
                labels = {"graph": graph, "node": node, "outcome": outcome}
                yield Sample(metric="penstock_graph_nodes_total", value=count, labels=labels)


def listening_samples(statistics: Sequence[ListeningStatistics]) -> Iterator[Sample]:
    """Yield who listens, and what became of what they were given."""
    for each in statistics:
        labels = {"kind": each.kind, "part": each.part}
        yield Sample(metric="penstock_listeners", value=each.listeners, labels=labels)
        yield Sample(metric="penstock_listener_values_dropped_total", value=each.dropped, labels=labels)
        yield Sample(metric="penstock_listeners_failed_total", value=each.failed, labels=labels)


def worker_samples(statistics: WorkerStatistics) -> Iterator[Sample]:
    """Yield what the worker holds; runs and tasks that end are counted as they are told."""
    yield Sample(metric="penstock_runs", value=statistics.live, labels={"state": "live"})
    yield Sample(metric="penstock_runs", value=statistics.parked, labels={"state": "parked"})
    yield Sample(metric="penstock_tasks", value=statistics.queued, labels={"state": "queued"})
    yield Sample(metric="penstock_tasks", value=statistics.running, labels={"state": "running"})


def store_samples(statistics: WriterStatistics) -> Iterator[Sample]:
    """Yield what the writer of the store did; retries are counted as they are told."""
    yield Sample(metric="penstock_store_commits_total", value=statistics.commits)
    yield Sample(metric="penstock_store_units_total", value=statistics.units)
    yield Sample(metric="penstock_store_units_failed_total", value=statistics.failed)
    yield Sample(metric="penstock_store_units_waiting", value=statistics.waiting)
    yield Sample(metric="penstock_store_rows_total", value=statistics.rows)
    yield Sample(metric="penstock_store_commit_seconds_total", value=statistics.seconds)
