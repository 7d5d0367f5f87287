"""The scheduler against a model: a list that is searched for the earliest timer."""

from dataclasses import dataclass
from itertools import count

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from penstock.runtime.scheduler import Scheduler, Timer
from tests.runtime.hand_clock import HandClock

SECONDS = st.integers(0, 12).map(lambda quarters: quarters / 4)
INTERVALS = st.sampled_from([0.25, 0.75, 1.0, 2.5])


@dataclass
class Planned:
    name: int
    deadline: float
    order: int
    interval: float | None = None
    missed: int = 0


class Model:
    """What should happen, told as simply as can be. Quarters of seconds are exact, so instants compare."""

    def __init__(self) -> None:
        self.planned: list[Planned] = []
        self.orders = count()
        self.missed = 0

    def set(self, name: int, deadline: float, interval: float | None = None) -> None:
        self.planned.append(Planned(name, deadline, next(self.orders), interval))

    def cancel(self, name: int) -> None:
        self.planned = [timer for timer in self.planned if timer.name != name]

    def fire(self, now: float) -> int | None:
        """Take the next timer that is due; one of an interval is set again behind ``now``."""
        due = [timer for timer in self.planned if timer.deadline <= now]
        if not due:
            return None

        timer = min(due, key=lambda timer: (timer.deadline, timer.order))
        self.planned.remove(timer)
        if timer.interval is not None:
            upcoming = timer.deadline + timer.interval
            while upcoming <= now:
                upcoming += timer.interval
                self.missed += 1

            self.set(timer.name, upcoming, timer.interval)

        return timer.name


class SchedulerMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.clock = HandClock()
        self.scheduler = Scheduler(self.clock, on_error=self.fail)
        self.model = Model()
        self.timers: list[Timer] = []
        self.fired: list[tuple[float, int]] = []

    def fail(self, error: BaseException) -> None:
        raise error

    def expect(self, deadline: float, interval: float | None = None) -> int:
        name = len(self.timers)
        self.model.set(name, deadline, interval)
        return name

    def note(self, name: int) -> None:
        self.fired.append((self.clock.monotonic(), name))

    @rule(delay=SECONDS, past=st.booleans())
    def set(self, delay: float, past: bool) -> None:
        deadline = self.clock.monotonic() + (-delay if past else delay)
        name = self.expect(deadline)
        self.timers.append(self.scheduler.at(deadline, lambda: self.note(name)))

    @rule(interval=INTERVALS, first=st.none() | SECONDS)
    def repeat(self, interval: float, first: float | None) -> None:
        name = self.expect(self.clock.monotonic() + (interval if first is None else first), interval)
        self.timers.append(self.scheduler.every(interval, lambda: self.note(name), first=first))

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        if self.timers:
            name = data.draw(st.integers(0, len(self.timers) - 1))
            self.timers[name].cancel()
            self.model.cancel(name)

    @rule(seconds=SECONDS)
    def advance(self, seconds: float) -> None:
        """Time passes from deadline to deadline."""
        end = self.clock.monotonic() + seconds
        expected: list[tuple[float, int]] = []
        now = self.clock.monotonic()
        while upcoming := [timer.deadline for timer in self.model.planned if timer.deadline <= end]:
            now = max(now, min(upcoming))
            while (name := self.model.fire(now)) is not None:
                expected.append((now, name))

        self.clock.advance(seconds)
        self.check(expected)

    @rule(seconds=SECONDS)
    def jump(self, seconds: float) -> None:
        """The loop was held, or the machine slept: all that is due is served at once."""
        now = self.clock.monotonic() + seconds
        expected: list[tuple[float, int]] = []
        while (name := self.model.fire(now)) is not None:
            expected.append((now, name))

        self.clock.now_is(now)
        self.clock.advance(0.0)
        self.check(expected)

    def check(self, expected: list[tuple[float, int]]) -> None:
        assert self.fired == expected
        self.fired.clear()

    @invariant()
    def counts_agree(self) -> None:
        statistics = self.scheduler.statistics()
        assert (statistics.pending, statistics.missed) == (len(self.model.planned), self.model.missed)

    @invariant()
    def one_alarm_early_enough(self) -> None:
        if self.model.planned:
            (alarm,) = self.clock.alarms
            assert alarm <= min(timer.deadline for timer in self.model.planned)

    def teardown(self) -> None:
        self.scheduler.close()
        assert (self.clock.alarms, [timer for timer in self.timers if timer.active]) == ([], [])


TestScheduler = SchedulerMachine.TestCase
