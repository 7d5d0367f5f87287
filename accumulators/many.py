"""Many events at once: how a batch that a source has is handed over, and what that looks like one by one."""

from collections.abc import Iterator
from typing import Protocol

from penstock.accumulators.decoding import Convert
from penstock.accumulators.source import Placed, Position
from penstock.runtime.errors import DecodeError
from penstock.runtime.forms import FAULTS

#: What a decoder raises for a value that it cannot read.
UNREADABLE = (*FAULTS, DecodeError)


class Accept(Protocol):
    """Takes one event."""

    def __call__(self, payload: object, position: Position | None = None, partition: str = "") -> bool:
        """Process one event at once."""
        ...


class AcceptAll(Protocol):
    """Takes many."""

    def __call__(self, events: Iterator[Placed], decode: Convert | None = None, partition: str = "") -> int:
        """Process events until there is none left, or the intake is saturated; return how many."""
        ...


def accept_each(accept: Accept, events: Iterator[Placed], decode: Convert | None, partition: str) -> int:
    """Hand over events one by one, until there is none left or the intake is saturated; return how many.

    What cannot be decoded is handed over as it is: the accumulator says what is wrong with it.
    """
    taken = 0
    for placed in events:
        event: object = placed.value
        if decode is not None and type(event) is bytes:
            try:
                event = decode(event)
            except UNREADABLE:
                event = placed.value

        taken += 1
        if not accept(event, placed.offset, partition):
            break

    return taken
