"""Operators of reactivex behind the function of an accumulator, on virtual time."""

from collections.abc import Callable

import msgspec
import pytest
import reactivex
from reactivex import Observable, operators as ops

from penstock.accumulators.passthrough import passthrough_accumulator
from penstock.accumulators.polling import polling_accumulator
from penstock.accumulators.sources import Memory
from penstock.accumulators.stream import stream_accumulator
from penstock.reactors.reactor import Reactor
from penstock.runtime.errors import DefinitionError
from penstock.runtime.rx import names_of
from tests.reactors.world import Graph, World

Operator = Callable[[Observable[object]], Observable[object]]


class Quote(msgspec.Struct, frozen=True):
    bid: float
    ask: float


def mid_of(quote: Quote) -> float:
    return (quote.bid + quote.ask) / 2


def numbers(*pipe: Operator, waits: bool = False, value: object = ..., **options: object) -> Reactor:
    """Return a reactor of one accumulator of ints whose values go through the operators."""
    if waits:

        @passthrough_accumulator(pipe=pipe, value=value, **options)  # type: ignore[call-overload]
        async def number(event: int) -> int | None:
            return event if event >= 0 else None

    else:

        @passthrough_accumulator(pipe=pipe, value=value, **options)  # type: ignore[call-overload]
        def number(event: int) -> int | None:
            return event if event >= 0 else None

    return Reactor("r", [number])


def values(graph: Graph) -> list[object]:
    return [inputs["number"] for inputs in graph.inputs]


async def test_what_the_function_returns_goes_through_the_operators_in_their_order(store_url: str) -> None:
    @passthrough_accumulator(pipe=[ops.filter(lambda quote: quote.ask > quote.bid), ops.map(mid_of)], value=float)
    def mid(event: Quote) -> Quote:
        return event

    graph = Graph()
    async with World(store_url, [Reactor("r", [mid])], [graph]) as world:
        world.offer("mid", Quote(1.0, 2.0), Quote(3.0, 2.0), {"bid": 2.0, "ask": 3.0})
        statistics = world.accumulator("mid").statistics()

    assert graph.inputs == [{"mid": 1.5}, {"mid": 2.5}]
    assert (statistics.events, statistics.boundaries, statistics.filtered) == (3, 2, 1)
    assert mid.output_type is float
    assert mid(Quote(1.0, 2.0)) == Quote(1.0, 2.0)  # the function is still the function


@pytest.mark.parametrize("waits", [False, True])
async def test_one_event_may_give_none_or_several(store_url: str, waits: bool) -> None:
    graph = Graph()
    reactor = numbers(ops.flat_map(lambda number: reactivex.of(*range(number))), waits=waits)
    async with World(store_url, [reactor], [graph]) as world:
        for number in (0, 2, 3, -1):
            world.offer("number", number)
            await world.advance()

        statistics = world.accumulator("number").statistics()

    assert statistics.boundaries == 5
    assert statistics.filtered == 2
    assert values(graph) == [0, 1, 0, 1, 2]


async def test_debounce_waits_on_the_clock_of_the_app(store_url: str) -> None:
    graph = Graph()
    async with World(store_url, [numbers(ops.debounce(1.0))], [graph]) as world:
        world.offer("number", 1)
        await world.advance(0.9)
        world.offer("number", 2)
        await world.advance(0.9)
        assert values(graph) == []
        await world.advance(0.1)
        assert values(graph) == [2]
        assert world.accumulator("number").statistics().boundaries == 1


