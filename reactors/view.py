"""What a live reactor holds, for people: decoded values, what is new among them, what waits, how old it is."""

from collections.abc import Mapping

import msgspec

from penstock.reactors.firing import Key


class KeyState(msgspec.Struct, frozen=True, kw_only=True):
    """One key of a reactor."""

    #: The newest value of each input that has one; those that every key sees are among them.
    values: Mapping[str, object]
    #: Inputs that are new since the last firing, in declared order.
    dirty: tuple[str, ...]
    #: Boundaries that wait for their turn.
    queued: int
    #: Id of the firing in flight, or waiting to be tried again.
    firing: str | None
    #: Failed tries of that firing.
    attempts: int


class ReactorState(msgspec.Struct, frozen=True, kw_only=True):
    """A reactor."""

    paused: bool
    keys: Mapping[Key, KeyState]
    #: Boundaries that wait, of all keys.
    queued: int
    #: Seconds since the newest value of each input came, as exact as the checkpoint interval; None when none has come
    #: since the start.
    ages: Mapping[str, float | None]

    @property
    def values(self) -> dict[Key, Mapping[str, object]]:
        """The newest value of each input, by key."""
        return {key: state.values for key, state in self.keys.items()}
