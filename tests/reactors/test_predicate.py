"""Criteria that are a function of the values."""

import msgspec
import pytest

from penstock.accumulators.passthrough import passthrough_accumulator
from penstock.reactors.criteria import when, when_all, when_any
from penstock.reactors.reactor import Reactor, broadcast
from penstock.runtime.errors import DefinitionError
from penstock.runtime.observe import EventDropped
from tests.reactors.world import Graph, Quote, World


@passthrough_accumulator
def alpha(event: float) -> float:
    return event


@passthrough_accumulator
def beta(event: float) -> float:
    return event


@passthrough_accumulator
def quotes(event: Quote) -> Quote:
    return event


def numbers(graph: Graph, name: str = "alpha") -> list[object]:
    return [inputs[name] for inputs in graph.inputs]


async def test_it_fires_when_the_function_says_so(store_url: str) -> None:
    graph = Graph()
    reactor = Reactor("r", [alpha], criteria=when(lambda alpha: alpha > 2.0))
    async with World(store_url, [reactor], [graph]) as world:
        world.offer("alpha", 1.0, 3.0, 2.0, 5.0)
        assert world.reactor.state().keys[None].dirty == ()

    assert numbers(graph) == [3.0, 5.0]
    assert [firing.changed for firing in graph.firings] == [{"alpha"}, {"alpha"}]


async def test_it_is_asked_when_its_criterion_holds(store_url: str) -> None:
    asked: list[tuple[float, float]] = []

    def crossed(alpha: float, beta: float) -> bool:
        asked.append((alpha, beta))
        return alpha > beta

    graph = Graph()
    reactor = Reactor("r", [alpha, beta], criteria=when(crossed, when_all(alpha, beta)))
    async with World(store_url, [reactor], [graph]) as world:
        world.offer("alpha", 1.0, 3.0)
        world.offer("beta", 2.0)
        world.offer("alpha", 1.0)
        world.offer("beta", 5.0, 0.0)

    assert asked == [(3.0, 2.0), (1.0, 5.0), (1.0, 0.0)]
    assert graph.inputs == [{"alpha": 3.0, "beta": 2.0}, {"alpha": 1.0, "beta": 0.0}]


async def test_it_is_not_asked_while_a_value_that_it_needs_is_absent(store_url: str) -> None:
    def low(alpha: float, beta: float) -> bool:
        return alpha < beta

    graph = Graph()
    async with World(store_url, [Reactor("r", [alpha, beta], criteria=when(low))], [graph]) as world:
        world.offer("alpha", 1.0)
        assert (graph.firings, world.reactor.statistics().criteria_failures) == ([], 0)
        world.offer("beta", 2.0)

    assert graph.inputs == [{"alpha": 1.0, "beta": 2.0}]


async def test_an_absent_value_is_none_or_the_default_where_that_is_accepted(store_url: str) -> None:
    def first(alpha: float, beta: float | None) -> bool:
        return beta is None

    def second(alpha: float, beta: float = 10.0) -> bool:
        return alpha < beta

    graph, other = Graph("graph", reactor="r"), Graph("other", reactor="s")
    reactors = [Reactor("r", [alpha, beta], criteria=when(first)), Reactor("s", [alpha, beta], criteria=when(second))]
    async with World(store_url, reactors, [graph, other]) as world:
        world.offer("alpha", 1.0, 11.0)
        world.offer("beta", 12.0)

    assert numbers(graph) == [1.0, 11.0]
    assert other.inputs == [{"alpha": 1.0}, {"alpha": 11.0, "beta": 12.0}]


async def test_each_key_is_judged_by_its_own_values_and_those_that_all_see(store_url: str) -> None:
    def dear(quotes: Quote, alpha: float) -> bool:
        return quotes.price > alpha

    graph = Graph()
    reactor = Reactor("r", [quotes, broadcast(alpha)], key="symbol", criteria=when(dear))
    async with World(store_url, [reactor], [graph]) as world:
        world.offer("alpha", 2.0)
        world.offer("quotes", Quote("A", 1.0), Quote("B", 3.0))
        world.offer("alpha", 0.5)
        assert [firing.key for firing in graph.firings] == ["B"]
        world.offer("quotes", Quote("A", 1.0))

    assert [firing.key for firing in graph.firings] == ["B", "A"]


