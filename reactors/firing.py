"""A firing: the immutable snapshot that a reactor hands to its graphs, and what comes back from them."""

from collections.abc import Awaitable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

import msgspec

from penstock.runtime.effects import Emit, Recorded

#: What tells the keys of a reactor apart; None is the only key of a reactor without ``key=``.
Key = str | int | None


class Anchor(msgspec.Struct, frozen=True):
    """One instant on both scales of time, so that a wall-clock time is computed only when somebody asks for it."""

    wall: datetime
    monotonic: float

    def at(self, moment: float) -> datetime:
        """Return the wall-clock time of a monotonic moment."""
        return self.wall + timedelta(seconds=moment - self.monotonic)


#: The anchor of firings that are made by hand, in tests and notebooks.
NOWHERE = Anchor(datetime(1970, 1, 1, tzinfo=UTC), 0.0)


class Firing(msgspec.Struct, frozen=True):
    """One decision to run. Positional, because it is built a million times a second."""

    #: The id but for the sequence number; the text of most ids is never asked for.
    series: str
    #: Name of the reactor.
    reactor: str
    key: Key
    #: The newest value of each input that has one, by name. Values are shared by reference: they are not to be changed.
    inputs: Mapping[str, object]
    #: Names of the inputs that are new since the key's last firing; may be empty when fired by hand.
    changed: frozenset[str]
    #: When it was decided, in seconds of the clock's monotonic scale.
    moment: float = 0.0
    anchor: Anchor = NOWHERE
    #: Number among the firings of the reactor in its epoch; None when ``series`` is the whole id.
    sequence: int | None = None
    #: Whether somebody fired it by hand, whatever the criteria say.
    manual: bool = False

    @property
    def id(self) -> str:
        """``<reactor>:<epoch>-<sequence>``; never used for another snapshot."""
        return self.series if self.sequence is None else f"{self.series}{self.sequence}"

    @property
    def at(self) -> datetime:
        """When it was decided, as an aware UTC datetime."""
        return self.anchor.at(self.moment)


class Outcome(msgspec.Struct, frozen=True):
    """What a graph made of a firing."""

    #: What is to happen once the graph is marked as done; their order is kept.
    effects: Sequence[Recorded | Emit] = ()
    #: For whoever looks on; a reactor makes nothing of it.
    result: object = None


class Subscriber(Protocol):
    """Who is called with each firing: a graph."""

    @property
    def name(self) -> str:
        """The name under which the store remembers that it is done with a firing."""
        ...

    @property
    def is_async(self) -> bool:
        """Whether ``arun`` is called, on the reactor's own task, instead of ``run``."""
        ...

    def run(self, firing: Firing) -> Outcome:
        """Traverse the graph at once.

        Raises:
            GraphError: The traversal failed; nothing of it takes effect, and the reactor's ``on_error`` decides.
        """
        ...

    def arun(self, firing: Firing) -> Awaitable[Outcome]:
        """Traverse the graph, waiting where a node waits; raises as ``run`` does."""
        ...
