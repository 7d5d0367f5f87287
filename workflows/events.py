"""The events of a run: what was decided and when, packed as one JSON list per decision.

[{"event": "task_started", "at": "2026-01-01T00:00:00Z", "task": "fetch"},
{"event": "task_completed", "at": "2026-01-01T00:00:01Z", "task": "fetch"},
{"event": "run_completed", "at": "2026-01-01T00:00:01Z"}]
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import msgspec

from penstock.workflows.values import to_text

Kind = Literal[
    "task_started",
    "task_completed",
    "task_failed",
    "task_skipped",
    "context_conflict",
    "code_changed",
    "run_recovered",
    "run_completed",
    "run_failed",
    "run_quarantined",
]


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Something that happened in a run; fields that do not apply are left out."""

    event: Kind
    at: datetime
    task: str | None = None
    #: Why: a task failed or was skipped, a run was recovered or quarantined.
    reason: str | None = None
    #: Of a failed task: where its error came from.
    traceback: str | None = None
    #: Of a conflict: the keys from the outside in, and the tasks that wrote there; the last one won.
    path: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()


def events_to_text(events: Sequence[Event]) -> str:
    """Return events as they are stored."""
    return to_text(events)
