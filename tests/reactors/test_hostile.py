"""User code that does its worst: nothing of it stops a domain, and nothing it harms is lost without a trace."""

import asyncio
from collections.abc import Mapping

import anyio
import pytest

from penstock.accumulators.passthrough import passthrough_accumulator
from penstock.accumulators.source import Intake, Position
from penstock.accumulators.stream import stream_accumulator
from penstock.reactors.cut import letter_payload
from penstock.reactors.firing import Firing
from penstock.reactors.reactor import Reactor
from penstock.runtime.errors import AppError, LeaseLost, WriteConflict
from penstock.runtime.observe import CutFailed, EventDropped
from penstock.testing.source import ScriptedSource
from tests.reactors.world import Graph, Quote, World

SURROGATE = "\udcff"
NUL = "a\0b"


@passthrough_accumulator
def alpha(event: int) -> int:
    return event


@passthrough_accumulator(durable=True)
def orders(event: int) -> int:
    return event


@passthrough_accumulator
def quotes(event: Quote) -> Quote:
    return event


class NoText(Exception):
    def __str__(self) -> str:
        raise ValueError("no text")


class NoRepr:
    def __repr__(self) -> str:
        raise ValueError("no repr")


ERRORS: dict[str, BaseException] = {
    "cancelled": asyncio.CancelledError("by what it waited for, not by us"),
    "exit": SystemExit(3),
    "surrogate": ValueError(SURROGATE),
    "nul": ValueError(NUL),
    "no text": NoText("x"),
    "group": BaseExceptionGroup("many", [SystemExit(1)]),
}


# -- what functions and graphs raise -----------------------------------------------------------------------------


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
async def test_whatever_an_accumulator_raises_its_event_is_kept_aside(store_url: str, error: BaseException) -> None:
    @passthrough_accumulator
    def plain(event: int) -> int:
        if event == 1:
            raise error

        return event

    @passthrough_accumulator
    async def waiting(event: int) -> int:
        if event == 1:
            raise error

        return event

    graph = Graph()
    async with World(store_url, [Reactor("r", [plain, waiting])], [graph]) as world:
        world.offer("plain", 1, 2)
        world.offer("waiting", 1, 2)
        await world.advance(2.0)
        assert [(letter.part, letter.reason) for letter in await world.letters()] == [
            ("plain", "process"),
            ("waiting", "process"),
        ]

    assert graph.inputs == [{"plain": 2}, {"plain": 2, "waiting": 2}]


@pytest.mark.parametrize("seconds", [None, 0.0], ids=["plain", "waiting"])
@pytest.mark.parametrize("graphs", [1, 2])
@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
async def test_whatever_a_graph_raises_its_key_fires_again(
    store_url: str, error: BaseException, graphs: int, seconds: float | None
) -> None:
    def fail(firing: Firing) -> None:
        if firing.inputs["alpha"] == 1:
            raise error

    graph = Graph(before=fail, seconds=seconds, effect=lambda firing: str(firing.inputs["alpha"]))
    others = [Graph("other")][: graphs - 1]
    async with World(store_url, [Reactor("r", [alpha], on_error="dead_letter")], [graph, *others]) as world:
        for number in (0, 1, 2):
            world.offer("alpha", number)
            await world.advance(0.1)

        assert await world.effects() == ["0", "2"]
        assert [letter.part for letter in await world.letters()] == ["graph"]


async def test_the_rest_of_a_batch_of_pushes_is_applied_whatever_one_of_them_raises(store_url: str) -> None:
    def stop(firing: Firing) -> None:
        if firing.inputs["orders"] == 1:
            # what is no failure of the graph goes on its way, to the loop
            raise BaseExceptionGroup("stop", [KeyboardInterrupt()])

    raised: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, report: raised.append(type(report["exception"])))
    graph = Graph(before=stop)
    async with World(store_url, [Reactor("r", [orders], on_error="drop")], [graph]) as world:
        async with anyio.create_task_group() as pushes:
            for number in (1, 2, 3):
                pushes.start_soon(world.accumulator("orders").push, number)

        assert [firing.inputs["orders"] for firing in graph.firings] == [1, 2, 3]
        await world.flush()
        assert [(letter.part, letter.error) for letter in await world.letters()] == [
            ("orders", "BaseExceptionGroup: stop (1 sub-exception)")
        ]

    assert raised == [BaseExceptionGroup]


