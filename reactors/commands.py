"""What operators ask of a live reactor: fire, fire with other values, pause, resume. Each answers what came of it."""

import difflib
from collections.abc import Callable, Mapping

from penstock.accumulators.gate import Gate
from penstock.accumulators.ports import INSIDE
from penstock.reactors.deciding import Decider
from penstock.reactors.firing import Firing, Key
from penstock.reactors.flight import Slot
from penstock.reactors.reactor import Reactor
from penstock.reactors.takers import NO_KEY, Takers, is_key
from penstock.runtime.errors import AppError, FiringRefused
from penstock.runtime.foreign import value_text


class Commands:
    """Carries out the commands for one reactor."""

    __slots__ = ("_decider", "_definition", "_gate", "_pausing", "_takers")

    def __init__(
        self, decider: Decider, definition: Reactor, takers: Takers, *, gate: Gate, pausing: Callable[[], None]
    ) -> None:
        self._decider, self._definition, self._takers = decider, definition, takers
        self._gate, self._pausing = gate, pausing

    def fire(self, key: Key) -> Firing:
        """Fire a key with what its cache holds.

        Raises:
            FiringRefused: It does not fire now.
            AppError: A key has to be named, or must not be.
        """
        return self._shoot(self._free_slot(key))

    def fire_with(self, values: Mapping[str, object], key: Key, *, merge: bool) -> Firing:
        """Fire a key with other values.

        Raises:
            FiringRefused: It does not fire now; the cache is as it was.
            DecodeError: A value does not have the type of its input.
            AppError: A name is no input, or an input that every key sees; a value belongs to another key; a key has to
                be named, or must not be.
        """
        given = self._checked(values, key)
        slot = self._free_slot(key)
        decider = self._decider
        slot.values = {**slot.values, **given} if merge else given
        kept = slot.dirty if merge else slot.dirty & decider.inputs.bits_of(decider.shared)
        slot.dirty = kept | decider.inputs.bits_of(given)
        return self._shoot(slot)

    def refire(self, graph: str, values: Mapping[str, object]) -> Firing:
        """Run one graph for the inputs of a firing that is over; the cache and the other graphs stay as they are.

        Raises:
            FiringRefused: It does not fire now.
            DecodeError: A value does not have the type of its input.
            AppError: A name is no input any more, or no key can be told.
        """
        decider = self._decider
        inputs, given = decider.inputs.accumulators, dict[str, object]()
        for name, value in values.items():
            if name not in inputs:
                raise AppError(f"reactor {decider.name!r} has no input {name!r} any more")

            given[name] = inputs[name].output_codec.convert(value)

        slot = self._free_slot(self._takers.key_of(given) if decider.keyed else None)
        if slot.flight is not None:
            waiting = f"tries firing {slot.flight.firing.id!r} again first"
            raise FiringRefused(decider.name, "busy", waiting)

        return decider.refire(slot, given, graph)

    def pause(self) -> bool:
        """Fire nothing until ``resume``; tell whether that is new."""
        decider = self._decider
        changed, decider.paused = not decider.paused, True
        decider.weigh()
        self._pausing()
        return changed

    def resume(self) -> bool:
        """Fire again, what is due at once; tell whether it was paused."""
        decider = self._decider
        changed, decider.paused = decider.paused, False
        decider.release()
        return changed

    # -- what is refused -----------------------------------------------------------------------------------

    def _checked(self, values: Mapping[str, object], key: Key) -> dict[str, object]:
        """Return the values as the types of their inputs."""
        inputs, given = self._decider.inputs.accumulators, dict[str, object]()
        for name, value in values.items():
            if name not in inputs:
                near = difflib.get_close_matches(name, inputs, 1)
                hint = f"did you mean {near[0]!r}?" if near else f"its inputs are {', '.join(inputs)}"
                raise AppError(f"reactor {self._decider.name!r} has no input {name!r}: {hint}")

            if self._decider.keyed and name in self._definition.broadcasts:
                raise AppError(
                    f"reactor {self._decider.name!r}: every key sees the one value of {name!r}; push it into its"
                    " accumulator instead"
                )

            given[name] = inputs[name].output_codec.convert(value)

        if self._decider.keyed and (problem := self._takers.key_problem(key, given)) is not None:
            raise AppError(f"reactor {self._decider.name!r} does not fire key {value_text(key)}: {problem}")

        return given

    def _free_slot(self, key: Key) -> Slot:
        """Return the slot of a key that can be fired now."""
        decider = self._decider
        if (firing := self._gate.inside.firing or INSIDE.get()) is not None:
            raise FiringRefused(decider.name, "inside", f"does not fire from inside a firing of {firing!r}")

        if (key is None) == decider.keyed:
            hint = "tells keys apart: say which one to fire" if decider.keyed else "has no keys: leave the key out"
            raise AppError(f"reactor {decider.name!r} {hint}")

        if not decider.may_fire():
            raise self._refusal()

        if key is not None and not is_key(key):
            raise AppError(f"reactor {decider.name!r}: the key is {value_text(key)}, {NO_KEY}")

        slot = decider.slot(key)
        if (flight := slot.flight) is not None and not flight.idle:
            raise FiringRefused(decider.name, "busy", f"is busy with firing {flight.firing.id!r}")

        return slot

    def _refusal(self) -> FiringRefused:
        decider = self._decider
        if decider.paused:
            return FiringRefused(decider.name, "paused", "does not fire now: it is paused")

        if not decider.started:
            return FiringRefused(decider.name, "not_started", "does not fire now: it has not started")

        if decider.warming:
            return FiringRefused(decider.name, "not_started", "does not fire now: its sources are not ready")

        if self._gate.choked:
            return FiringRefused(decider.name, "full", "does not fire now: the outbox is full until the store commits")

        return FiringRefused(decider.name, "busy", "does not fire now: all its tasks are busy")

    def _shoot(self, slot: Slot) -> Firing:
        failed = slot.flight
        if failed is not None:  # it waits to be tried again
            self._decider.supersede(failed)

        firing = self._decider.fire(slot, manual=True)
        if failed is not None and slot.waits and slot.flight is None:  # what waited behind it has its turn
            self._decider.due.call(slot)

        return firing
