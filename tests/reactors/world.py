"""Domains with a real store and a virtual clock, which can be stopped, or crashed, and started again."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import TracebackType
from typing import Self

import anyio
import msgspec

from penstock.accumulators.accumulator import AnyAccumulator
from penstock.accumulators.gate import Inside
from penstock.accumulators.live import LiveAccumulator
from penstock.reactors.components import components
from penstock.reactors.domain import Domain
from penstock.reactors.firing import Firing, Outcome, Subscriber
from penstock.reactors.live import LiveReactor
from penstock.reactors.reactor import Reactor
from penstock.runtime.effects import Recorded, Start
from penstock.runtime.errors import PenstockError
from penstock.runtime.observe import Fact
from penstock.runtime.scheduler import Scheduler
from penstock.runtime.store.letters import list_letters
from penstock.runtime.store.rows import LetterRow, RunRow
from penstock.runtime.store.runs import insert_run, list_runs
from penstock.runtime.store.store import Store
from penstock.runtime.store.unit import Unit
from penstock.runtime.supervise import Supervisor
from penstock.runtime.threads import Threads
from penstock.testing.clock import VirtualClock
from penstock.testing.faults import FaultPoints


class Quote(msgspec.Struct, frozen=True):
    symbol: str
    price: float


class GraphFailed(PenstockError):
    """What a graph of a test raises."""


def no_effect(_firing: Firing) -> None:
    """Start nothing."""


class Graph:
    """A subscriber that writes down its firings, starts one run for each, and does what a test says in between."""

    def __init__(
        self,
        name: str = "graph",
        *,
        effect: Callable[[Firing], str | None] = no_effect,
        seconds: float | None = None,
        before: Callable[[Firing], None] = lambda _: None,
        reactor: str | None = None,
    ) -> None:
        self.name = name
        self.reactor = reactor
        self.is_async = seconds is not None
        self.firings: list[Firing] = []
        self.effect = effect
        self.seconds = seconds
        self.before = before
        self.failures = 0
        self.running: list[object] = []
        self.scheduler: Scheduler | None = None

    @property
    def inputs(self) -> list[dict[str, object]]:
        return [dict(firing.inputs) for firing in self.firings]

    def fail(self, times: int = 1) -> None:
        self.failures = times

    def run(self, firing: Firing) -> Outcome:
        self._see(firing)
        return self._outcome(firing)

    def _see(self, firing: Firing) -> None:
        self.firings.append(firing)
        self.before(firing)
        if self.failures:
            self.failures -= 1
            raise GraphFailed(f"{self.name} fails")

    def _outcome(self, firing: Firing) -> Outcome:
        text = self.effect(firing)
        if text is None:
            return Outcome()

        effect = Start(workflow=self.name, input=f'"{text}"')
        return Outcome([Recorded(key=f"{firing.id}/{self.name}/node/0", effect=effect)])

    async def arun(self, firing: Firing) -> Outcome:
        assert firing.key not in self.running, "two firings of one key are in flight"
        self.running.append(firing.key)
        try:
            assert self.scheduler is not None
            await self.scheduler.sleep(self.seconds or 0.0)
            return self.run(firing)
        finally:
            self.running.remove(firing.key)


class QuickGraph(Graph):
    """The same, which need not see a firing before it has effects: until then it writes down the inputs alone."""

    def __init__(
        self, name: str = "graph", *, effect: Callable[[Firing], str | None] = no_effect, reactor: str | None = None
    ) -> None:
        super().__init__(name, effect=effect, reactor=reactor)
        self.listeners: list[object] = []

    def call_for_effects(self, values: Mapping[str, object], _whole: bool) -> Sequence[object]:
        self._see(Firing("", "", None, dict(values), frozenset(values)))
        return () if self.effect is no_effect else ("something",)

    def recorded(self, firing: Firing, effects: Sequence[object]) -> Sequence[object]:
        if not effects:
            return ()

        self.firings[-1] = firing
        return self._outcome(firing).effects


class RunCarry:
    """Writes each effect as a run, as the worker of the workflows does."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.started: list[str] = []
        self.taken: list[int] = []

    def write(self, unit: Unit, effects: Sequence[Recorded]) -> Callable[[], None]:
        for recorded in effects:
            insert_run(
                unit,
                RunRow(
                    id=self.store.new_run_id(),
                    workflow=recorded.effect.workflow,
                    structure_version="1",
                    code_version="1",
                    status="pending",
                    input=recorded.effect.input,
                    key=recorded.key,
                    created_at=unit.clock.now(),
                ),
            )

        def after() -> None:
            self.started += [recorded.effect.input for recorded in effects]
            self.taken += unit.existing

        return after