async def test_buffers_throttles_and_delays_follow_the_clock(store_url: str) -> None:
    cases: list[tuple[Operator, object, dict[float, object]]] = [
        (ops.buffer_with_time(1.0), list[int], {1.0: [1, 2], 2.0: [3]}),
        (ops.throttle_first(1.0), int, {0.0: 1, 1.5: 3}),
        (ops.delay(0.25), int, {0.25: 1, 0.75: 2, 1.75: 3}),
        (ops.sample(1.0), int, {1.0: 2, 2.0: 3}),
        (ops.scan(lambda total, number: total + number), int, {0.0: 1, 0.5: 3, 1.5: 6}),
    ]
    for index, (operator, value, expected) in enumerate(cases):
        seen: dict[float, object] = {}
        graph = Graph()
        reactor = numbers(operator, value=value, name=f"number{index}")
        async with World(store_url, [reactor], [graph]) as world:
            start = world.clock.monotonic()
            graph.before = lambda firing, seen=seen, start=start: seen.update(  # type: ignore[misc]
                {world.clock.monotonic() - start: next(iter(firing.inputs.values()))}
            )
            for at, number in ((0.0, 1), (0.5, 2), (1.5, 3)):
                await world.advance(at - (world.clock.monotonic() - start))
                world.offer(f"number{index}", number)

            await world.advance(0.75)

        assert seen == expected, operator


