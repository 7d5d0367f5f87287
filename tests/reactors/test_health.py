"""How a reactor feels: independent causes, and what becomes of parts that crash."""

import asyncio
from collections.abc import Mapping

import pytest

from penstock.accumulators.passthrough import passthrough_accumulator
from penstock.accumulators.source import Intake, Position
from penstock.accumulators.stream import stream_accumulator
from penstock.reactors.reactor import Reactor
from penstock.runtime.errors import AppError, WriteConflict
from penstock.runtime.observe import CircuitChanged, PartRestarted
from penstock.testing.source import ScriptedSource
from tests.reactors.world import Graph, World


@passthrough_accumulator
def alpha(event: int) -> int:
    return event


class Crashing:
    """A source that crashes some times before it gives its events."""

    def __init__(self, name: str, crashes: int, events: int = 0) -> None:
        self.name = name
        self.crashes = crashes
        self.events = events
        self.runs = 0

    async def run(self, intake: Intake, positions: Mapping[str, Position]) -> None:
        self.runs += 1
        if self.runs <= self.crashes:
            raise AppError(f"crash {self.runs}")

        begin = int(positions.get("", -1)) + 1
        for number in range(begin, self.events):
            intake.accept(number, number)

        await asyncio.Event().wait()


def reactor_of(*sources: Crashing, name: str = "r", start_timeout: float = 0.1) -> Reactor:
    accumulators = []
    for source in sources:

        @stream_accumulator(source, name=source.name)
        def events(event: int) -> int:
            return event

        accumulators.append(events)

    return Reactor(name, [*accumulators, alpha], start_timeout=start_timeout)


def state(world: World) -> str:
    return world.domain.health_of(world.reactor).state


def causes(world: World) -> list[str]:
    return [cause.kind for cause in world.domain.health_of(world.reactor).causes]


async def test_scenario_79_a_source_that_crashes_is_restarted_alone_and_loses_nothing(store_url: str) -> None:
    source, graph = Crashing("events", 1, events=3), Graph()
    async with World(store_url, [reactor_of(source)], [graph]) as world:
        await world.advance(0.2)
        assert state(world) == "degraded"
        assert causes(world) == ["part", "source", "start"]
        world.offer("alpha", 7)
        assert graph.inputs == [{"alpha": 7}]
        await world.advance(2.0)
        assert state(world) == "live"
        facts = world.reactor.parts[-1].facts()
        assert (facts.name, facts.restarts) == ("accumulator events", 1)

    assert [inputs.get("events") for inputs in graph.inputs] == [None, 0, 1, 2]
    assert [inputs["alpha"] for inputs in graph.inputs] == [7, 7, 7, 7]


async def test_scenario_80_health_answers_during_a_back_off(store_url: str) -> None:
    async with World(store_url, [reactor_of(Crashing("events", 5))], [Graph()]) as world:
        await world.advance(2.2)
        moment = world.clock.monotonic()
        health = world.domain.health_of(world.reactor)
        assert world.clock.monotonic() == moment
        assert [cause.text for cause in health.causes] == [
            "accumulator events has crashed: AppError: crash 2",
            "source events is disconnected: AppError: crash 2",
            "started without events",
        ]


async def test_scenario_81_restarts_of_many_parts_overlap(store_url: str) -> None:
    sources = [Crashing(f"events{number}", 1, events=1) for number in range(10)]
    graph = Graph()
    async with World(store_url, [reactor_of(*sources, start_timeout=5.0)], [graph]) as world:
        await world.advance(1.0)
        assert state(world) == "live"
        delays = [fact.delay for fact in world.facts(PartRestarted)]  # type: ignore[attr-defined]

    assert len(delays) == 10
    assert max(delays) <= 1.0
    assert graph.inputs[-1] == {f"events{number}": 0 for number in range(10)}


