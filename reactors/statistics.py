"""What reactors and domains tell of themselves."""

import msgspec


class ReactorStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """What a reactor has done since the app started."""

    #: Boundaries that came in.
    boundaries: int
    #: Firings decided; one that was in flight before the start is not counted again.
    firings: int
    #: Values that were replaced by a newer one before they could fire.
    coalesced: int
    #: Graphs that failed, each try counted.
    failures: int
    #: Firings that are over, those in flight at the start among them: with all graphs done, or with one that failed.
    completed: int
    failed: int
    #: Firings given up for a newer value after they failed.
    superseded: int
    #: Evaluations of the predicate that failed.
    criteria_failures: int
    #: Keys in memory, and those of them that should fire and may not yet.
    keys: int
    due: int
    #: Boundaries that wait in the queue, and those for which it had no room, dropped or kept aside.
    queued: int
    overflowed: int
    #: Firings that run or wait to be tried again.
    in_flight: int
    paused: bool
    #: Seconds from the decision to the end of the firing: median, 99th percentile. In bursts some are measured.
    latency_p50: float
    latency_p99: float


class DomainStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """What a domain has done since the app started."""

    epoch: int
    #: Cuts committed, and those whose commit failed.
    cuts: int
    failed_cuts: int
    #: Effects and dead letters that are not committed yet.
    outbox: int
    #: Values that could not be encoded.
    left_out: int
    #: Why the last cut failed; None when it did not.
    error: str | None
