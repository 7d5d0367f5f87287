"""Parts are collected from roots and checked together."""

import msgspec
import pytest

import penstock as ps
from penstock.wiring import wire
from tests.flows.market import Market


class Tick(msgspec.Struct, frozen=True):
    value: float


def test_roots_bring_everything_that_they_refer_to() -> None:
    market = Market()
    wiring = wire([market.maker])

    assert list(wiring.graphs) == ["maker", "scoring"]
    assert list(wiring.reactors) == ["market"]
    assert sorted(wiring.accumulators) == ["orderbook", "reference"]
    assert list(wiring.workflows) == ["settle"]


def test_the_problems_of_all_parts_are_reported_together() -> None:
    market = Market()

    @market.maker.node
    def wrong(order_book: object) -> int:
        return 1

    empty = ps.Workflow("empty")
    with pytest.raises(ps.DefinitionError) as raised:
        ps.App(parts=[market.maker, empty, "nonsense"])  # type: ignore[list-item]

    text = str(raised.value)
    assert "order_book" in text
    assert "'empty'" in text
    assert "'nonsense' is no part of an app" in text
    assert len(raised.value.problems) == 3


def test_two_parts_of_one_kind_cannot_share_a_name() -> None:
    with pytest.raises(ps.DefinitionError, match="two workflows are called 'settle'"):
        wire([Market().settle, Market().settle])


def test_a_reactor_and_an_accumulator_cannot_share_a_name() -> None:
    @ps.passthrough_accumulator
    def ticks(event: Tick) -> Tick:
        return event

    with pytest.raises(ps.DefinitionError, match="a reactor and an accumulator are both called 'ticks'"):
        wire([ps.Reactor("ticks", [ticks])])


def test_one_definition_serves_several_apps() -> None:
    market = Market()

    assert ps.App("sqlite:///a.db", [market.maker]).graphs == ps.App("sqlite:///b.db", [market.maker]).graphs
