"""Loading, unloading and replacing parts of an open app: nothing is lost, refused half-way, or left behind."""

import asyncio
from collections.abc import Callable

import msgspec
import pytest

import penstock as ps
from penstock.runtime.scheduler import Scheduler
from penstock.testing import AppUnderTest, ScriptedSource, open_test_app
from tests.databases import Stores, rows


class Tick(msgspec.Struct, frozen=True):
    number: int


class Note(msgspec.Struct):
    number: int
    by: str


noted = ps.Workflow("noted", input=Note)


@noted.task
def keep() -> None:
    """End at once: the run is the trace of an event."""


def reactor(name: str = "ticker", *, criteria: ps.Criterion | None = None, strategy: str = "latest") -> ps.Reactor:
    """Declare a reactor as a module does that is read again: new objects, the same text."""

    @ps.passthrough_accumulator(name=f"{name}_ticks", durable=True)
    def ticks(event: Tick) -> Tick:
        return event

    order = "sequential" if strategy == "sequential" else "latest"
    return ps.Reactor(name, [ticks], criteria=criteria, strategy=order)


def graph(
    on: ps.Reactor, by: str, *, name: str = "graph", wait: Callable[[], object] | None = None
) -> ps.ComputationGraph:
    """Declare a graph that starts a run for each firing; by whom tells its version."""
    made = ps.ComputationGraph(name, reactor=on)
    [source] = on.accumulators

    if wait is None:

        @made.node(inputs={"tick": source}, starts=noted)
        def note(tick: Tick) -> Note:
            return Note(tick.number, by)

    else:

        @made.node(inputs={"tick": source}, starts=noted)
        async def note_later(tick: Tick) -> Note:
            result = wait()
            if asyncio.isfuture(result) or asyncio.iscoroutine(result):
                await result

            return Note(tick.number, by)

    return made


async def push(test: AppUnderTest, *numbers: int, name: str = "ticker") -> None:
    for number in numbers:
        await test.app.push(f"{name}_ticks", Tick(number))


async def notes(test: AppUnderTest) -> list[tuple[int, str]]:
    """Return which version of the graph has handled which event, in the order of the runs."""
    await test.settle()
    runs = [run async for run in test.app.runs("noted")]
    inputs = [msgspec.convert(run.input, Note) for run in reversed(runs)]
    return [(note.number, note.by) for note in inputs]


def sleeper(scheduler: Callable[[], Scheduler], seconds: float) -> Callable[[], object]:
    return lambda: scheduler().sleep(seconds)


# -- load ------------------------------------------------------------------------------------------------------


async def test_scenario_87_what_is_loaded_takes_events_until_it_is_unloaded(store_url: str) -> None:
    ticker = reactor()
    loaded = graph(ticker, "first")
    async with open_test_app([], store=store_url) as test:
        with pytest.raises(ps.AppError, match="no accumulator 'ticker_ticks'"):
            await push(test, 0)

        assert await test.app.load(loaded)
        await push(test, 1)
        assert await test.app.fire("ticker") == "ticker:1-2"
        assert await notes(test) == [(1, "first"), (1, "first")]
        assert await test.app.unload(loaded, ticker) == 0
        with pytest.raises(ps.AppError, match="no accumulator 'ticker_ticks'"):
            await push(test, 2)

        assert (test.app.graphs, test.app.reactors, test.app.accumulators) == ({}, {}, {})
        assert [part.kind for part in test.app.health().parts] == ["store"]
        assert test.app.statistics().domains == {}


async def test_what_is_loaded_again_goes_on_with_what_the_store_holds(store_url: str) -> None:
    ticker = reactor()
    async with open_test_app([], store=store_url) as test:
        await test.app.load(graph(ticker, "first"))
        await push(test, 1)
        await test.app.pause("ticker")
        await push(test, 2)
        await test.app.unload("graph", "ticker")
        again = reactor()
        await test.app.load(graph(again, "again"))
        assert test.app.state("ticker").values == {None: {"ticker_ticks": Tick(2)}}
        assert await notes(test) == [(1, "first"), (2, "again")]
        assert await test.app.fire(again) == "ticker:2-2"

    assert rows(store_url, "SELECT domain, epoch FROM domains") == [("ticker", 2)]


