"""What a doctor says about one thing."""

from typing import Literal

import msgspec

State = Literal["ok", "note", "warning", "problem"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What one look at a thing has shown."""

    subject: str
    state: State = "ok"
    value: str
    #: What to do, where there is something to do.
    advice: str | None = None


def absent(value: str, *, named: bool) -> Finding:
    """Say that there is no store yet: as it should be before the first start, but not what was asked about by name."""
    return Finding(
        subject="store",
        state="problem" if named else "note",
        value=value,
        advice="it is made when an app first opens it",
    )
