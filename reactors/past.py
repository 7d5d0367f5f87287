"""A firing that is over, as people look back at it: decoded inputs, and what became of each graph."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from penstock.reactors.firing import Key
from penstock.reactors.history import Fired


class PastFiring(msgspec.Struct, frozen=True, kw_only=True):
    """One firing that is over."""

    #: Its place among those that its reactor has remembered; the last of a page is ``before`` of the next one.
    number: int
    #: As in effects and dead letters.
    id: str
    reactor: str
    key: Key
    #: The snapshot that its graphs saw, by input; None when it could not be stored.
    inputs: Mapping[str, object] | None
    #: Names of the inputs that were new.
    changed: frozenset[str]
    #: Whether somebody fired it by hand.
    manual: bool
    #: When it was decided.
    at: datetime
    #: From the decision to the end of the last graph, with what lay between tries.
    seconds: float
    #: By graph: None when it is done, else why it failed in the end.
    results: Mapping[str, str | None]

    @property
    def ok(self) -> bool:
        """Whether all its graphs are done."""
        return not any(self.results.values())


def past(fired: Fired) -> PastFiring:
    """Return a firing that is remembered in memory."""
    firing = fired.firing
    return PastFiring(
        number=fired.number,
        id=firing.id,
        reactor=firing.reactor,
        key=firing.key,
        inputs=firing.inputs,
        changed=firing.changed,
        manual=firing.manual,
        at=firing.at,
        seconds=fired.seconds,
        results=fired.results,
    )
