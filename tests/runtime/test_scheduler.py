"""Timers fire in order and in time, waiting ends when it should, and nothing costs what it need not."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from anyio import create_task_group
from anyio.lowlevel import checkpoint
from hypothesis import given, strategies as st

from penstock.runtime.clock import SystemClock
from penstock.runtime.errors import AppError
from penstock.runtime.scheduler import BURST, Beat, Scheduler
from penstock.testing.clock import VirtualClock
from tests.runtime.hand_clock import HandClock


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def errors() -> list[BaseException]:
    return []


@pytest.fixture
def scheduler(clock: VirtualClock, errors: list[BaseException]) -> Iterator[Scheduler]:
    scheduler = Scheduler(clock, on_error=errors.append)
    yield scheduler
    scheduler.close()


@pytest.fixture
def hand() -> HandClock:
    return HandClock()


@pytest.fixture
def by_hand(hand: HandClock, errors: list[BaseException]) -> Scheduler:
    return Scheduler(hand, on_error=errors.append)


async def step_of(ticks: AsyncIterator[int]) -> int:
    return await anext(ticks)


def note(out: list[float], clock: HandClock | VirtualClock) -> Callable[[], None]:
    return lambda: out.append(clock.monotonic())


# -- timers ------------------------------------------------------------------------------------------------


def test_timers_fire_by_deadline_and_ties_by_insertion(hand: HandClock, by_hand: Scheduler) -> None:
    out: list[str] = []
    for name, deadline in [("c", 3.0), ("a1", 1.0), ("b", 2.0), ("a2", 1.0), ("past", -5.0)]:
        by_hand.at(deadline, lambda name=name: out.append(name))

    hand.advance(10.0)
    assert out == ["past", "a1", "a2", "b", "c"]


def test_timer_never_fires_early(hand: HandClock, by_hand: Scheduler) -> None:
    out: list[float] = []
    by_hand.after(1.0, note(out, hand))
    hand.ring()  # an alarm that comes early, as coarse timers of a loop do
    assert out == []
    hand.advance(1.0)
    assert out == [1.0]


def test_cancelled_timer_does_not_fire(hand: HandClock, by_hand: Scheduler) -> None:
    out: list[float] = []
    timer = by_hand.after(1.0, note(out, hand))
    timer.cancel()
    timer.cancel()
    hand.advance(2.0)
    assert (out, timer.active) == ([], False)
    assert by_hand.statistics().cancelled == 1


def test_cancelling_after_the_firing_does_nothing(hand: HandClock, by_hand: Scheduler) -> None:
    timer = by_hand.after(1.0, lambda: None)
    hand.advance(1.0)
    timer.cancel()
    assert (by_hand.statistics().cancelled, by_hand.statistics().fired) == (0, 1)


def test_callback_may_cancel_what_is_due_at_the_same_time(hand: HandClock, by_hand: Scheduler) -> None:
    out: list[str] = []
    by_hand.at(1.0, lambda: victim.cancel())  # noqa: PLW0108 - the victim is set later
    victim = by_hand.at(1.0, lambda: out.append("victim"))
    by_hand.at(1.0, lambda: out.append("other"))
    hand.advance(1.0)
    assert out == ["other"]


def test_raising_callback_is_reported_and_the_others_fire(
    hand: HandClock, by_hand: Scheduler, errors: list[BaseException]
) -> None:
    out: list[float] = []
    failure, cancellation = ValueError("bad"), asyncio.CancelledError()
    for error in (failure, cancellation):
        by_hand.at(1.0, lambda error=error: (_ for _ in ()).throw(error))

    by_hand.at(1.0, note(out, hand))
    hand.advance(1.0)
    assert (out, errors, by_hand.statistics().failed) == ([1.0], [failure, cancellation], 2)


def test_interrupt_is_not_swallowed_and_loses_no_timer(hand: HandClock, by_hand: Scheduler) -> None:
    out: list[float] = []
    by_hand.at(1.0, lambda: (_ for _ in ()).throw(KeyboardInterrupt))
    by_hand.at(1.0, note(out, hand))
    with pytest.raises(KeyboardInterrupt):
        hand.advance(1.0)

    hand.advance(0.0)
    assert out == [1.0]


def test_deadline_that_is_no_number_is_refused(by_hand: Scheduler) -> None:
    with pytest.raises(ValueError, match="nan"):
        by_hand.at(math.nan, lambda: None)


def test_timer_for_ever_waits_for_ever(hand: HandClock, by_hand: Scheduler) -> None:
    by_hand.at(math.inf, lambda: None)
    hand.advance(1e12)
    assert (hand.alarms, by_hand.statistics().pending) == ([], 1)


# -- the one alarm -----------------------------------------------------------------------------------------


def test_one_alarm_stands_at_the_earliest_deadline(hand: HandClock, by_hand: Scheduler) -> None:
    for deadline in (5.0, 7.0, 3.0, 4.0):
        by_hand.at(deadline, lambda: None)

    assert hand.alarms == [3.0]
    hand.advance(3.0)
    assert hand.alarms == [4.0]


def test_callbacks_that_set_timers_ask_for_one_alarm(hand: HandClock, by_hand: Scheduler) -> None:
    for _ in range(10):
        by_hand.at(1.0, lambda: by_hand.after(5.0 - len(by_hand._heap) / 100, lambda: None))

    hand.advance(1.0)
    assert (hand.asked, by_hand.statistics().pending) == (2, 10)


def test_ten_thousand_timeouts_that_are_cancelled_ask_for_one_alarm(hand: HandClock, by_hand: Scheduler) -> None:
    for number in range(10_000):
        by_hand.after(30.0 + number, lambda: None).cancel()

    assert (hand.asked, by_hand.statistics().pending) == (1, 0)


def test_cancelled_timers_do_not_stay(by_hand: Scheduler) -> None:
    timers = [by_hand.after(1.0 + number, lambda: None) for number in range(10_000)]
    for timer in timers[:-1]:
        timer.cancel()
        assert len(by_hand._heap) <= 2 * by_hand.statistics().pending + 1

    assert by_hand.statistics().pending == 1


def test_long_burst_lets_the_loop_in_between(hand: HandClock, by_hand: Scheduler) -> None:
    out: list[int] = []
    for number in range(BURST + 1):
        by_hand.at(1.0, lambda number=number: out.append(number))

    hand.now_is(1.0)
    hand.ring()
    assert (len(out), hand.alarms) == (BURST, [1.0])
    hand.ring()
    assert out == list(range(BURST + 1))


def test_slow_callbacks_let_the_loop_in_between(hand: HandClock, by_hand: Scheduler) -> None:
    out: list[float] = []
    for _ in range(3):
        by_hand.at(1.0, lambda: (out.append(hand.monotonic()), hand.now_is(hand.monotonic() + 0.5)))

    hand.now_is(1.0)
    hand.ring()
    assert out == [1.0]
    hand.advance(0.0)
    assert out == [1.0, 1.5, 2.0]
    assert by_hand.statistics().late == 1.0


# -- intervals ---------------------------------------------------------------------------------------------


def test_interval_ticks_on_a_grid_until_cancelled(hand: HandClock, by_hand: Scheduler) -> None:
    out: list[float] = []
    timer = by_hand.every(0.1, note(out, hand))
    hand.advance(100.05)
    timer.cancel()
    hand.advance(10.0)
    assert out == [0.1 + number * 0.1 for number in range(1000)]


def test_first_tick_may_be_at_once(hand: HandClock, by_hand: Scheduler) -> None:
    out: list[float] = []
    by_hand.every(5.0, note(out, hand), first=0.0)
    hand.advance(11.0)
    assert out == [0.0, 5.0, 10.0]


def test_time_that_jumps_makes_one_call_and_counts_the_rest(hand: HandClock, by_hand: Scheduler) -> None:
    out: list[float] = []
    timer = by_hand.every(1.0, note(out, hand))
    hand.now_is(3600.5)  # the machine slept
    hand.advance(0.0)
    hand.advance(1.0)
    assert out == [3600.5, 3601.0]
    assert (timer.missed, by_hand.statistics().missed) == (3599, 3599)


def test_interval_may_cancel_itself(hand: HandClock, by_hand: Scheduler) -> None:
    out: list[float] = []
    timer = by_hand.every(1.0, lambda: (out.append(hand.monotonic()), timer.cancel()))
    hand.advance(5.0)
    assert (out, by_hand.statistics().pending) == ([1.0], 0)


@pytest.mark.parametrize("interval", [0.0, -1.0, math.nan, math.inf])
def test_interval_without_ticks_is_refused(by_hand: Scheduler, interval: float) -> None:
    with pytest.raises(ValueError, match="interval"):
        by_hand.every(interval, lambda: None)

    with pytest.raises(ValueError, match="interval"):
        by_hand.ticks(interval)


@given(
    start=st.floats(-1e6, 1e6),
    interval=st.floats(1e-3, 1e5),
    index=st.integers(-1, 1000),
    ahead=st.floats(0, 1e5),
)
def test_next_tick_is_the_first_that_is_not_past(start: float, interval: float, index: int, ahead: float) -> None:
    beat = Beat(start, interval)
    now = beat.at(index) + ahead
    last, upcoming = beat.last(now, index), beat.next(now, index)
    assert last >= index
    assert last == index or beat.at(last) <= now
    assert beat.at(last + 1) > now
    assert upcoming > index
    assert beat.at(upcoming) >= now
    assert upcoming == index + 1 or beat.at(upcoming - 1) < now


# -- waiting -----------------------------------------------------------------------------------------------


async def test_sleepers_wake_in_order_of_deadline(clock: VirtualClock, scheduler: Scheduler) -> None:
    out: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await scheduler.sleep(seconds)
        out.append((name, clock.monotonic()))

    async with create_task_group() as group:
        for name, seconds in [("c", 3.0), ("a", 1.0), ("b", 2.0), ("zero", 0.0), ("past", -1.0)]:
            group.start_soon(sleeper, name, seconds)

        await clock.advance(5.0)

    assert out == [("past", 0.0), ("zero", 0.0), ("a", 1.0), ("b", 2.0), ("c", 3.0)]


async def test_cancelled_sleep_leaves_nothing(clock: VirtualClock, scheduler: Scheduler) -> None:
    async with create_task_group() as group:
        group.start_soon(scheduler.sleep, 10.0)
        await clock.settle()
        assert scheduler.statistics().pending == 1
        group.cancel_scope.cancel()

    assert scheduler.statistics().pending == 0


async def test_sleep_that_is_over_and_cancelled_at_once_is_cancelled(scheduler: Scheduler) -> None:
    task = asyncio.get_running_loop().create_task(scheduler.sleep(0.0))
    await checkpoint()
    next(iter(scheduler._sleepers)).set_result(True)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert (scheduler.statistics().pending, scheduler._sleepers) == (0, {})


async def test_ticks_are_drift_free_and_skip_what_the_reader_missed(clock: VirtualClock, scheduler: Scheduler) -> None:
    out: list[tuple[float, int]] = []

    async def read() -> None:
        async for missed in scheduler.ticks(2.0):
            out.append((clock.monotonic(), missed))
            if clock.monotonic() == 4.0:
                await scheduler.sleep(5.0)  # until 9: the ticks at 6 and 8 pass
            elif clock.monotonic() == 10.0:
                await scheduler.sleep(2.0)  # until 12, just in time

    async with create_task_group() as group:
        group.start_soon(read)
        await clock.advance(15.0)
        group.cancel_scope.cancel()

    assert out == [(2.0, 0), (4.0, 0), (10.0, 2), (12.0, 0), (14.0, 0)]
    assert scheduler.statistics().missed == 2


async def test_ticks_over_which_time_jumped_are_one(hand: HandClock, by_hand: Scheduler) -> None:
    ticks = by_hand.ticks(1.0)
    out: list[tuple[float, int]] = []
    for now in (1.0, 10.5, 11.0):
        step = asyncio.get_running_loop().create_task(step_of(ticks))
        await checkpoint()
        hand.now_is(now)  # the loop was held, or the machine slept
        hand.ring()
        out.append((hand.monotonic(), await step))

    assert out == [(1.0, 0), (10.5, 8), (11.0, 0)]


async def test_ticks_may_begin_at_once(clock: VirtualClock, scheduler: Scheduler) -> None:
    ticks = scheduler.ticks(60.0, immediately=True)
    assert await anext(ticks) == 0
    assert clock.monotonic() == 0.0


async def test_step_of_ticks_that_is_cancelled_skips_none(clock: VirtualClock, scheduler: Scheduler) -> None:
    ticks, out = scheduler.ticks(1.0), list[float]()

    async def step() -> None:
        await anext(ticks)
        out.append(clock.monotonic())

    async with create_task_group() as group:
        group.start_soon(step)
        await clock.advance(0.5)
        group.cancel_scope.cancel()

    async with create_task_group() as group:
        group.start_soon(step)
        await clock.advance(0.5)

    assert (out, scheduler.statistics().missed) == ([1.0], 0)


async def test_system_clock_wakes_a_sleeper_not_before_its_time(errors: list[BaseException]) -> None:
    clock = SystemClock()
    scheduler = Scheduler(clock, on_error=errors.append)
    begin = clock.monotonic()
    await scheduler.sleep(0.01)
    assert clock.monotonic() >= begin + 0.01
    scheduler.close()


# -- the end -----------------------------------------------------------------------------------------------


async def test_close_cancels_timers_and_wakes_sleepers_with_an_error(clock: VirtualClock, scheduler: Scheduler) -> None:
    out: list[float] = []
    scheduler.after(1.0, note(out, clock))
    sleeper = asyncio.get_running_loop().create_task(scheduler.sleep(5.0))
    await clock.settle()
    scheduler.close()
    scheduler.close()
    with pytest.raises(AppError, match="closed"):
        await sleeper

    await clock.advance(10.0)
    assert (out, scheduler.statistics().pending, clock.next_alarm()) == ([], 0, None)


async def test_closed_scheduler_refuses(scheduler: Scheduler) -> None:
    scheduler.close()
    with pytest.raises(AppError, match="closed"):
        scheduler.after(1.0, lambda: None)

    with pytest.raises(AppError, match="closed"):
        await scheduler.sleep(0.0)


async def test_callback_may_close_the_scheduler(clock: VirtualClock, scheduler: Scheduler) -> None:
    out: list[float] = []
    scheduler.every(1.0, scheduler.close)
    scheduler.at(1.0, note(out, clock))
    await clock.advance(5.0)
    assert (out, scheduler.statistics().pending) == ([], 0)
