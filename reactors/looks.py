"""What can be seen of a live reactor."""

from collections.abc import Callable
from datetime import datetime

from penstock.accumulators.live import LiveAccumulator
from penstock.reactors.ages import Ages
from penstock.reactors.deciding import Decider
from penstock.reactors.flight import Slot
from penstock.reactors.history import Fired
from penstock.reactors.inputs import Inputs
from penstock.reactors.statistics import ReactorStatistics
from penstock.reactors.view import KeyState, ReactorState
from penstock.runtime.histogram import Histogram
from penstock.runtime.supervise import Part


class Looks:
    """Looks at a live reactor, and changes nothing.

    Attributes:
        name: The reactor's name.
        inputs: What it joins.
    """

    __slots__ = ("_ages", "_decider", "_sources", "inputs", "name")

    def __init__(self, decider: Decider, ages: Ages) -> None:
        self._decider, self._ages = decider, ages
        self._sources: tuple[LiveAccumulator, ...] = ()
        self.inputs: Inputs = decider.inputs
        self.name: str = decider.name

    @property
    def graphs(self) -> tuple[str, ...]:
        """Names of the subscribers, in the order in which they run."""
        return tuple(subscriber.name for subscriber in self._decider.flights.subscribers)

    @property
    def paused(self) -> bool:
        """Whether an operator keeps it from firing."""
        return self._decider.paused

    @property
    def sequence(self) -> int:
        """Number of the last firing in this epoch."""
        return self._decider.sequence

    @property
    def shared(self) -> dict[str, object]:
        """The broadcast values, which every key sees."""
        return self._decider.shared

    @property
    def started(self) -> bool:
        """Whether it takes values and fires."""
        return self._decider.started

    @property
    def criteria_error(self) -> str | None:
        """The last failure of its predicate, until that answers again."""
        return None if self._decider.judge is None else self._decider.judge.error

    @property
    def queue_full(self) -> bool:
        """Whether its queue holds as much as it may."""
        backlog = self._decider.backlog
        return backlog is not None and backlog.full

    @property
    def parts(self) -> tuple[Part, ...]:
        """What runs for it: its own tasks, and what feeds its inputs."""
        feeding = (accumulator.part for accumulator in self._sources)
        return (*self._decider.flights.parts, *(part for part in feeding if part is not None))

    @property
    def sources(self) -> tuple[LiveAccumulator, ...]:
        """The accumulators that it joins."""
        return self._sources

    def history(self) -> list[Fired]:
        """Return the last firings, the newest first."""
        return self._decider.history.newest_first()

    def listen(self, listener: Callable[[Fired], None]) -> Callable[[], None]:
        """Call ``listener``, which neither waits nor raises, with each firing that is over; return what ends that."""
        return self._decider.history.listen(listener)

    def state(self) -> ReactorState:
        """Return what it holds: values, what is new, what waits."""
        backlog = self._decider.backlog
        return ReactorState(
            paused=self.paused,
            keys={key: self._key_state(slot) for key, slot in self._decider.keys.slots.items()},
            queued=0 if backlog is None else backlog.size,
            ages=self.ages,
        )

    @property
    def ages(self) -> dict[str, float | None]:
        """Seconds since the newest value of each input came; None when none has come since the start."""
        return {accumulator.name: self._ages.age(accumulator) for accumulator in self._sources}

    def waiting(self) -> dict[str, tuple[BaseException, datetime | None]]:
        """Return the graphs of firings that wait to be tried again: why they failed, and when the next try is due."""
        return self._decider.flights.waiting()

    def _key_state(self, slot: Slot) -> KeyState:
        flight = slot.flight
        return KeyState(
            values={**self.shared, **slot.values},
            dirty=tuple(self.inputs.names_of(slot.dirty)),
            queued=0 if slot.queue is None else len(slot.queue.items),
            firing=(flight and flight.firing.id) or None,
            attempts=0 if flight is None else flight.attempts,
        )

    def statistics(self) -> ReactorStatistics:
        """Return what happened since the app started."""
        decider = self._decider
        latency, backlog = decider.history.latency, decider.backlog
        return ReactorStatistics(
            boundaries=sum(source.boundaries for source in self._sources),
            firings=decider.sequence,
            coalesced=decider.coalesced,
            failures=decider.flights.failures,
            completed=decider.completed,
            failed=decider.flights.failed,
            superseded=decider.flights.superseded,
            criteria_failures=0 if decider.judge is None else decider.judge.failures,
            keys=len(decider.keys.slots),
            due=len(decider.due.slots),
            queued=0 if backlog is None else backlog.size,
            overflowed=0 if backlog is None else backlog.dropped + backlog.refused,
            in_flight=len(decider.flights.flying),
            paused=decider.paused,
            latency_p50=latency.percentile(50),
            latency_p99=latency.percentile(99),
        )

    @property
    def latency(self) -> Histogram:
        """Seconds from the decision to the end of those firings that were measured."""
        return self._decider.history.latency

    @property
    def is_idle(self) -> bool:
        """Whether no firing is in flight, and none is due that may be."""
        decider = self._decider
        return not decider.flights.flying and (decider.paused or not decider.due.slots)

    @property
    def running(self) -> bool:
        """Whether graphs run now that the loop has to wait for."""
        return self._decider.flights.running > 0
