"""The one scheduler: whoever waits for time waits here.

All timers stand in one heap, and the clock is asked for one alarm, at the earliest deadline. Setting and cancelling a
timer touches neither the event loop nor the clock unless it becomes the earliest, so timeouts by the thousand that are
nearly always cancelled cost next to nothing. Everything here happens on the event loop.
"""

import asyncio
import heapq
import math
from collections.abc import AsyncIterator, Callable

import msgspec
from typing_extensions import override

from penstock.runtime.clock import Alarm, Clock
from penstock.runtime.errors import AppError

#: Callbacks that run before the loop gets its turn, when many timers are due together …
BURST = 500
#: … and the seconds after which it gets its turn in any case.
BURST_SECONDS = 0.01


class SchedulerStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """What a scheduler has done since it was made."""

    #: Timers that wait for their deadline.
    pending: int
    #: Callbacks that were called, sleepers that were woken.
    fired: int
    #: Timers that were cancelled before they fired.
    cancelled: int
    #: Callbacks that raised.
    failed: int
    #: Ticks of intervals that were skipped, because they were due while something else held the loop or the reader.
    missed: int
    #: The longest time, in seconds, by which a callback was called after its deadline.
    late: float


class Beat(msgspec.Struct, frozen=True):
    """The instants ``start + k * interval``: computed, never summed up, so that they do not drift."""

    start: float
    interval: float

    def at(self, index: int) -> float:
        """Return the instant of a tick."""
        return self.start + index * self.interval

    def last(self, now: float, index: int) -> int:
        """Return the last tick that is not after ``now``, or ``index`` when that is later."""
        estimate = max(index, math.floor((now - self.start) / self.interval))
        while estimate > index and self.at(estimate) > now:
            estimate -= 1

        while self.at(estimate + 1) <= now and self.at(estimate + 1) > self.at(estimate):
            estimate += 1

        return estimate

    def next(self, now: float, index: int) -> int:
        """Return the first tick after ``index`` that is not before ``now``."""
        last = self.last(now, index)
        return last if last > index and self.at(last) == now else last + 1


class Timer:
    """A callback that waits for its deadline."""

    __slots__ = ("_callback", "_dropped", "deadline", "missed")

    def __init__(self, deadline: float, callback: Callable[[], None], dropped: Callable[[], None]) -> None:
        #: When the callback is called (next), in seconds of ``Clock.monotonic``.
        self.deadline: float = deadline
        #: Ticks that were skipped so far; of an interval.
        self.missed: int = 0
        self._callback: Callable[[], None] | None = callback
        self._dropped = dropped

    @property
    def active(self) -> bool:
        """Whether the callback will be called (again)."""
        return self._callback is not None

    def cancel(self) -> None:
        """Forget the callback; a second call, or one after it was called, does nothing."""
        if self._callback is not None:
            self._callback = None
            self._dropped()

    def due(self, _now: float) -> Callable[[], None] | None:
        """Hand out the callback, if it is still wanted, and move on. For the scheduler alone."""
        callback, self._callback = self._callback, None
        return callback


class Interval(Timer):
    """A timer that is set again each time it fires, on a grid that does not drift."""

    __slots__ = ("_beat", "_index")

    deadline: float
    missed: int

    def __init__(self, beat: Beat, callback: Callable[[], None], dropped: Callable[[], None]) -> None:
        super().__init__(beat.start, callback, dropped)
        self._beat, self._index = beat, 0

    @override
    def due(self, now: float) -> Callable[[], None] | None:
        if self._callback is not None:
            last = self._beat.last(now, self._index)
            self.missed += last - self._index
            self._index = last + 1
            self.deadline = self._beat.at(self._index)

        return self._callback


