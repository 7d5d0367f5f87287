"""Who listens to the streams of an open app; what nobody listens to costs nothing."""

from collections.abc import Callable, Collection
from typing import TypeVar, cast

from penstock.accumulators.boundary import Boundary
from penstock.accumulators.live import LiveAccumulator
from penstock.runtime.subscription import Fanout, Subscription

T = TypeVar("T")


class Listening:
    """The listeners of one session."""

    def __init__(self) -> None:
        self._fanouts: dict[tuple[str, str], Fanout[object]] = {}

    def boundaries(self, accumulator: LiveAccumulator, capacity: int) -> Subscription[Boundary]:
        """Listen to the boundaries of an accumulator."""
        return self.subscribe(("boundaries", accumulator.name), accumulator.listen, capacity)

    def subscribe(
        self, what: tuple[str, str], attach: Callable[[Callable[[T], None]], Callable[[], None]], capacity: int
    ) -> Subscription[T]:
        """Listen to something.

        Args:
            what: Its kind and its name; all who listen to the same share one attachment.
            attach: As for ``Fanout``.
            capacity: Values that may wait for this listener.
        """
        if what not in self._fanouts:
            self._fanouts[what] = cast("Fanout[object]", Fanout(attach))

        return cast("Fanout[T]", self._fanouts[what]).subscribe(capacity)

    def leave(self, names: Collection[str]) -> None:
        """End the subscriptions to parts that are unloaded."""
        for what in [what for what in self._fanouts if what[1] in names]:
            self._fanouts.pop(what).close()

    def close(self) -> None:
        """End all subscriptions: the app stops."""
        for fanout in self._fanouts.values():
            fanout.close()
