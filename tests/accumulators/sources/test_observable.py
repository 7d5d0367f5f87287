"""Events from Observables."""

import threading

import pytest
import reactivex
from reactivex import operators as ops
from reactivex.subject import Subject

from penstock.accumulators.sources import FromObservable
from penstock.accumulators.stream import stream_accumulator
from penstock.reactors.reactor import Reactor
from penstock.runtime.errors import DefinitionError
from penstock.runtime.observe import EventDropped
from tests.reactors.world import Graph, World


def reading(source: FromObservable) -> Reactor:
    @stream_accumulator(source)
    def ticks(event: int) -> int:
        return event

    return Reactor("r", [ticks])


def ticks(graph: Graph) -> list[object]:
    return [inputs["ticks"] for inputs in graph.inputs]


async def test_time_operators_of_an_observable_follow_the_clock_of_the_app(store_url: str) -> None:
    graph = Graph()
    async with World(store_url, [reading(FromObservable(reactivex.interval(1.0).pipe(ops.take(3))))], [graph]) as world:
        await world.advance(0.9)
        assert ticks(graph) == []
        await world.advance(0.2)
        assert ticks(graph) == [0]
        await world.advance(2.0)
        assert ticks(graph) == [0, 1, 2]
        assert world.accumulator("ticks").statistics().health == "ended"


async def test_emissions_of_another_thread_come_in_their_order(store_url: str) -> None:
    subject: Subject[int] = Subject()
    graph = Graph()
    async with World(store_url, [reading(FromObservable(subject))], [graph]) as world:
        await world.advance()
        thread = threading.Thread(target=lambda: [subject.on_next(number) for number in range(500)])
        thread.start()
        await world.advance()
        while thread.is_alive() or len(graph.inputs) < 500:
            await world.advance()

    assert ticks(graph) == list(range(500))


async def test_what_does_not_fit_pushes_out_the_oldest_and_is_counted(store_url: str) -> None:
    subject: Subject[int] = Subject()
    graph = Graph()
    async with World(store_url, [reading(FromObservable(subject, capacity=3))], [graph]) as world:
        await world.advance()
        for number in range(10):
            subject.on_next(number)

        await world.advance()
        assert world.accumulator("ticks").statistics().overflowed == 7
        assert [fact.reason for fact in world.told if isinstance(fact, EventDropped)] == ["overflow"]

    assert ticks(graph) == [7, 8, 9]


async def test_a_full_domain_makes_it_buffer_and_nothing_is_lost_below_the_capacity(store_url: str) -> None:
    subject: Subject[int] = Subject()
    graph = Graph()
    async with World(store_url, [reading(FromObservable(subject, capacity=10))], [graph]) as world:
        await world.advance()
        world.domain.gate.close()
        for number in range(10):
            subject.on_next(number)

        await world.advance()
        world.domain.gate.open()
        await world.advance()
        assert world.accumulator("ticks").statistics().overflowed == 0
        assert world.accumulator("ticks").statistics().events == 10


async def test_too_much_may_be_an_error_after_what_was_there(store_url: str) -> None:
    subject: Subject[int] = Subject()
    graph = Graph()
    async with World(store_url, [reading(FromObservable(subject, capacity=2, overflow="reject"))], [graph]) as world:
        await world.advance()
        for number in range(5):
            subject.on_next(number)

        await world.advance(0.1)
        statistics = world.accumulator("ticks").statistics()
        assert statistics.error is not None
        assert statistics.error.startswith("ChannelFull: 'observable' is full (2 items wait)")
        await world.advance(2.0)  # subscribed to again
        subject.on_next(9)
        await world.advance()

    assert ticks(graph) == [0, 1, 9]


async def test_an_error_of_the_observable_is_told_and_it_is_subscribed_to_again(store_url: str) -> None:
    tries: list[int] = []

    def attempt(_: object) -> reactivex.Observable[int]:
        tries.append(len(tries))
        failing: reactivex.Observable[int] = reactivex.throw(OSError("cable"))
        return reactivex.concat(reactivex.of(len(tries)), failing) if len(tries) == 1 else reactivex.of(len(tries))

    graph = Graph()
    async with World(store_url, [reading(FromObservable(reactivex.defer(attempt)))], [graph]) as world:
        await world.advance(0.1)
        statistics = world.accumulator("ticks").statistics()
        assert (statistics.health, statistics.error) == ("disconnected", "OSError: cable")
        await world.advance(2.0)
        assert world.accumulator("ticks").statistics().health == "ended"

    assert ticks(graph) == [1, 2]


async def test_what_an_action_on_the_clock_raises_is_an_error_of_the_source_alone(store_url: str) -> None:
    def act(*_: object) -> None:
        raise ValueError("in a timer")

    def subscribe(observer: object, scheduler: reactivex.abc.SchedulerBase | None = None) -> object:
        assert scheduler is not None
        return scheduler.schedule_relative(1.0, act)

    source = FromObservable(reactivex.create(subscribe))  # type: ignore[arg-type]
    async with World(store_url, [reading(source)], [Graph()]) as world:
        await world.advance(1.1)
        statistics = world.accumulator("ticks").statistics()

    assert (statistics.health, statistics.error) == ("disconnected", "ValueError: in a timer")


async def test_it_is_left_when_the_app_stops(store_url: str) -> None:
    subject: Subject[int] = Subject()
    async with World(store_url, [reading(FromObservable(subject))], [Graph()]) as world:
        await world.advance()
        assert len(subject.observers) == 1

    assert subject.observers == []
    subject.on_next(1)


@pytest.mark.parametrize("options", [{"capacity": 0}, {"overflow": "block"}])
def test_options_that_cannot_be_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(DefinitionError, match="FromObservable"):
        FromObservable(reactivex.never(), **options)  # type: ignore[arg-type]


def test_what_cannot_be_subscribed_to_is_refused() -> None:
    with pytest.raises(DefinitionError, match="give an Observable of reactivex"):
        FromObservable([1, 2])  # type: ignore[arg-type]
