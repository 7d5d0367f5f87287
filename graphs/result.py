"""What a traversal leaves: the value type that leaves this layer."""

from collections.abc import Sequence

import msgspec

from penstock.reactors.firing import Key
from penstock.runtime.effects import Effect


class NodeEffect(msgspec.Struct, frozen=True):
    """Something that a node causes; carried out by whoever let the graph run. Positional, because it is hot."""

    node: str
    effect: Effect


class Path(msgspec.Struct, frozen=True, kw_only=True):
    """Which way a traversal took. One object per way, shared by all traversals that took it."""

    ran: tuple[str, ...]
    #: Nodes of branches that were not taken.
    skipped: tuple[str, ...] = ()
    #: Nodes that lacked a required input, and those that depend on them.
    not_ready: tuple[str, ...] = ()


class GraphResult(msgspec.Struct, frozen=True):
    """What one traversal of a graph gave. Positional, because it is built a million times a second."""

    #: The values of the terminals that ran, by node, in declared order.
    outputs: dict[str, object]
    effects: Sequence[NodeEffect]
    path: Path

    @property
    def ran(self) -> tuple[str, ...]:
        """The nodes that ran, in the order of the plan."""
        return self.path.ran

    @property
    def skipped(self) -> tuple[str, ...]:
        """The nodes of branches that were not taken."""
        return self.path.skipped

    @property
    def not_ready(self) -> tuple[str, ...]:
        """The nodes that lacked a required input, and those that depend on them."""
        return self.path.not_ready


class FiringResult(GraphResult, frozen=True):
    """What a graph gave for a firing of its reactor: the same as for a run by hand, and what it belongs to."""

    graph: str
    #: The firing's id.
    firing: str
    key: Key
