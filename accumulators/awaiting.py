"""An accumulator whose function waits: events queue up, and one task processes them, one after the other.

A queued event is taken but not processed: its position, or its row of the inbox, is noted when the function has
returned, in one step with the boundary. So what is in the queue when the process dies comes again.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Mapping
from typing import cast

from typing_extensions import override

from penstock.accumulators.live import UNREAD, LiveAccumulator
from penstock.accumulators.signal import Signal
from penstock.accumulators.source import Position, check_place

#: Stands in the queue for a position without an event.
SKIPPED = object()


class Queued:
    """An event that is taken and not processed.

    Attributes:
        payload: The event, or what it is made of.
        position: Where its source had it.
        partition: The part of the source that the position counts in.
        row: Its row of the inbox, or 0.
        pushed: Whether it was pushed and stands in no row: the only kind that may give way to a newer one.
        error: Why it must not be processed; None when it may.
    """

    __slots__ = ("error", "partition", "payload", "position", "pushed", "row")

    def __init__(
        self,
        payload: object,
        position: Position | None = None,
        partition: str = "",
        *,
        row: int = 0,
        pushed: bool = False,
        error: Exception | None = None,
    ) -> None:
        self.payload: object = payload
        self.position: Position | None = position
        self.partition: str = partition
        self.row: int = row
        self.pushed: bool = pushed
        self.error: Exception | None = error


class AwaitingAccumulator(LiveAccumulator):
    """A live accumulator of an ``async def``."""

    events: int
    filtered: int
    overflowed: int
    consumed: int

    __slots__ = ("_queue", "_room", "_work")

    @override
    def _blank(self) -> None:
        super()._blank()
        self._queue: deque[Queued] = deque()
        self._work: asyncio.Future[None] | None = None
        self._room = Signal()

    @override
    def skip(self, position: Position, partition: str = "") -> None:
        if self._queue:  # in its turn: events before it are not processed yet
            self._queue.append(Queued(SKIPPED, position, partition))
        else:
            super().skip(position, partition)

    @property
    @override
    def full(self) -> bool:
        return self.gate.full or len(self._queue) >= self.capacity

    @property
    @override
    def idle(self) -> bool:
        return not self._queue

    @property
    @override
    def processed(self) -> bool:
        return not self._queue

    @override
    def accept(self, payload: object, position: Position | None = None, partition: str = "") -> bool:
        if position is not None:
            check_place(self.name, position, partition)

        return self._enqueue(Queued(payload, position, partition))

    @override
    def admit(self, payload: object, position: Position | None = None, partition: str = "") -> bool:
        if len(self._queue) >= self.capacity and self.definition.overflow == "drop_oldest":
            self._drop_oldest()

        return self._enqueue(Queued(payload, position, partition, pushed=True))

    @override
    def apply(self, row: int, event: object) -> bool:
        return self._enqueue(Queued(event, row=row))

    @override
    def refuse_row(self, row: int, payload: object, error: Exception) -> None:
        self._enqueue(Queued(payload, row=row, error=error))  # in its turn: rows before it are not processed yet

    @override
    def newest_positions(self) -> Mapping[str, Position]:
        positions = dict(self.positions)
        positions.update({each.partition: each.position for each in self._queue if each.position is not None})
        return positions

    @override
    async def ready(self) -> None:
        await self.gate.ready()
        while len(self._queue) >= self.capacity and self.gate.gone is None:
            await self._room.wait()

    async def process(self) -> None:
        """Process what is queued, for ever; the body of a supervised part."""
        while True:
            if not self._queue:
                self._work = asyncio.get_running_loop().create_future()
                await self._work

            await self._process(self._queue[0])
            self._queue.popleft()
            self._room.tell()
            if not self._queue:
                self.calm()

    def _drop_oldest(self) -> None:
        """Drop the oldest pushed event that is not being processed; if there is none, one more waits than should."""
        for place, queued in enumerate(self._queue):
            if place and queued.pushed:
                del self._queue[place]
                self.overflowed += 1
                self.keeper.drop(self.name, "overflow")
                return

    def _enqueue(self, queued: Queued) -> bool:
        self.events += 1
        self._queue.append(queued)
        if self._work is not None and not self._work.done():
            self._work.set_result(None)

        return not self.full and not self.gate.shut

    async def _process(self, queued: Queued) -> None:
        if queued.error is not None:
            self._set_aside(queued.row, queued.payload, queued.error)
            return

        if queued.payload is SKIPPED:
            super().skip(cast("Position", queued.position), queued.partition)
            return

        event: object = UNREAD
        try:
            event = self._convert(queued.payload)
            value = await cast("Awaitable[object]", self._call(event))
            if value is not None:
                value = self._conform(value)
        except GeneratorExit:
            raise  # it is closed where it waits
        except BaseException as error:  # noqa: BLE001 (user code; raised again if it is not for the event)
            self._note()
            self._refuse(event, error, queued.payload, queued.position, queued.partition)
        else:
            self._complete(value, queued.position, queued.partition)

        self.consumed = queued.row or self.consumed

    def _complete(self, value: object, position: Position | None, partition: str) -> None:
        self._note()
        if position is not None:
            self.positions[partition] = position

        if value is None:
            self.filtered += 1
        else:
            self._emit(value)
