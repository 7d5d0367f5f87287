"""Apps that cannot simply be closed, or are used where they cannot answer: each is told what is wrong."""

import asyncio
import threading
import warnings
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

import pytest

import penstock as ps
from penstock.runtime.config import Config
from penstock.runtime.errors import AppError, DefinitionError, PartFailed
from penstock.runtime.observe import StateIgnored
from penstock.testing import open_test_app
from penstock.wiring import Part


@ps.passthrough_accumulator(durable=True)
def orders(event: int) -> int:
    return event


async def stubborn() -> None:
    """Swallow every cancellation."""
    while True:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()


# -- closing -------------------------------------------------------------------------------------------------


def polled() -> Part:
    @ps.polling_accumulator("1s")
    async def ticks() -> int:
        await stubborn()
        return 1

    return ps.Reactor("desk", [ticks])


class Endless:
    name = "endless"

    async def run(self, _intake: ps.Intake, _positions: Mapping[str, ps.Position]) -> None:
        await stubborn()


def fed() -> Part:
    @ps.stream_accumulator(Endless())
    def ticks(event: int) -> int:
        return event

    return ps.Reactor("desk", [ticks])


def graph_of(*bodies: Callable[[], Awaitable[None]]) -> Part:
    desk = ps.Reactor("desk", [orders])
    graph = ps.ComputationGraph("book", reactor=desk)
    for number, body in enumerate(bodies):
        graph.node(name=f"node{number}")(bound(body))

    return graph


def bound(body: Callable[[], Awaitable[None]]) -> Callable[[int], Awaitable[int]]:
    async def node(orders: int) -> int:
        await body()
        return orders

    return node


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (polled, "accumulator ticks"),
        (fed, "accumulator ticks"),
        (lambda: graph_of(stubborn), "reactor desk 1"),
        (lambda: graph_of(stubborn, stubborn), "reactor desk 1"),
    ],
    ids=["poll", "source", "node", "nodes"],
)
async def test_an_app_closes_although_a_part_swallows_its_cancellation_and_names_it(
    make: Callable[[], Part], name: str
) -> None:
    part = make()

    async def live() -> None:
        async with open_test_app([part], config=Config(drain_timeout=2.0)) as test:
            if isinstance(part, ps.ComputationGraph):
                await test.app.push(orders, 1)

            await test.settle()

    with pytest.raises(PartFailed, match="swallows its cancellation") as caught:
        await live()

    assert caught.value.part == name


async def test_an_app_is_closed_in_the_task_that_opened_it() -> None:
    async with open_test_app([ps.Reactor("desk", [orders])]) as test:

        async def close() -> None:
            await test.app.__aexit__(None, None, None)

        with pytest.raises(AppError, match="closed in the task that opened it"):
            await asyncio.create_task(close())

        assert await test.app.push(orders, 1)


async def test_an_app_is_not_waited_for_on_another_event_loop() -> None:
    workflow = ps.Workflow("w")

    @workflow.task
    def nothing() -> None:
        return None

    found: list[BaseException] = []

    async with open_test_app([workflow, ps.Reactor("desk", [orders])]) as test:

        def elsewhere(call: Callable[[], Awaitable[object]]) -> None:
            async def wait() -> None:
                await call()

            try:
                asyncio.run(wait())
            except AppError as error:
                found.append(error)

        calls: list[Callable[[], Awaitable[object]]] = [
            lambda: test.app.start(workflow),
            lambda: test.app.execute(workflow),
            test.app.wait_idle,
            lambda: test.app.push(orders, 1),
        ]
        for call in calls:
            thread = threading.Thread(target=elsewhere, args=(call,))
            thread.start()
            await asyncio.to_thread(thread.join)

        await test.app.execute(workflow)

    assert ["another event loop" in str(error) for error in found] == [True] * len(calls)


# -- declaring -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("parts", [None, 5, "desk", b"bytes", orders])
def test_parts_that_are_no_list_are_told(parts: object) -> None:
    with pytest.raises(DefinitionError, match=r"give a list of parts, as in `parts=\[graph, workflow\]`"):
        ps.App("sqlite:///never.db", parts=parts)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [5, b"x", ["a"], {"a": 1}])
def test_names_that_are_no_text_are_told(name: object) -> None:
    workflow = ps.Workflow("w")

    def task() -> None:
        return None

    with pytest.raises(DefinitionError, match=r"workflow 'w', task 'task': name=.* is no text"):
        workflow.task(name=name)(task)  # type: ignore[call-overload]

    workflow.task(dependencies=[name])(task)  # type: ignore[list-item]
    assert "which is neither a function nor the name of a task" in workflow.check()[0]

    graph = ps.ComputationGraph("g", reactor=ps.Reactor("desk", [orders]))

    @graph.node(name=name)  # type: ignore[call-overload]
    def node(orders: int) -> int:
        return orders

    assert graph.check()[0].endswith("is no text")


# -- what only a generator raises ----------------------------------------------------------------------------


async def test_what_a_plain_function_raises_fails_its_event_or_firing_whatever_it_is(store_url: str) -> None:
    def close(event: int) -> int:
        if event < 0:
            raise GeneratorExit

        return event

    taken = ps.passthrough_accumulator(name="taken")(close)
    graph = ps.ComputationGraph("book", reactor=ps.Reactor("desk", [taken], on_error="dead_letter"))

    @graph.node
    def booked(taken: int) -> int:
        raise GeneratorExit(taken)

    async with open_test_app([graph], store=store_url) as test:
        test.app.offer(taken, -1)
        test.app.offer(taken, 1)
        await test.app._open.domains["desk"].flush()
        letters = [(letter.part, letter.reason) async for letter in test.app.dead_letters()]

    assert letters == [("book", "firing"), ("taken", "process")]


# -- events whose accumulator is gone ------------------------------------------------------------------------


async def test_journalled_events_of_an_accumulator_that_is_gone_are_told_at_the_start_and_in_health(
    store_url: str,
) -> None:
    async def die() -> None:
        async with open_test_app([ps.Reactor("desk", [orders])], store=store_url) as test:
            test.faults.fail("cut: *", times=None)
            await test.app.push(orders, 1)
            await test.app.push(orders, 2)

    with pytest.raises(Exception, match="cut"):
        await die()

    seen: list[int] = []

    @ps.passthrough_accumulator(durable=True)
    def renamed(event: int) -> int:
        seen.append(event)
        return event

    why = "the app has no accumulator of this name; they wait until it has: if it was renamed, give it its old name"

    async def live_without_it() -> None:
        async with open_test_app([ps.Reactor("desk", [renamed])], store=store_url) as test:
            [fact] = [fact for fact in test.facts if isinstance(fact, StateIgnored) and fact.part == "orders"]
            assert fact.what == "2 journalled events"
            [part] = [part for part in test.app.health().parts if part.kind == "inbox"]
            assert (part.name, part.state, part.well) == ("orders", "orphaned", False)
            assert test.app.health().status == "degraded"

    with pytest.warns(UserWarning, match=f"accumulator 'orders': 2 journalled events: {why}"):
        await live_without_it()

    old = ps.passthrough_accumulator(name="orders", durable=True)(renamed.function.fn)  # type: ignore[arg-type]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        async with open_test_app([ps.Reactor("desk", [old])], store=store_url) as test:
            await test.settle()
            assert [part for part in test.app.health().parts if part.kind == "inbox"] == []

    assert seen == [1, 2]
