"""An app whose store is in trouble: nothing is executed twice, nothing is left behind, everybody is told."""

import penstock as ps
from penstock.testing import open_test_app


async def test_run_of_a_cut_whose_acknowledgement_was_lost_is_executed_once(store_url: str) -> None:
    ran: list[object] = []
    workflow = ps.Workflow("w")
    workflow.task(name="only")(lambda: ran.append("ran"))

    @ps.passthrough_accumulator
    def numbers(event: int) -> int:
        return event

    graph = ps.ComputationGraph("g", reactor=ps.Reactor("r", [numbers]))

    @graph.node(starts=workflow)
    def begin(numbers: int) -> dict[str, int]:
        return {"n": numbers}

    async with open_test_app([graph], store=store_url) as test:
        test.faults.fail("cut: after commit", error=ps.StoreUnavailable("store", "the acknowledgement is lost"))
        await test.app.push(numbers, 1)
        await test.advance(60)
        assert [run.status async for run in test.app.runs()] == ["completed"]

    assert ran == ["ran"]
