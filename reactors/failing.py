"""What becomes of a firing some of whose graphs failed, as the reactor's ``on_error`` says."""

from collections.abc import Callable, Mapping

from penstock.accumulators.letter import Letter
from penstock.reactors.flight import Flight, Slot
from penstock.reactors.ledger import Ledger
from penstock.reactors.reactor import Reactor
from penstock.runtime.foreign import error_text
from penstock.runtime.observe import FiringFailed, Observer
from penstock.runtime.scheduler import Scheduler

Errors = Mapping[str, BaseException]


class Failing:
    """Decides about the failed firings of one live reactor.

    Attributes:
        failures: Graphs that failed, each try counted.
    """

    def __init__(
        self,
        definition: Reactor,
        *,
        ledger: Ledger,
        scheduler: Scheduler,
        observer: Observer,
        call: Callable[[Slot], None],
        land: Callable[[Flight, Errors], None],
    ) -> None:
        """Begin without failures.

        Args:
            definition: The reactor.
            ledger: Told what is in flight, and given the dead letters.
            scheduler: Wakes retries.
            observer: Told of failed graphs.
            call: Called when a key has to be looked at again.
            land: Called when a failed firing is over.
        """
        self._reactor = definition.name
        self._policy, self._retry = definition.on_error, definition.retry
        self._ledger, self._scheduler, self._observer = ledger, scheduler, observer
        self._call, self._land = call, land
        self.failures: int = 0

    def decide(self, flight: Flight, errors: Errors) -> None:
        """Do what ``on_error`` says: try again later, or end the firing."""
        flight.attempts += 1
        flight.errors = errors
        self.failures += len(errors)
        tries = self._policy in ("keep_dirty", "retry")
        again = tries and flight.attempts < self._retry.attempts
        outcome = "retry" if again else "drop" if self._policy == "drop" else "dead_letter"
        for graph, error in errors.items():
            self._tell(flight, graph, error, outcome)
            if outcome == "dead_letter":
                self.bury(flight, graph, error_text(error))

        if again:
            self._wait(flight)
        else:
            self._land(flight, errors)

    def _tell(self, flight: Flight, graph: str, error: BaseException, outcome: str) -> None:
        self._observer(
            FiringFailed(
                reactor=self._reactor,
                graph=graph,
                firing=flight.firing.id,
                attempt=flight.attempts,
                error=error_text(error),
                outcome=outcome,
            )
        )

    def bury(self, flight: Flight, graph: str, error: str) -> None:
        """Keep aside what a graph of a firing could not process."""
        inputs = dict(flight.firing.inputs)
        letter = Letter(part=graph, reason="firing", error=error, payload=inputs, position=flight.firing.id)
        self._ledger.bury(letter)

    def _wait(self, flight: Flight) -> None:
        """Let a failed firing wait for its next try."""
        flight.idle = True
        self._ledger.track(flight)
        if self._policy == "retry":
            flight.timer = self._scheduler.after(self._retry.delay(flight.attempts), lambda: self.ripen(flight))
        else:
            flight.timer = self._scheduler.after(self._retry.delay(1), lambda: self._offer_place(flight))
            # a newer value may have come while it ran; it takes over when the shortest delay is over

    def _offer_place(self, flight: Flight) -> None:
        """Let a newer value replace the firing from now on, or else wait for the rest of the delay."""
        flight.yields = True
        rest = self._retry.delay(flight.attempts) - self._retry.delay(1)
        if rest > 0:
            flight.timer = self._scheduler.after(rest, lambda: self.ripen(flight))
            self._call(flight.slot)
        else:
            self.ripen(flight)

    def ripen(self, flight: Flight) -> None:
        """Let a firing be tried again as soon as its reactor may."""
        flight.timer = None
        flight.ripe = True
        self._call(flight.slot)
