"""A stream accumulator at work whose source has batches: the way of an event, written once for many of them.

A call costs as much as a small function of a user, so for a batch everything that ``accept`` does stands in one loop,
and what is the same for all of its events is done once: the position is noted when the loop is left, before anybody
else can have a turn, and so is how many there were. What a firing or a listener sees is noted event by event.
"""

from collections.abc import Iterator
from itertools import islice

from typing_extensions import override

from penstock.accumulators.decoding import Convert
from penstock.accumulators.gate import SLICE_EVENTS
from penstock.accumulators.live import UNREAD, LiveAccumulator
from penstock.accumulators.source import Placed, check_place

#: Stands for the value of an event that was kept aside.
NOTHING = object()


class StreamingAccumulator(LiveAccumulator):
    """A live accumulator of a ``def`` that a source feeds."""

    events: int
    filtered: int
    sequence: int

    __slots__ = ()

    @override
    def accept_all(self, events: Iterator[Placed], decode: Convert | None = None, partition: str = "") -> int:
        gate, convert, call = self.gate, self._convert, self._call
        decode, conform, value_class = decode or convert, self._conform, self._value_class
        taken, last = 0, None
        try:
            for placed in islice(events, SLICE_EVENTS):  # after which others on the loop have their turn
                taken += 1
                event: object = UNREAD
                try:
                    payload = placed.value
                    event = decode(payload) if type(payload) is bytes else convert(payload)
                    value = call(event)
                    if type(value) is not value_class and value is not None:
                        value = conform(value)
                except BaseException as error:  # noqa: BLE001 (user code; raised again if it is not for the event)
                    self._refuse(event, error, placed.value, placed.offset, partition)
                    value = NOTHING

                last = placed
                if value is None:
                    self.filtered += 1
                elif value is not NOTHING:
                    self.sequence += 1
                    self._give(value)

                if gate.shut:
                    break
        finally:
            self._leave(taken, last, partition)

        return taken

    def _leave(self, taken: int, last: Placed | None, partition: str) -> None:
        """Note how far the events were taken."""
        self.events += taken
        if last is not None:
            check_place(self.name, last.offset, partition)
            self._note()
            self.positions[partition] = last.offset
