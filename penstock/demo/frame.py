"""One look at the demo while it runs, as a value: what the view shows, whatever it is drawn with."""

import msgspec


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """One accumulator and what it has read."""

    name: str
    events: int
    #: Events per second, lately.
    rate: float
    #: The newest values in words; empty while there are none.
    now: str = ""
    #: The same in a few letters.
    brief: str = ""
    #: What is normal, in words; empty while that is not known.
    normal: str = ""
    #: The latest values as parts of the highest that is drawn, 0 to 1.
    course: tuple[float, ...] = ()
    #: Whether the newest values are not normal.
    strange: bool = False
    #: Why there is nothing to see, if so.
    absent: str | None = None


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Percentiles in seconds, from the decision to fire to the end of the firing; None while there is none."""

    p50: float | None = None
    p99: float | None = None


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """One task of a run."""

    name: str
    #: ``waiting`` until it has ended: ``completed``, ``failed``, ``skipped``.
    status: str
    seconds: float | None = None


class RunLine(msgspec.Struct, frozen=True, kw_only=True):
    """One run as it progresses."""

    id: str
    #: What it is about; empty while that is not known.
    title: str = ""
    status: str
    #: Since it was started, until it ended.
    seconds: float
    tasks: tuple[Task, ...]
    #: Whether an earlier demo has started it.
    recovered: bool = False


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """All of it."""

    elapsed: float
    seconds: float
    host: str
    store: str
    #: Incidents that demos before this one have left in the store.
    earlier_runs: int
    #: What the load spike does, in words.
    spike: str
    streams: tuple[Stream, ...]
    firings: int
    firings_rate: float
    failed: int
    latency: Latency
    cuts: int
    runs: tuple[RunLine, ...]
    #: How the way over Kafka is, in words; empty when the readings come directly.
    kafka: str = ""

    @property
    def events(self) -> int:
        """Events of all streams."""
        return sum(stream.events for stream in self.streams)

    @property
    def events_rate(self) -> float:
        """Events per second of all streams."""
        return sum(stream.rate for stream in self.streams)