async def test_values_on_which_it_fails_are_counted_told_and_kept_aside(store_url: str) -> None:
    graph = Graph()
    reactor = Reactor("r", [alpha], criteria=when(lambda alpha: 1.0 / alpha > 0.1))
    async with World(store_url, [reactor], [graph]) as world:
        world.offer("alpha", 0.0)
        assert world.reactor.statistics().criteria_failures == 1
        assert world.domain.health_of(world.reactor).state == "degraded"
        [cause] = world.domain.health_of(world.reactor).causes
        assert cause.text == "the criteria fail: ZeroDivisionError: float division by zero"
        await world.advance()
        [letter] = await world.letters()
        assert [fact.reason for fact in world.facts(EventDropped)] == ["criteria"]  # type: ignore[attr-defined]
        await world.restart()  # the values that failed do not count as new: it is not asked about them again
        assert world.reactor.statistics().criteria_failures == 0
        world.offer("alpha", 2.0)
        assert world.domain.health_of(world.reactor).state == "live"

    assert (letter.part, letter.reason) == ("r", "criteria")
    assert msgspec.json.decode(letter.payload) == {"alpha": 0.0}
    assert numbers(graph) == [2.0]


async def test_an_answer_that_is_no_bool_is_a_failure(store_url: str) -> None:
    graph = Graph()
    criteria = when(lambda alpha: alpha)  # type: ignore[arg-type,return-value]
    async with World(store_url, [Reactor("r", [alpha], criteria=criteria)], [graph]) as world:
        world.offer("alpha", 1.0)
        await world.advance()
        [letter] = await world.letters()

    assert letter.error == "TypeError: the criterion answered 1.0: write bool(…) around what it returns"
    assert graph.firings == []


async def test_a_failed_boundary_of_a_sequence_is_passed_over(store_url: str) -> None:
    graph = Graph(seconds=0.1)
    reactor = Reactor("r", [alpha], strategy="sequential", criteria=when(lambda alpha: 1.0 / alpha > 0.0))
    async with World(store_url, [reactor], [graph]) as world:
        world.offer("alpha", 1.0, 0.0, 2.0)
        await world.advance(1.0)
        assert [msgspec.json.decode(letter.payload) for letter in await world.letters()] == [{"alpha": 0.0}]

    assert numbers(graph) == [1.0, 2.0]


async def test_a_newer_value_replaces_a_failed_firing_only_if_the_function_agrees(store_url: str) -> None:
    graph = Graph()
    graph.fail(2)
    reactor = Reactor("r", [alpha], criteria=when(lambda alpha: alpha > 1.0))
    async with World(store_url, [reactor], [graph]) as world:
        world.offer("alpha", 2.0)
        await world.advance(0.6)
        world.offer("alpha", 1.0)  # no reason to fire: the failed one stays
        await world.advance(1.0)
        assert numbers(graph) == [2.0, 2.0, 2.0]
        world.offer("alpha", 3.0)

    assert numbers(graph) == [2.0, 2.0, 2.0, 3.0]


def problems(function: object, *inputs: object) -> tuple[str, ...]:
    with pytest.raises(DefinitionError) as caught:
        Reactor("r", inputs or [alpha, quotes], criteria=when(function))  # type: ignore[arg-type]

    return caught.value.problems


def test_its_parameters_are_inputs_of_the_declared_types() -> None:
    def wrong(alfa: float, quotes: int) -> bool:
        return alfa > quotes

    assert problems(wrong) == (
        "reactor 'r': the criteria name 'alfa', which is not an input: did you mean 'alpha'?",
        "reactor 'r': the criterion 'wrong' wants 'quotes' as int, but its values are of type Quote",
    )


@pytest.mark.parametrize("annotation", [float, object, float | str | None, "Quote | float", complex | float])
def test_a_parameter_may_accept_more_than_its_input_gives(annotation: object) -> None:
    def fine(alpha: object) -> bool:
        return bool(alpha)

    fine.__annotations__["alpha"] = annotation
    assert Reactor("r", [alpha], criteria=when(fine)).criteria.predicate is not None


def test_it_must_not_wait_and_must_look_at_something() -> None:
    async def waits(alpha: float) -> bool:
        return alpha > 0

    assert "is async" in problems(waits)[0]
    assert "no parameters" in problems(lambda: True)[0]


def test_its_criterion_is_kept() -> None:
    criterion = when(lambda alpha: alpha > 0.0, when_any(alpha))
    assert (criterion.kind, criterion.names) == ("any", ("alpha",))
