"""What the facts add up to: plain counters and histograms, for ``metrics.py`` to publish."""

from collections.abc import Callable, Iterator
from typing import TypeVar, cast

from penstock.runtime.histogram import Histogram
from penstock.runtime.observe import (
    CircuitChanged,
    CutCommitted,
    CutFailed,
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
from penstock.runtime.samples import Sample, circuit_samples

F = TypeVar("F", bound=Fact)

#: A metric with its labels, in the order in which they were given first.
Key = tuple[str, tuple[tuple[str, str], ...]]


class Tally:
    """Counters and histograms by metric and labels; each is made when it is needed first."""

    def __init__(self) -> None:
        self._totals = dict[Key, float]()
        self._histograms = dict[Key, Histogram]()
        self._circuits = dict[str, str]()

    def tell(self, fact: Fact) -> None:
        """Count a fact; kinds of which nothing is counted are ignored."""
        count = COUNTS.get(type(fact))
        if count is not None:
            count(self, fact)

    def add(self, metric: str, n: float = 1.0, **labels: str) -> None:
        """Add to a total."""
        key = (metric, tuple(labels.items()))
        self._totals[key] = self._totals.get(key, 0.0) + n

    def record(self, metric: str, seconds: float, **labels: str) -> None:
        """Record a duration."""
        self._histogram(metric, labels).record(seconds)

    def circuit(self, part: str, state: str) -> None:
        """Note the state in which a part is now."""
        self._circuits[part] = state

    def take(self, sample: Sample) -> None:
        """Add a sample to what is there."""
        labels = dict(sorted(sample.labels.items()))
        if isinstance(sample.value, Histogram):
            self._histogram(sample.metric, labels).merge(sample.value)
        else:
            self.add(sample.metric, sample.value, **labels)

    def samples(self) -> Iterator[Sample]:
        """Yield everything as samples."""
        for (metric, labels), value in (self._totals | self._histograms).items():
            yield Sample(metric=metric, value=value, labels=dict(labels))

        for part, state in self._circuits.items():
            yield from circuit_samples(part, state)

    def _histogram(self, metric: str, labels: dict[str, str]) -> Histogram:
        key = (metric, tuple(labels.items()))
        if key not in self._histograms:
            self._histograms[key] = Histogram()

        return self._histograms[key]


Count = Callable[[Tally, Fact], None]

#: How each kind of fact is counted.
COUNTS: dict[type[Fact], Count] = {}


def counts(kind: type[F]) -> Callable[[Callable[[Tally, F], None]], Callable[[Tally, F], None]]:
    """Make a function the one that counts this kind of fact."""

    def register(count: Callable[[Tally, F], None]) -> Callable[[Tally, F], None]:
        COUNTS[kind] = cast("Count", count)
        return count

    return register


@counts(EventDropped)
def _event_dropped(tally: Tally, fact: EventDropped) -> None:
    tally.add("penstock_events_dropped_total", part=fact.part, reason=fact.reason)
    if fact.letter:
        tally.add("penstock_dead_letters_total", part=fact.part, reason=fact.reason)


@counts(FiringFailed)
def _firing_failed(tally: Tally, fact: FiringFailed) -> None:
    tally.add("penstock_firings_failed_total", reactor=fact.reactor, graph=fact.graph, outcome=fact.outcome)


@counts(CutCommitted)
def _cut_committed(tally: Tally, fact: CutCommitted) -> None:
    tally.add("penstock_cuts_total", domain=fact.domain)
    tally.add("penstock_cut_rows_total", fact.rows, domain=fact.domain)
    tally.add("penstock_cut_effects_total", fact.effects, domain=fact.domain)
    tally.record("penstock_cut_seconds", fact.seconds, domain=fact.domain)


@counts(CutFailed)
def _cut_failed(tally: Tally, fact: CutFailed) -> None:
    tally.add("penstock_cuts_failed_total", domain=fact.domain)


@counts(DomainLost)
def _domain_lost(tally: Tally, fact: DomainLost) -> None:
    tally.add("penstock_domains_lost_total", domain=fact.domain)


@counts(StateIgnored)
def _state_ignored(tally: Tally, fact: StateIgnored) -> None:
    tally.add("penstock_states_ignored_total", part=fact.part)


@counts(RunStarted)
def _run_started(tally: Tally, fact: RunStarted) -> None:
    tally.add("penstock_runs_started_total", workflow=fact.workflow)


@counts(TaskFinished)
def _task_finished(tally: Tally, fact: TaskFinished) -> None:
    tally.add("penstock_tasks_finished_total", workflow=fact.workflow, task=fact.task, status=fact.status)
    tally.record("penstock_task_seconds", fact.seconds, workflow=fact.workflow, task=fact.task)


@counts(RunFinished)
def _run_finished(tally: Tally, fact: RunFinished) -> None:
    tally.add("penstock_runs_finished_total", workflow=fact.workflow, status=fact.status)
    tally.record("penstock_run_seconds", fact.seconds, workflow=fact.workflow)


@counts(RunLeft)
def _run_left(tally: Tally, fact: RunLeft) -> None:
    tally.add("penstock_runs_left_total", workflow=fact.workflow, why=fact.why)


@counts(PartRestarted)
def _part_restarted(tally: Tally, fact: PartRestarted) -> None:
    tally.add("penstock_part_restarts_total", part=fact.part)


@counts(CircuitChanged)
def _circuit_changed(tally: Tally, fact: CircuitChanged) -> None:
    tally.circuit(fact.part, fact.state)


@counts(FunctionsLeft)
def _functions_left(tally: Tally, fact: FunctionsLeft) -> None:
    tally.add("penstock_functions_left_total", len(fact.functions))


@counts(StoreRetried)
def _store_retried(tally: Tally, _fact: StoreRetried) -> None:
    # without the store as a label: it is a URL, and an app has one
    tally.add("penstock_store_retries_total")
