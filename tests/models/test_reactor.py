"""A reactor under pushes, failures, pauses, orderly restarts and crashes, in every order."""

import asyncio
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from penstock.accumulators.passthrough import passthrough_accumulator
from penstock.reactors.firing import Firing
from penstock.reactors.reactor import Reactor
from tests.reactors.world import Graph, World

KEYS = "abc"
#: Failures of one firing, one less than make a dead letter.
MOST_FAILURES = 4


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


class ReactorMachine(RuleBasedStateMachine):
    """The model is the number of the newest order of each key.

    Whatever happens, each graph has for each key effects with rising numbers, so none twice and none of an old value
    after that of a newer one; and when all is quiet, the last of them is that of the newest order.
    """

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.newest: dict[str, int] = {}
        self.pushed = 0
        self.failed: Counter[tuple[str, str]] = Counter()

    @initialize(waits=st.booleans(), slow=st.sampled_from([0.0, 0.3, 5.0]), limit=st.sampled_from([1, 3, 1000]))
    def begin(self, waits: bool, slow: float, limit: int) -> None:
        quick = Graph("quick", effect=self.describe)
        second = Graph("second", effect=self.describe, seconds=slow if waits else None)
        for graph in (quick, second):
            graph.before = self.note(graph)

        reactor = Reactor("r", [orders], key="symbol")
        self.world = World(f"sqlite:///{self.folder.name}/store.db", [reactor], [quick, second], outbox_limit=limit)
        self.runner.run(self.world.start())

    @staticmethod
    def describe(firing: Firing) -> str:
        return f"{firing.key} {number(firing)}"

    def note(self, graph: Graph) -> Callable[[Firing], None]:
        def before(firing: Firing) -> None:
            if graph.failures:
                self.failed[graph.name, firing.id] += 1
                if self.failed[graph.name, firing.id] > MOST_FAILURES:
                    graph.fail(0)

        return before

    # -- what may happen -----------------------------------------------------------------------------------

    @rule(keys=st.text(KEYS, min_size=1, max_size=5))
    def push(self, keys: str) -> None:
        async def push_all() -> None:
            tasks = []
            for key in keys:
                self.pushed += 1
                self.newest[key] = self.pushed
                tasks.append(asyncio.ensure_future(self.world.accumulator("orders").push(Order(key, self.pushed))))
                await asyncio.sleep(0)  # noqa: TID251 - a turn of the loop, no waiting

            while not all(task.done() for task in tasks):
                await self.world.advance(0.1)

            await asyncio.gather(*tasks)

        self.runner.run(push_all())

    @rule(seconds=st.sampled_from([0.0, 0.05, 0.5, 1.0, 3.0]))
    def advance(self, seconds: float) -> None:
        self.runner.run(self.world.advance(seconds))

    @rule(index=st.integers(0, 1), times=st.integers(1, 3))
    def fail(self, index: int, times: int) -> None:
        self.world.graphs[index].fail(times)

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

    @rule()
    def crash_and_start(self) -> None:
        self.runner.run(self.world.restart())

    def world_call(self, function: Callable[[], None]) -> None:
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
        await self.world.advance(200.0)
        statistics = self.world.reactor.statistics()
        letters = await self.world.letters()
        effects = await self.world.store_effects()
        await self.world.stop()

        assert (statistics.due, statistics.in_flight) == (0, 0)
        numbers: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
        for graph, text in effects:
            key, _, value = text.partition(" ")
            numbers[graph, key].append(int(value))

        for values in numbers.values():
            assert values == sorted(set(values))

        if not letters:
            assert {key: values[-1] for key, values in numbers.items()} == {
                (graph, key): value for graph in ("quick", "second") for key, value in self.newest.items()
            }


@pytest.mark.timeout(120)
class TestReactor(ReactorMachine.TestCase):
    settings = settings(max_examples=30, stateful_step_count=20)
