"""Scenario 60: reactors under pushes, failures, pauses, fires by hand, restarts and crashes, in every order."""

import asyncio
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Literal

import msgspec
import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from penstock.accumulators.passthrough import passthrough_accumulator
from penstock.reactors.criteria import Criterion, when, when_any
from penstock.reactors.firing import Firing
from penstock.reactors.policies import OnError, Retry
from penstock.reactors.reactor import Reactor, Strategy
from penstock.runtime.errors import FiringRefused
from tests.reactors.world import Graph, QuickGraph, World

KEYS = "abc"
#: Failures of one firing, one less than make a dead letter of one that is tried again.
MOST_FAILURES = 4
#: Tenths of a second that a push may wait; one that waits longer is given up, and was not taken.
PATIENCE = 5


class Order(msgspec.Struct, frozen=True):
    symbol: str
    number: int


@passthrough_accumulator(durable=True)
def orders(event: Order) -> Order:
    return event


def number(firing: Firing) -> int:
    order = firing.inputs["orders"]
    assert isinstance(order, Order)
    return order.number


def wanted(value: int) -> bool:
    """Tell whether the predicate lets a number through."""
    return value % 3 != 0


class ReactorMachine(RuleBasedStateMachine):
    """The model is the list of the orders of each key that were acknowledged.

    When all is quiet, each graph has for each key: numbers in rising order, none twice, none that the criteria forbid;
    a dead letter stands for its number. A sequential reactor has *all* the numbers that the criteria allow, one that
    coalesces at least the newest. What was fired by hand comes besides.
    """

    strategy: Strategy = "latest"
    policies: tuple[OnError | Retry, ...] = ("keep_dirty", "retry", "dead_letter")

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.accepted: defaultdict[str, list[int]] = defaultdict(list)
        self.pushed = 0
        self.failed: Counter[tuple[str, str]] = Counter()
        self.tried_by_hand: defaultdict[tuple[str, str], set[int]] = defaultdict(set)

    @initialize(
        waits=st.booleans(),
        slow=st.sampled_from([0.0, 0.3, 5.0]),
        limit=st.sampled_from([1, 3, 1000]),
        keyed=st.booleans(),
        predicate=st.booleans(),
        policy=st.integers(0, 2),
        queue=st.sampled_from([1, 3, 1000]),
        alone=st.booleans(),
    )
    def begin(  # noqa: PLR0917 - what may differ from one reactor to another
        self, waits: bool, slow: float, limit: int, keyed: bool, predicate: bool, policy: int, queue: int, alone: bool
    ) -> None:
        graphs: list[Graph] = [QuickGraph("quick", effect=self.describe)]
        if not alone:
            graphs.append(Graph("second", effect=self.describe, seconds=slow if waits else None))

        for graph in graphs:
            graph.before = self.note(graph)

        self.keyed, self.predicate = keyed, predicate
        criteria: Criterion = when(lambda orders: wanted(orders.number)) if predicate else when_any()
        reactor = Reactor(
            "r",
            [orders],
            key="symbol" if keyed else None,
            strategy=self.strategy,
            queue_limit=queue if self.strategy == "sequential" else None,
            criteria=criteria,
            on_error=self.policies[policy % len(self.policies)],
        )
        self.world = World(f"sqlite:///{self.folder.name}/store.db", [reactor], graphs, outbox_limit=limit)
        self.runner.run(self.world.start())

    def describe(self, firing: Firing) -> str | None:
        if not firing.inputs:
            return None  # fired by hand before the first value came

        return f"{'hand' if firing.manual else 'own'} {firing.key if self.keyed else ''} {number(firing)}"

    def note(self, graph: Graph) -> Callable[[Firing], None]:
        def before(firing: Firing) -> None:
            if firing.manual and firing.inputs:
                self.tried_by_hand[graph.name, firing.key if self.keyed else ""].add(number(firing))

            if graph.failures:
                self.failed[graph.name, firing.id] += 1
                if self.failed[graph.name, firing.id] > MOST_FAILURES:
                    graph.fail(0)

        return before

    # -- what may happen -----------------------------------------------------------------------------------

    @rule(keys=st.text(KEYS, min_size=1, max_size=5))
    def push(self, keys: str) -> None:
        async def push_all() -> None:
            for key in keys:
                self.pushed += 1
                order = Order(key, self.pushed)
                push = asyncio.ensure_future(self.world.accumulator("orders").push(order))
                await self.world.advance()
                for _ in range(PATIENCE):
                    if not push.done():
                        await self.world.advance(0.1)

                if not push.done():
                    push.cancel()
                    await self.world.advance()
                    return

                await push
                self.accepted[key if self.keyed else ""].append(order.number)

        self.runner.run(push_all())

    @rule(seconds=st.sampled_from([0.0, 0.05, 0.5, 1.0, 3.0]))
    def advance(self, seconds: float) -> None:
        self.runner.run(self.world.advance(seconds))

    @rule(index=st.integers(0, 1), times=st.integers(1, 3))
    def fail(self, index: int, times: int) -> None:
        self.world.graphs[index % len(self.world.graphs)].fail(times)

    @rule(key=st.sampled_from(KEYS))
    def fire(self, key: str) -> None:
        async def fire() -> None:
            try:
                self.world.reactor.fire(key if self.keyed else None)
            except FiringRefused as refused:
                assert refused.reason in {"paused", "busy", "full"}  # noqa: PT017 - most are not refused

        self.runner.run(fire())

    @precondition(lambda self: not self.world.reactor.paused)
    @rule()
    def pause(self) -> None:
        self.world_call(self.world.reactor.pause)

    @precondition(lambda self: self.world.reactor.paused)
    @rule()
    def resume(self) -> None:
        self.world_call(self.world.reactor.resume)

    @rule()
    def stop_and_start(self) -> None:
        self.runner.run(self.world.restart(crash=False))

    @rule(at=st.sampled_from(["nowhere", "before commit", "after commit"]), seconds=st.sampled_from([0.0, 1.0]))
    def crash_and_start(self, at: Literal["nowhere", "before commit", "after commit"], seconds: float) -> None:
        async def crash() -> None:
            if at != "nowhere":
                self.world.faults.fail(f"cut: {at}", times=None)

            await self.world.advance(seconds)
            await self.world.restart()

        self.runner.run(crash())

    def world_call(self, function: Callable[[], object]) -> None:
        async def call() -> None:
            function()

        self.runner.run(call())

    # -- what must hold ------------------------------------------------------------------------------------

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.runner.run(self.come_to_rest())

        self.runner.close()
        self.folder.cleanup()

    async def come_to_rest(self) -> None:
        self.world.reactor.resume()
        await self.world.advance(300.0)
        statistics = self.world.reactor.statistics()
        own, by_hand = defaultdict[tuple[str, str], list[int]](list), defaultdict[tuple[str, str], set[int]](set)
        for graph, text in await self.world.store_effects():
            how, key, value = text.split(" ")
            if how == "own":
                own[graph, key].append(int(value))
            else:
                by_hand[graph, key].add(int(value))

        buried = await self.buried()
        await self.world.stop()
        assert (statistics.due, statistics.in_flight, statistics.queued) == (0, 0, 0)
        for graph in (each.name for each in self.world.graphs):
            for key, numbers in self.accepted.items():
                self.check(numbers, own[graph, key], by_hand[graph, key], buried[graph, key])
                # what its own firing has done is buried only when a firing by hand failed with it
                twice = set(own[graph, key]) & set(buried[graph, key])
                assert self.strategy == "latest" or twice <= self.tried_by_hand[graph, key]

    async def buried(self) -> defaultdict[tuple[str, str], list[int]]:
        """Return the numbers that became dead letters, by graph and key."""
        found = defaultdict[tuple[str, str], list[int]](list)
        for letter in await self.world.letters():
            assert letter.reason == "firing"
            payload = msgspec.json.decode(letter.payload)
            if payload:
                order = msgspec.convert(payload["orders"], Order)
                found[letter.part, order.symbol if self.keyed else ""].append(order.number)

        return found

    def check(self, numbers: list[int], own: list[int], by_hand: set[int], buried: list[int]) -> None:
        allowed = [value for value in numbers if not self.predicate or wanted(value)]
        assert own == sorted(set(own))
        assert set(own) <= set(allowed)
        seen = {*own, *by_hand, *buried}
        if self.strategy == "sequential":
            assert set(allowed) <= seen
        elif allowed and allowed[-1] == numbers[-1]:
            assert allowed[-1] in seen


class SequentialMachine(ReactorMachine):
    """The same for a reactor that keeps the order."""

    strategy = "sequential"
    policies = ("dead_letter", "retry", Retry(attempts=5, backoff=0.1, factor=3.0))


@pytest.mark.timeout(400)  # a failure is made small for as long as 300 seconds
class TestLatest(ReactorMachine.TestCase):
    settings = settings(max_examples=15, stateful_step_count=20)


@pytest.mark.timeout(400)  # a failure is made small for as long as 300 seconds
class TestSequential(SequentialMachine.TestCase):
    settings = settings(max_examples=15, stateful_step_count=20)
