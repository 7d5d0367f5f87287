"""Virtual time: deterministic, one deadline after the other, and never while something is away."""

import asyncio
import contextvars
import sqlite3
import threading
from datetime import UTC, datetime, timedelta, timezone
from itertools import count

import pytest
from anyio import create_task_group
from anyio.lowlevel import checkpoint

from penstock.runtime.errors import AppError, DefinitionError, InvariantError
from penstock.runtime.scheduler import Scheduler
from penstock.testing.clock import VirtualAlarm, VirtualClock

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


# -- time --------------------------------------------------------------------------------------------------


async def test_wall_clock_and_monotonic_move_together(clock: VirtualClock) -> None:
    assert (clock.now(), clock.monotonic()) == (START, 0.0)
    await clock.advance(86_400.25)
    assert (clock.now(), clock.monotonic()) == (datetime(2026, 1, 2, 0, 0, 0, 250_000, tzinfo=UTC), 86_400.25)


async def test_wall_clock_may_jump_without_waking_anybody(clock: VirtualClock) -> None:
    out: list[float] = []
    clock.call_at(5.0, lambda: out.append(clock.monotonic()))
    clock.jump_wall(-3600.0)
    assert clock.now() == START - timedelta(hours=1)
    await clock.advance(1.0)
    clock.set_wall(datetime(2030, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))))
    assert (clock.now(), clock.monotonic(), out) == (datetime(2030, 1, 1, tzinfo=UTC), 1.0, [])
    await clock.advance(4.0)
    assert (clock.now(), out) == (datetime(2030, 1, 1, 0, 0, 4, tzinfo=UTC), [5.0])


def test_wall_clock_without_a_time_zone_is_refused(clock: VirtualClock) -> None:
    naive = datetime(2026, 1, 1)  # noqa: DTZ001 - the mistake under test
    with pytest.raises(ValueError, match="time zone"):
        VirtualClock(naive)

    with pytest.raises(ValueError, match="time zone"):
        clock.set_wall(naive)


@pytest.mark.parametrize("duration", [-1.0, float("nan"), "yesterday"])
async def test_time_does_not_go_back(clock: VirtualClock, duration: float | str) -> None:
    with pytest.raises(DefinitionError, match="advance: "):
        await clock.advance(duration)


# -- alarms ------------------------------------------------------------------------------------------------


async def test_alarms_ring_by_deadline_and_ties_by_insertion(clock: VirtualClock) -> None:
    out: list[tuple[str, float]] = []
    for name, deadline in [("b", 2.0), ("a1", 1.0), ("a2", 1.0), ("late", 9.0)]:
        clock.call_at(deadline, lambda name=name: out.append((name, clock.monotonic())))

    await clock.advance(5.0)
    assert out == [("a1", 1.0), ("a2", 1.0), ("b", 2.0)]
    assert clock.next_alarm() == 9.0


async def test_alarms_set_by_alarms_ring_within_the_same_span(clock: VirtualClock) -> None:
    out: list[float] = []

    def again() -> None:
        out.append(clock.monotonic())
        clock.call_at(clock.monotonic() + 1.5, again)

    clock.call_at(1.0, again)
    await clock.advance(5.0)
    assert out == [1.0, 2.5, 4.0]


async def test_alarm_in_the_past_rings_when_things_settle(clock: VirtualClock) -> None:
    out: list[float] = []
    await clock.advance(10.0)
    clock.call_at(3.0, lambda: out.append(clock.monotonic()))
    assert out == []
    await clock.advance(0.0)
    assert out == [10.0]


async def test_cancelled_alarm_does_not_ring(clock: VirtualClock) -> None:
    out: list[str] = []
    for deadline in (0.0, 1.0):
        clock.call_at(deadline, lambda: out.append("rang")).cancel()

    assert clock.next_alarm() is None
    await clock.advance(2.0)
    assert out == []


async def test_alarm_may_cancel_one_of_the_same_instant(clock: VirtualClock) -> None:
    out: list[str] = []
    clock.call_at(1.0, lambda: second.cancel())  # noqa: PLW0108 - the second is set later
    second = clock.call_at(1.0, lambda: out.append("rang"))
    await clock.advance(1.0)
    assert out == []


