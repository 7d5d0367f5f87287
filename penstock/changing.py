"""What may be loaded into an open app, unloaded from it, and replaced in it. Pure: nothing is touched here.

The state of a reactor, its accumulators and its domain is in memory and in the store under their names. So a part is
loaded under a name that nobody has; what is connected to nothing that runs becomes a domain of its own; a graph joins a
reactor that runs when it was checked against the same contract. What would join two domains that run, or extend one, is
refused: their cuts, epochs and positions are their own.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TypeVar

import msgspec

from penstock.accumulators.accumulator import AnyAccumulator
from penstock.graphs.graph import ComputationGraph
from penstock.lookup import find
from penstock.reactors.components import Component, components
from penstock.reactors.contract import differences
from penstock.reactors.reactor import Reactor
from penstock.runtime.errors import ChangeRefused
from penstock.wiring import Part, Wiring, links, shared_names, wire
from penstock.workflows.workflow import Workflow

#: The names of the parts of each domain that runs, by the name of the domain.
Domains = Mapping[str, Collection[str]]

P = TypeVar("P", AnyAccumulator, Reactor, ComputationGraph, Workflow)


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be loaded."""

    #: All parts of the app afterwards.
    wiring: Wiring
    #: New domains.
    components: tuple[Component, ...]
    #: New graphs with the names of their reactors; either may be new.
    bound: tuple[tuple[ComputationGraph, str], ...]
    workflows: tuple[Workflow, ...]
    #: Whether there is anything new at all.
    new: bool


