"""From the roots that an app is given to all its parts, checked together.

Pure: parts are collected by following references (a graph brings its reactor, a reactor its accumulators, a node the
workflow it starts), names are compared, and every problem of every part is reported in one error.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import cast

import msgspec

from penstock.accumulators.accumulator import AnyAccumulator
from penstock.graphs.graph import ComputationGraph
from penstock.reactors.reactor import Reactor
from penstock.runtime.errors import DefinitionError
from penstock.runtime.foreign import value_text
from penstock.workflows.workflow import Workflow

Part = AnyAccumulator | Reactor | ComputationGraph | Workflow
KINDS: dict[type, str] = {
    AnyAccumulator: "accumulator",
    Reactor: "reactor",
    ComputationGraph: "graph",
    Workflow: "workflow",
}


class Wiring(msgspec.Struct, frozen=True, kw_only=True):
    """All parts of an app, by kind and name, in the order in which they were met."""

    accumulators: Mapping[str, AnyAccumulator]
    reactors: Mapping[str, Reactor]
    graphs: Mapping[str, ComputationGraph]
    workflows: Mapping[str, Workflow]


def wire(roots: Sequence[Part]) -> Wiring:
    """Collect and check the parts.

    Raises:
        DefinitionError: All problems of all parts.
    """
    parts, problems = collect(roots)
    wiring = Wiring(
        accumulators=cast("dict[str, AnyAccumulator]", parts["accumulator"]),
        reactors=cast("dict[str, Reactor]", parts["reactor"]),
        graphs=cast("dict[str, ComputationGraph]", parts["graph"]),
        workflows=cast("dict[str, Workflow]", parts["workflow"]),
    )
    problems += shared_names(wiring)
    for graph in wiring.graphs.values():
        problems += graph.check()

    for workflow in wiring.workflows.values():
        problems += workflow.check()

    if problems:
        raise DefinitionError(*dict.fromkeys(problems))

    return wiring


def collect(roots: Sequence[Part]) -> tuple[dict[str, dict[str, Part]], list[str]]:
    """Follow the references from the roots; return the parts by kind and name, and what is wrong with them."""
    parts: dict[str, dict[str, Part]] = {kind: {} for kind in KINDS.values()}
    problems: list[str] = []
    waiting: list[object] = list(reversed(listed(roots)))

    while waiting:
        part = waiting.pop()
        kind = kind_of(part)
        if kind is None:
            problems.append(f"{part!r} is no part of an app: give graphs, workflows, reactors or accumulators")
            continue

        known = cast("Part", part)
        other = parts[kind].get(known.name)
        if other is None:
            parts[kind][known.name] = known
            waiting.extend(reversed(list(referred(known))))
        elif other is not known:
            problems.append(f"two {kind}s are called {known.name!r}: rename one of them")

    return parts, problems


def listed(roots: object) -> list[object]:
    """Return the roots.

    Raises:
        DefinitionError: They are no list of anything.
    """
    if isinstance(roots, Iterable) and not isinstance(roots, str | bytes):
        return list(cast("Iterable[object]", roots))

    raise DefinitionError(f"parts={value_text(roots)}: give a list of parts, as in `parts=[graph, workflow]`")


def kind_of(part: object) -> str | None:
    """Return what kind of part it is."""
    return next((kind for cls, kind in KINDS.items() if isinstance(part, cls)), None)


def referred(part: Part) -> Iterator[object]:
    """Yield the parts that a part refers to."""
    if isinstance(part, Reactor):
        yield from part.accumulators.values()
    elif isinstance(part, ComputationGraph):
        if part.reactor is not None:
            yield part.reactor

        yield from part.starts.values()
        yield from part.emits.values()
    elif isinstance(part, Workflow):
        yield from part.invoked


def shared_names(wiring: Wiring) -> Iterable[str]:
    """Yield the names that a reactor and an accumulator share: their states would lie under one name in the store."""
    for name in wiring.reactors.keys() & wiring.accumulators.keys():
        yield f"a reactor and an accumulator are both called {name!r}: rename one of them"


def links(wiring: Wiring) -> Iterator[tuple[Reactor, AnyAccumulator]]:
    """Yield the reactors with the accumulators that their graphs write.

    By name: a graph that was loaded later may name another declaration of a reactor that runs.
    """
    for graph in wiring.graphs.values():
        if graph.reactor is not None:
            for accumulator in graph.emits.values():
                name = cast("AnyAccumulator", accumulator).name
                yield wiring.reactors[graph.reactor.name], wiring.accumulators[name]
