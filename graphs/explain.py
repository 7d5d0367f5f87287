"""A graph in words: in which order its nodes run, what each takes, when it runs, and why not."""

from collections.abc import Iterator, Sequence

from penstock.graphs.plan import Edge, Plan, Step, parameters
from penstock.graphs.routes import ABSENT, Guard
from penstock.graphs.topology import Topology
from penstock.runtime.calls import describe_type


def explain(topology: Topology, plan: Plan) -> str:
    """Return the text."""
    head = f"graph {plan.graph!r}: {topology.origin}: {', '.join(topology.inputs) or 'none'}"
    return "\n".join([head, *_sections(plan), *_outputs(plan)]) + "\n"


def _sections(plan: Plan) -> Iterator[str]:
    number = 0
    for section in plan.sections:
        if not section.is_inline:
            strands = " | ".join(" → ".join(strand) for strand in section.strands)
            yield f"  at the same time: {strands}"

        for strand in section.strands:
            for name in strand:
                number += 1
                yield from _node(plan, plan.steps[name], number, "  " if section.is_inline else "    ")


def _node(plan: Plan, step: Step, number: int, margin: str) -> Iterator[str]:
    node = step.node
    takes = ", ".join(_parameter(edges) for edges in parameters(step.edges))
    how = node.manner or ("awaited" if node.is_async else "")
    yield f"{margin}{number}. {node.name}({takes}) → {describe_type(node.returns)}{f'  [{how}]' if how else ''}"
    inner = f"{margin}   "
    if condition := condition_of(plan, step.guard):
        yield f"{inner}runs when {condition}"

    for reason in why_not(plan, step):
        yield f"{inner}{reason}"

    if node.starts is not None:
        yield f"{inner}its value starts {getattr(node.starts, 'name', node.starts)}"

    if node.emits is not None:
        yield f"{inner}its value goes to {getattr(node.emits, 'name', node.emits)}"


def _parameter(edges: Sequence[Edge]) -> str:
    """Return what a parameter takes."""
    first = edges[0][0]
    sources = [
        argument.source if argument.variant is None else f"{argument.source}[{argument.variant}]"
        for argument, _ in edges
    ]
    source = sources[0] if len(sources) == 1 else f"first of {', '.join(sources)}"
    text = source if source == first.parameter else f"{first.parameter} = {source}"
    return f"{text} or {first.absent!r}" if first.optional else text


def condition_of(plan: Plan, guard: Guard) -> str:
    """Return a guard in words; empty for one that always holds."""
    parts = [f"{name} is there" for name in plan.inputs if name in guard.present]
    parts += [f"{router} is {_variants(plan, router, accepted)}" for router, accepted in _routes(plan, guard)]
    parts += [f"{name} ran" for name in plan.steps if name in guard.ran]
    for group in guard.groups:
        parts.append(" or ".join(condition_of(plan, choice) for choice in group))

    return " and ".join(parts)


def _routes(plan: Plan, guard: Guard) -> list[tuple[str, frozenset[int]]]:
    order = list(plan.routers)
    return sorted(guard.routes, key=lambda route: order.index(route[0]))


def _variants(plan: Plan, router: str, numbers: frozenset[int]) -> str:
    variants = plan.routers[router]
    return " or ".join("absent" if number == ABSENT else variants[number].label for number in sorted(numbers))


def why_not(plan: Plan, step: Step) -> Iterator[str]:
    """Yield why a node does not run, for what its own parameters ask; what its sources ask is said there."""
    asked = [edges for edges in parameters(step.edges) if not edges[0][0].optional]
    for edges in asked:
        if edges[0][0].choice:
            yield f"skipped when none of {', '.join(dict.fromkeys(each.source for each, _ in edges))} has a value"
        else:
            yield from _unmet(plan, edges[0][1])

    sources = [edges[0][0].source for edges in asked if not edges[0][0].choice]
    needed = [name for name in sources if name in plan.steps and condition_of(plan, plan.steps[name].guard)]
    if needed:
        yield f"does not run without {', '.join(dict.fromkeys(needed))}"


def _unmet(plan: Plan, edge: Guard) -> Iterator[str]:
    """Yield when an edge is not taken."""
    for name in edge.present:
        yield f"not ready while {name} is absent"

    for router, accepted in edge.routes:
        rest = frozenset(range(len(plan.routers[router]))) - accepted
        if rest:
            yield f"skipped when {router} is {_variants(plan, router, rest)}"


def _outputs(plan: Plan) -> Iterator[str]:
    yield "  outputs:"
    for name, guard in plan.outputs.items():
        condition = condition_of(plan, guard)
        yield f"    {name}{f', when {condition}' if condition else ''}"
