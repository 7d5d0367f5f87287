"""What stands of a live accumulator beside its events: what the store holds of it, and what it tells of itself."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import cast

import msgspec

from penstock.accumulators.accumulator import AnyAccumulator
from penstock.accumulators.source import Position
from penstock.accumulators.statistics import AccumulatorStatistics, Health
from penstock.accumulators.stream import FoldState, StreamAccumulator
from penstock.accumulators.trials import Doubt, Trials
from penstock.runtime.codec import Codec
from penstock.runtime.scheduler import Scheduler
from penstock.runtime.supervise import Part


class AccumulatorState(msgspec.Struct, frozen=True, kw_only=True):
    """What the store holds of an accumulator."""

    sequence: int = 0
    positions: dict[str, Position] = {}
    #: The state that the function carries, as its own codec writes it.
    memory: bytes | None = None
    #: What is done again after a crash; None for nothing.
    doubt: Doubt | None = None
    #: When the oldest event came that waits in a batch, in seconds since 1970.
    since: float | None = None


class Standing:
    """The state of one accumulator of one app."""

    __slots__ = (
        "_cut_positions",
        "_health",
        "_memory",
        "_scheduler",
        "_sequence_before",
        "_since",
        "_stored_memory",
        "capacity",
        "changed",
        "consumed",
        "definition",
        "error",
        "events",
        "failed",
        "filtered",
        "lag",
        "name",
        "overflowed",
        "part",
        "positions",
        "rate",
        "refused",
        "sequence",
        "state",
        "stored",
        "trials",
        "undecodable",
        "waiting",
    )

    CODEC: Codec[AccumulatorState] = Codec(AccumulatorState, part="accumulator state")

    def __init__(self, definition: AnyAccumulator, capacity: int, scheduler: Scheduler) -> None:
        """Begin with nothing taken.

        Args:
            definition: What to do.
            capacity: Pushes that may wait when the definition does not say.
            scheduler: Tells the time, and when it is up.
        """
        self.definition: AnyAccumulator = definition
        self.name: str = definition.name
        self.capacity: int = definition.capacity or capacity
        self._scheduler = scheduler
        #: What feeds it by itself, once that has started.
        self.part: Part | None = None
        self._memory: FoldState[object] | None = None
        if isinstance(definition, StreamAccumulator):
            self._memory = cast("StreamAccumulator[object, object]", definition).memory

        self._health: Health = "starting"
        self.error: str | None = None
        self.events: int = 0
        self.filtered: int = 0
        self.undecodable: int = 0
        self.failed: int = 0
        self.refused: int = 0
        self.waiting: int = 0
        #: Events that wait in the source, and how many it gives in a second; None when it does not tell.
        self.lag: int | None = None
        self.rate: float | None = None
        self.overflowed: int = 0

    def _blank(self) -> None:
        """Begin with nothing taken."""
        self.sequence: int = 0
        self._sequence_before = 0
        self.positions: dict[str, Position] = {}
        #: The positions that the store holds, and those that the cut on its way has written.
        self.stored: Mapping[str, Position] = {}
        self._cut_positions: Mapping[str, Position] = {}
        self.state = self._memory.initial if self._memory else None
        self._stored_memory: bytes | None = None
        #: The last row of the inbox that was applied since the last cut; 0 for none.
        self.consumed: int = 0
        #: What is done again after a crash.
        self.trials: Trials = Trials(self._note)
        self._since: float | None = None
        self.changed: bool = False

    def _note(self) -> None:
        """Note that it differs from what the store holds."""
        raise NotImplementedError

    @property
    def kept_out(self) -> bool:
        """Whether a full queue keeps all out that comes, and what came before is processed."""
        raise NotImplementedError

    @property
    def repeats(self) -> bool:
        """Whether it does anything again by itself after a crash."""
        return self.definition.source is not None

    @property
    def held(self) -> int:
        """How many values it holds: events of a batch that fills, or a window."""
        return 0

    @property
    def most(self) -> int | None:
        """How many events or values it may hold; None for as many as there are."""
        return self.capacity

    # -- checkpoint ----------------------------------------------------------------------------------------

    def checkpoint(self) -> tuple[bytes, Exception | None]:
        """Return what the store is to hold; with the error when the state cannot be written and the last one stays."""
        error: Exception | None = None
        if self._memory is not None:
            try:
                self._stored_memory = self._memory.codec.encode(self.state)
            except Exception as problem:  # noqa: BLE001 (comparing and encoding run user code)
                error = problem

        self._cut_positions = dict(self.positions)
        state = AccumulatorState(
            sequence=self.sequence,
            positions=self.positions,
            memory=self._stored_memory,
            doubt=self.trials.stored(self.positions, held=self.kept_out),
            since=self._since,
        )
        return self.CODEC.encode(state), error

    def write_rows(
        self,
        append: Callable[[int, bytes], None],  # noqa: ARG002 (for those that have rows)
        trim: Callable[[int], None],  # noqa: ARG002
    ) -> Sequence[tuple[object, Exception]]:
        """Put the rows that the store lacks into a cut, as ``Buffer.write`` does."""
        return ()

    def restore(self, data: bytes | None, rows: Iterable[tuple[int, bytes]] = ()) -> None:
        """Go on from what the store holds; None for nothing.

        Args:
            data: What ``checkpoint`` returned.
            rows: What ``write_rows`` has written and not deleted.

        Raises:
            StateIncompatible: The state was written for another type.
        """
        self._blank()
        self._restore_rows(rows)
        if data is None:
            return

        state = self.CODEC.decode(data)
        self.sequence = self._sequence_before = state.sequence
        self.positions = dict(state.positions)
        self.stored = dict(state.positions)
        self.trials.restore(state.doubt, state.positions)
        self._since = state.since
        if self._memory is not None and state.memory is not None:
            self._stored_memory = state.memory
            self.state = self._memory.codec.decode(state.memory)

    def _restore_rows(self, rows: Iterable[tuple[int, bytes]]) -> None:
        """Put back what ``write_rows`` has written; nothing, but for those that have rows."""

    def committed(self, row: int) -> None:
        """Be told that a cut of it is committed, which consumed the rows of the inbox up to this one."""
        self.stored = self._cut_positions
        if self.consumed == row:
            self.consumed = 0

    def newest_positions(self) -> Mapping[str, Position]:
        """Return the last position that was taken, by partition."""
        return dict(self.positions)

    @property
    def boundaries(self) -> int:
        """How many boundaries went out since the app started."""
        return self.sequence - self._sequence_before

    def statistics(self) -> AccumulatorStatistics:
        """Return what happened since the app started."""
        return AccumulatorStatistics(
            events=self.events,
            boundaries=self.boundaries,
            filtered=self.filtered,
            undecodable=self.undecodable,
            failed=self.failed,
            overflowed=self.overflowed,
            refused=self.refused,
            waiting=self.waiting,
            held=self.held,
            capacity=self.most,
            health=self._health,
            error=self.error,
            lag=self.lag,
            rate=self.rate,
            next_retry_at=None if self.part is None else self.part.next_retry_at,
        )
