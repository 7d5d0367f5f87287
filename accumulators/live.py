"""An accumulator at work in an app.

``accept`` is the hot path: convert, call the function, build the boundary, hand it to the reactors: plain calls, one
after the other. Position, state and boundary change in one step after the function returned; when it raises, the old
state stays, the event becomes a dead letter, and the position moves on. Nothing here waits, so no event can overtake
another.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from typing import Protocol, cast

import msgspec

from penstock.accumulators.accumulator import AnyAccumulator
from penstock.accumulators.boundary import Boundary
from penstock.accumulators.decoding import Convert
from penstock.accumulators.gate import SLICE_EVENTS, Gate
from penstock.accumulators.letter import Letter
from penstock.accumulators.many import accept_each
from penstock.accumulators.record import Bound, converter, raw_of
from penstock.accumulators.source import Placed, Position, check_place
from penstock.accumulators.statistics import AccumulatorStatistics, Health
from penstock.accumulators.stream import FoldState, StreamAccumulator
from penstock.accumulators.trials import Doubt, Trials
from penstock.runtime.codec import Codec
from penstock.runtime.errors import AppError, ChannelFull, DecodeError, StateIncompatible
from penstock.runtime.foreign import error_text, is_failure, value_text
from penstock.runtime.scheduler import Scheduler
from penstock.runtime.supervise import Part
from penstock.runtime.texts import KEY, is_key

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


#: Positions that are numbers have 64 bits, as in the store.
HIGHEST = 2**63 - 1

#: Stands for an event that could not be converted.
UNREAD = object()


class Keeper(Protocol):
    """What a live accumulator needs of its domain."""

    def touch(self, accumulator: "LiveAccumulator") -> None:
        """Note that the accumulator differs from what the store holds."""

    def bury(self, letter: Letter) -> None:
        """Keep a dead letter for the next cut."""

    def drop(self, part: str, reason: str) -> None:
        """Tell that an event was dropped on purpose, and is not kept."""

    def hurry(self) -> None:
        """Ask for a cut at the next turn of the loop."""


class Journal(Protocol):
    """What a durable accumulator needs of its domain's inbox."""

    async def journal(
        self, accumulator: "LiveAccumulator", payload: bytes, event: object, key: str | None = None
    ) -> bool:
        """Commit a row, then apply the event in the order of the rows; waits while too many wait.

        Returns:
            False when an event was pushed under this key before.
        """
        ...


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


