"""Events from memory."""

import pytest

from penstock.accumulators.sources import Memory
from penstock.accumulators.stream import stream_accumulator
from penstock.reactors.reactor import Reactor
from penstock.runtime.errors import AppError, DefinitionError
from tests.reactors.world import Graph, World


def reading(source: Memory) -> Reactor:
    @stream_accumulator(source)
    def prices(event: float) -> float:
        return event

    return Reactor("r", [prices])


async def test_scenario_55_positions_count_from_zero_and_move_with_the_commit(store_url: str) -> None:
    graph = Graph()
    async with World(store_url, [reading(Memory([1.0, 2.0, 3.0]))], [graph]) as world:
        await world.advance()
        assert world.accumulator("prices").positions == {"": 2}
        assert world.accumulator("prices").statistics().health == "ended"
        await world.restart()
        await world.advance(2.0)
        assert graph.inputs == [{"prices": value} for value in (1.0, 2.0, 3.0, 1.0, 2.0, 3.0)]  # nothing was committed
        await world.restart()
        await world.advance(2.0)
        assert len(graph.inputs) == 6  # all of it was

    assert graph.inputs[-1] == {"prices": 3.0}


async def test_what_is_appended_is_given_until_it_is_closed(store_url: str) -> None:
    source, graph = Memory([1.0], follow=True), Graph()
    async with World(store_url, [reading(source)], [graph]) as world:
        await world.advance()
        assert world.accumulator("prices").statistics().health == "live"
        source.append(2.0, 3.0)
        await world.advance()
        assert world.accumulator("prices").positions == {"": 2}
        source.close()
        source.close()
        await world.advance()
        assert world.accumulator("prices").statistics().health == "ended"
        with pytest.raises(AppError, match=r"follow=True"):
            source.append(4.0)

    assert graph.inputs == [{"prices": 1.0}, {"prices": 2.0}, {"prices": 3.0}]


async def test_a_list_that_became_shorter_is_told_and_nothing_is_guessed(store_url: str) -> None:
    graph = Graph()
    async with World(store_url, [reading(Memory([1.0, 2.0, 3.0]))], [graph]) as world:
        await world.advance(2.0)
        await world.stop()
        world.definitions = [reading(Memory([1.0]))]
        await world.start()
        await world.advance(0.1)
        statistics = world.accumulator("prices").statistics()

    assert statistics.health == "disconnected"
    assert statistics.error is not None
    assert "cannot go on behind position 2: it holds 1 events now" in statistics.error
    assert len(graph.inputs) == 3


@pytest.mark.parametrize(("events", "options"), [("abc", {}), (b"abc", {}), ([], {"name": ""})])
def test_what_cannot_be_listed_or_named_is_refused(events: object, options: dict[str, str]) -> None:
    with pytest.raises(DefinitionError, match="Memory"):
        Memory(events, **options)  # type: ignore[arg-type]
