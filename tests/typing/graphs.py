"""What type checkers must see of graphs: decorators leave functions as they are. Not run, only checked."""

from typing import assert_type

import msgspec

from penstock.graphs import ComputationGraph, GraphResult
from penstock.runtime.effects import Effect


class Score(msgspec.Struct):
    """Inputs of a graph."""

    amount: float


graph = ComputationGraph("scoring", inputs=Score)


@graph.node
def double(amount: float) -> float:
    """Plain."""
    return amount * 2


@graph.node(name="fetched", inputs={"value": double}, terminals=(None,))
async def fetch(value: float) -> str | None:
    """With options."""
    return str(value)


async def use() -> None:
    """Call what was decorated, and the graph."""
    assert_type(double(1.0), float)
    assert_type(await fetch(1.0), str | None)
    result = await graph.run(amount=1.0)
    assert_type(result, GraphResult)
    assert_type(graph.run_sync(amount=1.0), GraphResult)
    assert_type(result.outputs, dict[str, object])
    assert_type(result.skipped, tuple[str, ...])
    assert_type([effect.effect for effect in result.effects], list[Effect])
    assert_type(graph.check(), list[str])
    assert_type(graph.draw("mermaid"), str)