async def test_scenario_82_a_part_that_is_given_up_shows_until_a_trial_succeeds(store_url: str) -> None:
    source = Crashing("events", 7)
    async with World(store_url, [reactor_of(source)], [Graph()]) as world:
        seen = set()
        for _ in range(400):
            await world.advance(1.0)
            seen.add(state(world))

        assert seen == {"degraded", "crashed"}
        assert source.runs == 7  # six in a row, then one trial after the long rest
        world.reactor.parts[-1].reset()  # an operator
        await world.advance()
        assert (source.runs, state(world)) == (8, "live")
        assert [fact.state for fact in world.facts(CircuitChanged)] == [  # type: ignore[attr-defined]
            "open",
            "half_open",
            "open",
            "closed",
        ]


async def test_scenario_82_a_trial_that_lives_long_enough_closes_the_circuit(store_url: str) -> None:
    source = Crashing("events", 6)
    async with World(store_url, [reactor_of(source)], [Graph()]) as world:
        await world.advance(100.0)
        assert state(world) == "crashed"
        await world.advance(270.0)
        assert (source.runs, state(world)) == (7, "crashed")
        await world.advance(60.0)
        assert state(world) == "live"


async def test_scenario_83_a_store_that_fails_shows_until_a_cut_commits(store_url: str) -> None:
    graph = Graph()
    async with World(store_url, [Reactor("r", [alpha])], [graph]) as world:
        world.faults.fail("cut: before commit", error=WriteConflict("cut", "scripted"), times=5)
        world.offer("alpha", 1)
        for _ in range(5):
            await world.advance(1.0)
            assert (state(world), causes(world)) == ("degraded", ["store"])

        await world.advance(1.0)
        assert (state(world), causes(world)) == ("live", [])


async def test_scenario_83_no_cause_hides_another(store_url: str) -> None:
    source = Crashing("events", 5)
    async with World(store_url, [reactor_of(source)], [Graph()]) as world:
        world.faults.fail("cut: before commit", error=WriteConflict("cut", "scripted"), times=2)
        world.offer("alpha", 1)
        world.reactor.pause()
        await world.advance(1.0)
        assert causes(world) == ["part", "source", "store", "start", "paused"]
        await world.advance(1.5)
        assert causes(world) == ["part", "source", "start", "paused"]
        world.reactor.resume()
        assert (state(world), causes(world)) == ("degraded", ["part", "source", "start"])
        await world.advance(200.0)
        assert (state(world), causes(world)) == ("live", [])


@pytest.mark.parametrize("strategy", ["latest", "sequential"])
async def test_a_pause_is_no_trouble_and_a_full_queue_is(store_url: str, strategy: str) -> None:
    options = {"queue_limit": 2} if strategy == "sequential" else {}
    reactor = Reactor("r", [alpha], strategy=strategy, **options)  # type: ignore[arg-type]
    async with World(store_url, [reactor], [Graph()]) as world:
        assert state(world) == "live"
        world.reactor.pause()
        assert state(world) == "paused"
        world.offer("alpha", 1, 2)
        expected = ("degraded", ["queue", "paused"]) if strategy == "sequential" else ("paused", ["paused"])
        assert (state(world), causes(world)) == expected


async def test_scenario_84_the_sequence_goes_on_after_a_restart(store_url: str) -> None:
    seen: list[int] = []
    async with World(store_url, [Reactor("r", [alpha])], [Graph()]) as world:
        world.offer("alpha", 1, 2, 3, 4, 5)
        await world.flush()
        await world.restart()
        world.accumulator("alpha").listen(lambda boundary: seen.append(boundary.sequence))
        world.offer("alpha", 6)

    assert seen == [6]


@pytest.mark.parametrize("crash", [True, False])
async def test_scenario_85_what_a_source_gives_again_after_a_restart_is_asked_behind_the_position(
    store_url: str, *, crash: bool
) -> None:
    source = ScriptedSource(range(20))

    @stream_accumulator(source)
    def events(event: int) -> int:
        return event

    graph = Graph(effect=lambda firing: str(firing.inputs["events"]), seconds=0.3)
    async with World(store_url, [Reactor("r", [events], strategy="sequential")], [graph]) as world:
        for _ in range(5):
            await world.advance(0.7)
            await world.restart(crash=crash)

        await world.advance(20.0)
        assert await world.effects() == [str(number) for number in range(20)]