# -- keys, positions, values that cannot be kept ------------------------------------------------------------------


@pytest.mark.parametrize(
    "key",
    [SURROGATE, NUL, "é" * 1001, None, 1.5, ("a",), NoRepr(), 10**3000, 10**5000],
    ids=["surrogate", "nul", "long", "none", "float", "tuple", "no repr", "large", "huge"],
)
async def test_a_key_that_cannot_be_stored_is_refused_and_no_cut_fails(store_url: str, key: object) -> None:
    def key_of(event: object) -> object:
        return key if event == 1 else "fine"

    graph = Graph(effect=lambda firing: str(firing.inputs["alpha"]))
    async with World(store_url, [Reactor("r", [alpha], key=key_of, key_ttl=1.0)], [graph]) as world:
        world.offer("alpha", 1, 2)
        await world.advance(10.0)
        assert await world.effects() == ["2"]
        assert [letter.part for letter in await world.letters()] == ["r.key"]
        assert world.domain.statistics().failed_cuts == 0


class Misplaced:
    """A source that counts in a way that no store could keep."""

    name = "misplaced"

    def __init__(self, position: object, partition: object) -> None:
        self.position, self.partition = position, partition

    async def run(self, intake: Intake, positions: Mapping[str, Position]) -> None:
        intake.accept(1, position=self.position, partition=self.partition)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("position", "partition"),
    [
        *[(0, 0), (2**70, ""), (1.5, ""), (SURROGATE, ""), (0, SURROGATE), (NUL, ""), (0, NUL), (True, ""), (0, None)],
    ],
    ids=[
        *["partition 0", "large", "float", "surrogate", "surrogate partition", "nul", "nul partition", "bool"],
        "no partition",
    ],
)
async def test_a_position_that_cannot_be_stored_is_the_sources_error(
    store_url: str, position: object, partition: object
) -> None:
    @stream_accumulator(Misplaced(position, partition))
    def numbers(event: int) -> int:
        return event

    async with World(store_url, [Reactor("r", [numbers])], [Graph()]) as world:
        await world.advance(0.1)
        statistics = world.accumulator("numbers").statistics()
        assert (statistics.health, statistics.events) == ("disconnected", 0)
        assert statistics.error is not None
        assert statistics.error.startswith("AppError: the source of accumulator 'numbers' gave ")
        await world.flush()
        assert world.domain.statistics().failed_cuts == 0


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(SURROGATE, id="surrogate"),
        pytest.param({"a": SURROGATE}, id="surrogate in a mapping"),
        pytest.param(NUL, id="nul"),
        pytest.param(2**100, id="large"),
        pytest.param(10**5000, id="huge"),
        pytest.param(float("nan"), id="nan"),
        pytest.param({1: 2, "a": {("x",): 1}}, id="keys that are no text"),
        pytest.param({(1, 2)}, id="set"),
        pytest.param(NoRepr(), id="no repr"),
        pytest.param({"a": NoRepr()}, id="no repr in a mapping"),
        pytest.param(Quote(SURROGATE, float("inf")), id="struct"),
        pytest.param([b"\xff"], id="bytes"),
    ],
)
def test_every_payload_has_a_letter(payload: object) -> None:
    assert letter_payload(payload).decode()


# -- an accumulator that waits --------------------------------------------------------------------------------------


async def test_events_that_are_queued_do_not_come_again_when_their_source_does(store_url: str) -> None:
    seen: list[int] = []

    @stream_accumulator(ScriptedSource([1, 2, 3, RuntimeError("the cable"), 4]))
    async def numbers(event: int) -> int:
        await world.scheduler.sleep(5.0)
        seen.append(event)
        return event

    world = World(store_url, [Reactor("r", [numbers])], [Graph()])
    async with world:
        await world.advance(60.0)

    assert seen == [1, 2, 3, 4]


