"""What is wrong with ``emits=``: which accumulators a node may write, and with what."""

from collections.abc import Iterator
from typing import cast

from penstock.graphs.node import Node
from penstock.graphs.types import accepts, members, union_type
from penstock.reactors.reactor import Reactor
from penstock.runtime.calls import describe_type
from penstock.runtime.effects import Emittable


def emission_problems(graph: str, reactor: Reactor | None, node: Node) -> Iterator[str]:
    """Yield the problems of one node that writes an accumulator."""
    where = f"graph {graph!r}, node {node.name!r}"
    target = cast("object", node.emits)  # declared so, but nothing has looked yet
    if target is None:
        return

    if not isinstance(target, Emittable):
        yield f"{where}: emits={target!r} is not an accumulator: give the accumulator itself, not its name"
    elif reactor is None:
        yield f"{where}: emits= writes with the firing of a reactor, and the graph has none: return the value instead"
    else:
        yield from _type_problems(where, target, node)
        yield from _wiring_problems(where, target, reactor)


def _type_problems(where: str, target: Emittable, node: Node) -> Iterator[str]:
    values = [member for member in members(node.returns) if member is not type(None)]
    if not values or not accepts(target.input_type, union_type(values)):
        yield (
            f"{where}: emits={target.name} takes {describe_type(target.input_type)}, but the node returns"
            f" {describe_type(node.returns)}: change one of the annotations; None writes nothing"
        )


def _wiring_problems(where: str, target: Emittable, reactor: Reactor) -> Iterator[str]:
    if target.is_async:
        yield (
            f"{where}: emits={target.name} has an `async def`, which cannot end in the step in which the firing does:"
            f" write `def`, and wait in a node"
        )

    if target.name not in reactor.accumulators:
        return

    if target.kind != "state":
        yield (
            f"{where}: emits={target.name} is an input of its own reactor {reactor.name!r}, which would fire itself for"
            f" ever: use a state_accumulator(…), or one that another reactor joins"
        )
    elif reactor.key is not None and target.name not in reactor.broadcasts:
        yield (
            f"{where}: emits={target.name} has one window for all keys of reactor {reactor.name!r}: join it as"
            f" broadcast({target.name})"
        )