class LiveAccumulator:
    """One accumulator of one app. Lives on the event loop and is called there only."""

    __slots__ = (
        "_call",
        "_conform",
        "_convert",
        "_cut_positions",
        "_event_class",
        "_give",
        "_health",
        "_journal",
        "_memory",
        "_scheduler",
        "_sequence_before",
        "_since",
        "_stored_memory",
        "_takers",
        "_value_class",
        "_watchers",
        "calm",
        "capacity",
        "changed",
        "consumed",
        "definition",
        "error",
        "events",
        "failed",
        "filtered",
        "gate",
        "keeper",
        "lag",
        "name",
        "overflowed",
        "part",
        "positions",
        "rate",
        "readers",
        "refused",
        "sequence",
        "state",
        "stored",
        "trials",
        "undecodable",
        "waiting",
    )

    CODEC: Codec[AccumulatorState] = Codec(AccumulatorState, part="accumulator state")

    def __init__(
        self,
        definition: AnyAccumulator,
        *,
        keeper: Keeper,
        journal: Journal,
        gate: Gate,
        capacity: int,
        scheduler: Scheduler,
        calm: Callable[[], None] = nothing,
    ) -> None:
        """Bring a definition to life.

        Args:
            definition: What to do.
            keeper: Takes note of changes and dead letters.
            journal: The domain's inbox.
            gate: The domain's gate.
            capacity: Pushes that may wait when the definition does not say.
            scheduler: Tells the time, and when it is up.
            calm: Called when all that was taken is processed, by an accumulator that does not do so at once.
        """
        self.definition: AnyAccumulator = definition
        self.name: str = definition.name
        self.keeper: Keeper = keeper
        self._journal = journal
        self.gate: Gate = gate
        self.calm: Callable[[], None] = calm
        self.capacity: int = definition.capacity or capacity
        self._scheduler = scheduler
        #: What feeds it by itself, once that has started.
        self.part: Part | None = None
        self._give_to(())
        #: Those who take its values, and the reactors that they belong to.
        self.readers: tuple[tuple[Taker, Reader | None], ...] = ()
        self._memory: FoldState[object] | None = None
        if isinstance(definition, StreamAccumulator):
            self._memory = cast("StreamAccumulator[object, object]", definition).memory

        self._call = self._caller()
        extras = definition.extras
        self._convert = converter(definition.source, definition.input_codec, extras, definition.decode)
        self._conform = definition.output_codec.convert
        self._event_class = Bound if extras is not None else only_class(definition.input_codec.exact)
        self._value_class = only_class(definition.output_codec.exact)
        self._health: Health = "starting"
        self._watchers: tuple[Callable[[LiveAccumulator], None], ...] = ()
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
        self._blank()

    def _caller(self) -> Callable[[object], object]:
        """Return what makes the value of an event."""
        if self._memory is not None:
            return self._fold

        if self.definition.extras is not None:
            return self._call_bound

        return self._identity if self.definition.kind == "polling" else self.definition.function.fn

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

    @staticmethod
    def _identity(event: object) -> object:
        """Stand in for the function of a polling accumulator: its answers come in as they are to go out."""
        return event

    def _call_bound(self, event: object) -> object:
        """Call a function that asks for more than the event."""
        bound = cast("Bound", event)
        return self.definition.function.fn(bound.event, **bound.extras)

    @property
    def health(self) -> Health:
        """How what feeds it does."""
        return self._health

    @health.setter
    def health(self, health: Health) -> None:
        changed, self._health = health != self._health, health
        if changed:
            for look in self._watchers:
                look(self)

    def watch(self, look: Callable[["LiveAccumulator"], None]) -> None:
        """Call ``look`` whenever the health has changed."""
        self._watchers = (*self._watchers, look)

    def feed(self, take: Taker, reader: Reader | None = None) -> None:
        """Call a reactor's input with each value, after those that were there before."""
        self._give_to((*self._takers, take))
        self.readers = (*self.readers, (take, reader))

    def _give_to(self, takers: tuple[Taker, ...]) -> None:
        """Give values to these from now on."""
        self._takers: tuple[Taker, ...] = takers
        self._give: Taker = together(takers)

    def refeed(self, take: Taker, reader: Reader) -> None:
        """Call another function with each value from now on, in the place of the one that a reactor gave before."""
        old = next(taker for taker, each in self.readers if each is reader)
        self._give_to(tuple(take if taker is old else taker for taker in self._takers))
        self.readers = tuple((take, each) if each is reader else (taker, each) for taker, each in self.readers)

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` with each boundary, after those that were there before, until what is returned is called.

        The listener must neither wait nor raise: ``Fanout`` makes such a one of whatever is slow.
        """

        def take(value: object) -> None:
            listener(Boundary(self.name, self.sequence, value))

        def leave() -> None:
            self._give_to(tuple(each for each in self._takers if each is not take))
            self.readers = tuple(each for each in self.readers if each[0] is not take)

        self.feed(take)
        return leave

    # -- the hot path --------------------------------------------------------------------------------------

    def accept(self, payload: object, position: Position | None = None, partition: str = "") -> bool:
        """Process one event; False asks whoever brings events to await ``ready`` (this one was taken).

        Raises:
            AppError: The position, or its partition, is none that the store could keep; the event is not taken.
        """
        if position is not None and (
            type(position) is not int or not -HIGHEST <= position <= HIGHEST or partition not in self.positions
        ):
            check_place(self.name, position, partition)

        self.events = events = self.events + 1
        if not events & SLICE_EVENTS:
            self.gate.end_slice()

        if not self.changed:
            self._note()

        event: object = UNREAD
        call = self._call
        try:
            event = payload if type(payload) is self._event_class else self._convert(payload)
            value = call(event)
            if type(value) is not self._value_class and value is not None:
                value = self._conform(value)
        except BaseException as error:  # noqa: BLE001 (user code; raised again if it is not for the event)
            self._refuse(event, error, payload, position, partition)
            return not self.gate.shut

        if position is not None:
            self.positions[partition] = position

        if value is None:
            self.filtered += 1
        else:
            self.sequence += 1
            self._give(value)

        return not self.gate.shut

    #: Process one event that was pushed.
    admit = accept

    def accept_all(self, events: Iterator[Placed], decode: Convert | None = None, partition: str = "") -> int:
        """Process events of one partition until there is none left, or the intake is saturated; return how many.

        Raises:
            AppError: As ``accept``.
        """
        return accept_each(self.accept, events, decode, partition)

    def _emit(self, value: object) -> None:
        """Hand a value to the reactors."""
        self.sequence += 1
        self._give(value)

    def _fold(self, event: object) -> object:
        """Call a function that carries state. The state changes last, when nothing can fail any more."""
        memory = cast("FoldState[object]", self._memory)
        fn, state = self.definition.function.fn, self.state
        returned = cast(
            "tuple[object, object]",
            fn(event.event, state, **event.extras) if type(event) is Bound else fn(event, state),
        )
        if type(returned) is not tuple or len(returned) != 2:  # noqa: PLR2004 (the state and the value)
            raise DecodeError(self.name, "(state, value)", f"the function returned {value_text(returned)}")

        state = memory.codec.convert(returned[0])
        value = None if returned[1] is None else self._conform(returned[1])
        self.state = state
        return value

    def _refuse(
        self, event: object, error: BaseException, payload: object, position: Position | None, partition: str
    ) -> None:
        """Keep aside an event on which user code failed; what ends the process or the task goes on its way."""
        if not is_failure(error):
            raise error

        self._reject("decode" if event is UNREAD else "process", error, payload, position, partition)

    def _reject(
        self, stage: str, error: BaseException, payload: object, position: Position | None, partition: str
    ) -> None:
        """Count and keep an event that could not be processed; the next one is processed."""
        if stage == "decode":
            self.undecodable += 1
        else:
            self.failed += 1

        if position is not None:
            self.positions[partition] = position

        place = None if position is None else f"{partition}:{position}" if partition else str(position)
        letter = Letter(part=self.name, reason=stage, error=error_text(error), payload=raw_of(payload), position=place)
        self.keeper.bury(letter)

    @property
    def reader(self) -> Callable[[object], object]:
        """What makes events of what comes in."""
        return self._convert

    def skip(self, position: Position, partition: str = "") -> None:
        """Note that nothing is to be taken up to a position.

        Raises:
            AppError: It is none that the store could keep.
        """
        check_place(self.name, position, partition)
        self._note()
        self.positions[partition] = position

    # -- what graphs give ----------------------------------------------------------------------------------

    def receive(self, event: object, data: bytes | None, takers: tuple[Taker, ...]) -> None:
        """Take an event that a graph gives, in the step that marks the graph as done.

        Args:
            event: It has the declared type.
            data: What the codec makes of it, if that is stored.
            takers: Who is given what comes of it at once.
        """
        own = self._takers
        self._give_to(takers)
        try:
            self._take_given(event, data)
        finally:
            self._give_to(own)

    def _take_given(self, event: object, data: bytes | None) -> None:  # noqa: ARG002 (for those that have rows)
        self.accept(event)

    def _count(self) -> None:
        """Note that an event has come in."""
        self.events = events = self.events + 1
        if not events & SLICE_EVENTS:
            self.gate.end_slice()

        if not self.changed:
            self._note()

    # -- doors ---------------------------------------------------------------------------------------------

    @property
    def full(self) -> bool:
        """Whether no more can be taken now."""
        return self.gate.full

    @property
    def idle(self) -> bool:
        """Whether all that was taken is processed."""
        return True

    @property
    def processed(self) -> bool:
        """Whether each event that was taken is processed, or stands in a batch."""
        return True

    async def ready(self) -> None:
        """Wait until more can be taken; others on the loop have their turn in any case."""
        await self.gate.ready()

    def offer(self, payload: object) -> bool:
        """Take an event that is not journalled.

        Returns:
            False when the domain is full and the accumulator's overflow is ``block``: the event was *not* taken.

        Raises:
            DecodeError: The event does not have the declared type.
            ChannelFull: The domain is full and the accumulator's overflow is ``reject``.
            AppError: Called from inside a firing.
        """
        self._refuse_inside("offer")
        event = self._convert(payload)
        if not self._admits():
            self.refused += 1
            return False

        if not self._gives_way():
            self.admit(event)

        return True

    async def push(self, payload: object, key: str | None = None) -> bool:
        """Take an event; for a durable accumulator, return when its row is committed and it was applied.

        Args:
            payload: The event.
            key: An event that comes again under this key is not taken again; for a durable accumulator.

        Returns:
            Whether it was taken: False when an event was pushed under this key before.

        Raises:
            DecodeError: The event does not have the declared type.
            ChannelFull: The domain is full, or too many pushes wait, and the accumulator's overflow is ``reject``.
            StoreError: The row could not be committed; the event was not taken.
            AppError: Called from inside a firing; or the key cannot be one, or has no journal to be kept in.
        """
        self._refuse_inside("push")
        if key is not None:
            self._check_key(key)

        event = self._convert(payload)
        while not self._admits():
            await self.ready()

        return self._gives_way() or await self._take(event, key)

    def _gives_way(self) -> bool:
        """Drop and count a pushed event, where nothing older may give way: a sequential reactor keeps all it has."""
        if self.definition.overflow != "drop_oldest" or not self.gate.blocked:
            return False

        self.events += 1
        self.overflowed += 1
        self.keeper.drop(self.name, "overflow")
        return True

    def _check_key(self, key: object) -> None:
        if not self.definition.durable:
            raise AppError(
                f"push({self.name!r}, key={value_text(key)}): the key is kept in the journal: declare the accumulator"
                " with durable=True, or leave the key out"
            )

        if not is_key(key):
            raise AppError(f"push({self.name!r}, key={value_text(key)}): a key is {KEY}")

    async def answer(self, value: object) -> None:
        """Take what a poll has found; None for nothing new.

        Raises:
            DecodeError: It is not of the declared type.
            StoreError: Its row could not be committed.
        """
        if value is None:
            self.events += 1
            self.filtered += 1
        else:
            await self._take(self._convert(value))

    async def _take(self, event: object, key: str | None = None) -> bool:
        if not self.definition.durable:
            if not self.admit(event) and not self.full:
                await self.gate.ready()

            return True

        if self.definition.overflow == "reject" and self.waiting >= self.capacity:
            self.refused += 1
            raise ChannelFull(self.name, self.capacity)

        return await self._journal.journal(self, self.definition.input_codec.encode(event), event, key)

    def _admits(self) -> bool:
        """Tell whether a push may go on, after the accumulator's overflow policy."""
        if self.gate.gone is not None:
            raise self.gate.gone

        if not self.full or self.definition.overflow == "drop_oldest":
            return True  # under ``latest`` what is dropped is the older value that this one replaces

        if self.definition.overflow == "reject":
            self.refused += 1
            raise ChannelFull(self.name, self.capacity)

        return False

    def _refuse_inside(self, door: str) -> None:
        if (reactor := self.gate.inside.firing or INSIDE.get()) is not None:
            raise AppError(
                f"{door}({self.name!r}) from inside a firing of {reactor!r} would not be part of its transaction:"
                " let a node return the event (emits=), or start a workflow with it (starts=)"
            )

    @property
    def repeats(self) -> bool:
        """Whether it does anything again by itself after a crash."""
        return self.definition.source is not None

    # -- batches and windows -------------------------------------------------------------------------------

    @property
    def window(self) -> tuple[object, ...] | None:
        """The window that it keeps, which the caches of its reactors do not store; None for no window."""
        return None

    @property
    def held(self) -> int:
        """How many values it holds: events of a batch that fills, or a window."""
        return 0

    @property
    def most(self) -> int | None:
        """How many events or values it may hold; None for as many as there are."""
        return self.capacity

    @property
    def flushes_after_firing(self) -> bool:
        """Whether ``flush_soon`` is to be called when a reactor that joins it has fired successfully."""
        return False

    def begin(self) -> None:
        """Go on with what was put back: the reactors take values from now on."""

    def flush(self) -> int:
        """Process the events that were gathered, and return how many.

        Raises:
            AppError: The accumulator gathers none, or called from inside a firing.
        """
        raise AppError(f"accumulator {self.name!r} has nothing to flush: it is no batch accumulator")

    def flush_soon(self) -> None:
        """Process the events that were gathered at the next turn of the loop, if it gathers any."""

    def finish(self) -> None:
        """Take note that the domain stops in order: no more events come in."""

    def rest(self) -> None:
        """Wake up no more by itself."""

    # -- checkpoint ----------------------------------------------------------------------------------------

    def apply(self, row: int, event: object) -> bool:
        """Process a journalled event; its row is consumed by the next cut.

        Raises:
            BaseException: The process is to end, or a mistake of ours; the event is kept aside, as one that failed.
        """
        self.consumed = row
        try:
            return self.accept(event)
        except BaseException as error:
            self._reject("process", error, event, None, "")
            raise

    def refuse_row(self, row: int, payload: object, error: Exception) -> None:
        """Keep aside a journalled event that must not be processed; its row is consumed by the next cut."""
        self.events += 1
        self._set_aside(row, payload, error)

    def _set_aside(self, row: int, payload: object, error: Exception) -> None:
        self.consumed = row
        self._note()
        self._reject("decode" if isinstance(error, StateIncompatible) else "process", error, payload, None, "")

    def refuse(self, payload: object, error: Exception, position: Position, partition: str) -> None:
        """Keep aside an event of a source that must not be processed."""
        self.events += 1
        self._note()
        self._reject("process", error, payload, position, partition)

    def _note(self) -> None:
        if not self.changed:
            self.changed = True
            self.keeper.touch(self)

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
            doubt=self.trials.stored(self.positions),
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
            health=self.health,
            error=self.error,
            lag=self.lag,
            rate=self.rate,
            next_retry_at=None if self.part is None else self.part.next_retry_at,
        )


def only_class(exact: Collection[type]) -> type | None:
    """Return the one class whose instances need no conversion; None when there are several, or none."""
    return next(iter(exact)) if len(exact) == 1 else None
