"""Journalled events that no cut has consumed, applied again at the start; none of them ends the process for ever.

A mark in the state of the accumulators says that their rows are being applied again, and is committed before that. If
the process does not survive it, the next one applies the rows one at a time: each with its number in the mark, in the
cut that consumes the row before it. A row at ``MOST_CRASHES`` becomes a dead letter instead.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence

from penstock.accumulators.gate import SLICE_EVENTS, Gate
from penstock.accumulators.live import LiveAccumulator
from penstock.accumulators.signal import Signal
from penstock.reactors.flight import MOST_CRASHES
from penstock.runtime.errors import AppError, StateIncompatible
from penstock.runtime.store.rows import InboxRow


class Replay:
    """The rows of one domain's inbox at its start.

    Args:
        rows: In the order in which they were journalled.
        accumulators: By name.
        gate: The domain's gate.
        flush: Commits what is new.
        signal: Told when an accumulator that waits is done with its events.
    """

    def __init__(
        self,
        rows: Sequence[InboxRow],
        accumulators: Mapping[str, LiveAccumulator],
        *,
        gate: Gate,
        flush: Callable[[], Awaitable[None]],
        signal: Signal,
    ) -> None:
        self._rows = deque(rows)
        self._accumulators = accumulators
        self._gate = gate
        self._flush = flush
        self._signal = signal
        self._marked: set[LiveAccumulator] = set()

    @property
    def left(self) -> int:
        """How many rows are not applied yet."""
        return len(self._rows)

    @property
    def suspicious(self) -> bool:
        """Whether the process did not survive it the last time; then it may take long."""
        return any(accumulator.replays for accumulator in self._accumulators.values())

    async def run(self) -> None:
        """Apply all rows; called again after an error, it goes on.

        Raises:
            StoreError: It could not be committed that they are applied again.
        """
        if self.suspicious:
            await self._one_by_one()
        elif self._rows:
            await self._all()

    def settle(self) -> None:
        """Take the mark from those accumulators that are done with their rows."""
        if self._rows:
            return

        for accumulator in [each for each in self._marked if each.idle]:
            self._marked.discard(accumulator)
            accumulator.mark_replay(0, 0)

    async def _all(self) -> None:
        self._marked = {self._accumulators[row.accumulator] for row in self._rows}
        for accumulator in self._marked:
            accumulator.mark_replay(0, 1)

        await self._flush()
        while self._rows:
            self._apply(self._rows.popleft())
            if self._gate.shut or not len(self._rows) & SLICE_EVENTS:
                await self._gate.go_on()

        self.settle()

    async def _one_by_one(self) -> None:
        while self._rows:
            async with self._gate.inside.suspect:  # nothing else that is suspected runs beside it
                await self._alone(self._rows[0])

            self._rows.popleft()

        self._marked = set(self._accumulators.values())
        self.settle()
        await self._flush()

    async def _alone(self, row: InboxRow) -> None:
        accumulator = self._accumulators[row.accumulator]
        times = accumulator.replays + 1 if accumulator.replayed == row.seq else 2  # the first was with all the others
        if times > MOST_CRASHES:
            deaths = f"the process died each of the {MOST_CRASHES} times that this event was applied again"
            self._apply(row, refused=AppError(deaths))
            return

        accumulator.mark_replay(row.seq, times)
        await self._flush()
        self._apply(row)
        while not accumulator.idle:
            await self._signal.wait()

    def _apply(self, row: InboxRow, refused: AppError | None = None) -> None:
        accumulator = self._accumulators[row.accumulator]
        try:
            event = accumulator.definition.input_codec.decode(row.payload)
        except StateIncompatible as error:
            accumulator.refuse_row(row.seq, row.payload, error)
        else:
            if refused is None:
                accumulator.apply(row.seq, event)
            else:
                accumulator.refuse_row(row.seq, event, refused)
