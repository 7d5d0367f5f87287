"""Loads, unloads and replaces parts of an open app: one change after the other, each of them whole or not at all."""

import asyncio
from collections.abc import Sequence

import anyio

from penstock.changing import Domains, Load, plan_load, plan_replace, plan_unload
from penstock.graphs.graph import ComputationGraph
from penstock.graphs.subscriber import GraphSubscriber
from penstock.reactors.domain import Domain
from penstock.reactors.firing import Subscriber
from penstock.reactors.live import LiveReactor
from penstock.reactors.reactor import Reactor
from penstock.running import Running
from penstock.runtime.errors import ChangeRefused, PartFailed
from penstock.wiring import Part

#: Seconds that a graph gets to end that was cancelled.
PATIENCE = 10.0


class Changes:
    """Changes the parts of one session.

    Args:
        session: What is changed.
    """

    def __init__(self, session: Running) -> None:
        self._session = session
        self._lock = asyncio.Lock()
        self._closed = False

    async def close(self) -> None:
        """Let no further change begin, when the one that is made is done."""
        async with self._lock:
            self._closed = True

    def _check_open(self, name: str) -> None:
        if self._closed:
            raise ChangeRefused(name, "stopping", f"{name!r} stays as it is: the app is stopping")

    @property
    def _domains(self) -> Domains:
        return {name: (*each.reactors, *each.accumulators) for name, each in self._session.domains.items()}

    # -- loading -------------------------------------------------------------------------------------------

    async def load(self, parts: Sequence[Part]) -> bool:
        """Load parts; tell whether any of them is new."""
        async with self._lock:
            session = self._session
            plan = plan_load(session.wiring, parts, self._domains)
            if plan.new:
                self._check_open(parts[0].name)
                await self._start(plan, [session.make_domain(component) for component in plan.components])

            return plan.new

    async def _start(self, plan: Load, domains: Sequence[Domain]) -> None:
        """Open and start new domains, and let graphs join reactors; leave nothing behind when that fails."""
        session = self._session
        homes = {name: domain for domain in (*session.domains.values(), *domains) for name in domain.reactors}
        joining: list[tuple[LiveReactor, GraphSubscriber]] = []
        for graph, reactor in plan.bound:
            subscriber = session.make_subscriber(graph, homes[reactor])
            live = homes[reactor].reactors[reactor]
            if homes[reactor] in domains:
                live.subscribe(subscriber)

            joining.append((live, subscriber))

        try:
            await self._open(plan, domains)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self._unwind(domains)

            raise

        for live, subscriber in joining:
            session.subscribers[subscriber.name] = subscriber
            if subscriber.name not in live.graphs:
                live.subscribe(subscriber)

        session.wiring = plan.wiring

    async def _open(self, plan: Load, domains: Sequence[Domain]) -> None:
        session = self._session
        for domain in domains:
            await domain.open()

        for workflow in plan.workflows:
            session.worker.register(workflow)

        for domain in domains:
            session.add(domain)
            await domain.start(session.supervisor)

    async def _unwind(self, domains: Sequence[Domain]) -> None:
        for domain in domains:
            if domain.name in self._session.domains:
                self._session.remove(domain)

            if domain.epoch:
                await domain.stop(0.0)

        await self._session.supervisor.forget()

    # -- replacing -----------------------------------------------------------------------------------------

    async def replace(self, graph: ComputationGraph, grace: float) -> int:
        """Put a graph in the place of the one of its name; return how many firings of that one were cancelled."""
        async with self._lock:
            session = self._session
            plan = plan_replace(session.wiring, graph, self._domains)
            if not plan.new:
                return 0

            self._check_open(graph.name)
            [(_, reactor)] = plan.bound
            subscriber = session.make_subscriber(graph, session.domain_of(reactor))
            for workflow in plan.workflows:
                session.worker.register(workflow)

            old = session.reactors[reactor].replace(subscriber)
            session.subscribers[graph.name] = subscriber
            session.wiring = plan.wiring

        return await self._let_go(session.reactors[reactor], old, grace)

    # -- unloading -----------------------------------------------------------------------------------------

    async def unload(self, parts: Sequence[ComputationGraph | Reactor | str], grace: float) -> int:
        """Unload graphs and reactors; return how many firings were cancelled."""
        async with self._lock:
            session = self._session
            plan = plan_unload(session.wiring, parts, self._domains)
            self._check_open(", ".join(part if isinstance(part, str) else part.name for part in parts))
            session.wiring = plan.wiring
            left = [(reactor, session.reactors[reactor].unsubscribe(graph.name)) for graph, reactor in plan.bound]
            for graph, _ in plan.bound:
                del session.subscribers[graph.name]

        cancelled = 0
        for reactor, old in left:
            cancelled += await self._let_go(session.reactors[reactor], old, grace)

        async with self._lock:
            session.listening.leave("results", [old.name for _, old in left if old.name not in session.subscribers])
            for domain in [session.domains[name] for name in plan.domains if name in session.domains]:
                await self._stop(domain)

        return cancelled

    async def _stop(self, domain: Domain) -> None:
        """Stop a domain in order, and let its parts be found no more."""
        session = self._session
        session.remove(domain)
        session.listening.leave("boundaries", domain.accumulators)
        session.listening.leave("firings", domain.reactors)
        await domain.stop(0.0)  # its graphs have ended
        await session.supervisor.forget()

    async def _let_go(self, reactor: LiveReactor, old: Subscriber, grace: float) -> int:
        """Wait until a graph that has left has ended, and cancel what is left of it after some time."""
        domain = self._session.domain_of(reactor.name)
        if await domain.until(lambda: not reactor.runs(old), grace):
            return 0

        cancelled = reactor.oust(old)
        if await domain.until(lambda: not reactor.runs(old), PATIENCE):
            return cancelled

        raise PartFailed(
            f"graph {old.name!r}", f"still runs {PATIENCE} seconds after it was cancelled: it swallows its cancellation"
        )
