"""What a firing may cause beyond its result.

A graph node records an effect the moment it is decided; it is validated and encoded there, so bad data fails the node
and never the cut. Nothing happens until its graph is done. A run that is to start waits in the outbox then, for the cut
that marks the graph as done; an event for an accumulator is taken in the very step that marks it.
"""

from typing import Protocol, runtime_checkable

import msgspec


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """Start one run of a workflow."""

    #: Name of the workflow.
    workflow: str
    #: The run's input: checked against the workflow's declared type and encoded as JSON text.
    input: str


class Emit(msgspec.Struct, frozen=True, kw_only=True):
    """Give one event to an accumulator."""

    #: Name of the accumulator.
    accumulator: str
    #: Has the accumulator's event type.
    event: object
    #: The event as the store holds it, for an accumulator that keeps events.
    data: bytes | None
    #: Name of the reactor whose firing it comes from.
    origin: str


#: Everything a node may cause.
Effect = Start | Emit


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """An effect that waits in the outbox, with the key that makes it happen once."""

    #: ``<firing id>/<graph>/<node>/<index>``: unique for ever, so a repeated firing cannot repeat the effect.
    key: str
    effect: Start


@runtime_checkable
class Startable(Protocol):
    """What a node may name in ``starts=``: a workflow, seen from the layers above which it lies."""

    @property
    def name(self) -> str:
        """The name under which the app knows the workflow."""
        ...

    def prepare(self, value: object) -> Start:
        """Check and encode a value as the input of a run.

        Raises:
            InputError: The value does not have the declared type.
        """
        ...


@runtime_checkable
class Emittable(Protocol):
    """What a node may name in ``emits=``: an accumulator, seen from a layer that does not know them."""

    @property
    def name(self) -> str:
        """The name under which the app knows the accumulator."""
        ...

    @property
    def kind(self) -> str:
        """What kind it is: ``state``, ``batch`` and so on."""
        ...

    @property
    def is_async(self) -> bool:
        """Whether its function waits: then it takes nothing in the step of a firing."""
        ...

    @property
    def input_type(self) -> object:
        """The declared type of its events."""
        ...

    def emission(self, value: object, origin: str) -> Emit:
        """Check and encode a value as an event.

        Raises:
            DecodeError: The value does not have the declared type.
        """
        ...
