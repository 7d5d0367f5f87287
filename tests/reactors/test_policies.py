"""When a failed firing is tried again, and what of it is refused."""

import pytest

from penstock.accumulators.passthrough import passthrough_accumulator
from penstock.reactors.criteria import when_all
from penstock.reactors.policies import Retry
from penstock.reactors.reactor import Reactor, broadcast
from penstock.runtime.errors import DefinitionError
from tests.reactors.world import Graph, World


@passthrough_accumulator
def alpha(event: float) -> float:
    return event


@passthrough_accumulator
def beta(event: float) -> float:
    return event


def test_delays_grow_up_to_the_most() -> None:
    retry = Retry(attempts=9, backoff="100ms", factor=3.0, max_backoff=2.0)
    assert [round(retry.delay(attempts), 3) for attempts in (1, 2, 3, 4, 5, 5000)] == [0.1, 0.3, 0.9, 2.0, 2.0, 2.0]
    assert repr(retry) == "Retry(attempts=9, backoff='100ms', factor=3.0, max_backoff='2s')"


def test_a_factor_that_overflows_is_the_most_as_well() -> None:
    assert Retry(attempts=5000, factor=1e10).delay(4000) == 60.0


def test_all_that_is_wrong_is_named() -> None:
    with pytest.raises(DefinitionError) as caught:
        Retry(attempts=0, backoff="soon", factor=0.5, max_backoff=-1.0)

    assert [problem.partition(" ")[2].partition("=")[0] for problem in caught.value.problems[2:]] == [
        "attempts",
        "factor",
    ]
    assert "Retry(backoff=…): 'soon' is not a duration" in caught.value.problems[0]
    assert "Retry(max_backoff=…)" in caught.value.problems[1]
    with pytest.raises(DefinitionError, match="must not be shorter than backoff"):
        Retry(backoff=10.0, max_backoff=5.0)


def test_the_default_depends_on_the_strategy() -> None:
    assert Reactor("r", [alpha]).on_error == "keep_dirty"
    assert Reactor("r", [alpha], strategy="sequential").on_error == "dead_letter"
    assert Reactor("r", [alpha], on_error=Retry(attempts=2)).on_error == "retry"


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"strategy": "sequential", "on_error": "keep_dirty"}, "use 'retry', which makes the key wait"),
        ({"strategy": "sequential", "queue_limit": 0}, "queue_limit=0 must be a whole number of at least 1"),
        ({"strategy": "sequential", "overflow": "spill"}, "overflow='spill' is none of 'block'"),
        ({"queue_limit": 5}, "queue_limit= is about the queue of strategy='sequential'"),
        ({"overflow": "block"}, "overflow= is about the queue of strategy='sequential'"),
        ({"strategy": "oldest"}, "strategy='oldest' is neither 'latest' nor 'sequential'"),
        (
            {"strategy": "sequential", "key": hash, "criteria": when_all(beta)},
            "the criteria name 'beta', which is broadcast",
        ),
    ],
)
def test_what_cannot_work_is_refused_with_the_fix(options: dict[str, object], problem: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        Reactor("r", [alpha, broadcast(beta)], **options)  # type: ignore[arg-type]

    assert len(caught.value.problems) == 1
    assert problem in caught.value.problems[0]


async def test_scenario_65_a_failed_firing_is_tried_again_without_a_new_event(store_url: str) -> None:
    graph = Graph(effect=lambda firing: str(firing.inputs["alpha"]))
    graph.fail(2)
    async with World(store_url, [Reactor("r", [alpha])], [graph]) as world:
        world.offer("alpha", 1.0)
        await world.advance(1.6)
        assert await world.effects() == ["1.0"]

    assert [round(firing.moment, 3) for firing in graph.firings] == [0.0, 0.0, 0.0]  # one firing, tried three times


async def test_a_newer_value_waits_for_a_firing_that_is_tried_again(store_url: str) -> None:
    graph = Graph()
    graph.fail(2)
    reactor = Reactor("r", [alpha], on_error=Retry(attempts=3, backoff=2.0))
    async with World(store_url, [reactor], [graph]) as world:
        world.offer("alpha", 1.0)
        await world.advance(1.0)
        world.offer("alpha", 2.0, 3.0)
        await world.advance(10.0)
        assert world.reactor.statistics().superseded == 0

    assert [firing.inputs["alpha"] for firing in graph.firings] == [1.0, 1.0, 1.0, 3.0]


async def test_attempts_survive_a_restart(store_url: str) -> None:
    graph = Graph()
    graph.fail(99)
    reactor = Reactor("r", [alpha], on_error=Retry(attempts=3, backoff=10.0))
    async with World(store_url, [reactor], [graph]) as world:
        world.offer("alpha", 1.0)
        await world.advance(11.0)
        await world.restart()
        await world.advance(11.0)
        assert [letter.reason for letter in await world.letters()] == ["firing"]

    assert len(graph.firings) == 3
