"""Firings that do not end in the step that decided them: graphs that wait, graphs that failed.

Each graph of a firing is marked as done in one step with its effects going into the outbox. A failed graph's effects
are discarded, and only the graphs that are not done are tried again: after a back-off, or after a restart of the
process, with the same snapshot and the same id. Graphs of one firing that wait run side by side.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from penstock.accumulators.gate import Inside
from penstock.accumulators.trials import DOUBTFUL, MOST_CRASHES, Alone
from penstock.reactors.crew import Crew
from penstock.reactors.failing import Errors, Failing
from penstock.reactors.firing import Outcome, Subscriber
from penstock.reactors.flight import Flight, Slot
from penstock.reactors.ledger import Ledger
from penstock.reactors.reactor import Reactor
from penstock.runtime.errors import AppError
from penstock.runtime.foreign import error_text, is_failure
from penstock.runtime.observe import Observer
from penstock.runtime.scheduler import Scheduler
from penstock.runtime.supervise import Part, Supervisor
from penstock.runtime.together import together

#: Firings of one reactor, each of another key, that may wait for something at the same time.
CONCURRENCY = 16


def gone(name: str) -> AppError:
    """Return why a graph failed that was unloaded or replaced."""
    return AppError(f"graph {name!r} was unloaded or replaced before it was done with this firing")


class Flights:
    """The firings in flight of one live reactor.

    Attributes:
        flying: By id of the firing.
        superseded: Firings given up for a newer value.
        failed: Firings that ended with a graph that failed.
        restored: Firings that were in flight at the start.
    """

    def __init__(
        self,
        definition: Reactor,
        *,
        ledger: Ledger,
        inside: Inside,
        scheduler: Scheduler,
        observer: Observer,
        call: Callable[[Slot], None],
        ended: Callable[[Flight, Errors | None], None],
        calm: Callable[[], None],
    ) -> None:
        """Begin with nothing in flight.

        Args:
            definition: The reactor.
            ledger: Told what is in flight.
            inside: Notes what runs in-line.
            scheduler: Wakes retries.
            observer: Told of failed graphs.
            call: Called when a key has to be looked at again.
            ended: Called when a firing is over.
            calm: Called when a firing no longer runs: it is over, or waits to be tried again.
        """
        self._definition = definition
        self._ledger, self._scheduler = ledger, scheduler
        self._ended, self._calm = ended, calm
        self._failing = Failing(
            definition, ledger=ledger, scheduler=scheduler, observer=observer, call=call, land=self._land
        )
        self._inside = inside
        self._crew: Crew | None = None
        self._alone: Alone | None = None
        self.subscribers: tuple[Subscriber, ...] = ()
        self.waits: bool = False
        self.superseded: int = 0
        self.failed: int = 0
        self.restored: int = 0
        self.flying: dict[str, Flight] = {}
        self._failed: dict[str, dict[str, BaseException]] = {}
        #: Graphs that have left, and whose firings were cancelled.
        self._ousted: set[Subscriber] = set()

    def begin(self) -> None:
        """Forget what is in flight."""
        for flight in self.flying.values():
            flight.ground()

        self.flying = {}
        self._failed = {}

    def subscribe(self, subscriber: Subscriber) -> None:
        """Add a graph.

        Raises:
            AppError: There is one of this name.
        """
        name = self._definition.name
        if any(each.name == subscriber.name for each in self.subscribers):
            raise AppError(f"reactor {name!r} has a graph {subscriber.name!r} already: give it another name")

        self._set((*self.subscribers, subscriber))

    def replace(self, subscriber: Subscriber) -> Subscriber:
        """Put a graph in the place of the one of its name, and return that; what runs goes on with that one."""
        old = self.named(subscriber.name)
        self._set(tuple(subscriber if each is old else each for each in self.subscribers))
        return old

    def unsubscribe(self, name: str) -> Subscriber:
        """Call a graph no more, and return it; what runs goes on, and firings that wait for a retry are kept aside."""
        old = self.named(name)
        self._set(tuple(each for each in self.subscribers if each is not old))
        for flight in self.flying.values():
            if name not in flight.done and not self._runs(flight, old):
                self._failing.bury(flight, name, error_text(flight.errors.get(name) or gone(name)))

        return old

    def named(self, name: str) -> Subscriber:
        """Return the graph of a name."""
        return next(each for each in self.subscribers if each.name == name)

    def _set(self, subscribers: tuple[Subscriber, ...]) -> None:
        self.subscribers = subscribers
        self.waits = self._alone is not None or any(each.is_async for each in subscribers)

    def be_careful(self, alone: Alone | None) -> None:
        """From now on run no graph before its firing is committed, and plain ones alone; None: as ever."""
        self._alone = alone
        self._set(self.subscribers)

    def start(self, supervisor: Supervisor) -> None:
        """Be able to run what waits."""
        limit = 1 if self._definition.key is None else CONCURRENCY
        self._crew = Crew(self._definition.name, self._run, self._close, limit=limit, supervisor=supervisor)

    def stop(self) -> None:
        """Cancel what runs and what would wake retries; all of it stays in flight."""
        if self._crew is not None:
            self._crew.stop()

        for flight in self.flying.values():
            flight.ground()
            if flight.counted:  # the process did not die of it
                flight.counted = False
                flight.crashes -= 1
                self._ledger.track(flight)

    @property
    def failures(self) -> int:
        """Graphs that failed, each try counted."""
        return self._failing.failures

    @property
    def parts(self) -> tuple[Part, ...]:
        """The tasks that run what waits."""
        return () if self._crew is None else self._crew.parts

    @property
    def running(self) -> int:
        """How many firings run on tasks now."""
        return 0 if self._crew is None else self._crew.running

    @property
    def free(self) -> bool:
        """Whether one more firing would run at once."""
        return not self.waits or (self._crew is not None and self._crew.free)

    def waiting(self) -> dict[str, tuple[BaseException, datetime | None]]:
        """Return the graphs of firings that wait to be tried again, with their errors and when the next try is due."""
        clock = self._scheduler.clock
        now, monotonic = clock.now(), clock.monotonic()
        found: dict[str, tuple[BaseException, datetime | None]] = {}
        for flight in self.flying.values():
            timer = flight.timer if flight.idle else None
            retry_at = None if timer is None else now + timedelta(seconds=timer.deadline - monotonic)
            for name, error in flight.errors.items() if flight.idle else ():
                if name not in flight.done:
                    found[name] = error, retry_at

        return found

    # -- running -------------------------------------------------------------------------------------------

    def launch(self, flight: Flight) -> None:
        """Run the graphs that are not done: those of plain functions at once, the others on a task."""
        flight.ground()
        flight.slot.flight = flight
        self.flying[flight.firing.id] = flight
        self._ledger.track(flight)
        errors: dict[str, BaseException] = {}
        self._failed[flight.firing.id] = errors
        careful = self._alone is not None and not flight.counted
        for subscriber in self.subscribers:
            if not subscriber.is_async and not careful and subscriber.name not in flight.done:
                self._run_inline(flight, subscriber, errors)

        todo = self._todo(flight, careful=careful) if self._crew is not None else []
        if self._crew is not None and todo:
            flight.tasks = {subscriber.name: (subscriber, None) for subscriber in todo}
            self._crew.give(flight)
        else:
            self._close(flight)

    def _todo(self, flight: Flight, *, careful: bool) -> list[Subscriber]:
        """Return the graphs that wait and are not done; the others too, when they are not run in-line."""
        return [each for each in self.subscribers if (each.is_async or careful) and each.name not in flight.done]

    def _run_inline(self, flight: Flight, subscriber: Subscriber, errors: dict[str, BaseException]) -> None:
        self._inside.firing = self._definition.name
        try:
            outcome = subscriber.run(flight.firing)
        except BaseException as error:  # a graph is user code; the others run all the same
            if not is_failure(error):
                raise

            errors[subscriber.name] = error
        else:
            self._complete(flight, subscriber, outcome)
        finally:
            self._inside.firing = None

    async def _run(self, flight: Flight) -> None:
        """Run the graphs of a firing that wait, side by side, on a task of the crew."""
        alone = self._alone
        if alone is None or flight.counted:
            self._run_plain(flight)  # whatever was in doubt when it was given here
        elif not await self._run_alone(flight, alone):
            return  # the domain has ended

        waiting = [subscriber for subscriber, _ in flight.tasks.values() if subscriber.is_async]
        await together(*(self._run_one(flight, subscriber) for subscriber in waiting))

    async def _run_alone(self, flight: Flight, alone: Alone) -> bool:
        """Commit a firing, then run its plain graphs while nothing else runs that is in doubt."""
        plain = any(not subscriber.is_async for subscriber, _ in flight.tasks.values())
        async with alone.lock:
            flight.counted = True
            # the times before were with all the others; one that waits is seen in the store, and counted as any other
            flight.crashes = DOUBTFUL if plain else 1
            self._ledger.track(flight)
            if not await alone.commit():
                return False

            self._run_plain(flight)
            flight.crashes = 1
            return True

    def _run_plain(self, flight: Flight) -> None:
        """Run those graphs of plain functions that were not run when the firing was given to its task."""
        errors = self._failed.get(flight.firing.id, {})
        for subscriber, _ in flight.tasks.values():
            if not subscriber.is_async:
                self._run_inline(flight, subscriber, errors)

    async def _run_one(self, flight: Flight, subscriber: Subscriber) -> None:
        flight.tasks[subscriber.name] = subscriber, asyncio.current_task()
        try:
            outcome = await subscriber.arun(flight.firing)
        except GeneratorExit:
            raise  # it is closed where it waits
        except BaseException as error:  # a graph is user code; the others run all the same
            ousted = self._is_ousted(subscriber)
            if not ousted and not is_failure(error):
                raise

            self._failed.get(flight.firing.id, {})[subscriber.name] = gone(subscriber.name) if ousted else error
        else:
            self._is_ousted(subscriber)
            if self._current(flight):  # else the domain has another owner by now
                self._complete(flight, subscriber, outcome)

        if subscriber not in self.subscribers:
            self._calm()  # somebody may wait for its end

    def _current(self, flight: Flight) -> bool:
        return self.flying.get(flight.firing.id) is flight

    def _complete(self, flight: Flight, subscriber: Subscriber, outcome: Outcome) -> None:
        """Mark a graph as done and put its effects into the outbox, in one step."""
        flight.done.add(subscriber.name)
        self._ledger.track(flight)
        if outcome.effects:
            self._ledger.record(outcome.effects)

    # -- graphs that leave ---------------------------------------------------------------------------------

    def runs(self, subscriber: Subscriber) -> bool:
        """Tell whether a graph runs on a task now, for whichever firing."""
        return any(self._runs(flight, subscriber) for flight in self.flying.values())

    def _runs(self, flight: Flight, subscriber: Subscriber) -> bool:
        found, _task = flight.tasks.get(subscriber.name, (None, None))
        failed = subscriber.name in self._failed.get(flight.firing.id, ())
        return found is subscriber and not flight.idle and not failed and subscriber.name not in flight.done

    def oust(self, subscriber: Subscriber) -> int:
        """Cancel what runs of a graph that has left, and return how many firings that are; it has failed for them."""
        self._ousted.add(subscriber)
        flights = [flight for flight in self.flying.values() if self._runs(flight, subscriber)]
        for flight in flights:
            _subscriber, task = flight.tasks[subscriber.name]
            if task is not None:
                task.cancel()

        return len(flights)

    def _is_ousted(self, subscriber: Subscriber) -> bool:
        """Tell whether a graph has left and is not to end; take back that its task was cancelled, if only for that."""
        if subscriber not in self._ousted:
            return False

        task = asyncio.current_task()
        return task is None or not task.cancelling() or task.uncancel() == 0

    # -- ending --------------------------------------------------------------------------------------------

    def _close(self, flight: Flight) -> None:
        """End a try; nothing for one of a domain that has another owner by now."""
        if not self._current(flight):
            return

        if flight.counted:  # the process has survived it, and whatever it dies of next is something else
            self._ledger.hurry()

        flight.counted, flight.crashes = False, 0
        errors = self._failed.pop(flight.firing.id)
        names = {subscriber.name for subscriber in self.subscribers}
        again = {name: error for name, error in errors.items() if name in names}
        for name in errors.keys() - names:  # nobody is left who could try it again
            self._failing.bury(flight, name, error_text(errors[name]))

        if again:
            self._failing.decide(flight, again)
        else:
            self._land(flight, errors or None)

        self._calm()

    def _land(self, flight: Flight, errors: Errors | None) -> None:
        """End a firing; its key is free."""
        self.failed += bool(errors)
        self._drop(flight)
        self._ended(flight, errors)

    def _drop(self, flight: Flight) -> None:
        flight.ground()
        flight.over = True
        flight.slot.flight = None
        self.flying.pop(flight.firing.id, None)
        if flight.written:
            self._ledger.track(flight)
        else:
            self._ledger.untrack(flight)

    def supersede(self, flight: Flight) -> None:
        """Give up a failed firing for a newer value; its inputs count as new again."""
        self.superseded += 1
        self._drop(flight)
        flight.slot.dirty |= flight.bits

    def fail(self, flight: Flight, errors: Errors) -> None:
        """Take a firing some of whose graphs failed in-line; the others are done."""
        flight.slot.flight = flight
        flight.done.update(each.name for each in self.subscribers if each.name not in errors)
        self.flying[flight.firing.id] = flight
        self._failing.decide(flight, errors)

    # -- recovery ------------------------------------------------------------------------------------------

    def restore(self, flight: Flight) -> None:
        """Put back a firing that was in flight when the process ended; one that ends processes is kept aside."""
        flight.slot.flight = flight
        self.flying[flight.firing.id] = flight
        self.restored += 1
        if flight.crashes < MOST_CRASHES:
            flight.idle = True
            return

        error = AppError(f"the process died each of the {flight.crashes} times that this firing was run again")
        left = [subscriber.name for subscriber in self.subscribers if subscriber.name not in flight.done]
        for name in left:
            self._failing.bury(flight, name, str(error))

        self._land(flight, dict.fromkeys(left, error))

    def count(self, flight: Flight) -> None:
        """Note that a firing is about to be run again; once, however often it is said."""
        if self._current(flight) and not flight.counted:
            flight.counted = True
            flight.crashes += 1
            self._ledger.track(flight)

    def rerun(self, flight: Flight) -> None:
        """Run a firing again that was put back, as soon as its reactor may; its count is committed."""
        if self._current(flight):
            self._failing.ripen(flight)
