"""Polls and sources."""

import anyio

from penstock.accumulators.polling import polling_accumulator
from penstock.accumulators.stream import stream_accumulator
from penstock.reactors.reactor import Reactor
from penstock.runtime.observe import PartRestarted
from penstock.testing.crash import Crash
from penstock.testing.source import End, ScriptedSource
from tests.reactors.world import Graph, Quote, World


class Asked:
    """Answers a list, one answer a poll; an exception is raised."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.polls = 0

    def __call__(self) -> float | None:
        self.polls += 1
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            raise answer

        return answer  # type: ignore[return-value]


def polled(asked: Asked, interval: float = 1.0, **options: bool) -> Reactor:
    @polling_accumulator(interval, **options)
    def rate() -> float | None:
        return asked()

    return Reactor("r", [rate])


async def test_scenario_36_a_poll_is_made_at_once_and_then_at_every_interval(store_url: str) -> None:
    asked, graph = Asked(1.0, None, 2.0), Graph()
    async with World(store_url, [polled(asked)], [graph]) as world:
        await world.advance()
        assert asked.polls == 1
        await world.advance(2.5)
        assert asked.polls == 3
        assert world.accumulator("rate").statistics().filtered == 1
        assert world.accumulator("rate").statistics().health == "live"

    assert graph.inputs == [{"rate": 1.0}, {"rate": 2.0}]


async def test_scenario_37_after_a_restart_the_last_answer_is_in_the_cache_without_firing(store_url: str) -> None:
    graph = Graph()
    async with World(store_url, [polled(Asked(1.0))], [graph]) as world:
        await world.advance(0.5)
        await world.restart(crash=False)
        await world.advance()
        assert len(graph.firings) == 1
        world.reactor.fire()

    assert graph.inputs[-1] == {"rate": 1.0}


async def test_scenario_38_ticks_that_are_missed_during_a_slow_poll_are_skipped(store_url: str) -> None:
    begun: list[float] = []

    @polling_accumulator(1.0)
    async def slow() -> float | None:
        begun.append(world.clock.monotonic())
        await world.scheduler.sleep(2.5)
        return 1.0

    async with World(store_url, [Reactor("r", [slow])], [Graph()]) as world:
        await world.advance(7.0)

    assert begun == [0.0, 3.0, 6.0]


async def test_scenario_39_a_poll_that_raises_shows_its_error_backs_off_and_comes_back(store_url: str) -> None:
    asked = Asked(*(ValueError("no answer"),) * 3, 5.0)
    async with World(store_url, [polled(asked, 0.1)], [Graph()]) as world:
        await world.advance()
        statistics = world.accumulator("rate").statistics()
        assert (statistics.health, statistics.error) == ("disconnected", "ValueError: no answer")
        assert statistics.next_retry_at is not None
        assert 0.8 <= (statistics.next_retry_at - world.clock.now()).total_seconds() <= 1.0
        await world.advance(0.5)
        assert asked.polls == 1
        await world.advance(10.0)
        statistics = world.accumulator("rate").statistics()
        assert (statistics.health, statistics.error, statistics.next_retry_at) == ("live", None, None)

    assert len(world.facts(PartRestarted)) == 3


async def test_a_poll_that_has_not_answered_yet_is_connecting(store_url: str) -> None:
    @polling_accumulator(1.0)
    async def slow() -> float | None:
        await world.scheduler.sleep(2.0)
        return 1.0

    async with World(store_url, [Reactor("r", [slow])], [Graph()]) as world:
        await world.advance()
        assert world.accumulator("slow").statistics().health == "connecting"
        await world.advance(2.0)
        assert world.accumulator("slow").statistics().health == "live"


async def test_scenario_40_a_mapping_may_be_pushed_into_a_polling_accumulator(store_url: str) -> None:
    @polling_accumulator(1.0)
    def quote() -> Quote | None:
        return found[0] if found else None

    found: list[Quote] = []
    graph = Graph()
    async with World(store_url, [Reactor("r", [quote])], [graph]) as world:
        await world.advance()
        await world.accumulator("quote").push({"symbol": "A", "price": 1})

    assert graph.inputs == [{"quote": Quote("A", 1.0)}]


async def test_a_value_may_be_pushed_into_a_polling_accumulator(store_url: str) -> None:
    graph = Graph()
    async with World(store_url, [polled(Asked())], [graph]) as world:
        await world.advance()
        await world.accumulator("rate").push(b"7.5")

    assert graph.inputs == [{"rate": 7.5}]


async def test_a_durable_answer_is_journalled_before_it_is_applied(store_url: str) -> None:
    graph = Graph()
    async with World(store_url, [polled(Asked(1.0), durable=True)], [graph], checkpoint_interval=100.0) as world:
        await world.advance(0.5)
        await world.restart()
        await world.advance(0.5)

    assert graph.inputs == [{"rate": 1.0}, {"rate": 1.0}]


async def test_polls_are_skipped_while_the_outbox_is_full(store_url: str) -> None:
    asked = Asked(*map(float, range(100)))
    async with World(store_url, [polled(asked)], [Graph()], checkpoint_interval=100.0) as world:
        await world.advance()
        world.domain.gate.close()
        await world.advance(3.5)
        assert (asked.polls, world.accumulator("rate").statistics().refused) == (1, 3)
        world.domain.gate.open()
        await world.advance(1.0)
        assert asked.polls == 2


async def test_a_source_that_ends_is_ended_and_one_that_crashes_starts_again(store_url: str) -> None:
    source = ScriptedSource([1.0, Crash("cable"), 2.0, End()])

    @stream_accumulator(source)
    def lines(event: float) -> float:
        return event

    graph = Graph()
    async with World(store_url, [Reactor("r", [lines])], [graph]) as world:
        await world.advance(0.1)
        statistics = world.accumulator("lines").statistics()
        assert (statistics.health, statistics.error) == ("disconnected", "Crash: cable")
        await world.advance(2.0)
        assert world.accumulator("lines").statistics().health == "ended"

    assert graph.inputs == [{"lines": 1.0}, {"lines": 2.0}]
    assert source.starts == 2


async def test_a_source_waits_while_the_outbox_is_full(store_url: str) -> None:
    source = ScriptedSource(map(float, range(10)))

    @stream_accumulator(source)
    def lines(event: float) -> float:
        return event

    async with World(store_url, [Reactor("r", [lines])], [Graph()]) as world:
        world.domain.gate.close()
        await world.advance(0.1)
        before = len(source.consumed)
        await world.advance(0.1)
        assert len(source.consumed) == before < 10
        world.domain.gate.open()
        await world.advance()
        assert len(source.consumed) == 10


async def test_other_tasks_have_their_turn_beside_a_source_that_never_waits(store_url: str) -> None:
    class Flood:
        name = "flood"

        async def run(self, intake: object, positions: object) -> None:
            while len(turns) < 5:
                if not intake.accept(1.0):  # type: ignore[attr-defined]
                    await intake.ready()  # type: ignore[attr-defined]

    turns: list[int] = []

    @stream_accumulator(Flood())
    def lines(event: float) -> float:
        return event

    async with World(store_url, [Reactor("r", [lines])], [Graph()]) as world:
        for turn in range(5):
            turns.append(turn)
            await anyio.lowlevel.checkpoint()

        await world.advance()
        assert world.accumulator("lines").statistics().health == "ended"
