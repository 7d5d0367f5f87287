"""How an app and each of its parts feel, from facts."""

from datetime import timedelta

import msgspec
import pytest

import penstock as ps
from penstock.testing import AppUnderTest, Crash, Pause, ScriptedSource, open_test_app


class Tick(msgspec.Struct, frozen=True):
    number: int


@ps.passthrough_accumulator
def ticks(event: Tick) -> Tick:
    return event


def part(test: AppUnderTest, kind: str, name: str) -> ps.PartHealth:
    """Return the health of one part."""
    [found] = [each for each in test.app.health().parts if (each.kind, each.name) == (kind, name)]
    return found


async def test_every_part_is_listed_with_its_kind_and_state() -> None:
    source = ScriptedSource([Tick(1)])

    @ps.stream_accumulator(source)
    def feed(event: Tick) -> Tick:
        return event

    @ps.polling_accumulator(interval=5.0)
    def rate() -> float:
        return 1.0

    reactor = ps.Reactor("r", [ticks, feed, rate])
    graph = ps.ComputationGraph("g", reactor=reactor)
    graph.node(name="take", inputs={"x": "ticks"})(lambda x: x)
    async with open_test_app([graph]) as test:
        await test.settle()
        listed = [(each.kind, each.name, each.state) for each in test.app.health().parts if each.kind != "store"]

    assert listed == [
        ("domain", "r", "live"),
        ("accumulator", "ticks", "live"),
        ("source", "feed", "live"),
        ("accumulator", "rate", "live"),
        ("reactor", "r", "live"),
        ("graph", "g", "live"),
        ("part", "accumulator feed", "live"),
        ("part", "accumulator rate", "live"),
    ]


async def test_a_graph_whose_firing_waits_for_its_next_try_says_why_and_when() -> None:
    broken = True
    reactor = ps.Reactor("r", [ticks], on_error=ps.Retry(attempts=5, backoff=8.0, factor=1.0))
    graph = ps.ComputationGraph("g", reactor=reactor)

    @graph.node
    def fail(ticks: Tick) -> Tick:
        if broken:
            raise ValueError(f"not {ticks.number}")

        return ticks

    async with open_test_app([graph]) as test:
        await test.app.push(ticks, Tick(1))
        found = part(test, "graph", "g")
        assert (found.state, "not 1" in str(found.error)) == ("retrying", True)
        assert found.next_retry_at is not None
        assert timedelta(0) < found.next_retry_at - test.clock.now() <= timedelta(seconds=8)
        assert (test.app.health().status, test.app.health().ready) == ("degraded", True)
        broken = False
        await test.advance(8.0)
        assert (part(test, "graph", "g").state, test.app.health().status) == ("live", "live")


async def test_scenario_114_what_has_crashed_is_listed_as_crashed_and_leaves_the_app_ready() -> None:
    source = ScriptedSource([*(Crash() for _ in range(6)), Tick(1)])

    @ps.stream_accumulator(source)
    def feed(event: Tick) -> Tick:
        return event

    graph = ps.ComputationGraph("g", reactor=ps.Reactor("r", [feed], start_timeout="1s"))
    graph.node(name="take", inputs={"x": "feed"})(lambda x: x)
    other = ps.Reactor("other", [ticks])
    async with open_test_app([graph, other]) as test:
        await test.advance(200.0)
        health = test.app.health()
        assert (health.status, health.alive, health.ready) == ("degraded", True, True)
        assert part(test, "reactor", "r").state == part(test, "graph", "g").state == "crashed"
        assert "scripted crash" in str(part(test, "reactor", "r").error)
        gone = part(test, "part", "accumulator feed")
        assert (gone.state, gone.restarts, "scripted crash" in str(gone.error)) == ("open", 5, True)
        assert gone.next_retry_at is not None
        assert part(test, "reactor", "other").state == "live"
        assert 'penstock_part_state{kind="graph",part="g",state="crashed"} 1.0' in test.app.metrics()
        assert "penstock_ready 1.0" in test.app.metrics()
        await test.app.reset("r")
        await test.advance(100.0)  # until the crashes are forgotten
        assert (test.app.health().status, part(test, "graph", "g").state) == ("live", "live")


async def test_an_app_is_ready_when_its_reactors_have_started() -> None:
    asked = 0

    @ps.polling_accumulator(interval=5.0)
    async def rate() -> float | None:
        nonlocal asked
        asked += 1
        if asked == 1:
            await test.app.scheduler.sleep(3.0)

        return 1.0

    reactor = ps.Reactor("r", [rate])
    async with open_test_app([reactor]) as test:
        await test.settle()
        health = test.app.health()
        assert (part(test, "reactor", "r").state, health.alive, health.ready) == ("warming", True, False)
        await test.advance(4.0)
        assert test.app.health().ready

    closed = test.app.health()
    assert (closed.status, closed.alive, closed.ready) == ("closed", False, False)


async def test_a_domain_whose_cuts_fail_says_so_until_one_is_committed(store_url: str) -> None:
    reactor = ps.Reactor("r", [ticks])
    async with open_test_app([reactor], store=store_url) as test:
        test.faults.fail("cut: before commit", error=ps.WriteConflict("cut", "scripted"), times=1)
        await test.app.push(ticks, Tick(1))
        await test.advance(1.0)
        assert (part(test, "domain", "r").state, test.app.health().ready) == ("failing", True)
        assert "scripted" in str(part(test, "domain", "r").error)
        assert "scripted" in str(part(test, "reactor", "r").error)
        await test.advance(5.0)
        assert test.app.health().status == "live"


@pytest.mark.parametrize("on_error", ["keep_dirty", "dead_letter"])
async def test_outcomes_of_firings_are_counted_apart(on_error: str) -> None:
    reactor = ps.Reactor("r", [ticks], on_error="keep_dirty" if on_error == "keep_dirty" else "dead_letter")
    graph = ps.ComputationGraph("g", reactor=reactor)

    @graph.node
    def odd(ticks: Tick) -> Tick:
        if ticks.number % 2 == 0:
            raise ValueError("even")

        return ticks

    async with open_test_app([graph]) as test:
        for number in (1, 2, 3):
            await test.app.push(ticks, Tick(number))
            await test.advance(5.0 if number == 3 else 0.0)

        found = test.app.statistics().reactors["r"]
        assert (found.completed, found.failed, found.superseded, found.in_flight) == (
            (2, 0, 1, 0) if on_error == "keep_dirty" else (2, 1, 0, 0)
        )


async def test_the_age_of_each_input_is_exported() -> None:
    source = ScriptedSource([Tick(1), Pause(3.0), Tick(2)])

    @ps.stream_accumulator(source)
    def feed(event: Tick) -> Tick:
        return event

    async with open_test_app([ps.Reactor("r", [ticks, feed])]) as test:
        await test.advance(2.5)  # the cut after a second has noted the event
        assert 'penstock_input_age_seconds{input="feed",reactor="r"} 1.5' in test.app.metrics()
        assert 'input="ticks"' not in test.app.metrics()
        await test.advance(2.0)
        assert 'penstock_input_age_seconds{input="feed",reactor="r"} 0.5' in test.app.metrics()
