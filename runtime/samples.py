"""What is measured, in a form that depends on nobody: live parts return samples, and ``metrics.py`` publishes them."""

from collections.abc import Callable, Iterable, Iterator, Mapping

import msgspec

from penstock.runtime.histogram import Histogram
from penstock.runtime.scheduler import SchedulerStatistics
from penstock.runtime.threads import ThreadsStatistics


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One value of one metric, taken now."""

    #: Name of the metric, one of those in the table of ``metrics.py``.
    metric: str
    #: A total since the start, a current value, or a histogram of durations.
    value: float | Histogram
    #: Which part it is of, by the names of the metric's labels.
    labels: Mapping[str, str] = msgspec.field(default_factory=dict[str, str])


#: Called at each scrape, on the event loop; must be quick and must not raise.
Collect = Callable[[], Iterable[Sample]]


def scheduler_samples(statistics: SchedulerStatistics) -> Iterator[Sample]:
    """Yield what a scheduler does."""
    yield Sample(metric="penstock_timers_pending", value=statistics.pending)
    yield Sample(metric="penstock_timers_fired_total", value=statistics.fired)
    yield Sample(metric="penstock_timers_failed_total", value=statistics.failed)
    yield Sample(metric="penstock_timer_ticks_missed_total", value=statistics.missed)
    yield Sample(metric="penstock_timer_late_max_seconds", value=statistics.late)


def threads_samples(statistics: ThreadsStatistics) -> Iterator[Sample]:
    """Yield what a pool of threads does."""
    labels = {"pool": statistics.pool}
    yield Sample(metric="penstock_threads", value=statistics.threads, labels=labels)
    yield Sample(metric="penstock_thread_calls_running", value=statistics.running, labels=labels)
    yield Sample(metric="penstock_thread_calls_waiting", value=statistics.waiting, labels=labels)
    yield Sample(metric="penstock_thread_calls_total", value=statistics.finished, labels=labels)
    yield Sample(metric="penstock_thread_calls_overdue", value=statistics.overdue, labels=labels)
    yield Sample(metric="penstock_thread_calls_abandoned_total", value=statistics.abandoned, labels=labels)


def circuit_samples(part: str, state: str) -> Iterator[Sample]:
    """Yield the state of a supervised part, as one sample per state of which one is 1."""
    for each in ("closed", "half_open", "open"):
        labels = {"part": part, "state": each}
        yield Sample(metric="penstock_circuit_state", value=float(each == state), labels=labels)