async def test_a_row_that_cannot_be_read_takes_its_turn_behind_those_that_are_queued(store_url: str) -> None:
    @passthrough_accumulator(durable=True, name="names")
    def loose(event: int | str) -> int | str:
        return event

    @passthrough_accumulator(durable=True, name="names")
    async def strict(event: int) -> int:
        await world.scheduler.sleep(5.0)
        return event

    world = World(store_url, [Reactor("r", [loose])], [Graph()])
    await world.start()
    world.faults.fail("cut: before commit", times=None)  # as a death right after the pushes
    await world.accumulator("names").push(7)
    await world.accumulator("names").push("text")
    await world.crash()
    world.definitions = [Reactor("r", [strict])]
    world.graphs = [Graph(effect=lambda firing: str(firing.inputs["names"]))]
    await world.start()
    await world.advance(1.0)
    await world.restart()
    await world.advance(10.0)
    assert await world.effects() == ["7"]
    assert [letter.reason for letter in await world.letters()] == ["decode"]
    await world.stop()


async def test_only_pushed_events_give_way_to_newer_ones(store_url: str) -> None:
    seen: list[int] = []

    @stream_accumulator(ScriptedSource([1, 2, 3]), overflow="drop_oldest", capacity=3)
    async def numbers(event: int) -> int:
        await world.scheduler.sleep(1.0)
        seen.append(event)
        return event

    world = World(store_url, [Reactor("r", [numbers])], [Graph()])
    async with world:
        await world.advance(0.1)
        for number in (100, 101, 102):
            await world.accumulator("numbers").push(number)

        await world.advance(20.0)
        assert [(fact.part, fact.reason) for fact in world.facts(EventDropped)] == [  # type: ignore[attr-defined]
            ("numbers", "overflow"),
            ("numbers", "overflow"),
        ]

    assert seen == [1, 2, 3, 102]


# -- cuts that fail, and the end -------------------------------------------------------------------------------------


async def test_a_cut_that_we_cannot_write_loses_nothing_and_is_told(store_url: str) -> None:
    broken: list[BaseException] = []
    async with World(store_url, [Reactor("r", [alpha])], [Graph(effect=lambda _: "x")], broken=broken.append) as world:
        write = world.carry.write
        world.carry.write = lambda *_: 1 / 0  # type: ignore[assignment, return-value]
        world.offer("alpha", 1)
        await world.advance()
        assert [type(error) for error in broken] == [ZeroDivisionError]
        with pytest.raises(WriteConflict, match="ZeroDivisionError: division by zero"):
            await world.flush()

        assert [fact.domain for fact in world.facts(CutFailed)] == ["r", "r"]  # type: ignore[attr-defined]
        world.carry.write = write  # type: ignore[method-assign]
        await world.flush()
        assert await world.effects() == ["x"]


async def test_flush_does_not_wait_for_what_comes_meanwhile(store_url: str) -> None:
    async with World(store_url, [Reactor("r", [orders])], [Graph()]) as world, anyio.create_task_group() as group:
        group.start_soon(push_for_ever, world)
        for cuts in (1, 2):
            await world.accumulator("orders").push(0)
            await world.flush()
            assert world.domain.statistics().cuts >= cuts

        group.cancel_scope.cancel()


async def push_for_ever(world: World) -> None:
    number = 0
    while True:
        await world.accumulator("orders").push(number := number + 1)


async def test_a_stop_ends_while_somebody_pushes_without_end(store_url: str) -> None:
    world = World(store_url, [Reactor("r", [orders])], [Graph()])
    await world.start()
    async with anyio.create_task_group() as group:
        group.start_soon(push_until_refused, world)
        await world.flush()
        await world.stop(drain=1.0)


async def push_until_refused(world: World) -> None:
    with pytest.raises(AppError, match=r"domain 'r' (is stopping|has stopped)"):
        await push_for_ever(world)


@pytest.mark.parametrize("error", [LeaseLost("domain 'r'", 1), WriteConflict("push", "x")], ids=["lost", "conflict"])
async def test_who_waits_for_a_push_is_told_when_the_domain_is_lost(store_url: str, error: Exception) -> None:
    async with World(store_url, [Reactor("r", [orders])], [Graph()]) as world:
        world.faults.fail("push: before commit", error=error)
        with pytest.raises(type(error)):
            await world.accumulator("orders").push(1)
