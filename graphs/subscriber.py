"""A graph as the subscriber of a reactor: firings come in, results and keyed effects go out."""

from collections.abc import Awaitable, Callable, Sequence
from typing import cast

from penstock.graphs.compile import Compiled, TraverseForEffects
from penstock.graphs.graph import ComputationGraph
from penstock.graphs.result import FiringResult, GraphResult, NodeEffect
from penstock.reactors.firing import Firing, Outcome
from penstock.runtime.effects import Emit, Recorded
from penstock.runtime.executors import Executors


class GraphSubscriber:
    """Runs a compiled graph for each firing.

    Attributes:
        name: Name of the graph.
        is_async: Whether a node waits, or the commit before; then ``arun`` is called.
        call_for_effects: Traverses the graph at once, for nothing but its effects.

    Args:
        graph: What it runs; compiled for this subscriber alone.
        executors: Where nodes run that do not run on the loop.
        keep: Commits a firing in flight, before a graph with ``commit_snapshot`` runs.
        listeners: Called with each result; they must neither wait nor raise. May grow and shrink at any time.

    Raises:
        DefinitionError: The graph has problems.
    """

    def __init__(
        self,
        graph: ComputationGraph,
        executors: Executors | None = None,
        *,
        keep: Callable[[Firing], Awaitable[None]] | None = None,
        listeners: Sequence[Callable[[FiringResult], None]] = (),
    ) -> None:
        self.name: str = graph.name
        self.compiled: Compiled = graph.compile(executors)
        compiled = self.compiled
        self.is_async: bool = compiled.is_async or graph.commit_snapshot
        self._keep = keep if graph.commit_snapshot else None
        self.listeners: Sequence[Callable[[FiringResult], None]] = listeners
        self._call = compiled.call
        self._acall = compiled.acall
        self.call_for_effects: TraverseForEffects = compiled.call_for_effects

    def run(self, firing: Firing) -> Outcome:
        """Traverse the graph at once.

        Raises:
            NodeFailed: A node raised; its exception is chained.
        """
        result = self._call(firing.inputs)
        if self.listeners:
            self._tell(firing, result)

        return self._outcome(firing, result) if result.effects else Outcome((), result)

    async def arun(self, firing: Firing) -> Outcome:
        """Traverse the graph, waiting where a node waits; raises as ``run`` does."""
        if self._keep is not None:
            await self._keep(firing)

        result = await self._acall(firing.inputs) if self.compiled.is_async else self._call(firing.inputs)
        if self.listeners:
            self._tell(firing, result)

        return self._outcome(firing, result) if result.effects else Outcome((), result)

    def _tell(self, firing: Firing, result: GraphResult) -> None:
        told = FiringResult(result.outputs, result.effects, result.path, self.name, firing.id, firing.key)
        for listener in self.listeners:
            listener(told)

    def recorded(self, firing: Firing, effects: Sequence[object]) -> Sequence[Recorded | Emit]:
        """Return effects of ``call_for_effects``, which belong to a firing."""
        return recorded(firing.id, self.name, cast("Sequence[NodeEffect]", effects)) if effects else ()

    def _outcome(self, firing: Firing, result: GraphResult) -> Outcome:
        return Outcome(self.recorded(firing, result.effects), result)


def recorded(firing: str, graph: str, effects: Sequence[NodeEffect]) -> list[Recorded | Emit]:
    """Return the effects; those that wait in the outbox with keys, so that each happens once, whatever is repeated.

    The index counts the effects of one node, so a key does not depend on which other nodes ran, or in which order.
    """
    counts: dict[str, int] = {}
    found: list[Recorded | Emit] = []
    for effect in effects:
        if isinstance(effect.effect, Emit):
            found.append(effect.effect)
            continue

        index = counts.get(effect.node, 0)
        counts[effect.node] = index + 1
        found.append(Recorded(key=f"{firing}/{graph}/{effect.node}/{index}", effect=effect.effect))

    return found
