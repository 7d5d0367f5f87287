"""Workers on real stores, in virtual time; a crash is an end without a close."""

from collections.abc import AsyncIterator, Iterator

import pytest

from penstock.runtime.observe import Fact
from penstock.runtime.scheduler import Scheduler
from penstock.runtime.store.store import Store
from penstock.runtime.threads import Threads
from penstock.testing.clock import VirtualClock
from penstock.testing.faults import FaultPoints
from penstock.workflows.worker import Worker
from penstock.workflows.workflow import Workflow


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def facts() -> list[Fact]:
    return []


@pytest.fixture
def faults() -> FaultPoints:
    return FaultPoints()


@pytest.fixture
def scheduler(clock: VirtualClock) -> Iterator[Scheduler]:
    raised: list[BaseException] = []
    scheduler = Scheduler(clock, on_error=raised.append)
    yield scheduler
    scheduler.close()
    assert raised == []


class Machine:
    """A machine with one store, on which one process after the other runs a store and a worker."""

    def __init__(self, url: str, scheduler: Scheduler, facts: list[Fact], faults: FaultPoints) -> None:
        self.url = url
        self.scheduler = scheduler
        self.facts = facts
        self.faults = faults
        self.store: Store | None = None
        self.threads: Threads | None = None
        self.worker: Worker | None = None
        self.mistakes: list[BaseException] = []

    async def open(self, *workflows: Workflow, limit: int = 64, recover: bool = True, inline: bool = True) -> Worker:
        """Start a process; the one that ran before ends as if it had been killed."""
        await self.kill()
        scheduler, activity = self.scheduler, self.scheduler.clock.activity
        self.store = await Store.open(self.url, scheduler=scheduler, activity=activity, faults=self.faults)
        self.threads = Threads("tasks", 4, activity=activity, inline=inline)
        self.worker = Worker(
            self.store,
            scheduler,
            self.threads,
            self.facts.append,
            max_concurrent_tasks=limit,
            on_error=self.mistakes.append,
        )
        for workflow in workflows:
            self.worker.register(workflow)

        if recover:
            await self.worker.recover()

        return self.worker

    async def kill(self) -> None:
        """Take the process away: the store first, so that nothing that still runs can write."""
        if self.store is not None:
            await self.store.close()

        if self.worker is not None:
            await self.worker.drain(0.0)

        if self.threads is not None:
            await self.threads.close()

        self.store = self.worker = self.threads = None


@pytest.fixture
async def machine(
    store_url: str, scheduler: Scheduler, facts: list[Fact], faults: FaultPoints
) -> AsyncIterator[Machine]:
    machine = Machine(store_url, scheduler, facts, faults)
    yield machine
    await machine.kill()
    assert machine.mistakes == []
    assert scheduler.clock.activity.count == 0
