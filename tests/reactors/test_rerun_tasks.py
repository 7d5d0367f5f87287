"""Firings that run again one at a time have a task each, whoever waits for their end."""

import msgspec

from penstock.accumulators.passthrough import passthrough_accumulator
from penstock.reactors.flights import CONCURRENCY
from penstock.reactors.reactor import Reactor
from tests.reactors.world import Graph, World


class Order(msgspec.Struct, frozen=True):
    id: int
    key: int


@passthrough_accumulator
def orders(event: Order) -> Order:
    return event


async def test_suspects_run_although_all_tasks_wait_for_their_end(store_url: str) -> None:
    keys = 6 * CONCURRENCY
    graph = Graph(seconds=1.0)
    async with World(store_url, [Reactor("r", [orders], strategy="sequential", key="key")], [graph]) as world:
        world.offer("orders", *(Order(number, number % keys) for number in range(2 * keys)))
        for _ in range(2):  # neither what was in flight nor what was due is done when the process dies
            await world.flush()
            await world.restart()
        graph.firings.clear()
        await world.advance(1000.0)
        assert sorted(firing.inputs["orders"].id for firing in graph.firings) == list(range(2 * keys))  # type: ignore[attr-defined]
        assert world.reactor.statistics().in_flight == 0
