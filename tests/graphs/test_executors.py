"""Nodes that leave the loop, and nodes that take too long."""

import asyncio
import os
import threading
import traceback
from collections.abc import AsyncIterator
from typing import Any

import pytest
from anyio.lowlevel import checkpoint

from penstock.graphs.graph import ComputationGraph
from penstock.runtime.clock import Activity
from penstock.runtime.errors import ExecutorError, GraphError, NodeFailed, NodeTimedOut, ProcessDied
from penstock.runtime.executors import Executors
from penstock.runtime.processes import Processes
from penstock.runtime.scheduler import Scheduler
from penstock.runtime.threads import Threads
from penstock.testing.clock import VirtualClock
from tests.graphs import work


def of(**inputs: object) -> ComputationGraph:
    return ComputationGraph("g", inputs=inputs)


def failed(error: BaseException) -> None:
    raise error


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
async def executors(clock: VirtualClock) -> AsyncIterator[Executors]:
    """Pools whose work the virtual clock does not wait for: tests decide when it ends."""
    scheduler = Scheduler(clock, on_error=failed)
    made = Executors(Threads("t", 2, activity=Activity()), Processes("p", 2, activity=Activity()), scheduler)
    yield made
    await made.threads.close()
    await made.processes.close()
    scheduler.close()


# -- threads --------------------------------------------------------------------------------------------------


async def test_scenario_15_blocking_node_does_not_block_the_loop() -> None:
    graph, turned = of(x=int), threading.Event()

    @graph.node(executor="thread")
    def block(x: int) -> str:
        assert turned.wait(10)  # set by the loop, which would never get there if it waited for us
        return threading.current_thread().name

    @graph.node
    async def turn(x: int) -> int:
        await checkpoint()
        turned.set()
        return x

    outputs = (await graph.run(x=1)).outputs
    assert outputs["turn"] == 1
    assert outputs["block"].startswith("penstock-alone")


async def test_thread_nodes_run_at_the_same_time(executors: Executors) -> None:
    graph, meeting = of(x=int), threading.Barrier(2)

    def meet(x: int) -> int:
        return meeting.wait(10) * 0 + x

    graph.node(name="a", executor="thread")(meet)
    graph.node(name="b", executor="thread")(meet)
    graph.node(name="c")(lambda a, b: (a, b))
    assert (await graph.traverse({"x": 7}, executors)).outputs == {"c": (7, 7)}


async def test_failure_in_a_thread_has_the_nodes_frames_and_the_compiled_line() -> None:
    graph = of(x=int)
    graph.node(name="broken", executor="thread")(work.divide)
    with pytest.raises(NodeFailed, match=r"'broken'.*ZeroDivisionError.*called with x=0") as caught:
        await graph.run(x=0)

    text = "".join(traceback.format_exception(caught.value))
    assert "broken = await _broken(x)  # in a thread" in text
    assert "return 1 / x" in text


async def test_timed_out_thread_keeps_its_slot_and_is_counted(executors: Executors, clock: VirtualClock) -> None:
    graph, release = of(x=int), threading.Event()

    @graph.node(executor="thread", timeout="5s")
    def stuck(x: int) -> None:
        release.wait(10)

    running = asyncio.ensure_future(graph.traverse({"x": 1}, executors))
    await clock.advance(4.9)
    assert not running.done()
    await clock.advance(0.2)
    with pytest.raises(NodeTimedOut, match="took longer than 5s") as caught:
        await running

    assert (caught.value.node, caught.value.inputs, caught.value.retryable) == ("stuck", {"x": 1}, True)
    found = executors.threads.statistics()
    assert (found.running, found.overdue, found.abandoned) == (1, 1, 0)
    release.set()
    await executors.threads.close()
    found = executors.threads.statistics()
    assert (found.running, found.overdue, found.abandoned) == (0, 0, 1)


# -- time -----------------------------------------------------------------------------------------------------


async def test_async_node_that_takes_too_long_is_cancelled(executors: Executors, clock: VirtualClock) -> None:
    graph, ended = of(x=int), list[str]()

    @graph.node(timeout=2.0)
    async def slow(x: int) -> None:
        try:
            await executors.scheduler.sleep(x)
        finally:
            ended.append("slow")

    @graph.node(timeout=60)
    async def sibling(x: int) -> None:
        try:
            await executors.scheduler.sleep(x)
        finally:
            ended.append("sibling")

    running = asyncio.ensure_future(graph.traverse({"x": 10}, executors))
    await clock.advance(2.0)
    with pytest.raises(NodeTimedOut, match="'slow' of graph 'g' failed: TimedOut: it took longer than 2s"):
        await running

    assert sorted(ended) == ["sibling", "slow"]
    assert executors.scheduler.statistics().pending == 0


async def test_node_that_is_quick_enough_leaves_no_timer(executors: Executors, clock: VirtualClock) -> None:
    graph = of(x=int)

    @graph.node(timeout="1m")
    async def quick(x: int) -> int:
        await executors.scheduler.sleep(1.0)
        return x

    running = asyncio.ensure_future(graph.traverse({"x": 1}, executors))
    await clock.advance(1.0)
    assert (await running).outputs == {"quick": 1}
    assert executors.scheduler.statistics().pending == 0


async def test_cancellation_from_outside_is_no_timeout(executors: Executors) -> None:
    graph = of(x=int)

    @graph.node(timeout=5)
    async def wait(x: int) -> None:
        await asyncio.Event().wait()

    running = asyncio.ensure_future(graph.traverse({"x": 1}, executors))
    await checkpoint()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_own_timeout_error_of_a_node_is_a_failure_like_any_other() -> None:
    graph = of(x=int)

    @graph.node(timeout=5)
    async def give_up(x: int) -> None:
        raise TimeoutError("mine")

    with pytest.raises(NodeFailed, match="TimeoutError: mine") as caught:
        await graph.run(x=1)

    assert not isinstance(caught.value, NodeTimedOut)