async def test_sums_of_floats_do_not_decide_whether_an_alarm_rings(clock: VirtualClock) -> None:
    out: list[str] = []
    clock.call_at(0.8, lambda: out.append("0.8"))
    await clock.advance(0.1)
    await clock.advance(0.7)
    assert (out, 0.1 + 0.7 < 0.8) == (["0.8"], True)


async def test_alarm_sees_the_context_in_which_it_was_set(clock: VirtualClock) -> None:
    variable, out = contextvars.ContextVar("variable", default="outside"), list[str]()
    context = contextvars.copy_context()
    context.run(variable.set, "inside")
    context.run(clock.call_at, 1.0, lambda: out.append(variable.get()))
    await clock.advance(1.0)
    assert out == ["inside"]


# -- coming to rest ----------------------------------------------------------------------------------------


async def test_each_deadline_comes_to_rest_before_the_next(clock: VirtualClock) -> None:
    out: list[float] = []
    scheduler = Scheduler(clock, on_error=print)

    async def long_way() -> None:
        await scheduler.sleep(1.0)
        for _ in range(100):
            await checkpoint()

        out.append(clock.monotonic())

    async with create_task_group() as group:
        group.start_soon(long_way)
        await clock.settle()
        clock.call_at(1.0 + 1e-6, lambda: out.append(clock.monotonic()))
        await clock.advance(5.0)

    assert out == [1.0, 1.0 + 1e-6]


async def test_time_stands_while_work_is_away(clock: VirtualClock) -> None:
    out: list[tuple[str, float]] = []
    back, release = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def work() -> None:
        release.wait()
        connection = sqlite3.connect(":memory:")
        out.append(("thread", connection.execute("SELECT 1.0").fetchone()[0]))
        connection.close()
        loop.call_soon_threadsafe(come_back)

    def come_back() -> None:
        clock.activity.come_back()
        clock.call_at(clock.monotonic() + 1.0, lambda: out.append(("after", clock.monotonic())))
        back.set()

    def leave() -> None:
        clock.activity.leave()
        thread.start()
        loop.call_later(0.01, release.set)  # real time: the thread is surely waited for

    thread = threading.Thread(target=work)
    clock.call_at(1.0, leave)
    clock.call_at(3.0, lambda: out.append(("later", clock.monotonic())))
    await clock.advance(10.0)
    thread.join()
    assert out == [("thread", 1.0), ("after", 2.0), ("later", 3.0)]
    assert back.is_set()


async def test_a_month_of_minutes_passes(clock: VirtualClock) -> None:
    ticks: list[datetime] = []
    scheduler = Scheduler(clock, on_error=print)
    scheduler.every(600.0, lambda: ticks.append(clock.now()))
    await clock.advance("30d")
    assert (len(ticks), ticks[-1]) == (30 * 144, START + timedelta(days=30))


async def test_what_never_rests_is_named() -> None:
    clock = VirtualClock(turns=100)

    async def spin() -> None:
        for _ in count():
            await checkpoint()

    spinner = asyncio.get_running_loop().create_task(spin(), name="poller")
    with pytest.raises(AppError, match=r"100 turns; busy: task 'poller' \(.*spin\)"):
        await clock.advance(1.0)

    assert clock.monotonic() == 0.0
    spinner.cancel()


async def test_alarm_that_is_always_due_is_named() -> None:
    clock = VirtualClock(turns=100)

    alarms: list[VirtualAlarm] = []

    def again() -> None:
        alarms.append(clock.call_at(0.0, again))

    again()
    with pytest.raises(AppError, match=r"busy: alarm .*again"):
        await clock.settle()

    alarms[-1].cancel()


async def test_only_one_task_moves_the_clock(clock: VirtualClock) -> None:
    clock.activity.leave()
    first = asyncio.get_running_loop().create_task(clock.advance(1.0), name="first")
    await checkpoint()
    with pytest.raises(AppError, match="'first'"):
        await clock.advance(1.0)

    clock.activity.come_back()
    await first
    assert clock.monotonic() == 1.0


async def test_loop_that_hides_what_is_ready_gets_turns(clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock.testing.clock.ready", lambda _loop: None)
    out: list[int] = []

    async def work() -> None:
        for turn in range(20):
            await checkpoint()
            out.append(turn)

    async with create_task_group() as group:
        group.start_soon(work)
        await clock.settle()
        assert len(out) == 20


def test_work_that_never_left_cannot_come_back(clock: VirtualClock) -> None:
    with pytest.raises(InvariantError, match="never left"):
        clock.activity.come_back()
