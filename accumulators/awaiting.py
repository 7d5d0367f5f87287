"""An accumulator whose function waits: events queue up, and one task processes them, one after the other.

A queued event is taken but not processed: its position, or its row of the inbox, is noted when the function has
returned, in one step with the boundary. So what is in the queue when the process dies comes again.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable
from typing import cast

from typing_extensions import override

from penstock.accumulators.accumulator import AnyAccumulator
from penstock.accumulators.live import UNREAD, LiveAccumulator
from penstock.accumulators.signal import Signal
from penstock.accumulators.source import Position

#: Payload, position, partition, row of the inbox or 0.
Queued = tuple[object, Position | None, str, int]


class AwaitingAccumulator(LiveAccumulator):
    """A live accumulator of an ``async def``."""

    __slots__ = ("_queue", "_room", "_work")

    @override
    def _blank(self) -> None:
        super()._blank()
        self._queue: deque[Queued] = deque()
        self._work: asyncio.Future[None] | None = None
        self._room = Signal()

    @property
    @override
    def full(self) -> bool:
        return self.gate.full or len(self._queue) >= self.capacity

    @property
    @override
    def idle(self) -> bool:
        return not self._queue

    @override
    def accept(self, payload: object, position: Position | None = None, partition: str = "") -> bool:
        self.events += 1
        self._enqueue((payload, position, partition, 0))
        return not self.full and not self.gate.shut

    @override
    def apply(self, row: int, event: object) -> bool:
        self.events += 1
        self._enqueue((event, None, "", row))
        return not self.full and not self.gate.shut

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

            await self._process(*self._queue[0])
            self._queue.popleft()
            self._room.tell()
            if not self._queue:
                self.calm()

    def _enqueue(self, queued: Queued) -> None:
        if len(self._queue) >= self.capacity and self.definition.overflow == "drop_oldest" and len(self._queue) > 1:
            del self._queue[1]  # the oldest that is not being processed
            self.overflowed += 1

        self._queue.append(queued)
        if self._work is not None and not self._work.done():
            self._work.set_result(None)

    async def _process(self, payload: object, position: Position | None, partition: str, row: int) -> None:
        event: object = UNREAD
        try:
            event = self._convert(payload)
            value = await cast("Awaitable[object]", self._call(event))
            if value is not None:
                value = self._conform(value)
        except Exception as error:  # noqa: BLE001 (user code; one bad event must not stop the next)
            self._note()
            self._reject("decode" if event is UNREAD else "process", error, payload, position, partition)
        else:
            self._complete(value, position, partition)

        self.consumed = row or self.consumed

    def _complete(self, value: object, position: Position | None, partition: str) -> None:
        self._note()
        if position is not None:
            self.positions[partition] = position

        if value is None:
            self.filtered += 1
        else:
            self._emit(value)


def live_class(definition: AnyAccumulator) -> type[LiveAccumulator]:
    """Return what brings a definition to life."""
    waits = definition.function.is_async and definition.kind != "polling"
    return AwaitingAccumulator if waits else LiveAccumulator
