"""The ways that traversals took, and how often: one object per way, so that counting costs one addition."""

from collections.abc import Iterable, Mapping

import msgspec

from penstock.graphs.result import Path


class Way:
    """A way through a graph, and how many traversals took it."""

    __slots__ = ("count", "path")

    def __init__(self, path: Path) -> None:
        self.path: Path = path
        self.count: int = 0


class NodeCounts(msgspec.Struct, frozen=True, kw_only=True):
    """What a node did in the traversals of a running app since it was opened."""

    #: In traversals that ended well.
    ran: int = 0
    skipped: int = 0
    not_ready: int = 0
    #: How often it ended a traversal; what the other nodes did in that one is not counted.
    failed: int = 0

    @property
    def text(self) -> str:
        """The counts that are not zero, in words."""
        parts = {"ran": self.ran, "skipped": self.skipped, "not ready": self.not_ready, "failed": self.failed}
        return " · ".join(f"{count:,} {word}" for word, count in parts.items() if count) or "0 ran"


def counts_of(nodes: Iterable[str], ways: Iterable[Way], failed: Mapping[str, int]) -> dict[str, NodeCounts]:
    """Return what each node did."""
    ran, skipped, not_ready = dict.fromkeys(nodes, 0), dict[str, int](), dict[str, int]()
    for way in ways:
        for names, counts in ((way.path.ran, ran), (way.path.skipped, skipped), (way.path.not_ready, not_ready)):
            for name in names:
                counts[name] = counts.get(name, 0) + way.count

    return {
        name: NodeCounts(
            ran=count, skipped=skipped.get(name, 0), not_ready=not_ready.get(name, 0), failed=failed.get(name, 0)
        )
        for name, count in ran.items()
    }
