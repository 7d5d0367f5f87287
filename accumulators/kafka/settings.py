"""What is read, from where, and how we keep up: the part of a source that its connection needs."""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Literal

import msgspec

Start = Literal["earliest", "latest"] | datetime
Missing = Literal["error", "earliest", "latest"]
MISSING = ("error", "earliest", "latest")

#: Options of the consumer that may be given; all others are ours.
OPTIONS = {
    "check_crcs",
    "client_id",
    "client_rack",
    "connections_max_idle_ms",
    "fetch_max_bytes",
    "fetch_max_wait_ms",
    "fetch_min_bytes",
    "isolation_level",
    "max_partition_fetch_bytes",
    "request_timeout_ms",
    "retry_backoff_ms",
}


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The options of a Kafka source that are not about values; ``Kafka`` says what each means."""

    topics: tuple[str, ...]
    pattern: str | None
    brokers: str
    start: Start
    on_missing: Missing
    group: str | None
    look_every: float
    stall_after: float
    options: Mapping[str, object]

    @property
    def name(self) -> str:
        """What is read: ``kafka orderbook``."""
        return f"kafka {self.pattern if self.pattern is not None else ', '.join(self.topics)}"

    def takes(self, topic: str) -> bool:
        """Tell whether a topic is read."""
        return topic in self.topics if self.pattern is None else re.fullmatch(self.pattern, topic) is not None

    def problems(self) -> Iterator[str]:
        """Yield what is wrong with them."""
        if bool(self.topics) == (self.pattern is not None):
            yield "give one topic, or topics=[…], or pattern=…"

        if self.pattern is not None and (problem := pattern_problem(self.pattern)) is not None:
            yield problem

        if self.on_missing not in MISSING:
            yield f"on_missing={self.on_missing!r} is none of {', '.join(map(repr, MISSING))}"

        if self.start not in {"earliest", "latest"} and not is_aware(self.start):
            yield f"start={self.start!r} is neither 'earliest' nor 'latest' nor a datetime with a timezone"

        if unknown := sorted(self.options.keys() - OPTIONS):
            yield f"options has {', '.join(unknown)}, but may have: {', '.join(sorted(OPTIONS))}"


def pattern_problem(pattern: str) -> str | None:
    """Say what is wrong with a regular expression."""
    try:
        re.compile(pattern)
    except re.error as error:
        return f"pattern={pattern!r} is no regular expression: {error}"

    return None


def is_aware(start: object) -> bool:
    """Tell whether it is a time that means the same everywhere."""
    return isinstance(start, datetime) and start.tzinfo is not None