# -- processes ------------------------------------------------------------------------------------------------


@pytest.mark.timeout(60)
async def test_process_node_runs_in_another_process_which_is_kept(executors: Executors) -> None:
    graph = of(x=int)
    graph.node(executor="process")(work.add_up)
    graph.node(name="of")(lambda add_up: add_up)
    first, second = [(await graph.traverse({"x": 100}, executors)).outputs["of"] for _ in range(2)]
    assert (first.of, second) == (5050, first)
    assert first.process != os.getpid()
    assert executors.processes.idle == 1


@pytest.mark.timeout(60)
async def test_failure_in_a_process_is_the_functions_own_with_its_traceback(executors: Executors) -> None:
    graph = of(x=int)
    graph.node(executor="process")(work.divide)
    with pytest.raises(NodeFailed, match="ZeroDivisionError: division by zero") as caught:
        await graph.traverse({"x": 0}, executors)

    text = "".join(traceback.format_exception(caught.value))
    assert "divide = await _divide(x)  # in a process" in text
    assert "return 1 / x" in text
    assert "in another process" in text


@pytest.mark.timeout(60)
async def test_what_cannot_be_sent_is_told(executors: Executors) -> None:
    for function, said in (
        (work.odd, "Odd: one"),
        (work.lock, "ExecutorError: its result cannot be sent back: TypeError"),
        (work.die, "ProcessDied: a process of pool 'p' ended with exit code 3"),
    ):
        graph = of(x=int)
        graph.node(name="n", executor="process")(function)
        with pytest.raises(NodeFailed, match=said) as caught:
            await graph.traverse({"x": 3}, executors)

        assert isinstance(caught.value.__cause__, ExecutorError)

    assert isinstance(caught.value.__cause__, ProcessDied)
    graph = of(x=Any)
    graph.node(executor="process")(work.die)
    with pytest.raises(NodeFailed, match="its arguments cannot be sent to another process"):
        await graph.traverse({"x": threading.Lock()}, executors)


@pytest.mark.timeout(60)
async def test_process_that_takes_too_long_is_killed_and_its_slot_is_free(
    executors: Executors, clock: VirtualClock
) -> None:
    graph = of(x=int)
    graph.node(executor="process", timeout=30)(work.hang)
    running = asyncio.ensure_future(graph.traverse({"x": 1}, executors))
    await clock.advance(30)
    with pytest.raises(NodeTimedOut, match="took longer than 30s"):
        await running

    await executors.processes.close()  # waits for threads, hence for the processes that they wait for
    found = executors.processes.statistics()
    assert (found.running, found.abandoned, executors.processes.idle) == (0, found.finished, 0)


@pytest.mark.timeout(60)
async def test_closing_kills_what_runs() -> None:
    clock = VirtualClock()
    scheduler = Scheduler(clock, on_error=failed)
    executors = Executors(Threads("t", 1), Processes("p", 1), scheduler)
    graph = of(x=int)
    graph.node(executor="process")(work.hang)
    running = asyncio.ensure_future(graph.traverse({"x": 1}, executors))
    await checkpoint()
    await executors.processes.close(scheduler.sleep(0.0))
    with pytest.raises(NodeFailed, match="ProcessDied"):
        await running

    await executors.threads.close()
    scheduler.close()


async def test_deterministic_executors_run_everything_in_line(clock: VirtualClock) -> None:
    executors = Executors(
        Threads("t", 1, inline=True), Processes("p", 1, inline=True), Scheduler(clock, on_error=failed)
    )
    graph = of(x=int)
    graph.node(executor="process")(work.add_up)

    @graph.node(executor="thread")
    def where(x: int) -> str:
        return threading.current_thread().name

    outputs = (await graph.traverse({"x": 3}, executors)).outputs
    assert outputs == {"add_up": work.Sum(6, os.getpid()), "where": threading.current_thread().name}


# -- declarations ---------------------------------------------------------------------------------------------


def test_what_cannot_run_where_it_is_said_to_is_told() -> None:
    def local(x: int) -> None: ...

    async def wait(x: int) -> None: ...

    cases: list[tuple[object, dict[str, object], str]] = [
        (local, {"timeout": 5}, "timeout= cannot interrupt a `def` on the loop: make it `async def`, or add executor="),
        (wait, {"executor": "thread"}, "an `async def` runs on the loop: leave executor='thread' out"),
        (local, {"executor": "pool"}, "executor='pool' is none of 'thread', 'process'"),
        (local, {"executor": "process"}, "stands inside a function: move it to the top of a module"),
        (work.original, {"executor": "process"}, "tests.graphs.work.replaced is something else"),
        (work.Sum(1, 2).__repr__, {"executor": "process"}, "it is no plain function"),
        (wait, {"timeout": "soon"}, "graph 'g': timeout=: 'soon' is not a duration"),
        (wait, {"timeout": 0}, "graph 'g': timeout=: 0 must be longer than"),
    ]
    for function, options, said in cases:
        graph = of(x=int)
        graph.node(name="n", inputs={}, **options)(function)
        (problem,) = graph.check()
        assert said in problem


def test_graph_that_leaves_the_loop_waits() -> None:
    graph = of(x=int)
    graph.node(executor="thread")(work.divide)
    assert graph.is_async
    with pytest.raises(GraphError, match="divide waits"):
        graph.run_sync(x=1)