async def test_a_loaded_part_stays_in_the_app_when_it_is_opened_again(store_url: str) -> None:
    app = ps.App(store_url, [])
    ticker = reactor()
    async with app:
        await app.load(graph(ticker, "first"))

    async with app:
        assert list(app.graphs) == ["graph"]
        await app.push("ticker_ticks", Tick(1))
        await app.wait_idle()
        assert [run.input async for run in app.runs("noted")] == [{"number": 1, "by": "first"}]


async def test_loading_what_runs_changes_nothing() -> None:
    ticker = reactor()
    first = graph(ticker, "first")
    async with open_test_app([first]) as test:
        assert not await test.app.load(first)
        assert not await test.app.load(ticker)
        assert await test.app.load(noted) is False
        assert await test.app.replace(first) == 0


async def test_a_source_that_is_loaded_is_read() -> None:
    source = ScriptedSource([Tick(1), Tick(2)])

    @ps.stream_accumulator(source)
    def feed(event: Tick) -> Tick:
        return event

    fed = ps.Reactor("fed", [feed])
    async with open_test_app([]) as test:
        await test.app.load(graph(fed, "first"))
        assert (2, "first") in await notes(test)
        assert test.app.health().status == "live"
        await test.app.unload("graph", "fed")
        source.extend([Tick(3)])
        await test.advance(5.0)
        assert source.consumed == [Tick(1), Tick(2)]


async def test_scenario_92_a_graph_is_loaded_for_a_reactor_that_runs_and_unloaded_from_it(store_url: str) -> None:
    ticker = reactor()
    async with open_test_app([ticker], store=store_url) as test:
        await push(test, 1)
        bound = graph(ticker, "first")
        assert await test.app.load(bound)
        await push(test, 2)
        with pytest.raises(ps.ChangeRefused, match="reactor 'ticker' has graphs: unload 'graph' as well") as caught:
            await test.app.unload(ticker)

        assert (caught.value.part, caught.value.reason) == ("ticker", "in_use")
        await push(test, 3)
        await test.app.unload(bound)
        await push(test, 4)
        assert await notes(test) == [(2, "first"), (3, "first")]
        assert test.app.state(ticker).values == {None: {"ticker_ticks": Tick(4)}}
        assert test.app.statistics().reactors["ticker"].firings == 4


async def test_scenario_88_two_graphs_on_one_reactor_both_run_on_each_firing() -> None:
    ticker = reactor()
    async with open_test_app([graph(ticker, "one", name="one")]) as test:
        await push(test, 1)
        await test.app.load(graph(ticker, "two", name="two"))
        await push(test, 2)
        assert sorted(await notes(test)) == [(1, "one"), (2, "one"), (2, "two")]


async def test_scenario_89_graphs_of_one_firing_run_side_by_side() -> None:
    ticker = reactor()
    async with open_test_app([ticker]) as test:
        for name, seconds in (("slow", 0.18), ("fast", 0.05)):
            await test.app.load(graph(ticker, name, name=name, wait=sleeper(lambda: test.app.scheduler, seconds)))

        await push(test, 1)
        await test.advance(0.1)
        assert await notes(test) == [(1, "fast")]
        await test.advance(0.1)
        assert await notes(test) == [(1, "fast"), (1, "slow")]


async def test_scenario_90_what_becomes_of_one_graph_leaves_the_other_alone() -> None:
    ticker = reactor()
    broken = ps.ComputationGraph("broken", reactor=ticker)

    @broken.node
    def fail(ticker_ticks: Tick) -> Tick:
        raise ValueError(f"not {ticker_ticks.number}")

    async with open_test_app([graph(ticker, "good")]) as test:
        await test.app.load(broken)
        await push(test, 1)
        assert await notes(test) == [(1, "good")]
        assert (
            'penstock_firings_failed_total{graph="broken",outcome="retry",reactor="ticker"} 1.0' in test.app.metrics()
        )
        await test.app.unload(broken)
        await test.settle()
        [letter] = [letter async for letter in test.app.dead_letters()]
        assert (letter.part, "not 1" in letter.error) == ("broken", True)
        await test.advance(60.0)
        [fired] = await test.app.history(ticker)
        assert fired.results == {"graph": None}