class World:
    """Some reactors with their graphs, in one process after the other."""

    def __init__(
        self,
        url: str,
        reactors: Sequence[Reactor],
        graphs: Sequence[Graph] = (),
        *,
        accumulators: Sequence[AnyAccumulator] = (),
        links: Sequence[tuple[Reactor, AnyAccumulator]] = (),
        clock: VirtualClock | None = None,
        reactor: str | None = None,
        **options: float,
    ) -> None:
        self.url = url
        self.definitions = list(reactors)
        self.graphs = list(graphs)
        self.more = list(accumulators)
        self.links = list(links)
        self.clock = clock or VirtualClock()
        self.options = options
        self.told: list[Fact] = []
        self.next_faults: Callable[[FaultPoints], object] = lambda _: None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            await self.stop()
        else:
            await self.crash()

    async def start(self, *, sources: bool = True) -> None:
        self.errors: list[BaseException] = []
        self.faults = FaultPoints()
        self.next_faults(self.faults)
        self.scheduler = Scheduler(self.clock, on_error=self.errors.append)
        self.store = await Store.open(
            self.url, scheduler=self.scheduler, activity=self.clock.activity, faults=self.faults, lock=False
        )
        self.carry = RunCarry(self.store)
        self.threads = Threads("world", 2, activity=self.clock.activity)
        inside = Inside()
        self.domains = [
            Domain(
                component,
                store=self.store,
                scheduler=self.scheduler,
                threads=self.threads,
                carry=self.carry,
                observer=self.told.append,
                inside=inside,
                **self.options,  # type: ignore[arg-type]
            )
            for component in components(self.definitions, self.more, self.links)
        ]
        for graph in self.graphs:
            graph.scheduler = self.scheduler
            subscriber: Subscriber = graph
            self.reactor_of(graph).subscribe(subscriber)

        self._begun = asyncio.Event()
        self._end = asyncio.Event()
        self._host = asyncio.ensure_future(self._live())
        await self._begun.wait()
        if self._host.done():
            await self._host

    async def _live(self) -> None:
        """Own the task group, in a task of its own: a crash cancels it."""
        try:
            async with anyio.create_task_group() as group:
                supervisor = Supervisor(group, self.scheduler, self.told.append)
                for domain in self.domains:
                    await domain.open()
                    await domain.start(supervisor)

                self._begun.set()
                await self._end.wait()
                group.cancel_scope.cancel()
        finally:
            self._begun.set()

    async def stop(self, drain: float = 10.0) -> None:
        """End in order."""
        try:
            for domain in self.domains:
                await self._while_time_passes(domain.stop(drain))
        finally:
            await self._close()

        assert not self.errors

    async def _while_time_passes(self, body: Awaitable[None]) -> None:
        task = asyncio.ensure_future(body)
        await self.clock.settle()
        while not task.done():
            await self.clock.advance(1.0)

        await task

    async def crash(self) -> None:
        """End as a killed process does: nothing that is not committed by now will be."""
        self.faults.fail("*", times=None)
        await self._close()

    async def restart(self, *, crash: bool = True) -> None:
        await (self.crash() if crash else self.stop())
        await self.start()

    async def _close(self) -> None:
        self._end.set()
        await asyncio.wait([self._host])
        await self.store.close()
        await self.threads.close()
        self.scheduler.close()

    async def flush(self) -> None:
        """Commit what is new."""
        for domain in self.domains:
            await domain.flush()

    async def advance(self, seconds: float = 0.0) -> None:
        await self.clock.advance(seconds)

    # -- looking -------------------------------------------------------------------------------------------

    @property
    def domain(self) -> Domain:
        return self.domains[0]

    @property
    def reactor(self) -> LiveReactor:
        return next(iter(self.domains[0].reactors.values()))

    def reactor_of(self, graph: Graph) -> LiveReactor:
        named = (domain.reactors.get(graph.reactor or "") for domain in self.domains)
        return next(filter(None, named), self.reactor)

    def accumulator(self, name: str) -> LiveAccumulator:
        return next(domain.accumulators[name] for domain in self.domains if name in domain.accumulators)

    def offer(self, name: str, *events: object) -> None:
        for event in events:
            assert self.accumulator(name).offer(event)

    async def effects(self) -> list[str]:
        """Return the inputs of all committed runs, in the order in which they were started."""
        return [text for _, text in await self.store_effects()]

    async def store_effects(self) -> list[tuple[str, str]]:
        """Return (graph, input) of all committed runs, in the order in which they were started."""
        rows = await list_runs(self.store, limit=10_000)
        return [(row.workflow, row.input.strip('"')) for row in sorted(rows, key=lambda row: row.id)]

    async def letters(self) -> list[LetterRow]:
        return (await list_letters(self.store, limit=1000))[::-1]

    def facts(self, kind: type[Fact]) -> list[Fact]:
        return [fact for fact in self.told if isinstance(fact, kind)]
