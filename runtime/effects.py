"""What a firing may cause beyond its result: values that wait in the outbox for the next cut.

A graph node records an effect the moment it is decided; it is validated and encoded there, so bad data fails the node
and never the cut. Nothing happens until the cut that marks the graph as done commits.
"""

from typing import Protocol, runtime_checkable

import msgspec


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """Start one run of a workflow."""

    #: Name of the workflow.
    workflow: str
    #: The run's input: checked against the workflow's declared type and encoded as JSON text.
    input: str


#: Everything a firing may cause. Publishing records and feeding accumulators join in when they exist.
Effect = Start


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """An effect with the key that makes it happen once."""

    #: ``<firing id>/<graph>/<node>/<index>``: unique for ever, so a repeated firing cannot repeat the effect.
    key: str
    effect: Effect


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