# -- what is refused -------------------------------------------------------------------------------------------


async def test_scenario_91_a_reactor_with_other_criteria_is_refused() -> None:
    ticker = reactor()
    async with open_test_app([graph(ticker, "first")]) as test:
        other = reactor(criteria=ps.when_all(*ticker.accumulators.values()))
        for change in (test.app.load(graph(other, "second", name="more")), test.app.replace(graph(other, "second"))):
            with pytest.raises(ps.ChangeRefused, match="the reaction criteria differ") as caught:
                await change

            assert (caught.value.part, caught.value.reason) == ("ticker", "contract")

        await push(test, 1)
        assert await notes(test) == [(1, "first")]


async def test_scenario_29_another_graph_under_a_loaded_name_has_to_replace_it() -> None:
    ticker = reactor()
    async with open_test_app([graph(ticker, "first")]) as test:
        with pytest.raises(ps.ChangeRefused, match=r"'graph' is loaded: `await app\.replace") as caught:
            await test.app.load(graph(ticker, "second"))

        assert caught.value.reason == "loaded"
        with pytest.raises(ps.ChangeRefused, match="no graph 'other' is loaded") as caught:
            await test.app.replace(graph(ticker, "second", name="other"))

        assert caught.value.reason == "unknown"


async def test_scenario_94_a_name_that_is_claimed_is_refused_and_nothing_is_left(store_url: str) -> None:
    ticker = reactor()

    @ps.passthrough_accumulator(name="ticker_ticks")
    def other_ticks(event: float) -> float:
        return event

    @ps.passthrough_accumulator
    def more(event: float) -> float:
        return event

    thief = ps.ComputationGraph("thief", reactor=ps.Reactor("stolen", [more, other_ticks]))
    thief.node(name="take", inputs={"x": "more"})(lambda x: x)
    async with open_test_app([graph(ticker, "first")], store=store_url) as test:
        before = (dict(test.app.graphs), dict(test.app.reactors), dict(test.app.accumulators))
        with pytest.raises(
            ps.ChangeRefused, match="'ticker_ticks' is claimed: the app runs another accumulator"
        ) as caught:
            await test.app.load(thief)

        assert caught.value.reason == "claimed"
        named = ps.Reactor("ticker_ticks", [more])
        with pytest.raises(ps.ChangeRefused, match="both called 'ticker_ticks'"):
            await test.app.load(named)

        assert (dict(test.app.graphs), dict(test.app.reactors), dict(test.app.accumulators)) == before
        await push(test, 1)
        assert await notes(test) == [(1, "first")]

    assert rows(store_url, "SELECT domain FROM domains") == [("ticker",)]


async def test_scenario_93_tenants_have_stores_of_their_own_and_may_use_the_same_names(new_stores: Stores) -> None:
    stores = {"acme": new_stores.new(), "zeta": new_stores.new()}
    async with open_test_app([], store=stores["acme"]) as acme, open_test_app([], store=stores["zeta"]) as zeta:
        for test, by in ((acme, "acme"), (zeta, "zeta")):
            await test.app.load(graph(reactor(), by))

        await push(acme, 1, 2)
        await push(zeta, 9)
        assert await notes(acme) == [(1, "acme"), (2, "acme")]
        assert await notes(zeta) == [(9, "zeta")]

    for by, newest in (("acme", 2), ("zeta", 9)):
        async with open_test_app([graph(reactor(), by)], store=stores[by]) as test:
            assert test.app.state("ticker").values == {None: {"ticker_ticks": Tick(newest)}}


