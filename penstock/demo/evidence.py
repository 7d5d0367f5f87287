"""What an incident is, what is collected about it, and what is concluded: values only."""

from datetime import datetime

import msgspec

from penstock.demo.baseline import Deviation
from penstock.demo.readings import Filesystem, Host, MemoryUse
from penstock.demo.signals import Processes, Sample


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """The input of the incident workflow: what was seen when it was opened."""

    opened_at: datetime
    host: Host
    #: The worst first; at least one.
    deviations: tuple[Deviation, ...]
    #: The worst deviation's signal up to now, oldest first.
    history: tuple[Sample, ...]
    #: Where the report goes.
    directory: str


class Culprit(msgspec.Struct, frozen=True, kw_only=True):
    """The process that probably caused it."""

    pid: int
    name: str
    #: Percent of one core.
    share: float
    #: Whether the demo itself has started it.
    own: bool


class Course(msgspec.Struct, frozen=True, kw_only=True):
    """How the signal went on."""

    #: The highest value since shortly before the incident was opened.
    peak: float
    #: The latest value.
    latest: float
    #: Whether the latest value is normal again.
    over: bool


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the analysis says."""

    words: str
    course: Course
    culprit: Culprit | None


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What the analysis looks at."""

    deviations: tuple[Deviation, ...]
    history: tuple[Sample, ...]
    followed: tuple[Sample, ...]
    processes: Processes | None


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    """All that goes into a report."""

    incident: Incident
    verdict: Verdict
    followed: tuple[Sample, ...]
    processes: Processes | None
    memory: MemoryUse | None
    filesystems: tuple[Filesystem, ...]
    #: How many connections are in which state; None where that is hidden.
    connections: dict[str, int] | None