class Unload(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be unloaded."""

    wiring: Wiring
    #: With the names of their reactors.
    bound: tuple[tuple[ComputationGraph, str], ...]
    #: Domains that stop.
    domains: tuple[str, ...]


def plan_load(running: Wiring, parts: Sequence[Part], domains: Domains, *, replacing: str | None = None) -> Load:
    """Decide what loading parts means.

    Args:
        running: The parts of the app.
        parts: Roots, as for an app.
        domains: What runs.
        replacing: Name of the graph that is replaced by one of the parts.

    Raises:
        DefinitionError: The parts do not fit together.
        ChangeRefused: They do not fit what runs.
    """
    given = wire(parts)
    twins = {name for name in given.reactors if name in running.reactors}
    check_contracts(running, given)
    inputs = {name for twin in twins for name in given.reactors[twin].accumulators}
    graphs = new_parts("graph", running.graphs, given.graphs, loaded=replacing)
    accumulators = new_parts("accumulator", running.accumulators, given.accumulators, known=inputs)
    reactors = {name: reactor for name, reactor in given.reactors.items() if name not in twins}
    workflows = new_parts("workflow", running.workflows, given.workflows)
    wiring = Wiring(
        accumulators={**running.accumulators, **accumulators},
        reactors={**running.reactors, **reactors},
        graphs={**running.graphs, **graphs},
        workflows={**running.workflows, **workflows},
    )
    for problem in shared_names(wiring):
        raise ChangeRefused(next(iter(given.reactors or given.accumulators)), "claimed", problem)

    return Load(
        wiring=wiring,
        components=tuple(new_components(wiring, domains)),
        bound=bound_graphs(graphs),
        workflows=tuple(workflows.values()),
        new=bool(graphs or accumulators or reactors or workflows),
    )


def bound_graphs(graphs: Mapping[str, ComputationGraph]) -> tuple[tuple[ComputationGraph, str], ...]:
    """Return graphs with the names of their reactors; those without one are left out."""
    return tuple((graph, graph.reactor.name) for graph in graphs.values() if graph.reactor is not None)


def check_contracts(running: Wiring, given: Wiring) -> None:
    """Refuse reactors that are declared in another way than those that run under their names."""
    for name, reactor in given.reactors.items():
        if name in running.reactors and (found := differences(running.reactors[name], reactor)):
            raise ChangeRefused(
                name,
                "contract",
                f"reactor {name!r} runs as another one: {'; '.join(found)}. Give the new one another name, or stop the"
                " app and start it with the new declaration",
            )


def new_parts(
    kind: str,
    running: Mapping[str, P],
    given: Mapping[str, P],
    *,
    known: Collection[str] = (),
    loaded: str | None = None,
) -> dict[str, P]:
    """Return those parts that do not run; refuse another part under the name of one that does."""
    found: dict[str, P] = {}
    for name, part in given.items():
        if name not in running or (name == loaded and running[name] is not part):
            found[name] = part
        elif running[name] is not part and name not in known:
            hint = (
                f"a graph {name!r} is loaded: `await app.replace(…)` puts another in its place"
                if kind == "graph"
                else f"the name {name!r} is claimed: the app runs another {kind} under it"
            )
            raise ChangeRefused(name, "loaded" if kind == "graph" else "claimed", hint)

    return found


def new_components(wiring: Wiring, domains: Domains) -> Iterator[Component]:
    """Yield the domains that do not run; refuse what would change one that does."""
    owners = {part: domain for domain, parts in domains.items() for part in parts}
    for component in components(wiring.reactors.values(), wiring.accumulators.values(), links(wiring)):
        names = [*(reactor.name for reactor in component.reactors), *(each.name for each in component.accumulators)]
        touched = dict.fromkeys(owners[name] for name in names if name in owners)
        if not touched:
            yield component
        elif len(touched) > 1 or any(name not in owners for name in names):
            raise ChangeRefused(component.name, "merges", merge_text(names, owners, list(touched)))


def merge_text(names: Sequence[str], owners: Mapping[str, str], touched: Sequence[str]) -> str:
    """Say what would be joined, and what helps."""
    helps = "stop the app and start it with all parts"
    if len(touched) > 1:
        return f"domains {' and '.join(map(repr, touched))} run apart, and would become one: {helps}"

    new = ", ".join(repr(name) for name in names if name not in owners)
    return f"{new} would extend domain {touched[0]!r}, which runs: {helps}"


def plan_replace(running: Wiring, graph: ComputationGraph, domains: Domains) -> Load:
    """Decide what replacing a graph means.

    Raises:
        DefinitionError: The graph has problems.
        ChangeRefused: It does not fit what runs.
    """
    old = running.graphs.get(graph.name)
    if old is None:
        raise ChangeRefused(graph.name, "unknown", f"no graph {graph.name!r} is loaded: `await app.load(…)` does that")

    if old.reactor is None or graph.reactor is None:
        raise ChangeRefused(
            graph.name, "in_use", f"graph {graph.name!r} has no reactor: the tasks that invoke it hold it themselves"
        )

    if old.reactor.name != graph.reactor.name:
        raise ChangeRefused(
            graph.name,
            "contract",
            f"graph {graph.name!r} runs on reactor {old.reactor.name!r}, and the new one is for"
            f" {graph.reactor.name!r}: unload the one and load the other",
        )

    load = plan_load(running, [graph], domains, replacing=graph.name)
    if load.components:
        raise ChangeRefused(graph.name, "merges", f"graph {graph.name!r} brings parts that do not run: load them first")

    return load


def plan_unload(running: Wiring, parts: Sequence[ComputationGraph | Reactor | str], domains: Domains) -> Unload:
    """Decide what unloading graphs and reactors means.

    Raises:
        AppError: The app has no such part.
        ChangeRefused: Other parts need it.
    """
    graphs, reactors = named(running, parts)
    check_unused(running, graphs, reactors)
    leaving = {name: parts for name, parts in domains.items() if reactors.keys() & set(parts)}
    for name, members in leaving.items():
        if others := sorted((set(members) & running.reactors.keys()) - reactors.keys()):
            shared = next(iter(reactors.keys() & set(members)))
            raise ChangeRefused(
                shared,
                "in_use",
                f"reactor {shared!r} shares domain {name!r} with {', '.join(map(repr, others))}: unload them together",
            )

    gone = {member for members in leaving.values() for member in members}
    wiring = Wiring(
        accumulators=without(running.accumulators, gone),
        reactors=without(running.reactors, gone),
        graphs=without(running.graphs, graphs),
        workflows=running.workflows,
    )
    return Unload(wiring=wiring, bound=bound_graphs(graphs), domains=tuple(leaving))


def named(
    running: Wiring, parts: Sequence[ComputationGraph | Reactor | str]
) -> tuple[dict[str, ComputationGraph], dict[str, Reactor]]:
    """Return the graphs and reactors that are meant."""
    graphs: dict[str, ComputationGraph] = {}
    reactors: dict[str, Reactor] = {}
    for part in parts:
        name = part if isinstance(part, str) else part.name
        if isinstance(part, Reactor) or (isinstance(part, str) and name in running.reactors):
            reactors[name] = find("reactor", part, running.reactors, running.reactors)
        else:
            graphs[name] = find("graph", part, running.graphs, running.graphs)

    return graphs, reactors


def check_unused(running: Wiring, graphs: Collection[str], reactors: Collection[str]) -> None:
    """Refuse to unload what other parts need, and list them."""
    for name in reactors:
        bound = [graph.name for graph, reactor in bound_graphs(running.graphs) if reactor == name]
        if users := [each for each in bound if each not in graphs]:
            raise ChangeRefused(
                name, "in_use", f"reactor {name!r} has graphs: unload {', '.join(map(repr, users))} as well"
            )

    for workflow in running.workflows.values():
        if used := next((graph.name for graph in workflow.invoked if graph.name in graphs), None):
            raise ChangeRefused(used, "in_use", f"tasks of workflow {workflow.name!r} invoke graph {used!r}")


def without(parts: Mapping[str, P], gone: Collection[str]) -> dict[str, P]:
    """Return the parts that stay."""
    return {name: part for name, part in parts.items() if name not in gone}
