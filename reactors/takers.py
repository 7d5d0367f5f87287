"""What takes the values of each input of a live reactor: the way from an accumulator to the decision."""

from collections.abc import Callable, Mapping
from functools import partial

from penstock.accumulators.letter import Letter
from penstock.accumulators.ports import Taker
from penstock.reactors import cache
from penstock.reactors.deciding import Decider
from penstock.reactors.firing import Key
from penstock.reactors.inputs import keyer
from penstock.reactors.lane import Put
from penstock.reactors.ledger import Ledger
from penstock.reactors.reactor import Reactor
from penstock.runtime import texts
from penstock.runtime.errors import AppError
from penstock.runtime.foreign import error_text, is_failure, value_text

#: What is wrong with a key that the store could not keep.
NO_KEY = f"neither a whole number nor {texts.KEY}"


class Takers:
    """Makes the takers of one reactor."""

    __slots__ = ("_decider", "_definition", "_ledger", "_put")

    def __init__(self, decider: Decider, definition: Reactor, ledger: Ledger) -> None:
        self._decider, self._definition, self._ledger = decider, definition, ledger
        self._put: Put = decider.put if decider.backlog is None else decider.put_in_order

    def taker(self, name: str) -> Taker:
        """Return what takes the values of an input."""
        inputs = self._decider.inputs
        bit = inputs.bits[name]
        if not self._decider.keyed:
            return self._lane(name, bit)

        if name in self._definition.broadcasts:
            return partial(self._offer_broadcast, name, bit & inputs.mask)

        return partial(self._offer_keyed, keyer(self._definition, inputs.accumulators[name]), name, bit)

    def _lane(self, name: str, bit: int) -> Taker:
        """Return what takes the values of an input when there is one key: fast, where that can be."""
        decider = self._decider
        alone = self._definition.criteria.predicate is None and decider.inputs.call(bit)
        if decider.lane is None or not alone:
            in_order = decider.backlog is not None
            return partial(self._put, decider.only, name, bit) if in_order else coalescing(decider, name, bit)

        return decider.lane.entrance(decider.only, name, bit, self._put)

    def _offer_keyed(self, key_of: Callable[[object], Key], name: str, bit: int, value: object) -> None:
        """Take a value into the cache of its key."""
        keys = self._decider.keys
        try:
            key = key_of(value)
            slot = keys.slots.get(key)
        except BaseException as error:  # the user's key function; one bad value must not stop the next
            if not is_failure(error):
                raise

            self._refuse_key(value, error_text(error))
            return

        if slot is None:
            if not is_key(key):
                self._refuse_key(value, f"the key is {value_text(key)}, {NO_KEY}")
                return

            slot = self._decider.slot(key)

        slot.generation = keys.generation
        self._put(slot, name, bit, value)

    def _offer_broadcast(self, name: str, bit: int, value: object) -> None:
        """Take a value that every key sees; it counts for each of them only when the criteria name its input."""
        decider = self._decider
        decider.shared[name] = value
        self._ledger.touch_broadcasts(decider.name)
        if bit:
            for slot in decider.keys.slots.values():
                slot.dirty |= bit
                if not slot.changed:
                    self._ledger.touch_slot(decider.name, slot)

                if decider.inputs.call(slot.dirty):
                    decider.due.slots[slot] = None

            decider.due.drain()

    def _refuse_key(self, value: object, error: str) -> None:
        """Keep aside a value that belongs to no key."""
        part = f"{self._decider.name}.key"
        self._ledger.bury(Letter(part=part, reason="key", error=error, payload=value))

    def key_of(self, values: Mapping[str, object]) -> Key:
        """Return the key that values belong to.

        Raises:
            AppError: There is none.
        """
        for name, value in values.items():
            if name not in self._definition.broadcasts:
                key = keyer(self._definition, self._decider.inputs.accumulators[name])(value)
                if (problem := self.key_problem(key, {name: value})) is None:
                    return key

                raise AppError(f"reactor {self._decider.name!r}: {problem}")

        raise AppError(f"reactor {self._decider.name!r}: none of the values says which key they belong to")

    def key_problem(self, key: Key, values: Mapping[str, object]) -> str | None:
        """Return which value belongs to another key, or to none."""
        for name, value in values.items():
            try:
                own = keyer(self._definition, self._decider.inputs.accumulators[name])(value)
            except BaseException as error:  # the user's key function
                if not is_failure(error):
                    raise

                return f"the key of {name!r} cannot be told: {error_text(error)}"

            if own != key:
                return f"the value of {name!r} belongs to key {value_text(own)}"

        return None


def coalescing(decider: Decider, name: str, bit: int) -> Taker:
    """Return what takes the values of an input for the only key: at once, where one replaces another that waits."""
    slot, put = decider.only, decider.put

    def take(value: object) -> None:
        flight = slot.flight
        if flight is None or flight.yields or slot.lent or not slot.changed or not slot.dirty & bit:
            put(slot, name, bit, value)
            return

        slot.values[name] = value
        decider.coalesced += 1

    return take


def is_key(key: object) -> bool:
    """Tell whether every store can keep a key."""
    if type(key) is not int:
        return texts.is_key(key)

    try:
        return texts.is_key(cache.key_text(key))
    except ValueError:  # Python writes no number of more than some thousand digits
        return False
