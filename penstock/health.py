"""How an app feels: facts about its parts, and the one word that sums them up."""

from datetime import datetime
from typing import Literal

import msgspec

Status = Literal["closed", "live", "degraded", "failed"]
#: States of a reactor that is not ready yet.
STARTING = frozenset({"starting", "warming"})


class PartHealth(msgspec.Struct, frozen=True, kw_only=True):
    """The health of one part, from facts and never from hope."""

    name: str
    #: ``store``, ``domain``, ``source`` (an accumulator that is fed by one), ``accumulator`` (any other), ``reactor``,
    #: ``graph``, ``part``: something that runs by itself, such as a poll; or ``inbox``: journalled events whose
    #: accumulator the app does not have.
    kind: str
    #: ``live``; or what is wrong: ``waiting`` (restarts after an error), ``open`` (given up), ``connecting``,
    #: ``disconnected``, ``retrying`` (a firing that failed waits for its next try), ``paused``, ``crashed``, ``lost``,
    #: ``orphaned`` (events that nobody processes) …
    state: str
    #: The last error while it matters.
    error: str | None = None
    #: When the next try is due, for a part that waits for it.
    next_retry_at: datetime | None = None
    restarts: int = 0

    @property
    def well(self) -> bool:
        """Whether there is nothing to do about it."""
        return self.state in {"live", "paused", "warming", "finished"}


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """The health of an app."""

    #: ``failed`` when the store is gone, ``degraded`` when a part is not well, else ``live``.
    status: Status
    parts: tuple[PartHealth, ...] = ()

    @property
    def alive(self) -> bool:
        """Whether the process need not be started again: the app is open, and its store has not failed for good."""
        return self.status in {"live", "degraded"}

    @property
    def ready(self) -> bool:
        """Whether the app takes what it is given: it is alive, and no reactor waits for its start.

        A part that crashed, or is away, does not change that: it is supervised, and the others work.
        """
        return self.alive and not any(part.kind == "reactor" and part.state in STARTING for part in self.parts)

    @staticmethod
    def of(parts: tuple[PartHealth, ...]) -> "Health":
        """Sum up the parts."""
        if any(part.kind == "store" and not part.well for part in parts):
            return Health(status="failed", parts=parts)

        return Health(status="live" if all(part.well for part in parts) else "degraded", parts=parts)
