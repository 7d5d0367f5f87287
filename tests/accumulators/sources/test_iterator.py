"""Events from async iterators."""

from collections.abc import AsyncIterator, Iterator

import anyio
import pytest

from penstock.accumulators.source import Position
from penstock.accumulators.sources import FromIterator
from penstock.accumulators.stream import stream_accumulator
from penstock.reactors.reactor import Reactor
from penstock.runtime.errors import DefinitionError
from tests.reactors.world import Graph, World


def reading(source: FromIterator) -> Reactor:
    @stream_accumulator(source)
    def prices(event: float) -> float:
        return event

    return Reactor("r", [prices])


async def test_a_function_is_called_again_after_an_error_and_cleans_up_at_once(store_url: str) -> None:
    log: list[str] = []

    async def ticks() -> AsyncIterator[float]:
        log.append("open")
        try:
            yield 1.0
            if len(log) == 1:
                raise OSError("cable")

            yield 2.0
        finally:
            log.append("close")

    graph = Graph()
    async with World(store_url, [reading(FromIterator(ticks))], [graph]) as world:
        await world.advance(0.1)
        statistics = world.accumulator("prices").statistics()
        assert (statistics.health, statistics.error) == ("disconnected", "OSError: cable")
        await world.advance(2.0)
        assert world.accumulator("prices").statistics().health == "ended"
        assert world.accumulator("prices").positions == {}

    assert log == ["open", "close", "open", "close"]
    assert [inputs["prices"] for inputs in graph.inputs] == [1.0, 1.0, 2.0]


async def test_a_function_of_a_position_goes_on_behind_what_is_committed(store_url: str) -> None:
    asked: list[Position | None] = []

    async def ticks(position: Position | None) -> AsyncIterator[tuple[Position, float]]:
        asked.append(position)
        for number in range(1 if position is None else int(str(position)[1:]) + 1, 4):
            yield f"#{number}", float(number)

    graph = Graph()
    async with World(store_url, [reading(FromIterator(ticks))], [graph]) as world:
        await world.advance(2.0)
        await world.restart()
        await world.advance(2.0)

    assert asked == [None, "#3"]
    assert [inputs["prices"] for inputs in graph.inputs] == [1.0, 2.0, 3.0]


async def test_an_iterator_itself_is_read_once_and_a_second_time_is_an_error(store_url: str) -> None:
    async def ticks() -> AsyncIterator[float]:
        yield 1.0
        raise OSError("cable")

    graph = Graph()
    async with World(store_url, [reading(FromIterator(ticks()))], [graph]) as world:
        await world.advance(3.0)
        statistics = world.accumulator("prices").statistics()

    assert statistics.error is not None
    assert "can be read once; give the function that makes it" in statistics.error
    assert graph.inputs == [{"prices": 1.0}]


async def test_a_generator_that_is_stopped_cleans_up(store_url: str) -> None:
    log: list[str] = []

    async def ticks() -> AsyncIterator[float]:
        try:
            yield 1.0
            await anyio.sleep_forever()
        finally:
            log.append("closed")

    async with World(store_url, [reading(FromIterator(ticks))], [Graph()]) as world:
        await world.advance(1.5)
        assert log == []

    assert log == ["closed"]


@pytest.mark.parametrize("made", ["a value", "a pair"])
async def test_what_a_function_returns_or_yields_wrongly_is_named(store_url: str, made: str) -> None:
    def nothing() -> AsyncIterator[float]:
        return None  # type: ignore[return-value]

    async def bare(position: Position | None) -> AsyncIterator[tuple[Position, float]]:
        yield 1.0  # type: ignore[misc]

    source = FromIterator(nothing if made == "a value" else bare)
    async with World(store_url, [reading(source)], [Graph()]) as world:
        await world.advance(0.1)
        error = world.accumulator("prices").statistics().error

    assert error is not None
    assert ("the function returned None" if made == "a value" else "it yields (position, event)") in error


def plain_generator() -> Iterator[float]:
    yield 1.0


async def coroutine() -> float:
    return 1.0


async def of_two(one: int, two: int) -> AsyncIterator[float]:
    yield 1.0


@pytest.mark.parametrize("events", [plain_generator, coroutine, of_two, [1.0, 2.0], 5])
def test_what_makes_no_async_iterator_is_refused_with_the_right_shape(events: object) -> None:
    with pytest.raises(DefinitionError, match=r"async def ticks\(\): yield event"):
        FromIterator(events)  # type: ignore[arg-type]
