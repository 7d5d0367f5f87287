from typing import cast

import anyio
import msgspec
import pytest

from penstock.accumulators.passthrough import passthrough_accumulator
from penstock.reactors.reactor import Reactor
from tests.cli.conftest import Outcome, Penstock
from tests.reactors.world import Graph, Quote, World

Row = dict[str, object]


@passthrough_accumulator
def quotes(event: Quote) -> Quote:
    return event


@pytest.fixture
def filled(store_url: str) -> str:
    """Return a store with three firings of a reactor, of which one failed."""
    anyio.run(fill, store_url)
    return store_url


async def fill(url: str) -> None:
    graph = Graph("book")
    reactor = Reactor("desk", [quotes], key="symbol", on_error="dead_letter", history="store")
    async with World(url, [reactor], [graph]) as world:
        world.offer("quotes", Quote("A", 1.0))
        graph.fail()
        world.offer("quotes", Quote("B", 2.5))
        world.reactor.fire("A")


def listed(outcome: Outcome) -> list[Row]:
    assert (outcome.code, outcome.err) == (0, "")
    return cast("dict[str, list[Row]]", outcome.json)["firings"]


def test_firings_of_any_store_are_listed_newest_first(filled: str, penstock: Penstock) -> None:
    found = listed(penstock("firings", "list", "desk", "--json", "--store", filled))
    assert [(row["number"], row["id"], row["key"], row["inputs"], row["manual"], row["ok"]) for row in found] == [
        (3, "desk:1-3", "A", {"quotes": {"symbol": "A", "price": 1.0}}, True, True),
        (2, "desk:1-2", "B", {"quotes": {"symbol": "B", "price": 2.5}}, False, False),
        (1, "desk:1-1", "A", {"quotes": {"symbol": "A", "price": 1.0}}, False, True),
    ]
    assert found[1]["results"] == {"book": "GraphFailed: book fails"}
    assert (found[1]["changed"], found[0]["changed"]) == (["quotes"], [])
    page = listed(penstock("firings", "list", "desk", "--json", "--store", filled, "--limit", "1", "--before", "3"))
    assert [row["number"] for row in page] == [2]


def test_people_see_one_line_for_each_firing(filled: str, penstock: Penstock) -> None:
    head, *lines = penstock("firings", "list", "desk", "--store", filled).out.splitlines()
    assert head.split() == ["number", "firing", "key", "at", "took", "outcome", "inputs"]
    assert [line.split()[:3] for line in lines] == [
        ["3", "desk:1-3", "A"],
        ["2", "desk:1-2", "B"],
        ["1", "desk:1-1", "A"],
    ]
    assert "ok (by hand)" in lines[0]
    assert "book: GraphFailed: book fails" in lines[1]
    assert msgspec.json.decode(lines[2][lines[2].index("{") :]) == {"quotes": {"symbol": "A", "price": 1.0}}


def test_a_reactor_without_a_history_has_none(filled: str, penstock: Penstock) -> None:
    outcome = penstock("firings", "list", "other", "--store", filled)
    assert (outcome.code, "no firings of 'other' in" in outcome.out) == (0, True)
