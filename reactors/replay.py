"""Journalled events that no cut has consumed, applied again at the start; none of them ends the process for ever.

A trial of the accumulators says that their rows are being applied again, and is committed before that. If the process
does not survive it, the next one applies the rows one at a time: each is a trial of its own, in the cut that consumes
the row before it. A row at ``MOST_CRASHES`` becomes a dead letter instead.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence

from penstock.accumulators.gate import SLICE_EVENTS, Gate
from penstock.accumulators.live import LiveAccumulator
from penstock.accumulators.signal import Signal
from penstock.accumulators.trials import APPLIED, INBOX, Trial, deadly
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
        return any(accumulator.trials.of(INBOX) for accumulator in self._accumulators.values())

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
        """End the trial of those accumulators that are done with their rows."""
        if self._rows:
            return

        for accumulator in [each for each in self._marked if each.idle]:
            self._marked.discard(accumulator)
            accumulator.trials.mark(INBOX, None)

    async def _all(self) -> None:
        self._marked = {self._accumulators[row.accumulator] for row in self._rows}
        for accumulator in self._marked:
            accumulator.trials.mark(INBOX, Trial(0, 1))

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
        trial = accumulator.trials.next_time(INBOX, row.seq)
        if trial is None:
            self._apply(row, refused=deadly(APPLIED))
            return

        accumulator.trials.mark(INBOX, trial)
        await self._flush()
        self._apply(row)
        while not accumulator.processed:
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
