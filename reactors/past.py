"""A firing that is over, as people look back at it: decoded inputs, and what became of each graph."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from penstock.accumulators.accumulator import AnyAccumulator
from penstock.reactors import cache
from penstock.reactors.firing import Key
from penstock.reactors.history import Fired
from penstock.reactors.keeping import RESULTS
from penstock.runtime.codec import Codec
from penstock.runtime.errors import StateIncompatible
from penstock.runtime.store.rows import HistoryRow

#: Reads a value of which no type is known, or whose type has changed since.
UNTYPED: Codec[object] = Codec(object, part="history")


class PastFiring(msgspec.Struct, frozen=True, kw_only=True):
    """One firing that is over."""

    #: Its place among those that its reactor has remembered; the last of a page is ``before`` of the next one.
    number: int
    #: As in effects and dead letters.
    id: str
    reactor: str
    key: Key
    #: The snapshot that its graphs saw, by input; None when it could not be stored. Values of the store that do not
    #: have the type of their input any more are builtins.
    inputs: Mapping[str, object] | None
    #: Names of the inputs that were new.
    changed: frozenset[str]
    #: Whether somebody fired it by hand.
    manual: bool
    #: When it was decided.
    at: datetime
    #: From the decision to the end of the last graph, with what lay between tries; since the start of the process, when
    #: it was in flight then.
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


def past_row(row: HistoryRow, inputs: Mapping[str, AnyAccumulator]) -> PastFiring:
    """Return a firing that the store remembers.

    Args:
        row: The row.
        inputs: The accumulators by name; those that are missing are read without a type.
    """
    stored = None if row.snapshot is None else cache.CODEC.decode(row.snapshot)
    return PastFiring(
        number=row.number,
        id=row.firing,
        reactor=row.reactor,
        key=cache.key_of(row.key or "", row.reactor),
        inputs=None if stored is None else {name: read(data, inputs.get(name)) for name, data in stored.values.items()},
        changed=frozenset() if stored is None else frozenset(stored.new),
        manual=stored is not None and stored.manual,
        at=row.started_at,
        seconds=row.seconds,
        results=RESULTS.from_json(row.results),
    )


def read(data: bytes, accumulator: AnyAccumulator | None) -> object:
    """Return a value as the type of its input, or as builtins."""
    if accumulator is not None:
        try:
            return accumulator.output_codec.decode(data)
        except StateIncompatible:
            pass  # the type has changed: what was is shown as it can be read

    return UNTYPED.decode(data)
