"""What an accumulator tells of itself."""

from datetime import datetime
from typing import Literal

import msgspec

#: ``connecting`` and ``disconnected``: what feeds it is being reached, or out of reach. ``ended``: nothing more comes.
Health = Literal["starting", "connecting", "live", "disconnected", "ended"]


class AccumulatorStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """What an accumulator has done since the app started."""

    #: Events that came in, whatever became of them.
    events: int
    #: Boundaries that went out.
    boundaries: int
    #: Events for which the function returned None.
    filtered: int
    #: Events that could not be converted.
    undecodable: int
    #: Events for which the function raised, or returned what it may not.
    failed: int
    #: Queued events that gave way to newer ones.
    overflowed: int
    #: Pushes that were refused, and polls that were skipped, because the domain was full.
    refused: int
    #: Pushed events that are journalled and not applied yet.
    waiting: int
    #: Events in a batch that is not flushed yet, or values in a window.
    held: int
    #: How many of those there may be, or how many events may wait; None for no bound.
    capacity: int | None
    health: Health
    #: Why it is not live.
    error: str | None
    #: Events that wait in its source, and how many that gives in a second; None when the source does not tell.
    lag: int | None = None
    rate: float | None = None
    #: When what feeds it is tried again, after it failed.
    next_retry_at: datetime | None
