"""The scripted source does what the script says, once, and goes on where it was."""

import asyncio
from collections.abc import Iterator

import pytest
from anyio import create_task_group

from penstock.accumulators.source import Position, Source
from penstock.runtime.errors import AppError
from penstock.runtime.scheduler import Scheduler
from penstock.testing.clock import VirtualClock
from penstock.testing.crash import Crash
from penstock.testing.source import End, Pause, ScriptedSource


class Collector:
    """An intake that remembers, and is saturated after every ``burst`` events."""

    def __init__(self, scheduler: Scheduler, burst: int = 1000) -> None:
        self.scheduler = scheduler
        self.taken: list[tuple[object, Position | None]] = []
        self.asked_for_room = 0
        self.burst = burst

    @property
    def events(self) -> list[object]:
        return [event for event, _ in self.taken]

    @property
    def positions(self) -> dict[str, Position]:
        return {"": self.taken[-1][1] or 0} if self.taken else {}

    def accept(self, payload: object, *, position: Position | None = None, partition: str = "") -> bool:
        assert partition == ""
        self.taken.append((payload, position))
        return len(self.taken) % self.burst != 0

    async def ready(self) -> None:
        self.asked_for_room += 1


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def scheduler(clock: VirtualClock) -> Iterator[Scheduler]:
    scheduler = Scheduler(clock, on_error=print)
    yield scheduler
    scheduler.close()


@pytest.fixture
def intake(scheduler: Scheduler) -> Collector:
    return Collector(scheduler)


def test_it_is_a_source() -> None:
    assert isinstance(ScriptedSource([]), Source)


async def test_events_come_with_their_index_as_position(intake: Collector) -> None:
    source = ScriptedSource(["a", {"b": 1}, None, End(), "never"])
    await source.run(intake, {})
    assert intake.taken == [("a", 0), ({"b": 1}, 1), (None, 2)]
    assert (source.consumed, source.starts) == (["a", {"b": 1}, None], 1)


async def test_it_goes_on_behind_the_stored_position(intake: Collector) -> None:
    await ScriptedSource(["a", "b", "c", End()]).run(intake, {"": 1})
    assert intake.taken == [("c", 2)]


async def test_crash_is_raised_once_and_what_follows_comes_after_the_restart(intake: Collector) -> None:
    source = ScriptedSource([1, 2, Crash(), 3, ValueError("mine"), 4, End()])
    with pytest.raises(Crash, match="scripted crash"):
        await source.run(intake, {})

    with pytest.raises(ValueError, match="mine"):
        await source.run(intake, intake.positions)

    await source.run(intake, intake.positions)
    assert (intake.events, source.starts) == ([1, 2, 3, 4], 3)


async def test_restart_from_an_older_position_replays_without_the_crash(intake: Collector) -> None:
    source = ScriptedSource([1, 2, Crash(), 3, End()])
    with pytest.raises(Crash):
        await source.run(intake, {})

    await source.run(intake, {"": 0})
    assert source.consumed == [1, 2, 2, 3]


async def test_pause_waits_virtual_seconds_and_once(clock: VirtualClock, intake: Collector) -> None:
    source = ScriptedSource([1, Pause("5s"), 2, End()])
    async with create_task_group() as group:
        group.start_soon(source.run, intake, {})
        await clock.advance(4.9)
        assert intake.events == [1]
        await clock.advance(0.1)

    await source.run(intake, {})
    assert (intake.events, clock.monotonic()) == ([1, 2, 1, 2], 5.0)


async def test_pause_waits_until_it_is_resumed(clock: VirtualClock, intake: Collector) -> None:
    source = ScriptedSource([1, Pause(), 2, End()])
    with pytest.raises(AppError, match="does not wait"):
        source.resume()

    async with create_task_group() as group:
        group.start_soon(source.run, intake, {})
        await clock.advance(1e6)
        assert intake.events == [1]
        source.resume()

    assert intake.events == [1, 2]


async def test_pause_that_was_broken_off_begins_anew(clock: VirtualClock, intake: Collector) -> None:
    source = ScriptedSource([Pause(), 1, End()])
    for _ in range(2):
        async with create_task_group() as group:
            group.start_soon(source.run, intake, {})
            await clock.settle()
            group.cancel_scope.cancel()

    assert intake.events == []


async def test_script_without_an_end_waits_for_more(clock: VirtualClock, intake: Collector) -> None:
    source = ScriptedSource([1])
    task = asyncio.get_running_loop().create_task(source.run(intake, {}))
    await clock.advance(1e6)
    assert (intake.events, task.done()) == ([1], False)
    source.extend([2, End()])
    await task
    assert intake.events == [1, 2]


async def test_saturated_intake_is_asked_for_room(scheduler: Scheduler) -> None:
    intake = Collector(scheduler, burst=2)
    await ScriptedSource([*range(5), End()]).run(intake, {})
    assert (len(intake.taken), intake.asked_for_room) == (5, 2)