@pytest.mark.parametrize("waits", [False, True])
async def test_an_error_makes_the_event_a_dead_letter_and_the_pipe_begins_anew(store_url: str, waits: bool) -> None:
    pipe = (ops.scan(lambda total, number: total + number), ops.map(lambda total: 60 // (total - 3)))
    graph = Graph()
    async with World(store_url, [numbers(*pipe, waits=waits)], [graph]) as world:
        for number in (1, 2, 5):  # sums 1, 3 and then 5 again: the pipe has forgotten
            world.offer("number", number)
            await world.advance()

        await world.advance(2.0)
        letters = await world.letters()
        statistics = world.accumulator("number").statistics()

    assert values(graph) == [-30, 30]
    assert [(letter.reason, letter.payload) for letter in letters] == [("process", b"2")]
    assert letters[0].error.startswith("ZeroDivisionError")
    assert (statistics.failed, statistics.boundaries) == (1, 2)


async def test_of_an_event_that_fails_nothing_goes_out(store_url: str) -> None:
    def risky(number: int) -> int:
        if number == 2:
            raise ValueError("two")

        return number

    pipe = (ops.flat_map(lambda number: reactivex.of(*range(number))), ops.map(risky))
    graph = Graph()
    async with World(store_url, [numbers(*pipe)], [graph]) as world:
        world.offer("number", 3, 2)

    assert values(graph) == [0, 1]


async def test_what_comes_out_has_the_declared_type_or_is_a_dead_letter(store_url: str) -> None:
    graph = Graph()
    reactor = numbers(ops.map(lambda number: "text" if number == 1 else number))
    async with World(store_url, [reactor], [graph]) as world:
        world.offer("number", 1, 2)
        await world.advance(2.0)
        letters = await world.letters()

    assert values(graph) == [2]
    assert "'number' expects int" in letters[0].error


async def test_an_error_after_a_wait_is_told_with_the_value_that_came_last(store_url: str) -> None:
    pipe = (ops.debounce(1.0), ops.map(lambda number: 1 // number))
    graph = Graph()
    async with World(store_url, [numbers(*pipe)], [graph]) as world:
        world.offer("number", 0)
        await world.advance(3.0)
        letters = await world.letters()
        assert world.accumulator("number").statistics().failed == 1
        world.offer("number", 1)
        await world.advance(3.0)

    assert [(letter.reason, letter.payload) for letter in letters] == [("process", b"0")]
    assert values(graph) == [1]


async def test_the_state_stays_when_an_operator_fails(store_url: str) -> None:
    pipe = [ops.map(lambda total: 1 / (total - 3))]

    @stream_accumulator(Memory([1, 2, 4]), state=0, pipe=pipe, value=float)
    def total(event: int, state: int) -> tuple[int, int | None]:
        return state + event, state + event

    graph = Graph()
    async with World(store_url, [Reactor("r", [total])], [graph]) as world:
        await world.advance()
        assert world.accumulator("total").state == 5
        assert world.accumulator("total").positions == {"": 2}

    assert graph.inputs == [{"total": -0.5}, {"total": 0.5}]


async def test_polled_answers_go_through_the_pipe(store_url: str) -> None:
    answers = iter([1.0, 1.0, 2.0])

    @polling_accumulator(1.0, pipe=[ops.distinct_until_changed()])
    async def rate() -> float | None:
        return next(answers, None)

    graph = Graph()
    async with World(store_url, [Reactor("r", [rate])], [graph]) as world:
        await world.advance(3.5)
        assert world.accumulator("rate").statistics().filtered == 2

    assert graph.inputs == [{"rate": 1.0}, {"rate": 2.0}]


async def test_what_an_operator_holds_is_forgotten_at_a_restart_and_nothing_comes_after_the_stop(
    store_url: str,
) -> None:
    graph = Graph()
    async with World(store_url, [numbers(ops.debounce(1.0))], [graph]) as world:
        world.offer("number", 1)
        await world.advance(0.5)
        await world.restart(crash=False)
        await world.advance(5.0)
        assert values(graph) == []
        world.offer("number", 2)
        await world.advance(5.0)

    assert values(graph) == [2]


async def test_a_pipe_that_completes_gives_nothing_more(store_url: str) -> None:
    graph = Graph()
    async with World(store_url, [numbers(ops.take(2))], [graph]) as world:
        world.offer("number", 1, 2, 3, 4)
        assert world.accumulator("number").statistics().filtered == 2

    assert values(graph) == [1, 2]


async def test_a_definition_may_serve_several_apps(store_url: str) -> None:
    reactor = numbers(ops.scan(lambda total, number: total + number))
    for _ in range(2):
        graph = Graph()
        async with World(store_url, [reactor], [graph]) as world:
            world.offer("number", 1, 2)

        assert values(graph) == [1, 3]


# -- declarations --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operator", "name"),
    [
        (ops.debounce(1.0), "debounce"),
        (ops.buffer_with_time(1.0), "buffer_with_time"),
        (ops.buffer_with_count(2), "buffer_with_count"),
        (ops.window_with_time(1.0), "window_with_time"),
        (ops.delay(1.0), "delay"),
        (ops.throttle_first(1.0), "throttle_first"),
        (ops.scan(max), "scan"),
        (ops.compose(ops.map(str), ops.debounce(1.0)), "debounce"),
        (lambda source: source, "tests.accumulators.test_pipe.<lambda>"),
    ],
)
def test_a_durable_accumulator_refuses_what_holds_events(operator: Operator, name: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        numbers(ops.map(lambda number: number), operator, durable=True)

    assert f"accumulator 'number' is durable, and {name}() in its pipe may hold events" in str(caught.value)
    assert "batch_accumulator" in str(caught.value)


async def test_a_durable_accumulator_takes_what_remembers_nothing(store_url: str) -> None:
    stateless = (
        ops.map(lambda number: (number, number)),
        ops.starmap(lambda one, other: {"sum": one + other}),
        ops.pluck("sum"),
        ops.filter(lambda number: number > 2),
        ops.do_action(print),
        ops.as_observable(),
    )
    graph = Graph()
    async with World(store_url, [numbers(*stateless, durable=True)], [graph]) as world:
        await world.accumulator("number").push(1)
        await world.accumulator("number").push(2)

    assert values(graph) == [4]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pipe": [5]}, "5 in pipe= is no operator"),
        ({"value": float}, "value= is the type of what comes out of pipe=, and there is none"),
    ],
)
def test_what_cannot_be_declared_is_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        passthrough_accumulator(**options)(mid_of)  # type: ignore[call-overload]


def test_names_of_operators_are_known() -> None:
    assert list(names_of(ops.map(str))) == ["map"]
    assert list(names_of(ops.compose(ops.map(str), ops.filter(bool)))) == ["map", "filter"]
    assert list(names_of(print)) == ["builtins.builtin_function_or_method"]