async def test_domains_that_run_are_neither_joined_nor_extended() -> None:
    one, two = reactor("one"), reactor("two")
    accumulators = [*one.accumulators.values(), *two.accumulators.values()]

    @ps.passthrough_accumulator
    def fresh(event: Tick) -> Tick:
        return event

    async with open_test_app([one, two]) as test:
        with pytest.raises(ps.ChangeRefused, match="'one' and 'two' run apart, and would become one") as caught:
            await test.app.load(ps.Reactor("both", accumulators))

        assert caught.value.reason == "merges"
        with pytest.raises(ps.ChangeRefused, match="'both', 'fresh' would extend domain 'one'"):
            await test.app.load(ps.Reactor("both", [accumulators[0], fresh]))

        writer = ps.ComputationGraph("writer", reactor=one)

        @writer.node(emits=accumulators[1])
        def write(one_ticks: Tick) -> Tick:
            return one_ticks

        with pytest.raises(ps.ChangeRefused, match="'one' and 'two' run apart"):
            await test.app.load(writer)

        assert sorted(test.app.reactors) == ["one", "two"]


async def test_a_graph_with_problems_changes_nothing() -> None:
    ticker = reactor()
    async with open_test_app([graph(ticker, "first")]) as test:
        wrong = ps.ComputationGraph("graph", reactor=ticker)

        @wrong.node
        def note(tick: Tick) -> Tick:
            return tick

        with pytest.raises(ps.DefinitionError, match="tick"):
            await test.app.replace(wrong)

        await push(test, 1)
        assert await notes(test) == [(1, "first")]


async def test_state_that_does_not_fit_is_refused_and_the_app_goes_on(store_url: str) -> None:
    async with open_test_app([], store=store_url) as test:
        await test.app.load(graph(reactor(), "first"))
        await push(test, 1)
        await test.app.unload("graph", "ticker")

        @ps.passthrough_accumulator(name="ticker_ticks", durable=True)
        def ticks(event: float) -> float:
            return event

        with pytest.raises(ps.StateIncompatible):
            await test.app.load(ps.Reactor("ticker", [ticks]))

        assert (test.app.reactors, test.app.statistics().domains) == ({}, {})
        await test.app.load(graph(reactor(), "second"))
        await push(test, 2)
        assert await notes(test) == [(1, "first"), (2, "second")]


async def test_graphs_that_tasks_invoke_are_kept() -> None:
    scoring = ps.ComputationGraph("scoring", inputs={"x": float})
    scoring.node(name="score")(lambda x: x)
    work = ps.Workflow("work")

    @work.task(produces=("x",))
    def fetch(context: ps.Context) -> None:
        context["x"] = 1.0

    @work.task(dependencies=[fetch], invokes=scoring)
    def rate(context: ps.Context) -> None:
        """Let the graph do it."""

    async with open_test_app([work]) as test:
        with pytest.raises(ps.ChangeRefused, match="tasks of workflow 'work' invoke graph 'scoring'"):
            await test.app.unload(scoring)

        with pytest.raises(ps.ChangeRefused, match="has no reactor"):
            await test.app.replace(scoring)


async def test_reactors_that_share_a_domain_leave_together() -> None:
    one = reactor("one")
    two = ps.Reactor("two", list(one.accumulators.values()))
    async with open_test_app([one, two]) as test:
        with pytest.raises(ps.ChangeRefused, match="shares domain 'one' with 'two': unload them together"):
            await test.app.unload(one)

        await test.app.unload(one, "two")
        assert test.app.statistics().domains == {}


async def test_an_app_that_stops_is_not_changed() -> None:
    ticker = reactor()
    async with open_test_app([graph(ticker, "first")]) as test:
        changes = test.app._open.changes
        await changes.close()
        with pytest.raises(ps.ChangeRefused, match="the app is stopping") as caught:
            await test.app.unload("graph")

        assert caught.value.reason == "stopping"
        for change in (test.app.load(reactor("more")), test.app.replace(graph(ticker, "second"))):
            with pytest.raises(ps.ChangeRefused, match="the app is stopping"):
                await change


