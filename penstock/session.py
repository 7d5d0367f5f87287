"""An open app: everything that lives between opening and closing, in the order in which it starts and stops.

Start: store → domains (taken over, restored) → runs that were in flight → sources. Stop: sources and final cuts →
running tasks (up to ``drain_timeout``) → store. A failing store ends the session loudly: nothing in memory is worth
more than what is committed, and the next start goes on from there.
"""

import asyncio
import random
import sys
import warnings
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from functools import partial
from typing import TypeVar

import anyio
from anyio.abc import TaskGroup

from penstock.accumulators.accumulator import AnyAccumulator
from penstock.accumulators.gate import Inside
from penstock.accumulators.live import LiveAccumulator
from penstock.answering import Answerer
from penstock.changes import Changes
from penstock.checkup import NO_SUCH_ACCUMULATOR, checkup, orphaned
from penstock.dead_letter import DeadLetter, iterate
from penstock.graphs.graph import ComputationGraph
from penstock.graphs.result import FiringResult
from penstock.graphs.subscriber import GraphSubscriber
from penstock.graphs.ways import NodeCounts
from penstock.health import Health
from penstock.letters import Replayer
from penstock.listening import Listening
from penstock.lookup import find
from penstock.operators import Operators
from penstock.reactors.components import Component, components
from penstock.reactors.domain import Domain
from penstock.reactors.live import LiveReactor
from penstock.reactors.reactor import Reactor
from penstock.runtime.clock import Clock
from penstock.runtime.config import Config
from penstock.runtime.errors import AppError, PartFailed, PenstockError, StoreError
from penstock.runtime.executors import Executors
from penstock.runtime.foreign import value_text
from penstock.runtime.metrics import Metrics
from penstock.runtime.observe import Fact, FunctionsLeft, Observer, StateIgnored
from penstock.runtime.processes import Processes
from penstock.runtime.scheduler import Scheduler
from penstock.runtime.store import letters
from penstock.runtime.store.census import take_inbox
from penstock.runtime.store.commits import Faults
from penstock.runtime.store.store import Store
from penstock.runtime.subscription import Subscription
from penstock.runtime.supervise import Supervisor
from penstock.runtime.threads import Threads
from penstock.statistics import Statistics, health_samples, samples
from penstock.wiring import Wiring, links
from penstock.workflows.worker import Worker
from penstock.workflows.workflow import Workflow

T = TypeVar("T")

#: Seconds that functions in threads get to return, when everything else has stopped.
STUCK_AFTER = 1.0


