"""The domain: what is checkpointed, owned and recovered as one.

A domain is a connected component of sources, accumulators and reactors. It has one owner, in an epoch that rises with
each start. Between two cuts everything happens in memory; a cut writes all that is new, positions, state, firings in
flight and effects, as one write unit behind a fence. So after a crash the domain is exactly as its last cut left it,
sources go on behind the positions of that cut, and an effect has happened if and only if what led to it is remembered.

If the fence does not hold, the domain has another owner: everything in memory is dropped, and nothing is written any
more.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from typing_extensions import override

from penstock.accumulators.dedupe import LOG_KEY
from penstock.accumulators.feeding import feeder, processor, restart
from penstock.accumulators.gate import Gate, Inside
from penstock.accumulators.inbox import Inbox
from penstock.accumulators.kinds import live_class
from penstock.accumulators.live import LiveAccumulator
from penstock.accumulators.ports import nothing
from penstock.accumulators.signal import Signal
from penstock.accumulators.trials import Alone
from penstock.reactors.ages import Ages
from penstock.reactors.components import Component
from penstock.reactors.cut import Carry, Cutter
from penstock.reactors.cuts import Cuts
from penstock.reactors.emissions import Emissions
from penstock.reactors.firing import Firing
from penstock.reactors.health import ReactorHealth, reactor_health
from penstock.reactors.keeping import restore_histories
from penstock.reactors.ledger import Ledger
from penstock.reactors.live import LiveReactor
from penstock.reactors.recovery import Restorer, rows_of
from penstock.reactors.replay import Replay
from penstock.reactors.reruns import Reruns
from penstock.reactors.statistics import DomainStatistics
from penstock.runtime.errors import AppError, GraphError, LeaseLost, StoreError
from penstock.runtime.observe import DomainLost, Observer, silent
from penstock.runtime.scheduler import Scheduler
from penstock.runtime.store import checkpoints
from penstock.runtime.store.rows import InboxRow
from penstock.runtime.store.store import Store
from penstock.runtime.supervise import Part, Supervisor
from penstock.runtime.threads import Threads


class Domain:
    """One domain of one app. ``open``, ``start``, and in the end ``stop``.

    Attributes:
        name: The component's name; the key of all its rows in the store.
        epoch: The epoch in which this app owns it; 0 before ``open``.
        accumulators: By name.
        reactors: By name.
        lost: Why it is not ours any more; None while it is.
    """

    def __init__(
        self,
        component: Component,
        *,
        store: Store,
        scheduler: Scheduler,
        threads: Threads,
        carry: Carry,
        observer: Observer = silent,
        shard: int = 0,
        checkpoint_interval: float = 1.0,
        outbox_limit: int = 10_000,
        ingress_limit: int = 1024,
        firing_history: int = 200,
        start_timeout: float = 30.0,
        inside: Inside | None = None,
        broken: Callable[[BaseException], None] | None = None,
        calm: Callable[[], None] = nothing,
    ) -> None:
        """Bring a component to life.

        Args:
            component: What belongs to it.
            store: Where it is kept.
            scheduler: Times cuts, polls and retries.
            threads: Where polls of plain functions run.
            carry: Makes rows of effects.
            observer: Told of cuts, failures, and the loss of the domain.
            shard: The shard of the domain.
            checkpoint_interval: Seconds after a change in which a cut is taken.
            outbox_limit: Effects and dead letters that may wait; then nothing fires until a cut commits.
            ingress_limit: Pushed events that may wait, for each accumulator that does not say.
            firing_history: Firings that each reactor remembers.
            start_timeout: Seconds for which each reactor that does not say waits for its sources.
            inside: What all domains of an app share, so that no graph of one pushes into another; its own when omitted.
            broken: Called when a mistake of ours keeps the domain from being stored; the loop's exception handler when
                omitted.
            calm: Called when something ended, after which ``is_idle`` may be true.
        """
        self.name: str = component.name
        self.shard = shard
        self.epoch: int = 0
        self.lost: StoreError | None = None
        self._store, self._scheduler, self._threads = store, scheduler, threads
        self._observer = observer
        self._signal = Signal()
        self._calm = calm
        self.gate: Gate = Gate(scheduler.clock.monotonic, inside)
        self._ages = Ages(scheduler.clock.monotonic)
        self.accumulators: dict[str, LiveAccumulator] = {}
        self._cuts = Cuts(
            self.name,
            shard,
            store=store,
            scheduler=scheduler,
            observer=observer,
            interval=checkpoint_interval,
            limit=outbox_limit,
            fill=self._fill,
            carry_out=Emissions(self.accumulators).carry_out,
            room=self._make_room,
            lose=self.lose,
            signal=self._signal,
            broken=broken or tell_loop,
            calm=calm,
        )
        self.ledger: Ledger = self._cuts.ledger
        self.inbox: Inbox = Inbox(store, self.name, shard, self._inbox_failed, self._calmed)
        self.accumulators |= {
            definition.name: live_class(definition)(
                definition,
                keeper=self.ledger,
                journal=self.inbox,
                gate=self.gate,
                capacity=ingress_limit,
                scheduler=scheduler,
                calm=self._calmed,
            )
            for definition in component.accumulators
        }
        self.reactors: dict[str, LiveReactor] = {
            definition.name: LiveReactor(
                definition,
                ledger=self.ledger,
                gate=self.gate,
                scheduler=scheduler,
                observer=observer,
                ages=self._ages,
                history=firing_history,
                start_timeout=start_timeout,
                pausing=self._pausing,
                calm=self._calmed,
            )
            for definition in component.reactors
        }
        for reactor in self.reactors.values():
            for name in reactor.inputs.accumulators:
                reactor.join(self.accumulators[name])
                self.accumulators[name].watch(reactor.warming.look)

        self._cutter = Cutter(self.name, shard, reactors=self.reactors, carry=carry, observer=observer, ages=self._ages)
        self._parts: list[Part] = []
        self._processors: list[Part] = []
        self._alone = Alone(
            self.gate.inside.suspect,
            commit=self._cuts.settle,
            hurry=self._cuts.request,
            signal=self._signal,
            clock=scheduler.clock,
        )
        self._crashed = False
        self._replay = self._replay_of([])

    @override
    def __repr__(self) -> str:
        return f"<domain {self.name!r} in epoch {self.epoch}>"

    # -- life ----------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Become the owner, and put everything back as the last cut left it.

        Raises:
            StateIncompatible: Something stored does not fit the code.
            StoreError: The store cannot be used.
        """
        names = {*self.accumulators, *self.reactors}
        state = await checkpoints.take_over(self._store, self.name, self.shard, components=names)
        self.epoch = state.epoch
        self._crashed = state.crashed
        clock = self._scheduler.clock
        await restore_histories(self._store, self.shard, self.reactors)
        Restorer(self.accumulators, self.reactors, clock=clock, observer=self._observer).restore(state)
        for accumulator in self.accumulators.values():
            self._ages.begin(accumulator)

        for (name, key), rows in rows_of(state.log).items():
            if key == LOG_KEY and name in self.accumulators:
                self.inbox.remember(name, rows)

        self._replay = self._replay_of(state.inbox)
        self._cuts.open(self._cutter, self.epoch)

    def _replay_of(self, rows: Sequence[InboxRow]) -> Replay:
        return Replay(rows, self.accumulators, gate=self.gate, flush=self.flush, signal=self._signal)

    async def start(self, supervisor: Supervisor) -> None:
        """Go on: firings in flight first, then what is left in the inbox, then what is due, then what is new.

        Args:
            supervisor: Runs sources, polls, and the graphs that wait.

        Raises:
            StoreError: It could not be committed that firings are run again.
        """
        flights = [(reactor, flight) for reactor in self.reactors.values() for flight in reactor.flying]
        reruns = Reruns(flights, flush=self.flush, signal=self._signal, inside=self.gate.inside)
        repeats, counted = self._begin_repeats(), reruns.count_first()
        if repeats or counted:
            await self.flush()

        for reactor in self.reactors.values():
            reactor.start(supervisor)

        for accumulator in self.accumulators.values():
            if (process := processor(accumulator)) is not None:
                self._processors.append(supervisor.start(f"accumulator {accumulator.name} processing", process))

            accumulator.begin()

        reruns.run_first()
        if reruns.suspects:
            self._parts.append(supervisor.start(f"domain {self.name} firing again", reruns.run_suspects))

        if self._replay.suspicious:
            go_on = partial(self._go_on, supervisor)
            self._parts.append(supervisor.start(f"domain {self.name} applying again", go_on))
        else:
            await self._go_on(supervisor)

    def _begin_repeats(self) -> bool:
        """Note what was not done when the process died and is done again; tell whether that is to be committed."""
        fresh = False
        for accumulator in self.accumulators.values():
            repeats = accumulator.repeats
            accumulator.trials.begin(self._alone, crashed=self._crashed, repeats=repeats)
            fresh = fresh or (self._crashed and repeats)

        for reactor in self.reactors.values():
            fresh = reactor.repeats.begin(self._alone, crashed=self._crashed) or fresh

        return fresh

    async def _go_on(self, supervisor: Supervisor) -> None:
        """Apply what is left in the inbox, then what is new."""
        await self._replay.run()
        bodies = {each: feeder(each, self._scheduler, self._threads) for each in self.accumulators.values()}
        for accumulator in (each for each, body in bodies.items() if body is None):
            accumulator.health = "live"  # it takes what is pushed

        for reactor in self.reactors.values():
            reactor.warm_up()

        self.inbox.open(self.epoch)
        self._calmed()
        for accumulator, body in bodies.items():
            if body is not None:
                accumulator.part = supervisor.start(f"accumulator {accumulator.name}", body, restart(accumulator))
                self._parts.append(accumulator.part)

    async def stop(self, drain: float = 10.0) -> None:
        """Stop in order: no new events, no new firings, an end for those that run, and a last cut.

        Args:
            drain: Seconds for the graphs that run; then they are cancelled, and run again after the next start.

        Raises:
            StoreError: The last cut could not be committed; what it held is as the cut before left it.
        """
        if self.lost is None:
            stopping = AppError(f"domain {self.name!r} is stopping")
            self.gate.leave(stopping)
            self.inbox.close(stopping)

        for part in self._parts:
            part.cancel()

        self._parts.clear()
        self._finish_batches()
        for reactor in self.reactors.values():
            reactor.retire()

        try:
            if self._is_ours():
                await self._end(drain)
        finally:
            for reactor in self.reactors.values():
                reactor.stop()

            for part in self._processors:
                part.cancel()

            self._cuts.close()
            stopped = AppError(f"domain {self.name!r} has stopped")
            self.gate.leave(stopped)
            self.inbox.fail(stopped)

    def _finish_batches(self) -> None:
        """Flush what is not to be kept, as long as reactors fire."""
        for accumulator in self.accumulators.values():
            accumulator.rest()
            if self._is_ours():
                accumulator.finish()

    async def _end(self, drain: float) -> None:
        await self.until(self._drained, drain)  # no event is being processed and no graph runs
        for reactor in self.reactors.values():
            reactor.stop()

        if not self._is_lost():
            await self._cuts.last()

    def _is_ours(self) -> bool:
        return self.lost is None and self.epoch > 0

    def _is_lost(self) -> bool:
        return self.lost is not None

    async def until(self, done: Callable[[], bool], seconds: float) -> bool:
        """Wait a bounded time until something is so that changes with what ends here; tell whether it is."""
        deadline = self._scheduler.clock.monotonic() + seconds
        timer = self._scheduler.at(deadline, self._signal.tell)
        try:
            while not done() and self._scheduler.clock.monotonic() < deadline:
                await self._signal.wait()
        finally:
            timer.cancel()

        return done()

    def _drained(self) -> bool:
        processed = all(accumulator.idle for accumulator in self.accumulators.values())
        return processed and self.inbox.idle and not any(reactor.running for reactor in self.reactors.values())

    # -- cuts ----------------------------------------------------------------------------------------------

    def _calmed(self) -> None:
        """Let those look who wait for rest: inside, and outside."""
        self._replay.settle()
        for reactor in self.reactors.values():
            reactor.look()

        self._signal.tell()
        self._calm()

    def _pausing(self) -> None:
        """Make a pause durable; what is due does not count as on its way any more."""
        self._cuts.request()
        self._calmed()

    def request_cut(self) -> None:
        """Take a cut at the next turn of the loop."""
        self._cuts.request()

    async def keep(self, firing: Firing) -> None:
        """Wait until a firing in flight is committed: a run after a crash has its id and its inputs.

        Raises:
            GraphError: The store cannot hold its inputs.
            LeaseLost: The domain has another owner, or has stopped.
        """
        kept = await self._cuts.settle()
        flight = next((each for each in self.reactors[firing.reactor].flying if each.firing.id == firing.id), None)
        if not kept or flight is None:
            raise LeaseLost(f"domain {self.name!r}", self.epoch)

        if flight.unwritable:
            raise GraphError(f"firing {firing.id} cannot be committed before it runs: its inputs cannot be stored")

    async def flush(self) -> None:
        """Wait until everything that is new now is committed.

        Raises:
            StoreError: A commit failed, and what it held goes into the next cut; or the domain has another owner.
        """
        await self._cuts.flush()
        if self.lost is not None:
            raise self.lost

    def _fill(self) -> None:
        """The outbox is full: nothing fires, and nobody is let in, until a cut commits."""
        if not self.gate.choked:
            self.gate.close()
            for reactor in self.reactors.values():
                reactor.hold()

    def _make_room(self) -> None:
        if self.gate.choked:
            self.gate.open()
            for reactor in self.reactors.values():
                reactor.release()

    # -- losing it -----------------------------------------------------------------------------------------

    def _inbox_failed(self, error: StoreError) -> None:
        if isinstance(error, LeaseLost):
            self.lose(error)

    def lose(self, error: StoreError) -> None:
        """Drop everything in memory: another owner goes on from the store, and this one never writes again."""
        if self.lost is not None:
            return

        self.lost = error
        self._cuts.close()
        for part in (*self._parts, *self._processors):
            part.cancel()

        for reactor in self.reactors.values():
            reactor.stop()
            reactor.begin(self.epoch)

        self.gate.leave(error)
        for accumulator in self.accumulators.values():
            accumulator.rest()

        self.inbox.fail(error)
        self._observer(DomainLost(domain=self.name, epoch=self.epoch))
        self._calmed()

    # -- looking -------------------------------------------------------------------------------------------

    @property
    def error(self) -> StoreError | None:
        """Why the last cut failed; None when it did not."""
        return self._cuts.error

    @property
    def is_idle(self) -> bool:
        """Whether nothing is on its way: no event, no firing, no effect, no state that the store does not have."""
        if self.lost is not None:
            return True

        processed = all(accumulator.idle for accumulator in self.accumulators.values())
        fired = all(reactor.is_idle for reactor in self.reactors.values())
        return processed and fired and self._cuts.idle and self.inbox.idle and not self._replay.left

    def health_of(self, reactor: LiveReactor) -> ReactorHealth:
        """Return how one of its reactors feels."""
        return reactor_health(reactor, self.name, self.lost or self.error)

    def statistics(self) -> DomainStatistics:
        """Return what happened since the app started."""
        return DomainStatistics(
            epoch=self.epoch,
            cuts=self._cuts.committed,
            failed_cuts=self._cuts.failed,
            outbox=self.ledger.waiting,
            left_out=self._cutter.left_out,
            error=None if self.error is None else str(self.error),
        )


def tell_loop(error: BaseException) -> None:
    """Tell the loop's exception handler what keeps a domain from being stored."""
    context = {"message": "a domain cannot be stored", "exception": error}
    asyncio.get_running_loop().call_exception_handler(context)
