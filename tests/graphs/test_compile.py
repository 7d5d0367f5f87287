"""Compiled graphs against an interpreter, and what their failures say."""

from collections.abc import Mapping

import pytest
from hypothesis import given

from penstock.graphs.graph import ComputationGraph
from penstock.graphs.result import GraphResult
from penstock.runtime.errors import NodeFailed
from tests.graphs.topologies import GraphSpec, Interpreted, Value, graph_of, graph_specs


async def traverse(graph: ComputationGraph, values: Mapping[str, object]) -> GraphResult:
    compiled = graph.compiled
    return await compiled.acall(values) if compiled.is_async else compiled.call(values)


def values_of(spec: GraphSpec) -> dict[str, object]:
    return {name: Value(name) for name, there in spec.inputs.items() if there}


def only_unreachable(graph: ComputationGraph) -> bool:
    """Tell whether the random graph has nodes that can never run, the one problem that they may have."""
    problems = graph.check()
    assert all("can never run" in problem for problem in problems), problems
    return bool(problems)


@given(graph_specs())
async def test_compiled_graph_does_what_the_interpreter_does(spec: GraphSpec) -> None:
    graph, values = graph_of(spec), values_of(spec)
    expected = Interpreted(spec, values)
    if only_unreachable(graph):
        return

    result = await traverse(graph, values)
    assert list(result.outputs.items()) == list(expected.outputs.items())
    assert {effect.node: effect.effect.input for effect in result.effects} == expected.effects
    assert set(result.ran) == expected.named("ran")
    assert set(result.skipped) == expected.named("skipped")
    assert set(result.not_ready) == expected.named("not ready")


@given(graph_specs(failing=True))
async def test_failing_node_is_named_with_its_inputs(spec: GraphSpec) -> None:
    graph, values = graph_of(spec), values_of(spec)
    expected = Interpreted(spec, values)
    if only_unreachable(graph) or not expected.failing:
        return

    with pytest.raises(NodeFailed, match="Boom") as caught:
        await traverse(graph, values)

    node = next(node for node in spec.nodes if node.name == caught.value.node)
    assert node.name in expected.failing
    assert caught.value.inputs == expected.arguments(spec, node)
    assert caught.value.__cause__.args == (node.name,)
