"""What a demo has seen, and what it says at its end."""

import shlex
from collections.abc import Iterator

import msgspec

from penstock.demo.passage import Passage
from penstock.demo.words import duration, plural

#: What is shown instead of the password of a store.
HIDDEN = "***"


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What a demo has seen. Every figure was counted, none is expected."""

    #: How long it watched, in seconds.
    seconds: float
    #: Whether Ctrl-C ended it.
    interrupted: bool
    events: int
    firings: int
    failed_firings: int
    cuts: int
    #: From the decision to fire to the end of the firing, in seconds; None without firings.
    latency_p50: float | None
    latency_p99: float | None
    #: Ids of the incidents that this demo has worked on, in the order in which they came.
    runs: tuple[str, ...]
    completed: int
    failed: int
    #: How many of them an earlier demo has left unfinished.
    recovered: int
    #: Files that the incidents have written.
    reports: tuple[str, ...]
    #: Incidents that the store held before.
    earlier_runs: int
    #: Streams that never had a reading on this machine.
    absent: tuple[str, ...]
    store: str
    #: The way over Kafka; None when the readings came directly.
    kafka: Passage | None = None

    @property
    def missing(self) -> tuple[str, ...]:
        """What the demo should have seen and has not; empty if all is well."""
        seen = {"event": self.events, "firing": self.firings, "completed run": self.completed}
        return tuple(name for name, count in seen.items() if not count)

    def commands(self, program: str) -> tuple[str, ...]:
        """Return commands that look further.

        Args:
            program: What to type for ``penstock``.
        """
        option = f"--store {shlex.quote(self.store)}"
        show = [f"{program} runs show {self.runs[-1]} {option}"] if self.runs else []
        return (f"{program} runs list {option}", *show, *self._again(program, option))

    def _again(self, program: str, option: str) -> Iterator[str]:
        """Yield the command that goes on with the topic."""
        if self.kafka is not None:
            topic = shlex.quote(self.kafka.topic)
            yield f"{program} demo --kafka {shlex.quote(self.kafka.brokers)} --topic {topic} {option}"


def lines(summary: Summary, program: str) -> Iterator[str]:
    """Yield the summary as lines of text; ``program`` is what to type for ``penstock``."""
    ended = ", ended by Ctrl-C" if summary.interrupted else ""
    yield f"watched for {duration(summary.seconds)}{ended}"
    failed = f", {summary.failed_firings:,} failed" if summary.failed_firings else ""
    yield (
        f"{plural(summary.events, 'event')}, {plural(summary.firings, 'firing')}{failed} "
        f"(p50 {duration(summary.latency_p50)}, p99 {duration(summary.latency_p99)}), {plural(summary.cuts, 'cut')}"
    )
    yield f"{_incidents(summary)}; {plural(summary.earlier_runs, 'earlier one')} in {summary.store}"
    if summary.kafka is not None:
        yield from summary.kafka.lines()

    if summary.absent:
        yield f"not told by this machine: {', '.join(summary.absent)}"

    yield from (f"report: {report}" for report in summary.reports)
    yield from (f"look further: {command}" for command in summary.commands(program))
    if HIDDEN in summary.store:
        yield f"({HIDDEN} stands for the password)"

    if summary.missing:
        yield f"NOT SEEN: {', '.join(summary.missing)}"


def _incidents(summary: Summary) -> str:
    states = {"completed": summary.completed, "failed": summary.failed}
    states["not ended"] = len(summary.runs) - sum(states.values())
    states["taken over"] = summary.recovered
    details = ", ".join(f"{count} {state}" for state, count in states.items() if count)
    return plural(len(summary.runs), "incident") + (f" ({details})" if details else "")
