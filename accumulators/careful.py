"""The intake of a source some of whose events may have ended the process: it takes those one at a time.

An event of a partition in doubt waits here until ``ready``, which the source awaits because it was told that the intake
is saturated. Others pass as ever, and so do all when the doubt is over.
"""

from collections import deque
from collections.abc import Iterator

from typing_extensions import override

from penstock.accumulators.decoding import Convert
from penstock.accumulators.feed import Feed
from penstock.accumulators.live import LiveAccumulator
from penstock.accumulators.many import Accept, AcceptAll, accept_each
from penstock.accumulators.source import Placed, Position, check_place
from penstock.runtime.scheduler import Scheduler
from penstock.runtime.threads import Threads

#: Stands for a position without an event.
SKIPPED = object()


class CarefulFeed(Feed):
    """An ``Intake`` that finds out which event ends the process."""

    accept: Accept
    accept_all: AcceptAll

    __slots__ = ("_busy", "_waiting")

    def __init__(self, accumulator: LiveAccumulator, scheduler: Scheduler, threads: Threads) -> None:
        super().__init__(accumulator, scheduler, threads)
        self.accept = self._accept
        self.accept_all = self._accept_all
        self._waiting: deque[tuple[object, Position, str]] = deque()
        #: Events that are here, those that are being processed included.
        self._busy = 0

    def _accept(self, payload: object, position: Position | None = None, partition: str = "") -> bool:
        if position is None or not (self._busy or self._accumulator.trials.doubts(partition)):
            return self._accumulator.accept(payload, position, partition)

        check_place(self._accumulator.name, position, partition)
        self._wait(payload, position, partition)
        return False

    def _accept_all(self, events: Iterator[Placed], decode: Convert | None = None, partition: str = "") -> int:
        return accept_each(self._accept, events, decode, partition)

    @override
    def skip(self, position: Position, partition: str = "") -> None:
        if self._busy:  # in its turn
            self._wait(SKIPPED, position, partition)
        else:
            super().skip(position, partition)

    def _wait(self, payload: object, position: Position, partition: str) -> None:
        self._waiting.append((payload, position, partition))
        self._busy += 1

    @override
    async def ready(self) -> None:
        await self.finish()
        await super().ready()

    @override
    async def finish(self) -> None:
        while self._waiting:
            payload, position, partition = self._waiting.popleft()
            try:
                await self._take(payload, position, partition)
            finally:
                self._busy -= 1

    async def _take(self, payload: object, position: Position, partition: str) -> None:
        accumulator = self._accumulator
        if payload is SKIPPED:
            accumulator.skip(position, partition)
        elif not accumulator.trials.doubts(partition):
            accumulator.accept(payload, position, partition)
        else:
            async with accumulator.trials.alone(partition, position) as deadly:
                if deadly is not None:
                    accumulator.refuse(payload, deadly, position, partition)
                else:
                    accumulator.accept(payload, position, partition)
                    await accumulator.trials.settled(lambda: accumulator.processed)