class Scheduler:
    """Calls back when a deadline is reached, in the order of the deadlines; ties in the order in which they were set.

    Args:
        clock: Where time comes from.
        on_error: Told what a callback raised; the other timers are not affected.
    """

    def __init__(self, clock: Clock, *, on_error: Callable[[BaseException], None]) -> None:
        self.clock: Clock = clock
        self._on_error = on_error
        self._heap: list[tuple[float, int, Timer]] = []
        self._sequence = 0
        self._alarm: Alarm | None = None
        self._alarm_at = math.inf
        self._firing = self._closed = False
        self._sleepers: dict[asyncio.Future[bool], Timer] = {}
        self._dead = 0  # timers in the heap that were cancelled
        self._fired = self._cancelled = self._failed = self._missed = 0
        self._late = 0.0

    # -- timers --------------------------------------------------------------------------------------------

    def at(self, deadline: float, callback: Callable[[], None]) -> Timer:
        """Call ``callback`` once, when ``clock.monotonic()`` has reached ``deadline``; soon, when that is past.

        Raises:
            AppError: The scheduler is closed.
            ValueError: The deadline is not a number.
        """
        timer = Timer(deadline, callback, self._count_cancelled)
        self._insert(timer)
        return timer

    def after(self, delay: float, callback: Callable[[], None]) -> Timer:
        """Call ``callback`` once, ``delay`` seconds from now."""
        return self.at(self.clock.monotonic() + delay, callback)

    def every(self, interval: float, callback: Callable[[], None], *, first: float | None = None) -> Timer:
        """Call ``callback`` every ``interval`` seconds until the timer is cancelled.

        The ticks lie at fixed instants, whatever the callbacks take. Ticks that could not be served in time, because
        something held the loop or the machine slept, are counted and skipped: one call stands for all of them.

        Args:
            first: Seconds until the first call; one interval when not given.
        """
        check_interval(interval)
        start = self.clock.monotonic() + (interval if first is None else first)
        timer = Interval(Beat(start, interval), callback, self._count_cancelled)
        self._insert(timer)
        return timer

    # -- waiting -------------------------------------------------------------------------------------------

    async def sleep(self, seconds: float) -> None:
        """Wait; a wait of zero gives way to what is ready to run.

        Raises:
            AppError: The scheduler is, or was meanwhile, closed.
        """
        await self.sleep_until(self.clock.monotonic() + seconds)

    async def sleep_until(self, deadline: float) -> None:
        """Wait until ``clock.monotonic()`` has reached ``deadline``.

        Raises:
            AppError: The scheduler is, or was meanwhile, closed.
        """
        woken = asyncio.get_running_loop().create_future()
        self._sleepers[woken] = timer = self.at(deadline, lambda: wake(woken, in_time=True))
        try:
            in_time = await woken
        finally:
            del self._sleepers[woken]
            timer.cancel()

        if not in_time:
            raise closed()

    def ticks(self, interval: float, *, immediately: bool = False) -> AsyncIterator[int]:
        """Iterate at fixed instants, ``interval`` seconds apart, counted from the first step of the iteration.

        A tick that falls into the time that the reader takes between two steps is skipped. Each step gives the number
        of ticks that were skipped since the one before.

        Args:
            immediately: Whether the first tick is at once, not after one interval.
        """
        check_interval(interval)
        return Ticks(self, interval, first=0 if immediately else 1)

    def skipped(self, ticks: int) -> None:
        """Count ticks that nobody could serve."""
        self._missed += ticks

    # -- the whole -----------------------------------------------------------------------------------------

    def statistics(self) -> SchedulerStatistics:
        """Return what waits and what was done so far."""
        return SchedulerStatistics(
            pending=len(self._heap) - self._dead,
            fired=self._fired,
            cancelled=self._cancelled,
            failed=self._failed,
            missed=self._missed,
            late=self._late,
        )

    def close(self) -> None:
        """Cancel all timers and wake all sleepers with ``AppError``; a second call does nothing."""
        self._closed = True
        for woken in self._sleepers:
            wake(woken, in_time=False)

        for _, _, timer in list(self._heap):
            timer.cancel()

        self._heap.clear()
        self._dead = 0
        self._disarm()

    # -- inside --------------------------------------------------------------------------------------------

    def _insert(self, timer: Timer) -> None:
        if self._closed:
            raise closed()

        if math.isnan(timer.deadline):
            raise ValueError("a deadline must be a number of seconds, not nan")

        self._push(timer)
        self._arm()

    def _push(self, timer: Timer) -> None:
        self._sequence += 1
        heapq.heappush(self._heap, (timer.deadline, self._sequence, timer))

    def _count_cancelled(self) -> None:
        self._cancelled += 1
        self._dead += 1
        if self._dead * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[2].active]
            heapq.heapify(self._heap)
            self._dead = 0

    def _arm(self) -> None:
        """Ask for an alarm unless there is one that is early enough; one too early does no harm."""
        if self._firing or not self._heap or self._heap[0][0] >= self._alarm_at:
            return

        self._disarm()
        self._alarm_at = self._heap[0][0]
        self._alarm = self.clock.call_at(self._alarm_at, self._wake)

    def _disarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()

        self._alarm, self._alarm_at = None, math.inf

    def _wake(self) -> None:
        """Fire what is due; the rest of a long burst comes after the loop had its turn."""
        self._alarm, self._alarm_at = None, math.inf
        self._firing = True
        try:
            self._fire_due(self.clock.monotonic())
        finally:
            self._firing = False
            self._arm()

    def _fire_due(self, now: float) -> None:
        for _ in range(BURST):
            if not self._heap or self._heap[0][0] > now or self.clock.monotonic() > now + BURST_SECONDS:
                return

            self._fire(heapq.heappop(self._heap)[2], now)

    def _fire(self, timer: Timer, now: float) -> None:
        deadline, missed = timer.deadline, timer.missed
        callback = timer.due(now)
        if callback is None:
            self._dead -= 1
            return

        if timer.active:  # an interval: it stands at its next tick already
            self._push(timer)

        self._fired += 1
        self._missed += timer.missed - missed
        self._late = max(self._late, now - deadline)
        try:
            callback()
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001 - the callback belongs to somebody else
            self._failed += 1
            self._on_error(error)


class Ticks(AsyncIterator[int]):
    """The ticks of an interval, for one reader."""

    def __init__(self, scheduler: Scheduler, interval: float, *, first: int) -> None:
        self._scheduler, self._interval = scheduler, interval
        self._index = first - 1
        self._beat: Beat | None = None

    @override
    async def __anext__(self) -> int:
        now = self._scheduler.clock.monotonic()
        beat = self._beat = self._beat or Beat(now, self._interval)
        upcoming = beat.next(now, self._index)
        await self._scheduler.sleep_until(beat.at(upcoming))
        # a cancelled wait changes nothing; only a tick that is given is counted
        last = beat.last(self._scheduler.clock.monotonic(), upcoming)
        missed, self._index = last - self._index - 1, last
        self._scheduler.skipped(missed)
        return missed


def check_interval(interval: float) -> None:
    """Refuse an interval that has no ticks."""
    if not 0.0 < interval < math.inf:
        raise ValueError(f"an interval must be a positive number of seconds, not {interval}")


def wake(woken: asyncio.Future[bool], *, in_time: bool) -> None:
    """Wake a sleeper that was not cancelled meanwhile."""
    if not woken.done():
        woken.set_result(in_time)


def closed() -> AppError:
    """Build the error for whoever waits for time after the end."""
    return AppError("the scheduler is closed: the app has stopped, nothing can wait for time any more")
