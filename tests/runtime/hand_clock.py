"""A clock without a loop: the test rings its one alarm by hand."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from penstock.runtime.clock import Activity


class HandAlarm:
    def __init__(self, deadline: float, wake: Callable[[], None], alarms: "list[HandAlarm]") -> None:
        self.deadline, self.wake, self._alarms = deadline, wake, alarms

    def cancel(self) -> None:
        if self in self._alarms:
            self._alarms.remove(self)


class HandClock:
    """What a scheduler asks of a clock; refuses a second alarm at the same time."""

    def __init__(self) -> None:
        self.activity = Activity()
        self.asked = 0
        self._now = 0.0
        self._alarms: list[HandAlarm] = []

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self._now)

    def monotonic(self) -> float:
        return self._now

    def call_at(self, deadline: float, wake: Callable[[], None]) -> HandAlarm:
        assert not self._alarms, "a second alarm"
        self.asked += 1
        self._alarms.append(HandAlarm(deadline, wake, self._alarms))
        return self._alarms[0]

    @property
    def alarms(self) -> list[float]:
        return [alarm.deadline for alarm in self._alarms]

    def now_is(self, now: float) -> None:
        """Let time jump, without an alarm."""
        self._now = now

    def ring(self) -> None:
        """Let the alarm come, in time or not."""
        self._alarms.pop().wake()

    def advance(self, seconds: float) -> None:
        """Let time pass from alarm to alarm."""
        end = self._now + seconds
        while self._alarms and self._alarms[0].deadline <= max(end, self._now):
            self._now = max(self._now, self._alarms[0].deadline)
            self.ring()

        self._now = max(self._now, end)
