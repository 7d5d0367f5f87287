"""An accumulator at work in an app.

``accept`` is the hot path: convert, call the function, build the boundary, hand it to the reactors: plain calls, one
after the other. Position, state and boundary change in one step after the function returned; when it raises, the old
state stays, the event becomes a dead letter, and the position moves on. Nothing here waits, so no event can overtake
another.
"""

from collections.abc import Callable, Collection, Iterator
from typing import Protocol, cast

from typing_extensions import override

from penstock.accumulators.accumulator import AnyAccumulator
from penstock.accumulators.boundary import Boundary
from penstock.accumulators.decoding import Convert
from penstock.accumulators.doors import Doors
from penstock.accumulators.gate import SLICE_EVENTS, Gate
from penstock.accumulators.letter import Letter
from penstock.accumulators.many import accept_each
from penstock.accumulators.ports import Aside, Listener, Reader, Taker, nothing, together
from penstock.accumulators.record import Bound, raw_of
from penstock.accumulators.source import Placed, Position, check_place
from penstock.accumulators.statistics import Health
from penstock.accumulators.stream import FoldState
from penstock.runtime.errors import AppError, DecodeError, StateIncompatible
from penstock.runtime.foreign import error_text, is_failure, value_text
from penstock.runtime.scheduler import Scheduler

#: Positions that are numbers have 64 bits, as in the store.
HIGHEST = 2**63 - 1

#: Stands for an event that could not be converted.
UNREAD = object()


class Keeper(Aside, Protocol):
    """What a live accumulator needs of its domain."""

    def touch(self, accumulator: "LiveAccumulator") -> None:
        """Note that the accumulator differs from what the store holds."""


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


class LiveAccumulator(Doors):
    """One accumulator of one app. Lives on the event loop and is called there only."""

    consumed: int
    events: int
    failed: int
    filtered: int
    sequence: int
    undecodable: int

    __slots__ = (
        "_call",
        "_conform",
        "_event_class",
        "_give",
        "_journal",
        "_ledger",
        "_takers",
        "_value_class",
        "_watchers",
        "calm",
        "readers",
    )

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
        super().__init__(definition, capacity, scheduler, gate=gate, keeper=keeper)
        self._ledger = keeper
        self._journal = journal
        self.calm: Callable[[], None] = calm
        self._give_to(())
        #: Those who take its values, and the reactors that they belong to.
        self.readers: tuple[tuple[Taker, Reader | None], ...] = ()
        self._call = self._caller()
        self._conform = definition.output_codec.convert
        self._event_class = Bound if definition.extras is not None else only_class(definition.input_codec.exact)
        self._value_class = only_class(definition.output_codec.exact)
        self._watchers: tuple[Callable[[LiveAccumulator], None], ...] = ()
        self._blank()

    def _caller(self) -> Callable[[object], object]:
        """Return what makes the value of an event."""
        if self._memory is not None:
            return self._fold

        if self.definition.extras is not None:
            return self._call_bound

        return self._identity if self.definition.kind == "polling" else self.definition.function.fn

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

    @override
    def admit(self, payload: object) -> bool:
        return self.accept(payload)

    @override
    async def _write_down(self, payload: bytes, event: object, key: str | None) -> bool:
        return await self._journal.journal(self, payload, event, key)

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

    # -- batches and windows -------------------------------------------------------------------------------

    @property
    def window(self) -> tuple[object, ...] | None:
        """The window that it keeps, which the caches of its reactors do not store; None for no window."""
        return None

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

    # -- what comes back -----------------------------------------------------------------------------------

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

    @override
    def _note(self) -> None:
        if not self.changed:
            self.changed = True
            self._ledger.touch(self)


def only_class(exact: Collection[type]) -> type | None:
    """Return the one class whose instances need no conversion; None when there are several, or none."""
    return next(iter(exact)) if len(exact) == 1 else None