class Session:
    """What an app opens. Made, opened and closed once, on one event loop."""

    def __init__(
        self,
        wiring: Wiring,
        config: Config,
        *,
        clock: Clock,
        observer: Observer,
        faults: Faults | None,
        deterministic: bool,
    ) -> None:
        self.wiring = wiring
        self.config = config
        self._clock = clock
        self._faults = faults
        self._failure: PenstockError | None = None
        self._resources = AsyncExitStack()
        self._started = False
        self._idle_waiters: list[asyncio.Event] = []
        self._metrics = Metrics()
        self._observers: list[Observer] = [self._metrics, observer]
        self.scheduler: Scheduler = Scheduler(clock, on_error=partial(self._broken, "the callback of a timer"))
        self.threads: Threads = Threads("tasks", config.threads, activity=clock.activity, inline=deterministic)
        self.executors: Executors = Executors(
            Threads("nodes", config.threads, activity=clock.activity, inline=deterministic),
            Processes("node-processes", activity=clock.activity, inline=deterministic),
            self.scheduler,
        )
        self._inside = Inside()
        self.listening: Listening = Listening()
        self.domains: dict[str, Domain] = {}
        #: Journalled events at the start, by accumulators that the app did not have.
        self._orphans: dict[str, int] = {}
        self.accumulators: dict[str, LiveAccumulator] = {}
        self.reactors: dict[str, LiveReactor] = {}
        self.subscribers: dict[str, GraphSubscriber] = {}

    # -- start ---------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Start everything, or nothing.

        Raises:
            StoreError: The store cannot be opened, or holds what the code cannot read.
        """
        self._loop = asyncio.get_running_loop()
        self._opener = asyncio.current_task()
        self._group: TaskGroup = await anyio.create_task_group().__aenter__()
        try:
            await self._start()
        except BaseException as error:
            with anyio.CancelScope(shield=True):
                await self._resources.aclose()

            await self._leave_group(error)
            raise

    async def _start(self) -> None:
        self._resources.callback(self.scheduler.close)
        self._resources.push_async_callback(self._close_threads)
        await self._open_store()
        self._resources.push_async_callback(self.store.close)
        self._make_worker()
        self._resources.push_async_callback(self._give_back)
        jitter = random.Random()  # noqa: S311  it keeps no secret
        self.supervisor: Supervisor = Supervisor(self._group, self.scheduler, self.tell, jitter)
        self.operators: Operators = Operators(self)
        self.changes: Changes = Changes(self)
        self._resources.push_async_callback(self._stop_supervised)
        if self.config.switch_interval is not None:
            self._resources.callback(sys.setswitchinterval, sys.getswitchinterval())
            sys.setswitchinterval(self.config.switch_interval)

        await self._start_parts()

    async def _open_store(self) -> None:
        self.store: Store = await Store.open(
            self.config.store,
            scheduler=self.scheduler,
            activity=self._clock.activity,
            observer=self.tell,
            faults=self._faults,
            synchronous=self.config.synchronous,
            group_limit=self.config.group_limit,
            retry_timeout=self.config.store_retry_timeout,
        )
        self.store.failed.add_done_callback(self._store_failed)
        self.replayer: Replayer = Replayer(self.store, lambda: tuple(self.domains.values()), lambda: self.wiring.graphs)

    def _make_worker(self) -> None:
        self.worker: Worker = Worker(
            self.store,
            self.scheduler,
            self.threads,
            self.tell,
            executors=self.executors,
            max_concurrent_tasks=self.config.max_concurrent_tasks,
            on_error=partial(self._broken, "a task of ours"),
        )
        for workflow in self.wiring.workflows.values():
            self.worker.register(workflow)

    async def _start_parts(self) -> None:
        await self._open_domains()
        self._metrics.add(lambda: samples(self.statistics(), self.reactors))
        self._metrics.add(lambda: health_samples(self.health()))
        await self.worker.recover()
        for domain in self.domains.values():
            await domain.start(self.supervisor)

        self.answerer: Answerer = Answerer(self, self.replayer)
        await self._group.start(self.answerer.run)
        self._started = True

    async def _open_domains(self) -> None:
        """Take the domains over before anything runs: state that does not fit the code stops the app unharmed."""
        wiring = self.wiring
        for component in components(wiring.reactors.values(), wiring.accumulators.values(), links(wiring)):
            self.add(self.make_domain(component))

        for graph in wiring.graphs.values():
            if graph.reactor is not None:
                reactor = graph.reactor.name
                self.subscribers[graph.name] = subscriber = self.make_subscriber(graph, self.domain_of(reactor))
                self.reactors[reactor].subscribe(subscriber)

        for domain in self.domains.values():
            await domain.open()

        await self._look_into_inbox()

    async def _look_into_inbox(self) -> None:
        """Tell of journalled events that nobody processes: their accumulator was renamed, or is gone."""
        waiting = await take_inbox(self.store)
        self._orphans = {name: events for name, events in waiting.items() if name not in self.accumulators}
        for name, events in self._orphans.items():
            self.tell(StateIgnored(part=name, what=orphaned(events), reason=NO_SUCH_ACCUMULATOR))
            warnings.warn(f"accumulator {name!r}: {orphaned(events)}: {NO_SUCH_ACCUMULATOR}", stacklevel=2)

    def make_domain(self, component: Component) -> Domain:
        """Bring a component to life, as part of this session."""
        return Domain(
            component,
            store=self.store,
            scheduler=self.scheduler,
            threads=self.threads,
            carry=self.worker,
            observer=self.tell,
            checkpoint_interval=self.config.checkpoint_interval,
            outbox_limit=self.config.outbox_limit,
            ingress_limit=self.config.ingress_limit,
            firing_history=self.config.firing_history,
            start_timeout=self.config.start_timeout,
            inside=self._inside,
            broken=partial(self._broken, f"the checkpoints of domain {component.name!r}"),
            calm=self._wake_idle,
        )

    def make_subscriber(self, graph: ComputationGraph, domain: Domain) -> GraphSubscriber:
        """Compile a graph for the reactor that is to call it."""
        takers = self.listening.result_takers(graph.name)
        return GraphSubscriber(graph, self.executors, keep=domain.keep, listeners=takers)

    def domain_of(self, reactor: str) -> Domain:
        """Return the domain of a reactor."""
        return next(domain for domain in self.domains.values() if reactor in domain.reactors)

    def add(self, domain: Domain) -> None:
        """Let the parts of a domain be found."""
        self.domains[domain.name] = domain
        self.accumulators |= domain.accumulators
        self.reactors |= domain.reactors

    def remove(self, domain: Domain) -> None:
        """Let the parts of a domain be found no more."""
        del self.domains[domain.name]
        for name in domain.accumulators:
            del self.accumulators[name]

        for name in domain.reactors:
            del self.reactors[name]

    def check_loop(self) -> None:
        """Refuse to wait on another event loop than the one that everything here lives on: that would never end.

        Raises:
            AppError: The running loop is another one.
        """
        if asyncio.get_running_loop() is not self._loop:
            raise AppError("the app was opened on another event loop: await it there, or use `with app.portal()`")

    def check_closer(self) -> None:
        """Refuse to be closed by another task than the one that opened it: its task group belongs to that one.

        Raises:
            AppError: It is another one; everything stays open.
        """
        if asyncio.current_task() is not self._opener:
            raise AppError("an app is closed in the task that opened it: keep `async with app:` in one task")

    # -- stop ----------------------------------------------------------------------------------------------

    async def close(self, error: BaseException | None) -> None:
        """Stop in order; what could not end goes on at the next start.

        Args:
            error: What the body of ``async with app`` raised.

        Raises:
            StoreError: The store failed, or the last cut could not be committed.
            PartFailed: A part swallows its cancellation; it was closed by force.
        """
        problems: list[PenstockError] = []
        with anyio.CancelScope(shield=True):
            try:
                async with self._resources:
                    problems += await self._stop_parts()
            except PenstockError as stuck:
                problems.append(stuck)

        await self._leave_group(error)
        if problems and error is None:
            raise problems[0]

    async def _stop_parts(self) -> list[PenstockError]:
        """Stop every part, whatever goes wrong with the others; return what went wrong."""
        problems: list[PenstockError] = []
        if self._started:
            await self.answerer.close()

        await self.changes.close()
        deadline = self._clock.monotonic() + self.config.drain_timeout
        for domain in self.domains.values():
            try:
                await domain.stop(self._left(deadline))
            except PenstockError as error:
                problems.append(error)

        await self.worker.drain(self._left(deadline))
        self.listening.close()
        return problems

    async def _give_back(self) -> None:
        """Stop what was taken over by a start that failed: that is no crash of what waits; the start's error counts."""
        if not self._started:
            await self._stop_parts()

    async def _stop_supervised(self) -> None:
        """Stop what is supervised; what swallows its cancellation is closed by force, and named."""
        try:
            await self.supervisor.stop(patience=max(STUCK_AFTER, self.config.drain_timeout))
        finally:
            self.supervisor.abandon()

    def _left(self, deadline: float) -> float:
        return 0.0 if self._failure or not self._started else max(0.0, deadline - self._clock.monotonic())

    async def _close_threads(self) -> None:
        """End the pools; a function in a thread that does not return cannot be stopped, only named."""
        await self.executors.processes.close(self.scheduler.sleep(STUCK_AFTER))
        left = await self.threads.close(self.scheduler.sleep(STUCK_AFTER))
        left += await self.executors.threads.close(self.scheduler.sleep(STUCK_AFTER))
        if left:
            self.tell(FunctionsLeft(functions=left))

    async def _leave_group(self, error: BaseException | None) -> None:
        """End the task group. An error of the body goes its own way, not wrapped into a group of one."""
        self._group.cancel_scope.cancel()
        cancelled = error if isinstance(error, asyncio.CancelledError) else None
        try:
            await self._group.__aexit__(type(cancelled) if cancelled else None, cancelled, None)
        except BaseExceptionGroup:
            if self._failure is None:
                raise

        if self._failure is not None:
            raise self._failure

    # -- failing loudly ------------------------------------------------------------------------------------

    def _store_failed(self, failed: "asyncio.Future[StoreError]") -> None:
        if not failed.cancelled():
            self.fail(failed.result())

    def _broken(self, part: str, error: BaseException) -> None:
        """Stop on a mistake of ours: going on could lose something."""
        failure = PartFailed(part, repr(error))
        failure.__cause__ = error
        self.fail(failure)

    def fail(self, error: PenstockError) -> None:
        """End the session: whoever is inside ``async with app`` is cancelled, and gets the error."""
        if self._failure is None:
            self._failure = error
            self._group.cancel_scope.cancel()

    # -- facts ---------------------------------------------------------------------------------------------

    def tell(self, fact: Fact) -> None:
        """Tell everyone who listens."""
        for observer in self._observers:
            try:
                observer(fact)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001 - an observer is user code: what it is told has happened
                asyncio.get_running_loop().call_exception_handler(
                    {"message": f"observer {value_text(observer)} raised on {value_text(fact)}", "exception": error}
                )

        if self._idle_waiters:
            self._wake_idle()

    def observe(self, observer: Observer) -> None:
        """Let one more listen."""
        self._observers.append(observer)

    # -- rest ----------------------------------------------------------------------------------------------

    async def wait_idle(self) -> None:
        """Return when nothing is in flight."""
        while not self.is_idle:
            for domain in self.domains.values():
                domain.request_cut()

            # Whatever ends tells a fact, so nobody has to look again and again.
            woken = asyncio.Event()
            self._idle_waiters.append(woken)
            await woken.wait()

    @property
    def is_idle(self) -> bool:
        """Whether no event, firing, effect or run is on its way."""
        return self.worker.is_idle and all(domain.is_idle for domain in self.domains.values())

    def _wake_idle(self) -> None:
        waiters, self._idle_waiters = self._idle_waiters, []
        for waiter in waiters:
            waiter.set()

    # -- parts by name -------------------------------------------------------------------------------------

    def accumulator(self, wanted: AnyAccumulator | str) -> LiveAccumulator:
        """Return a live accumulator."""
        return find("accumulator", wanted, self.wiring.accumulators, self.accumulators)

    def reactor(self, wanted: Reactor | str) -> LiveReactor:
        """Return a live reactor."""
        return find("reactor", wanted, self.wiring.reactors, self.reactors)

    def workflow(self, wanted: Workflow | str) -> Workflow:
        """Return a workflow."""
        return find("workflow", wanted, self.wiring.workflows, self.wiring.workflows)

    def dead_letters(self, part: str | None) -> AsyncIterator[DeadLetter]:
        """Iterate over dead letters, the newest first."""
        return iterate(self.store, part)

    async def discard_letter(self, letter_id: int) -> None:
        """Delete a dead letter."""
        await letters.discard_letter(self.store, letter_id)

    # -- looking -------------------------------------------------------------------------------------------

    def health(self) -> Health:
        """Return how everything feels, from facts."""
        return checkup(self.store, self.domains.values(), self.supervisor.facts(), self._orphans)

    def results(self, wanted: ComputationGraph | str, capacity: int) -> Subscription[FiringResult]:
        """Listen to what a graph gives for firings."""
        graph = find("graph", wanted, self.wiring.graphs, self.wiring.graphs)
        if graph.reactor is None:
            raise AppError(f"graph {graph.name!r} has no reactor: what it gives goes to the tasks that invoke it")

        return self.listening.results(graph.name, capacity)

    def node_counts(self, wanted: ComputationGraph | str) -> Mapping[str, NodeCounts]:
        """Return what the nodes of a graph did."""
        graph = find("graph", wanted, self.wiring.graphs, self.wiring.graphs)
        subscriber = self.subscribers.get(graph.name)
        return (graph.compiled if subscriber is None else subscriber.compiled).counts()

    def statistics(self) -> Statistics:
        """Return the counters of every part."""
        return Statistics(
            accumulators={name: each.statistics() for name, each in self.accumulators.items()},
            reactors={name: each.statistics() for name, each in self.reactors.items()},
            domains={name: each.statistics() for name, each in self.domains.items()},
            graphs={name: self.node_counts(name) for name in self.wiring.graphs},
            worker=self.worker.statistics(),
            store=self.store.statistics(),
            scheduler=self.scheduler.statistics(),
            threads=self.threads.statistics(),
            node_threads=self.executors.threads.statistics(),
            node_processes=self.executors.processes.statistics(),
            listening=self.listening.statistics(),
        )

    def metrics(self) -> str:
        """Return everything that is counted, as Prometheus reads it."""
        return self._metrics.render()
