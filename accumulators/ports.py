"""The ways in and out of a live accumulator, as the parts around it see them."""

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Protocol

from penstock.accumulators.boundary import Boundary
from penstock.accumulators.letter import Letter

#: Name of the reactor in whose asynchronous firing the current code runs.
INSIDE: ContextVar[str | None] = ContextVar("penstock_inside_firing", default=None)

#: The input of a reactor: takes values without the boundary around them, which is built only when somebody listens.
Taker = Callable[[object], None]
Listener = Callable[[Boundary], None]


class Reader(Protocol):
    """A reactor, as the accumulators that it joins see it."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    def take_later(self, take: Taker, value: object) -> None:
        """Take a value as ever, but fire nothing before the next turn of the loop."""

    def place(self, name: str, value: object) -> None:
        """Put the value of an input into the cache; it fires nothing."""


class Aside(Protocol):
    """What becomes of events that are not processed."""

    def bury(self, letter: Letter) -> None:
        """Keep a dead letter for the next cut."""

    def drop(self, part: str, reason: str) -> None:
        """Tell that an event was dropped on purpose, and is not kept."""

    def hurry(self) -> None:
        """Ask for a cut at the next turn of the loop."""


def nothing() -> None:
    """Be told nothing."""


def ignore(_value: object) -> None:
    """Take a value that nobody asks for."""


def together(takers: Sequence[Taker]) -> Taker:
    """Return what gives a value to each of some takers: to the only one without a step in between."""
    if not takers:
        return ignore

    def take(value: object) -> None:
        for each in takers:
            each(value)

    return takers[0] if len(takers) == 1 else take
