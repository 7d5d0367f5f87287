"""Who listens to the streams, reactors and graphs of an open app; what nobody listens to costs nothing."""

from collections.abc import Callable, Collection
from functools import partial
from typing import Literal, TypeVar, cast

import msgspec

from penstock.accumulators.boundary import Boundary
from penstock.accumulators.live import LiveAccumulator
from penstock.graphs.result import FiringResult
from penstock.reactors.history import Fired
from penstock.reactors.live import LiveReactor
from penstock.reactors.past import PastFiring, past
from penstock.runtime.subscription import Fanout, Subscription

T = TypeVar("T")

#: What can be listened to: of accumulators, of reactors, of graphs.
Kind = Literal["boundaries", "firings", "results"]
Publish = Callable[[T], None]
Detach = Callable[[], None]


class ListeningStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the values of one thing that somebody has listened to since the app was opened."""

    kind: Kind
    #: Name of the accumulator, reactor or graph.
    part: str
    #: How many listen now.
    listeners: int
    #: Values that listeners missed because they read too slowly.
    dropped: int
    #: Observers that raised, and got no more.
    failed: int


class Listening:
    """The listeners of one session."""

    def __init__(self) -> None:
        self._fanouts: dict[tuple[Kind, str], Fanout[object]] = {}
        self._result_takers: dict[str, list[Publish[FiringResult]]] = {}

    def boundaries(self, accumulator: LiveAccumulator, capacity: int) -> Subscription[Boundary]:
        """Listen to the boundaries of an accumulator."""
        return self._subscribe("boundaries", accumulator.name, accumulator.listen, capacity)

    def firings(self, reactor: LiveReactor, capacity: int) -> Subscription[PastFiring]:
        """Listen to the firings of a reactor that are over."""

        def attach(publish: Publish[PastFiring]) -> Detach:
            def take(fired: Fired) -> None:
                publish(past(fired))

            return reactor.listen(take)

        return self._subscribe("firings", reactor.name, attach, capacity)

    def results(self, graph: str, capacity: int) -> Subscription[FiringResult]:
        """Listen to what a graph gives for firings."""

        def attach(publish: Publish[FiringResult]) -> Detach:
            takers = self.result_takers(graph)
            takers.append(publish)
            return partial(takers.remove, publish)

        return self._subscribe("results", graph, attach, capacity)

    def result_takers(self, graph: str) -> list[Publish[FiringResult]]:
        """Return who takes the results of a graph: one list for all that run under its name, one after the other."""
        return self._result_takers.setdefault(graph, [])

    def _subscribe(
        self, kind: Kind, part: str, attach: Callable[[Publish[T]], Detach], capacity: int
    ) -> Subscription[T]:
        """Listen to something; all who listen to the same share one attachment."""
        if (kind, part) not in self._fanouts:
            self._fanouts[kind, part] = cast("Fanout[object]", Fanout(attach))

        return cast("Fanout[T]", self._fanouts[kind, part]).subscribe(capacity)

    def leave(self, kind: Kind, names: Collection[str]) -> None:
        """End the subscriptions to parts that are unloaded."""
        for name in names:
            if (fanout := self._fanouts.pop((kind, name), None)) is not None:
                fanout.close()

    def close(self) -> None:
        """End all subscriptions: the app stops."""
        for fanout in self._fanouts.values():
            fanout.close()

    def statistics(self) -> tuple[ListeningStatistics, ...]:
        """Return the counters of everything that somebody has listened to."""
        return tuple(
            ListeningStatistics(
                kind=kind, part=part, listeners=fanout.listeners, dropped=fanout.dropped, failed=fanout.failed
            )
            for (kind, part), fanout in self._fanouts.items()
        )
