"""A batch accumulator at work: events gather until the batch is full, old, or asked for.

What waits in a batch is stored as rows. Function, boundary and the end of the rows are one step: whatever the instant
of a crash, either the events are still there, or what came of them is.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import cast

from typing_extensions import override

from penstock.accumulators.batch import BatchAccumulator
from penstock.accumulators.buffer import Buffer
from penstock.accumulators.live import UNREAD, LiveAccumulator
from penstock.accumulators.signal import Signal
from penstock.accumulators.source import Position, check_place
from penstock.accumulators.trials import BATCH
from penstock.runtime.foreign import is_failure
from penstock.runtime.scheduler import Timer


class BatchingAccumulator(LiveAccumulator):
    """A live batch accumulator of a ``def``."""

    events: int
    filtered: int
    overflowed: int
    capacity: int

    __slots__ = (
        *("_asked", "_begun", "_buffer", "_full_batches", "_max_age"),
        *("_max_size", "_open", "_room", "_timer", "_work"),
    )

    @override
    def _blank(self) -> None:
        super()._blank()
        batch = cast("BatchAccumulator[object, object]", self.definition)
        self._max_size = batch.max_size
        self._max_age = batch.max_age
        if batch.capacity is None and batch.max_size is not None:
            self.capacity = max(self.capacity, batch.max_size)

        self._buffer: Buffer[object] = Buffer(batch.input_codec)
        #: Events of the batch that fills; those before them in the buffer are being processed.
        self._open = 0
        #: How many events each batch has that waits to be processed; those of the first stand first in the buffer.
        self._full_batches: deque[int] = deque()
        self._work: asyncio.Future[None] | None = None
        self._timer: Timer | None = None
        self._asked = self._begun = False
        self._room = Signal()

    # -- gathering -----------------------------------------------------------------------------------------

    @override
    def accept(self, payload: object, position: Position | None = None, partition: str = "") -> bool:
        if position is not None:
            check_place(self.name, position, partition)

        self._count()
        try:
            event = payload if type(payload) is self._event_class else self._convert(payload)
        except BaseException as error:  # noqa: BLE001 (converting runs user code)
            self._refuse(UNREAD, error, payload, position, partition)
            return not self.gate.shut

        if position is not None:
            self.positions[partition] = position

        self._gather(event)
        return not self.gate.shut and len(self._buffer) < self.capacity

    @override
    def admit(self, payload: object, position: Position | None = None, partition: str = "") -> bool:
        if len(self._buffer) >= self.capacity and self.definition.overflow == "drop_oldest":
            self._drop_oldest()

        return self.accept(payload, position, partition)

    @override
    def _take_given(self, event: object, data: bytes | None) -> None:
        self._count()
        self._gather(event, data)

    def _gather(self, event: object, data: bytes | None = None) -> None:
        self._buffer.append(event, data)
        self._open += 1
        if self._open == 1 and self._max_age is not None:
            self._since = self._scheduler.clock.now().timestamp()
            if self.gate.gone is None:
                self._arm(self._max_age)

        if self._open == self._max_size:
            self._close(self._open)

    def _drop_oldest(self) -> None:
        """Drop the oldest event that is not being processed; if there is none, one more waits than should."""
        if self._open:
            self._buffer.remove(len(self._buffer) - self._open)
            self._open -= 1
            self.overflowed += 1
            self.keeper.drop(self.name, "overflow")

    # -- flushing ------------------------------------------------------------------------------------------

    @override
    def flush(self) -> int:
        self._refuse_inside("flush")
        return self._close(self._open)

    @override
    def flush_soon(self) -> None:
        if not self._asked:
            self._asked = True
            asyncio.get_running_loop().call_soon(self._flush_as_asked)

    def _flush_as_asked(self) -> None:
        self._asked = False
        if self.gate.gone is None:
            self._close(self._open)

        self.calm()

    def _close(self, count: int) -> int:
        """Process the oldest events of the batch that fills; nothing when there are none."""
        if count:
            self._open -= count
            self._disarm()
            if not self._open:
                self._since = None

            self._note()
            self._process_batch(count)

        return count

    @property
    @override
    def repeats(self) -> bool:
        return True

    @property
    def queues(self) -> bool:
        """Whether full batches may queue up, so that ``process`` is needed."""
        return self.trials.wary

    def _process_batch(self, count: int) -> None:
        """Call the function at once; or in its turn, when one of the batches may be what ended the process."""
        if self._full_batches or (self.queues and self.trials.doubts(BATCH)):
            self._queue(count)
        else:
            self._process_at_once(count)

    def _process_at_once(self, count: int) -> None:
        try:
            self._process_now(count)
        except BaseException:  # not for the events: they are still there
            self._open += count
            raise

    def _queue(self, count: int) -> None:
        self._full_batches.append(count)
        if self._work is not None and not self._work.done():
            self._work.set_result(None)

    async def process(self) -> None:
        """Process full batches, for ever; the body of a supervised part."""
        while True:
            if not self._full_batches:
                self._work = asyncio.get_running_loop().create_future()
                await self._work

            await self._process_first(self._full_batches[0])
            self._full_batches.popleft()
            if not self._full_batches:
                self.calm()

    async def _process_first(self, count: int) -> None:
        if not self.trials.doubts(BATCH):
            await self._run(count)
            return

        async with self.trials.alone(BATCH, self._buffer.first, count) as deadly:
            if deadly is None:
                await self._run(count)
            else:
                self._fail(count, deadly)

    async def _run(self, count: int) -> None:
        self._process_now(count)

    def _process_now(self, count: int) -> None:
        try:
            value = self._call(list(islice(self._buffer.values, count)))
            if value is not None:
                value = self._conform(value)
        except BaseException as error:  # user code; raised again if it is not for the events
            if not is_failure(error):
                raise

            self._fail(count, error)
        else:
            self._complete(count, value)

    def _complete(self, count: int, value: object) -> None:
        """Forget events and emit what came of them, in one step."""
        self._let_go(count)
        if value is None:
            self.filtered += count
        else:
            self._emit(value)

    def _fail(self, count: int, error: BaseException) -> None:
        """Keep aside each event of a batch that could not be processed."""
        events = list(islice(self._buffer.values, count))
        self._let_go(count)
        for event in events:
            self._reject("process", error, event, None, "")

    def _let_go(self, count: int) -> None:
        self._note()
        self.trials.moved(BATCH)
        self._buffer.take(count)
        self._room.tell()
        self.keeper.hurry()

    # -- age -----------------------------------------------------------------------------------------------

    def _arm(self, seconds: float) -> None:
        self._timer = self._scheduler.after(seconds, self._aged)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _aged(self) -> None:
        self._timer = None
        self._close(self._open)

    # -- life ----------------------------------------------------------------------------------------------

    @override
    def begin(self) -> None:
        """Flush what is full by now, and let the rest grow as old as it may, its age before the start included."""
        self._begun = True
        tried = self.trials.of(BATCH)
        if tried is not None and tried.position == self._buffer.first and tried.events <= self._open:
            self._close(tried.events)  # the same events again: only then it is the same batch

        while self._max_size is not None and self._open >= self._max_size:
            self._close(self._max_size)

        if self._open and self._max_age is not None:
            now = self._scheduler.clock.now()
            since = now if self._since is None else datetime.fromtimestamp(self._since, UTC)
            self._since = since.timestamp()
            self._arm(min(max(self._max_age - (now - since).total_seconds(), 0.0), self._max_age))

    @override
    def finish(self) -> None:
        self.rest()
        if self._begun and not self.definition.durable:
            self._close(self._open)

    @override
    def rest(self) -> None:
        self._room.tell()  # whoever waits for room learns that there will be none
        self._disarm()

    # -- doors ---------------------------------------------------------------------------------------------

    @property
    @override
    def full(self) -> bool:
        return self.gate.full or len(self._buffer) >= self.capacity

    @property
    @override
    def idle(self) -> bool:
        return not self._full_batches and not self._asked

    @property
    @override
    def flushes_after_firing(self) -> bool:
        return cast("BatchAccumulator[object, object]", self.definition).flush_after_firing

    @property
    @override
    def held(self) -> int:
        return len(self._buffer)

    @override
    async def ready(self) -> None:
        await self.gate.ready()
        while len(self._buffer) >= self.capacity and self.gate.gone is None:
            await self._room.wait()

    # -- checkpoint ----------------------------------------------------------------------------------------

    @override
    def write_rows(
        self, append: Callable[[int, bytes], None], trim: Callable[[int], None]
    ) -> Sequence[tuple[object, Exception]]:
        return self._buffer.write(append, trim)

    @override
    def committed(self, row: int) -> None:
        super().committed(row)
        self._buffer.committed()

    @override
    def _restore_rows(self, rows: Iterable[tuple[int, bytes]]) -> None:
        self._buffer.restore(rows)
        self._open = len(self._buffer)


class AwaitingBatch(BatchingAccumulator):
    """A live batch accumulator of an ``async def``: full batches queue up, and one task processes them in order."""

    __slots__ = ()

    @property
    @override
    def queues(self) -> bool:
        return True

    @override
    def _process_batch(self, count: int) -> None:
        self._queue(count)

    @override
    async def _run(self, count: int) -> None:
        try:
            value = await cast("Awaitable[object]", self._call(list(islice(self._buffer.values, count))))
            if value is not None:
                value = self._conform(value)
        except GeneratorExit:
            raise  # it is closed where it waits
        except BaseException as error:  # user code; raised again if it is not for the events
            if not is_failure(error):
                raise

            self._fail(count, error)
        else:
            self._complete(count, value)
