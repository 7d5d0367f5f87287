"""The app: declared parts, opened together on one store.

An ``App`` is a declaration until it is opened: it wires and checks the parts, and holds nothing that runs. Opening
makes a ``Session``, which lives until the app is closed; the methods here look the part up and hand over to it.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar, overload

import msgspec

from penstock.accumulators.accumulator import Accumulator, AnyAccumulator
from penstock.accumulators.boundary import Boundary
from penstock.dead_letter import DeadLetter
from penstock.graphs.graph import ComputationGraph
from penstock.graphs.result import FiringResult
from penstock.graphs.ways import NodeCounts
from penstock.health import Health
from penstock.portal import Portal, open_portal
from penstock.process import a_signal, run
from penstock.reactors.firing import Key
from penstock.reactors.past import PastFiring
from penstock.reactors.reactor import Reactor
from penstock.reactors.view import ReactorState
from penstock.runtime import durations
from penstock.runtime.clock import Clock, SystemClock
from penstock.runtime.config import Config, load
from penstock.runtime.durations import Duration
from penstock.runtime.errors import AppError
from penstock.runtime.observe import Observer, silent
from penstock.runtime.scheduler import Scheduler
from penstock.runtime.subscription import CAPACITY, Subscription
from penstock.wiring import Part, wire
from penstock.workflows.run import Run
from penstock.workflows.states import RunStatus
from penstock.workflows.workflow import Workflow

if TYPE_CHECKING:
    # An app imports the session, and with it the libraries for SQL and metrics; `import penstock` is quick without.
    from penstock.session import Session
    from penstock.statistics import Statistics

T = TypeVar("T")
In = TypeVar("In")
Out = TypeVar("Out")


class App:
    """Streams, graphs and workflows on one scheduler, one clock and one state store.

    Args:
        store: Where the state lives: ``sqlite:///market.db`` (four slashes before an absolute path). Default: the
            configuration's, ``sqlite:///penstock.db``.
        parts: The roots: graphs, workflows, reactors, accumulators. Whatever they refer to comes along.
        config: The settings; without it they are read from the environment and the configuration file.
        clock: Where time comes from; a virtual one in tests.
        observer: Told every fact (``penstock.runtime`` has them all): a run ended, a part restarted, a cut committed.
        faults: Called at each commit point of the store; for tests.
        deterministic: Run ``def`` tasks and polls in-line instead of in threads; for tests.

    Raises:
        DefinitionError: The parts do not fit together; all problems are named.
        ConfigError: The settings cannot be used; all problems are named.
    """

    def __init__(
        self,
        store: str | None = None,
        parts: Sequence[Part] = (),
        *,
        config: Config | None = None,
        clock: Clock | None = None,
        observer: Observer | None = None,
        faults: Callable[[str], None] | None = None,
        deterministic: bool = False,
    ) -> None:
        # Here and not at opening: an import inside a running loop would block it.
        from penstock.session import Session  # noqa: PLC0415 - see above

        self._session_type = Session
        given = {} if store is None else {"store": store}
        self.config: Config = load(given).config if config is None else config
        if config is not None and store is not None:
            self.config = msgspec.structs.replace(config, store=store)

        self._wiring = wire(parts)
        self._clock = clock or SystemClock()
        self._observer = observer or silent
        self._joining: list[Observer] = []
        self._faults = faults
        self._deterministic = deterministic
        self._session: Session | None = None

    # -- what was declared ---------------------------------------------------------------------------------

    @property
    def accumulators(self) -> Mapping[str, AnyAccumulator]:
        """The accumulators by name."""
        return self._wiring.accumulators

    @property
    def reactors(self) -> Mapping[str, Reactor]:
        """The reactors by name."""
        return self._wiring.reactors

    @property
    def graphs(self) -> Mapping[str, ComputationGraph]:
        """The computation graphs by name."""
        return self._wiring.graphs

    @property
    def workflows(self) -> Mapping[str, Workflow]:
        """The workflows by name."""
        return self._wiring.workflows

    # -- opening and closing -------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        """Open the store, take over what was in flight, and start.

        Raises:
            StoreError: The store cannot be opened, or another process serves it.
            AppError: The app is open already.
        """
        if self._session is not None:
            raise AppError("the app is open already")

        session = self._session_type(
            self._wiring,
            self.config,
            clock=self._clock,
            observer=self._observer,
            faults=self._faults,
            deterministic=self._deterministic,
        )
        for observer in self._joining:
            session.observe(observer)

        self._joining.clear()
        await session.open()
        self._session = session
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop in order: intake, final cut, running tasks (up to ``drain_timeout``), store.

        Raises:
            PartFailed: A part goes on although it is cancelled; it was closed by force.
            StoreError: The last cut could not be committed.
            AppError: Another task opened the app, or on another event loop; it stays open.
        """
        session = self._here
        session.check_closer()
        try:
            await session.close(error)
        finally:
            self._session = None

    @property
    def _open(self) -> "Session":
        if self._session is None:
            raise AppError("the app is not open: use `async with app:`, `app.run(…)` or `with app.portal()`")

        return self._session

    @property
    def _here(self) -> "Session":
        """The session, for what waits on the running loop."""
        session = self._open
        session.check_loop()
        return session

    async def serve(self) -> None:
        """Serve until SIGINT or SIGTERM; opens the app when it is not open."""
        if self._session is None:
            async with self:
                await a_signal()
        else:
            await a_signal()

    @overload
    def run(self, work: None = None) -> None: ...

    @overload
    def run(self, work: Awaitable[T]) -> T: ...

    def run(self, work: Awaitable[T] | None = None) -> T | None:
        """Open the app on a new event loop and block: until a signal, or until ``work`` is done.

        Raises:
            SystemExit: SIGTERM came before that; the app has stopped in order.
            KeyboardInterrupt: So did SIGINT while ``work`` ran.
        """
        return asyncio.run(run(self, work))

    def portal(self) -> AbstractContextManager[Portal]:
        """Open the app in a thread of its own, for synchronous code."""
        return open_portal(self)

    # -- streams -------------------------------------------------------------------------------------------

    async def push(self, accumulator: Accumulator[In, Out] | str, event: In, *, key: str | None = None) -> bool:
        """Give an event to an accumulator.

        Returns when the event is taken; a durable accumulator's is committed to the store by then.

        Args:
            accumulator: The accumulator or its name.
            event: Has the declared type, or is made of builtins or JSON.
            key: What tells the event apart: one that comes again under the same key is not taken again. A durable
                accumulator remembers its newest 100,000 keys for a day.

        Returns:
            Whether it was taken; False when an event was pushed under this key before.

        Raises:
            DecodeError: The event does not have the declared type.
            ChannelFull: The ingress is full and its policy is ``reject``.
            StoreError: The journal row could not be committed; nothing was taken.
            AppError: Unknown accumulator, called from inside a firing (use ``emits=``), or a key without a journal.
        """
        return await self._open.accumulator(accumulator).push(event, key)

    async def flush(self, accumulator: AnyAccumulator | str) -> int:
        """Let a batch accumulator process what it has gathered, and return how many events that are.

        Raises:
            AppError: Unknown accumulator, or none that gathers events.
        """
        return self._open.accumulator(accumulator).flush()

    def offer(self, accumulator: Accumulator[In, Out] | str, event: In) -> bool:
        """Give an event to an accumulator without waiting and without a journal; tell whether it was taken.

        Raises:
            DecodeError: The event does not have the declared type.
            ChannelFull: The ingress is full and its policy is ``reject``.
        """
        return self._open.accumulator(accumulator).offer(event)

    def boundaries(
        self, accumulator: Accumulator[In, Out] | str, *, capacity: int = CAPACITY
    ) -> Subscription[Boundary]:
        """Listen to what leaves an accumulator from now on: an async iterator, or ``to_observable()``.

        Args:
            accumulator: The accumulator or its name.
            capacity: Boundaries that may wait to be read; beyond that the oldest are dropped, and counted in
                ``dropped``. The stream itself never waits for who listens.

        Raises:
            AppError: The accumulator is unknown, or the capacity is none.
        """
        return self._open.listening.boundaries(self._open.accumulator(accumulator), capacity)

    def firings(self, reactor: Reactor | str, *, capacity: int = CAPACITY) -> Subscription[PastFiring]:
        """Listen to the firings of a reactor that end from now on, each of them: an async iterator, or an Observable.

        A firing is over when all its graphs are done, or have failed for good: its ``results`` say which. It is not
        committed by then; after a crash it may be run, and told, again, under the same id.

        Args:
            reactor: The reactor or its name.
            capacity: As for ``boundaries``.

        Raises:
            AppError: The reactor is unknown, or the capacity is none.
        """
        return self._open.listening.firings(self._open.reactor(reactor), capacity)

    def results(self, graph: ComputationGraph | str, *, capacity: int = CAPACITY) -> Subscription[FiringResult]:
        """Listen to what a graph gives for firings from now on, as ``graph.run`` gives it, with the firing's id.

        A traversal that fails gives nothing: ``firings`` tells why. A graph that is put in its place by ``replace`` is
        listened to by the same subscription.

        Args:
            graph: The graph or its name.
            capacity: As for ``boundaries``.

        Raises:
            AppError: The graph is unknown or has no reactor, or the capacity is none.
        """
        return self._open.results(graph, capacity)

    # -- operating -----------------------------------------------------------------------------------------

    async def fire(self, reactor: Reactor | str, key: Key = None) -> str:
        """Fire a reactor now, whatever its criteria say, and return the firing's id.

        Args:
            reactor: The reactor or its name.
            key: Which key to fire, where the reactor tells keys apart.

        Raises:
            FiringRefused: Nothing has fired: the reactor is paused, has not started, or is busy with a firing of the
                key; the outbox is full; or a graph asked for it. ``reason`` says which.
            AppError: The reactor is unknown, or a key has to be named, or must not be.
        """
        return self._open.reactor(reactor).fire(key)

    async def fire_with(
        self, reactor: Reactor | str, values: Mapping[str, object], *, merge: bool = False, key: Key = None
    ) -> str:
        """Fire a reactor now with other values, and return the firing's id. They stay in its cache.

        Args:
            reactor: The reactor or its name.
            values: By input, as what its accumulator lets through, or made of builtins or JSON.
            merge: Keep the values of the other inputs; else the cache holds these alone from now on.
            key: Which key to fire, where the reactor tells keys apart.

        Raises:
            FiringRefused: As ``fire``; the cache is as it was.
            DecodeError: A value does not have the type of its input.
            AppError: The reactor is unknown, a name is no input of it, or a value belongs to another key.
        """
        return self._open.reactor(reactor).fire_with(values, merge=merge, key=key)

    async def pause(self, reactor: Reactor | str) -> bool:
        """Let a reactor take boundaries but not fire, until it is resumed or the app is opened again.

        Returns when everything that the reactor took before is durable.

        Returns:
            Whether it fired before; False when it was paused already.
        """
        return await self._here.operators.pause(reactor)

    async def resume(self, reactor: Reactor | str) -> bool:
        """Let a paused reactor fire again; what became due fires at once.

        Returns:
            Whether it was paused.
        """
        return await self._here.operators.resume(reactor)

    def state(self, reactor: Reactor | str) -> ReactorState:
        """Return what a reactor holds: values, what is new among them, what waits, how old it is.

        ``state(market).values["A"]["orderbook"]`` is the newest order book of key ``"A"``; the only key of a reactor
        without ``key=`` is None.
        """
        return self._open.reactor(reactor).state()

    async def history(
        self, reactor: Reactor | str, *, limit: int = 50, before: int | None = None
    ) -> Sequence[PastFiring]:
        """Return firings that are over, the newest first.

        The last 200 of each reactor (``firing_history``) are kept in memory since the app was opened; of those that
        follow each other within half a millisecond one in 64. A reactor with ``history="store"`` has all of them, also
        from before the start; what is new is committed first.

        Args:
            reactor: The reactor or its name.
            limit: The most to return.
            before: Only those before this one: ``number`` of the last of the page before.

        Raises:
            AppError: The reactor is unknown, or the limit is none.
            StoreError: The store could not be written or read.
        """
        return await self._here.operators.history(reactor, limit, before)

    async def reset(self, part: AnyAccumulator | Reactor | str) -> Sequence[str]:
        """Start at once what waits for its restart after a crash, also when it was given up, and forget its crashes.

        Args:
            part: An accumulator or a reactor, or its name; or a part as ``health`` names it.

        Returns:
            Names of the parts that had crashed; none when all were well.

        Raises:
            AppError: There is no such part.
        """
        return self._open.operators.reset(part)

    # -- changing what runs --------------------------------------------------------------------------------

    async def load(self, *parts: Part) -> bool:
        """Load parts into the running app, and start them; whatever they refer to comes along.

        A graph joins its reactor if that runs: firings that are decided from now on reach it. What is connected to
        nothing that runs starts as at the opening of an app, with what the store holds of it. Either all of it is
        loaded, or nothing. The parts stay in the app when it is closed and opened again.

        Args:
            parts: Roots, as for the app: graphs, reactors, accumulators, workflows.

        Returns:
            Whether anything was new; False when just these parts run already.

        Raises:
            DefinitionError: The parts do not fit together.
            ChangeRefused: They do not fit what runs: a name is claimed, a reactor is declared in another way than the
                running one, or domains that run would become one. ``reason`` says which.
            StoreError: What the store holds could not be taken over.
        """
        new = await self._here.changes.load(parts)
        self._wiring = self._open.wiring
        return new

    async def unload(self, *parts: ComputationGraph | Reactor | str, grace: Duration | None = None) -> int:
        """Unload graphs and reactors from the running app.

        A graph gets no further firings; its reactor stays. Firings in which it runs go on, and take effect; those that
        still run after ``grace`` are cancelled. These, and those that wait to be tried again, become dead letters. A
        reactor is unloaded with its inputs, in order, when no graph needs it; what the store holds of them stays for
        the next time that they are loaded.

        Args:
            parts: Graphs and reactors, or their names.
            grace: How long running firings may go on; ``drain_timeout`` when omitted.

        Returns:
            How many firings were cancelled.

        Raises:
            ChangeRefused: Other parts need it; the sentence lists them. Nothing is unloaded.
            AppError: The app has no such part.
            PartFailed: A graph was cancelled, and does not end.
        """
        try:
            return await self._here.changes.unload(parts, self._grace(grace))
        finally:
            self._wiring = self._open.wiring

    async def replace(self, graph: ComputationGraph, *, grace: Duration | None = None) -> int:
        """Put a graph in the place of the running one of its name. No event is refused, and none is lost.

        The reactor goes on with its cache, its queue and its positions; the new graph has to be declared on that
        reactor, or on one that is declared just like it. Firings in which the old graph runs go on with it, and take
        effect; those that still run after ``grace`` are cancelled, and tried again with the new one as ``on_error``
        says. So are those that had failed.

        Args:
            graph: The new graph.
            grace: How long running firings may go on; ``drain_timeout`` when omitted.

        Returns:
            How many firings were cancelled.

        Raises:
            DefinitionError: The graph has problems; the old one stays.
            ChangeRefused: No graph of this name runs, its reactor is another one, or it brings parts that do not run.
            PartFailed: The old graph was cancelled, and does not end.
        """
        try:
            return await self._here.changes.replace(graph, self._grace(grace))
        finally:
            self._wiring = self._open.wiring

    def _grace(self, grace: Duration | None) -> float:
        return self.config.drain_timeout if grace is None else durations.seconds(grace, name="grace=", zero=True)

    # -- dead letters --------------------------------------------------------------------------------------

    def dead_letters(
        self, part: AnyAccumulator | Reactor | ComputationGraph | str | None = None
    ) -> AsyncIterator[DeadLetter]:
        """Iterate over what could not be processed, the newest first.

        Args:
            part: Only that of one accumulator, reactor or graph.
        """
        name = part if part is None or isinstance(part, str) else part.name
        return self._open.dead_letters(name)

    async def replay_letter(self, letter: DeadLetter | int) -> None:
        """Give a dead letter back: the event to its accumulator, the inputs of a firing to the graph that failed.

        The letter is deleted in the commit that holds what became of it, so that this happens once. What fails again
        becomes a new letter. Returns when the event is journalled and applied, or the firing has begun, and the letter
        is gone.

        Raises:
            LetterNotFound: It was replayed or discarded before.
            DecodeError: It still does not have the declared type; the letter stays.
            AppError: It cannot be given back, or (``FiringRefused``) not now; the letter stays.
            StoreError: It could not be committed; the letter stays.
        """
        await self._here.replayer.replay(letter if isinstance(letter, int) else letter.id)

    async def discard_letter(self, letter: DeadLetter | int) -> None:
        """Delete a dead letter.

        Raises:
            LetterNotFound: It was replayed or discarded before.
        """
        await self._here.discard_letter(letter if isinstance(letter, int) else letter.id)

    # -- runs ----------------------------------------------------------------------------------------------

    async def start(self, workflow: Workflow | str, input: object = None, *, idempotency_key: str | None = None) -> Run:  # noqa: A002
        """Start a run; returns when it is committed.

        Args:
            workflow: The workflow or its name.
            input: A mapping, or a value of the workflow's input type.
            idempotency_key: Starting twice with one key starts once; the second call returns the first one's run.

        Raises:
            InputError: The input does not have the declared type.
            AppError: The workflow is unknown, the key cannot be one, or the app is stopping.
            StoreError: The run could not be committed; none was started.
        """
        return await self._here.worker.start(self._open.workflow(workflow), input, key=idempotency_key)

    async def execute(self, workflow: Workflow | str, input: object = None) -> dict[str, object]:  # noqa: A002
        """Start a run, wait for its end, and return its output.

        Raises:
            InputError: The input does not have the declared type.
            RunFailed: A task failed; its own error is chained.
            AppError: The workflow is unknown, or the app stopped before the end; the run goes on at the next start.
            StoreError: The run could not be committed, or the store failed.
        """
        run = await self.start(workflow, input)
        return await run.result()

    def runs(
        self, workflow: Workflow | str | None = None, status: RunStatus | None = None, limit: int | None = None
    ) -> AsyncIterator[Run]:
        """Iterate over the runs in the store, newest first.

        Raises:
            AppError: There is no such status.
        """
        name = workflow.name if isinstance(workflow, Workflow) else workflow
        return self._open.worker.runs(workflow=name, status=status, limit=limit)

    async def run_of(self, run_id: str) -> Run:
        """Return one run.

        Raises:
            RunNotFound: The store holds no such run.
        """
        return await self._here.worker.run(run_id)

    # -- looking -------------------------------------------------------------------------------------------

    @property
    def scheduler(self) -> Scheduler:
        """The one scheduler: whoever waits for time in this app waits there."""
        return self._open.scheduler

    async def wait_idle(self) -> None:
        """Return when nothing is in flight: no event, no firing, no effect, no run that could go on."""
        await self._here.wait_idle()

    def observe(self, observer: Observer) -> None:
        """Tell ``observer`` every fact from now on, until the app is closed. Before it is open: of the next opening."""
        if self._session is None:
            self._joining.append(observer)
        else:
            self._session.observe(observer)

    def health(self) -> Health:
        """Return how the app and each of its parts feel."""
        return Health(status="closed") if self._session is None else self._session.health()

    def node_counts(self, graph: ComputationGraph | str) -> Mapping[str, NodeCounts]:
        """Return how often each node of a graph ran, was skipped, was not ready, and failed, since the app was opened.

        That is in firings; of a graph without reactor, in all traversals of this process.
        """
        return self._open.node_counts(graph)

    def statistics(self) -> "Statistics":
        """Return the counters of every part."""
        return self._open.statistics()

    def metrics(self) -> str:
        """Return the metrics in the text format that Prometheus reads."""
        return self._open.metrics()