# -- replace and unload ----------------------------------------------------------------------------------------


async def test_scenario_95_a_replaced_graph_ends_what_it_runs_and_the_reactor_keeps_all_it_has(store_url: str) -> None:
    ticker = reactor(strategy="sequential")
    async with open_test_app(
        [graph(ticker, "old", wait=sleeper(lambda: test.app.scheduler, 5.0))], store=store_url
    ) as test:
        await push(test, 1, 2, 3)
        await test.settle()
        twin = reactor(strategy="sequential")  # the module was read again
        change = asyncio.ensure_future(test.app.replace(graph(twin, "new")))
        await test.settle()
        await push(test, 4)
        assert not change.done()
        state = test.app.state("ticker")
        assert (state.keys[None].firing, state.queued) == ("ticker:1-1", 3)
        await test.advance(5.0)
        assert await change == 0
        assert await notes(test) == [(1, "old"), (2, "new"), (3, "new"), (4, "new")]


async def test_scenario_86_a_graph_that_runs_too_long_is_cancelled_after_the_grace_period(store_url: str) -> None:
    ticker = reactor()
    before = asyncio.all_tasks()
    async with open_test_app([], store=store_url) as test:
        idle = asyncio.all_tasks()
        await test.app.load(graph(ticker, "slow", wait=sleeper(lambda: test.app.scheduler, 60.0)))
        await push(test, 1)
        await test.settle()
        assert asyncio.all_tasks() > idle
        change = asyncio.ensure_future(test.app.unload("graph", "ticker", grace="5s"))
        await test.advance(4.0)
        assert not change.done()
        await test.advance(1.5)
        assert await change == 1
        await test.settle()
        assert asyncio.all_tasks() == idle
        [letter] = [letter async for letter in test.app.dead_letters()]
        assert (letter.part, letter.reason) == ("graph", "firing")
        assert "was unloaded or replaced before it was done" in letter.error
        assert await notes(test) == []

    assert asyncio.all_tasks() == before


async def test_a_firing_that_is_cancelled_for_a_new_graph_is_tried_again_with_that() -> None:
    ticker = reactor()
    async with open_test_app([graph(ticker, "old", wait=sleeper(lambda: test.app.scheduler, 60.0))]) as test:
        await push(test, 1)
        await test.settle()
        change = asyncio.ensure_future(test.app.replace(graph(ticker, "new"), grace=1.0))
        await test.advance(1.5)
        assert await change == 1
        await test.advance(30.0)
        assert await notes(test) == [(1, "new")]
        await push(test, 2)
        assert await notes(test) == [(1, "new"), (2, "new")]


async def test_a_graph_that_runs_beside_one_that_is_cancelled_goes_on() -> None:
    ticker = reactor()
    scheduler: list[Scheduler] = []
    parts = [
        graph(ticker, name, name=name, wait=sleeper(lambda: scheduler[0], seconds))
        for name, seconds in (("stuck", 60.0), ("steady", 10.0))
    ]
    async with open_test_app(parts) as test:
        scheduler.append(test.app.scheduler)
        await push(test, 1)
        await test.settle()
        change = asyncio.ensure_future(test.app.unload("stuck", grace=2.0))
        await test.advance(3.0)
        assert await change == 1
        await test.advance(8.0)
        assert await notes(test) == [(1, "steady")]
        [fired] = await test.app.history(ticker)
        assert fired.results["steady"] is None
        assert "unloaded" in str(fired.results["stuck"])
        await push(test, 2)
        await test.advance(11.0)
        assert await notes(test) == [(1, "steady"), (2, "steady")]


async def test_a_graph_that_swallows_its_cancellation_is_named() -> None:
    ticker = reactor()
    release = asyncio.Event()

    async def stubborn() -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    async with open_test_app([graph(ticker, "stubborn", wait=stubborn)]) as test:
        await push(test, 1)
        await test.settle()
        change = asyncio.ensure_future(test.app.unload("graph", grace=0.0))
        await test.advance(11.0)
        with pytest.raises(ps.PartFailed, match="swallows its cancellation"):
            await change

        release.set()
        await test.settle()
        assert await notes(test) == [(1, "stubborn")]
        await test.app.load(graph(ticker, "next"))
        await push(test, 2)
        assert await notes(test) == [(1, "stubborn"), (2, "next")]


