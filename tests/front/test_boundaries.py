"""Boundaries for whoever listens to an open app."""

import pytest

import penstock as ps
from penstock.accumulators.boundary import Boundary
from penstock.accumulators.passthrough import passthrough_accumulator
from penstock.reactors.reactor import Reactor
from penstock.runtime.errors import AppError
from penstock.testing import open_test_app


@passthrough_accumulator
def doubled(event: float) -> float | None:
    return event * 2 if event else None


reactor = Reactor("r", [doubled])


async def test_boundaries_are_read_as_they_come_and_end_with_the_app() -> None:
    async with open_test_app([reactor]) as test:
        boundaries = test.app.boundaries(doubled)
        by_name = test.app.boundaries("doubled", capacity=1)
        for event in (1.0, 0.0, 2.0):
            await test.app.push(doubled, event)

        assert await anext(boundaries) == Boundary("doubled", 1, 2.0)

    assert [boundary.value async for boundary in boundaries] == [4.0]
    assert [(boundary.sequence, boundary.value) async for boundary in by_name] == [(2, 4.0)]
    assert (boundaries.dropped, by_name.dropped) == (0, 1)


async def test_an_observable_of_boundaries_completes_with_the_app() -> None:
    seen: list[object] = []
    async with open_test_app([reactor]) as test:
        observable = test.app.boundaries(doubled).to_observable()
        observable.subscribe(lambda boundary: seen.append(boundary.value), on_completed=lambda: seen.append("end"))
        await test.app.push(doubled, 1.0)
        await test.settle()
        assert seen == [2.0]

    assert seen == [2.0, "end"]


async def test_nothing_is_attached_when_nobody_listens() -> None:
    async with open_test_app([reactor]) as test:
        live = test.app._open.accumulator("doubled")
        before = live._takers
        async with test.app.boundaries(doubled) as boundaries:
            assert len(live._takers) == len(before) + 1
            await test.app.push(doubled, 1.0)

        assert live._takers == before
        await test.app.push(doubled, 2.0)
        assert [boundary.value async for boundary in boundaries] == [2.0]


async def test_who_listens_later_hears_what_graphs_give_to_an_accumulator() -> None:
    recent = ps.state_accumulator("recent", value=float, capacity=2)
    graph = ps.ComputationGraph("remembering", reactor=Reactor("both", [doubled, recent]))

    @graph.node(emits=recent)
    def remembered(doubled: float) -> float:
        return doubled

    async with open_test_app([graph]) as test:
        await test.app.push(doubled, 1.0)
        await test.settle()
        windows = test.app.boundaries(recent)
        await test.app.push(doubled, 2.0)
        await test.settle()

    assert [window.value async for window in windows] == [(2.0, 4.0)]


async def test_what_cannot_be_listened_to_is_refused() -> None:
    async with open_test_app([reactor]) as test:
        with pytest.raises(AppError, match="tripled"):
            test.app.boundaries("tripled")

        with pytest.raises(AppError, match="at least 1"):
            test.app.boundaries(doubled, capacity=0)

    with pytest.raises(AppError, match="not open"):
        test.app.boundaries(doubled)
