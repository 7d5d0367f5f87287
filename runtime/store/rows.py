"""The values that rows become, and the one conversion between wall-clock times and what a column holds."""

import re
from datetime import UTC, datetime, timedelta

import msgspec

from penstock.runtime.errors import RunNotFound

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
#: Run ids are ``node * RUNS_PER_NODE + counter``: they grow with time and need no round trip.
RUNS_PER_NODE = 2**32
#: More than there can be, since an id has 63 bits.
STARTS = 2**31
#: How people see an id; of digits that everybody reads.
NAME = re.compile(r"([0-9]{1,10})-([0-9]{1,10})")


def to_micros(at: datetime) -> int:
    """Return whole microseconds UTC, exactly; what a time column holds."""
    return (at - EPOCH) // MICROSECOND


def from_micros(micros: int) -> datetime:
    """Return the aware UTC datetime that a time column holds."""
    return EPOCH + timedelta(microseconds=micros)


def maybe_micros(at: datetime | None) -> int | None:
    """Return microseconds, or nothing for nothing."""
    return None if at is None else (at - EPOCH) // MICROSECOND


def maybe_time(micros: int | None) -> datetime | None:
    """Return a datetime, or nothing for nothing."""
    return None if micros is None else EPOCH + timedelta(microseconds=micros)


def run_name(run_id: int) -> str:
    """Return how people see a run's id: ``3-17`` is the 17th run of the third start of an app on this store."""
    node, counter = divmod(run_id, RUNS_PER_NODE)
    return f"{node}-{counter}"


def run_number(name: str) -> int:
    """Return the id behind ``run_name``.

    Raises:
        RunNotFound: The text is not the name of a run.
    """
    found = NAME.fullmatch(name)
    node, counter = (int(part) for part in found.groups()) if found else (STARTS, 0)
    if node >= STARTS or counter >= RUNS_PER_NODE:
        raise RunNotFound(name)

    return node * RUNS_PER_NODE + counter


class FiringRow(msgspec.Struct, frozen=True, kw_only=True):
    """A firing in flight: its snapshot, and which graphs are done with it."""

    reactor: str
    #: The firing's id, unique for ever.
    firing: str
    key: str | None = None
    snapshot: bytes
    #: JSON list of the graphs that are done.
    done: str = "[]"
    attempts: int = 0
    #: How often the process died while this firing was in flight.
    crashes: int = 0
    started_at: datetime


class HistoryRow(msgspec.Struct, frozen=True, kw_only=True):
    """A firing that is over: its snapshot, and what became of each graph."""

    reactor: str
    #: Its place among the reactor's.
    number: int
    #: The firing's id.
    firing: str
    key: str | None = None
    #: None when the inputs could not be written.
    snapshot: bytes | None
    #: JSON object: by graph null when it is done, else why it failed.
    results: str
    started_at: datetime
    #: From the decision to the end of the last graph.
    seconds: float


class InboxRow(msgspec.Struct, frozen=True, kw_only=True):
    """An event that was journalled and is not consumed yet."""

    seq: int
    accumulator: str
    payload: bytes


class LogRow(msgspec.Struct, frozen=True, kw_only=True):
    """One appended row of a queue or a buffer."""

    component: str
    key: str
    seq: int
    value: bytes


class LetterRow(msgspec.Struct, frozen=True, kw_only=True):
    """A dead letter: what could not be processed, and why."""

    #: Number in the store; 0 before it is stored.
    id: int = 0
    domain: str
    shard: int = 0
    #: The accumulator, reactor or graph that could not process it.
    part: str
    #: ``decode``, ``process``, ``firing`` …
    reason: str
    error: str
    payload: bytes
    position: str | None = None
    created_at: datetime


class TaskRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A task of a run, as far as it got."""

    run_id: int
    task: str
    status: str
    attempts: int = 1
    #: JSON text: the paths that the task set or deleted in its context.
    delta: str | None = None
    error: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None


class RunRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A run; ``tasks`` are filled where a query says so."""

    id: int
    workflow: str
    structure_version: str
    code_version: str
    status: str
    #: JSON text.
    input: str
    output: str | None = None
    error: str | None = None
    #: Who started it: ``app``, a firing, a schedule …
    origin: str = "app"
    #: At most one run of a workflow has a given key.
    key: str | None = None
    #: The node that owns it; nobody: any node may claim it.
    owner: int | None = None
    epoch: int = 1
    #: How often an owner died while it owned the unfinished run.
    recoveries: int = 0
    lease_until: datetime | None = None
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    tasks: tuple[TaskRow, ...] = ()


class EventsRow(msgspec.Struct, frozen=True, kw_only=True):
    """The events of one decision about a run, packed into one row."""

    run_id: int
    seq: int
    at: datetime
    #: JSON text: a list of events.
    events: str


class CommandRow(msgspec.Struct, frozen=True, kw_only=True):
    """What another process wants the owner of a thing to do; the owner answers in the row."""

    #: Number in the store; 0 before it is stored.
    id: int = 0
    verb: str
    #: What the verb is about: a dead letter, a reactor.
    target: str
    #: JSON text.
    arguments: str = "{}"
    #: ``waiting``, ``taken``; and at the end ``done``, ``failed``, ``expired`` or ``withdrawn``.
    status: str = "waiting"
    #: JSON text.
    answer: str | None = None
    created_at: datetime
    answered_at: datetime | None = None
    #: The start that has taken it.
    owner: int | None = None
    #: When nobody waits for an answer any more: whoever has not taken it by then leaves it.
    expires_at: datetime | None = None
