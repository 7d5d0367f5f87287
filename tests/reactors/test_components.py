"""Which parts belong together."""

from itertools import combinations

from hypothesis import given, strategies as st

from penstock.accumulators.accumulator import AnyAccumulator
from penstock.accumulators.passthrough import passthrough_accumulator
from penstock.accumulators.stream import stream_accumulator
from penstock.reactors.components import Component, components
from penstock.reactors.reactor import Reactor
from penstock.testing.source import ScriptedSource


def accumulator(name: str) -> AnyAccumulator:
    @passthrough_accumulator(name=name)
    def made(event: float) -> float:
        return event

    return made


def names(component: Component) -> tuple[set[str], set[str]]:
    return {each.name for each in component.accumulators}, {each.name for each in component.reactors}


def test_a_component_is_named_after_its_first_reactor() -> None:
    shared = accumulator("a")
    [component] = components([Reactor("z", [shared]), Reactor("m", [shared, accumulator("b")])])
    assert (component.name, names(component)) == ("m", ({"a", "b"}, {"z", "m"}))


def test_an_accumulator_that_no_reactor_joins_is_a_component_of_its_own() -> None:
    found = components([Reactor("r", [accumulator("a")])], [accumulator("lone")])
    assert [component.name for component in found] == ["lone", "r"]


def test_accumulators_of_one_source_belong_together() -> None:
    source = ScriptedSource([])

    def stream(name: str) -> AnyAccumulator:
        @stream_accumulator(source, name=name)
        def made(event: float) -> float:
            return event

        return made

    [component] = components([Reactor("r", [stream("a")]), Reactor("s", [stream("b")])])
    assert component.name == "r"


@given(st.lists(st.sets(st.integers(0, 7), min_size=1, max_size=3), max_size=6), st.sets(st.integers(0, 7)))
def test_components_are_the_connected_parts(joins: list[set[int]], lone: set[int]) -> None:
    pool = [accumulator(f"a{number}") for number in range(8)]
    reactors = [Reactor(f"r{index}", [pool[number] for number in join]) for index, join in enumerate(joins)]
    found = components(reactors, [pool[number] for number in lone])
    home = {part.name: component.name for component in found for part in (*component.accumulators, *component.reactors)}

    assert sorted(home) == sorted(
        {f"a{number}" for number in set().union(lone, *joins)} | {reactor.name for reactor in reactors}
    )
    for reactor in reactors:
        assert {home[name] for name in reactor.accumulators} == {home[reactor.name]}

    for one, other in combinations(found, 2):
        assert one.name != other.name
        assert not reachable(joins, one) & reachable(joins, other)


def reachable(joins: list[set[int]], component: Component) -> set[str]:
    seen = {each.name for each in component.accumulators}
    grown = {f"a{number}" for join in joins for number in join if {f"a{n}" for n in join} & seen}
    assert grown <= seen, "an accumulator of another component is joined with one of this"
    return seen
