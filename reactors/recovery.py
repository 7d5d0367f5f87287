"""Puts a domain back as its last cut left it.

What no longer fits the code is named: rows of inputs, graphs and keys that are gone are told and passed over; a value
that its type cannot read any more stops the start with ``StateIncompatible``.
"""

from collections.abc import Iterable, Mapping

from penstock.accumulators.live import LiveAccumulator
from penstock.reactors import cache
from penstock.reactors.cut import DONE
from penstock.reactors.firing import Anchor, Firing
from penstock.reactors.flight import Flight, Queued
from penstock.reactors.live import LiveReactor
from penstock.runtime.clock import Clock
from penstock.runtime.observe import Observer, StateIgnored
from penstock.runtime.store.checkpoints import DomainState
from penstock.runtime.store.rows import FiringRow, LogRow


class Restorer:
    """Restores the parts of one domain."""

    def __init__(
        self,
        accumulators: Mapping[str, LiveAccumulator],
        reactors: Mapping[str, LiveReactor],
        *,
        clock: Clock,
        observer: Observer,
    ) -> None:
        self._accumulators = accumulators
        self._reactors = reactors
        self._clock = clock
        self._observer = observer

    def restore(self, state: DomainState) -> None:
        """Begin in the epoch of a state, as it says.

        Raises:
            StateIncompatible: A stored value was written for another type.
        """
        rows = rows_of(state.log)
        for accumulator in self._accumulators.values():
            place = (accumulator.name, cache.ACCUMULATOR_KEY)
            accumulator.restore(state.state.get(place), rows.get(place, ()))
            if place in rows and not accumulator.definition.stores_events:
                self._ignore(accumulator.name, f"{len(rows[place])} events", "it gathers none any more")

        for reactor in self._reactors.values():
            reactor.begin(state.epoch)

        for (component, key), value in state.state.items():
            if key != cache.ACCUMULATOR_KEY and component in self._reactors:
                self._restore_key(self._reactors[component], key, value)

        self._restore_queues(state.log)
        self._restore_windows()
        for row in state.firings:
            if row.reactor in self._reactors:
                self._restore_firing(self._reactors[row.reactor], row)
            else:
                self._ignore(row.reactor, f"firing {row.firing}", "the reactor is gone")

    def _restore_key(self, reactor: LiveReactor, key: str, value: bytes) -> None:
        if key == cache.REPEAT_KEY:
            reactor.repeats.before = int(value)
            return

        if key != cache.BROADCAST_KEY and (key == "") == (reactor.definition.key is not None):
            self._ignore(reactor.name, f"key {key!r}", "keys are told apart in another way now")
            return

        values, new, gone = cache.decode(value, reactor.inputs.accumulators)
        self._ignore_all(reactor.name, "input", gone)
        if key == cache.BROADCAST_KEY:
            reactor.shared.update(values)
        else:
            reactor.restore_slot(cache.key_of(key, reactor.name), values, new)

    def _restore_queues(self, log: Iterable[LogRow]) -> None:
        """Put back what waited, in the order in which it came: so keys are due in the order of their oldest."""
        queues: dict[tuple[str, str], list[Queued]] = {}
        for row in sorted((row for row in log if row.component in self._reactors), key=lambda row: row.seq):
            if row.key == cache.ACCUMULATOR_KEY:
                continue  # it belongs to an accumulator of the same name

            reactor = self._reactors[row.component]
            if (row.key == "") == (reactor.definition.key is not None):
                self._ignore(reactor.name, f"key {row.key!r}", "keys are told apart in another way now")
                continue

            name, value = cache.decode_queued(row.value, reactor.inputs.accumulators)
            if name in reactor.inputs.bits:
                item = Queued(row.seq, name, reactor.inputs.bits[name], value)
                queues.setdefault((reactor.name, row.key), []).append(item)
            else:
                self._ignore(reactor.name, f"input {name!r}", "the input is gone")

        for (name, key), items in queues.items():
            self._reactors[name].restore_queue(cache.key_of(key, name), items)

    def _restore_windows(self) -> None:
        """Put windows into the caches of the reactors that join them; that fires nothing."""
        for reactor in self._reactors.values():
            for name in reactor.windows:
                if window := self._accumulators[name].window:
                    reactor.place(name, window)

    def _restore_firing(self, reactor: LiveReactor, row: FiringRow) -> None:
        values, changed, gone = cache.decode(row.snapshot, reactor.inputs.accumulators)
        self._ignore_all(reactor.name, "input", gone)
        done = DONE.from_json(row.done)
        self._ignore_all(reactor.name, "graph", (name for name in done if name not in reactor.graphs))
        key = cache.key_of(row.key or "", reactor.name)
        # its own id and its own time: to the graphs it is the same firing
        moment = self._clock.monotonic()
        anchor = Anchor(row.started_at, moment)
        manual = cache.is_manual(row.snapshot)
        firing = Firing(row.firing, reactor.name, key, values, frozenset(changed), moment, anchor, None, manual)
        flight = Flight(firing, reactor.slot(key), reactor.inputs.bits_of(changed))
        flight.done.update(done)
        flight.attempts, flight.crashes = row.attempts, row.crashes
        flight.snapshot, flight.written = row.snapshot, True
        reactor.restore_flight(flight)

    def _ignore_all(self, part: str, kind: str, names: Iterable[str]) -> None:
        for name in names:
            self._ignore(part, f"{kind} {name!r}", f"the {kind} is gone")

    def _ignore(self, part: str, what: str, reason: str) -> None:
        self._observer(StateIgnored(part=part, what=what, reason=reason))


def rows_of(log: Iterable[LogRow]) -> dict[tuple[str, str], list[tuple[int, bytes]]]:
    """Return the appended rows by component and key."""
    found: dict[tuple[str, str], list[tuple[int, bytes]]] = {}
    for row in log:
        found.setdefault((row.component, row.key), []).append((row.seq, row.value))

    return found