@pytest.mark.parametrize("strategy", ["latest", "sequential"])
@pytest.mark.parametrize("waits", [False, True])
async def test_no_event_is_lost_or_handled_twice_while_graphs_are_replaced(
    store_url: str, strategy: str, waits: bool
) -> None:
    """Events are pushed all the time; versions of plain functions and waiting ones take turns."""
    ticker = reactor(strategy=strategy)
    total, versions = 60, 6
    test: AppUnderTest

    def version(number: int) -> ps.ComputationGraph:
        pause = sleeper(lambda: test.app.scheduler, 0.3) if waits or number % 2 else None
        return graph(ticker, f"v{number}", wait=pause)

    async with open_test_app([version(0)], store=store_url) as test:

        async def feed() -> None:
            for number in range(total):
                await push(test, number)
                await test.app.scheduler.sleep(0.1)

        async def renew() -> None:
            for number in range(1, versions):
                await test.app.scheduler.sleep(0.9)
                assert await test.app.replace(version(number)) == 0

        work = [asyncio.ensure_future(feed()), asyncio.ensure_future(renew())]
        for _ in range(40):
            await test.advance(0.5)

        await asyncio.gather(*work)
        await test.advance(30.0)
        found = await notes(test)
        statistics = test.app.statistics()

    numbers = [number for number, _ in found]
    assert len(numbers) == len(set(numbers))
    assert numbers == sorted(numbers)
    assert found[-1] == (total - 1, f"v{versions - 1}")
    assert [by for _, by in found] == sorted(by for _, by in found)
    assert statistics.accumulators["ticker_ticks"].refused == 0
    if strategy == "sequential":
        assert numbers == list(range(total))
    else:  # each value was fired or gave way to a newer one
        assert len(numbers) + statistics.reactors["ticker"].coalesced == total


async def test_events_that_are_pushed_while_a_plain_graph_is_replaced_reach_one_of_them(store_url: str) -> None:
    ticker = reactor(strategy="sequential")
    async with open_test_app([graph(ticker, "v0")], store=store_url) as test:
        pushes = [asyncio.ensure_future(push(test, number)) for number in range(50)]
        for version in range(1, 4):
            await asyncio.gather(test.app.replace(graph(ticker, f"v{version}")), *pushes[: version * 10])

        await asyncio.gather(*pushes)
        found = await notes(test)

    assert sorted(number for number, _ in found) == list(range(50))


async def test_an_emission_finds_the_new_graph() -> None:
    ticker = reactor()
    [ticks] = ticker.accumulators.values()
    second = reactor("second")
    [copies] = second.accumulators.values()
    writer = ps.ComputationGraph("writer", reactor=ticker)

    @writer.node(inputs={"tick": ticks}, emits=copies)
    def copy(tick: Tick) -> Tick:
        return tick

    async with open_test_app([writer, graph(second, "old")]) as test:
        await push(test, 1)
        await test.app.replace(graph(second, "new"))
        await push(test, 2)
        assert await notes(test) == [(1, "old"), (2, "new")]


async def test_changes_wait_for_each_other() -> None:
    ticker = reactor()
    async with open_test_app([ticker]) as test:
        first, second = graph(ticker, "one", name="one"), graph(ticker, "two", name="one")
        answers = await asyncio.gather(test.app.load(first), test.app.load(second), return_exceptions=True)
        assert answers[0] is True
        assert isinstance(answers[1], ps.ChangeRefused)


async def test_subscriptions_to_what_is_unloaded_end() -> None:
    ticker = reactor()
    async with open_test_app([ticker]) as test:
        boundaries = test.app.boundaries("ticker_ticks")
        await push(test, 1)
        await test.app.unload(ticker)
        assert [boundary.value async for boundary in boundaries] == [Tick(1)]
