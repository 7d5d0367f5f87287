"""The facts that Penstock tells while it runs, and who listens.

Facts are told for what is rare enough to be told one by one: a run ended, a part restarted, a cut committed. What
happens a million times a second is counted in plain integers where it happens and read with ``statistics()``.
"""

from collections.abc import Callable

import msgspec


class Fact(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Something that happened."""


class EventDropped(Fact, frozen=True, kw_only=True):
    """An event or a boundary was dropped on purpose; ``letter`` tells whether a dead letter keeps it."""

    part: str
    #: ``decode``, ``process``, ``overflow``, ``filtered`` …
    reason: str
    error: str | None = None
    letter: bool = False


class FiringFailed(Fact, frozen=True, kw_only=True):
    """A graph failed in a firing."""

    reactor: str
    graph: str
    firing: str
    attempt: int
    error: str
    #: What happens next: ``retry``, ``dead_letter`` or ``drop``.
    outcome: str


class CutCommitted(Fact, frozen=True, kw_only=True):
    """A domain's cut was committed."""

    domain: str
    rows: int
    effects: int
    seconds: float


class CutFailed(Fact, frozen=True, kw_only=True):
    """A domain's cut was not committed; what it held goes into the next one."""

    domain: str
    error: str


class DomainLost(Fact, frozen=True, kw_only=True):
    """Another owner took the domain; its memory state was dropped."""

    domain: str
    epoch: int


class StateIgnored(Fact, frozen=True, kw_only=True):
    """Something stored was passed over at the start, because the code no longer has what it belongs to."""

    part: str
    #: ``graph 'x'``, ``input 'y'``, ``key 'z'`` …
    what: str
    reason: str


class RunStarted(Fact, frozen=True, kw_only=True):
    """A run was committed to the store and is known to the worker."""

    workflow: str
    run_id: str
    origin: str


class TaskFinished(Fact, frozen=True, kw_only=True):
    """A task run was committed with its last status."""

    workflow: str
    run_id: str
    task: str
    status: str
    seconds: float
    error: str | None = None


class RunFinished(Fact, frozen=True, kw_only=True):
    """A run was committed with its last status."""

    workflow: str
    run_id: str
    status: str
    seconds: float


class RunLeft(Fact, frozen=True, kw_only=True):
    """A run that is not over is not in this worker's hands any more; it may go on elsewhere, or after a restart."""

    workflow: str
    run_id: str
    #: ``lost`` to another owner, ``parked`` until there is code that fits, ``store`` failed.
    why: str
    reason: str


class PartRestarted(Fact, frozen=True, kw_only=True):
    """A supervised part crashed and starts again after ``delay`` seconds."""

    part: str
    restarts: int
    delay: float
    error: str


class CircuitChanged(Fact, frozen=True, kw_only=True):
    """A supervised part was given up (``open``), is tried again (``half_open``), or is well again (``closed``)."""

    part: str
    state: str
    error: str | None = None


class StoreRetried(Fact, frozen=True, kw_only=True):
    """A commit met a passing trouble and is tried again."""

    store: str
    attempt: int
    delay: float
    error: str


class FunctionsLeft(Fact, frozen=True, kw_only=True):
    """The app has stopped while functions still run in threads, which cannot be stopped."""

    functions: tuple[str, ...]


#: Told every fact, on the event loop; must be quick and must not raise.
Observer = Callable[[Fact], None]


def silent(_fact: Fact) -> None:
    """Listen to nothing: the default observer."""
