"""The doors of a live accumulator: how an event comes in that somebody pushes, and who is refused."""

from typing_extensions import override

from penstock.accumulators.accumulator import AnyAccumulator
from penstock.accumulators.gate import Gate
from penstock.accumulators.ports import INSIDE, Aside
from penstock.accumulators.record import converter
from penstock.accumulators.standing import Standing
from penstock.runtime.errors import AppError, ChannelFull
from penstock.runtime.foreign import value_text
from penstock.runtime.scheduler import Scheduler
from penstock.runtime.texts import KEY, is_key


class Doors(Standing):
    """Lets pushed events in."""

    events: int
    filtered: int
    overflowed: int
    refused: int

    __slots__ = (
        "_convert",
        "gate",
        "keeper",
    )

    def __init__(
        self, definition: AnyAccumulator, capacity: int, scheduler: Scheduler, *, gate: Gate, keeper: Aside
    ) -> None:
        """Open them.

        Args:
            definition: What to do.
            capacity: Pushes that may wait when the definition does not say.
            scheduler: Tells the time, and when it is up.
            gate: The domain's gate.
            keeper: Told of events that are dropped.
        """
        super().__init__(definition, capacity, scheduler)
        self.gate: Gate = gate
        self.keeper: Aside = keeper
        self._convert = converter(definition.source, definition.input_codec, definition.extras, definition.decode)

    def admit(self, payload: object) -> bool:
        """Process one event that was pushed; False asks whoever brings events to await ``ready``."""
        raise NotImplementedError

    async def _write_down(self, payload: bytes, event: object, key: str | None) -> bool:
        """Journal an event, then process it; False when one was pushed under this key before."""
        raise NotImplementedError

    @property
    def full(self) -> bool:
        """Whether no more can be taken now."""
        return self.gate.full

    @property
    @override
    def kept_out(self) -> bool:
        return self.gate.blocked and self.processed

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

        return await self._write_down(self.definition.input_codec.encode(event), event, key)

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
