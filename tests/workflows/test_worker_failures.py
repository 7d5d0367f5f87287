"""What bodies raise: it fails their task, and nothing else."""

import asyncio

import pytest
from anyio.lowlevel import checkpoint

from penstock.runtime.errors import (
    RunFailed,
)
from penstock.runtime.store.rows import run_number
from penstock.runtime.store.runs import load_events
from penstock.workflows.execution import attempt, traceback_text
from penstock.workflows.workflow import Workflow
from tests.workflows.conftest import Machine
from tests.workflows.runs import PACKED, events, fails_with, lone, stored

# -- failure ---------------------------------------------------------------------------------------------------


async def test_failed_run_raises_the_error_of_the_task(machine: Machine) -> None:
    def body() -> None:
        raise ZeroDivisionError("no")

    worker = await machine.open(lone(body))
    run = await worker.start("lone")
    with pytest.raises(RunFailed) as caught:
        await run.result()

    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert caught.value.failures == {"only": "ZeroDivisionError: no"}
    assert (run.status, run.error, run.output) == ("failed", "task 'only': ZeroDivisionError: no", None)
    assert await stored(machine, run) == []


async def test_dependents_of_a_failed_task_are_skipped_with_the_reason(machine: Machine) -> None:
    made = Workflow("w")

    @made.task
    def fetch() -> None:
        raise ValueError

    made.task(name="rate", dependencies=[fetch])(lambda: None)
    made.task(name="book", dependencies=["rate"])(lambda: None)
    made.task(name="other")(lambda: {"x": 1})
    worker = await machine.open(made)
    run = await worker.start(made)
    with pytest.raises(RunFailed, match="fetch: ValueError"):
        await run.result()

    assert {name: (task.status, task.error) for name, task in (await run.refresh()).tasks.items()} == {
        "other": ("completed", None),
        "fetch": ("failed", "ValueError"),
        "rate": ("skipped", "'fetch', which it depends on, failed"),
        "book": ("skipped", "'rate', which it depends on, was skipped"),
    }
    assert await stored(machine, run) == []


@pytest.mark.parametrize(
    "error", [SystemExit(1), StopAsyncIteration(), BaseException(), asyncio.CancelledError(), GeneratorExit()]
)
async def test_whatever_a_body_raises_fails_the_task_alone(machine: Machine, error: BaseException) -> None:
    async def body() -> None:
        raise error

    worker = await machine.open(lone(body))
    with pytest.raises(RunFailed):
        await (await worker.start("lone")).result()

    assert worker.statistics().tasks_failed == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt(), GeneratorExit(), StopIteration(), asyncio.CancelledError()])
async def test_whatever_a_thread_raises_fails_the_task_alone(machine: Machine, error: BaseException) -> None:
    worker = await machine.open(fails_with(error), inline=False)
    with pytest.raises(RunFailed):
        await (await worker.start("lone")).result()

    assert (worker.statistics().tasks_failed, worker.statistics().running) == (1, 0)


async def test_body_that_cancels_its_own_asyncio_task_fails(machine: Machine) -> None:
    async def body() -> None:
        mine = asyncio.current_task()
        assert mine is not None
        mine.cancel()
        await checkpoint()

    worker = await machine.open(lone(body))
    run = await worker.start("lone")
    with pytest.raises(RunFailed, match="'only' of workflow 'lone': it cancelled itself; raise an error instead"):
        await run.result()

    assert await stored(machine, run) == []


async def test_body_that_is_thrown_away_has_no_outcome(machine: Machine) -> None:
    await machine.open(made := lone(asyncio.Event().wait))
    assert machine.threads is not None
    coroutine = attempt(made.plan().tasks[0], "{}", machine.threads)
    waiting = asyncio.ensure_future(coroutine)
    await checkpoint()
    coroutine.close()
    waiting.cancel()
    await asyncio.wait([waiting])
    assert isinstance(waiting.exception(), RuntimeError)


async def test_failure_in_the_store_has_the_traceback(machine: Machine) -> None:
    def body() -> None:
        raise ZeroDivisionError

    worker = await machine.open(lone(body))
    run = await worker.start("lone")
    with pytest.raises(RunFailed):
        await run.result()

    assert machine.store is not None
    (row,) = await load_events(machine.store, run_number(run.id))
    failed = PACKED.decode(row.events)[1]
    assert failed.event == "task_failed"
    assert failed.traceback is not None
    assert "in body" in failed.traceback


# -- what bodies raise -----------------------------------------------------------------------------------------


class Silent(Exception):
    """An error that cannot be printed."""

    def __str__(self) -> str:
        raise AttributeError("no text")


class Untraceable(Exception):
    """An error whose traceback cannot be made."""

    @property
    def __cause__(self) -> BaseException:  # type: ignore[override]
        raise LookupError


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("half \udcff"), r"ValueError: half \udcff"),
        (ValueError("a\0b"), r"ValueError: a\x00b"),
        (Silent(), "Silent: <its text cannot be shown: AttributeError>"),
        (Untraceable("bad"), "Untraceable: bad"),
        (ExceptionGroup("all \udcff", [Silent()]), r"ExceptionGroup: all \udcff (1 sub-exception)"),
    ],
)
async def test_task_that_raises_what_cannot_be_stored_fails_its_run_alone(
    machine: Machine, error: Exception, text: str
) -> None:
    worker = await machine.open(fails_with(error))
    run = await worker.start("lone")
    with pytest.raises(RunFailed):
        await run.result()

    assert (run.status, run.tasks["only"].error) == ("failed", text)
    assert await events(machine, run) == ["task_started only", "task_failed only", "run_failed"]
    assert machine.mistakes == []


class Interrupting(Exception):
    """An error during whose printing the process is told to end."""

    @property
    def __cause__(self) -> BaseException:  # type: ignore[override]
        raise KeyboardInterrupt


def test_end_of_the_process_is_not_held_up_by_a_traceback() -> None:
    with pytest.raises(KeyboardInterrupt):
        traceback_text(Interrupting())


def test_traceback_that_cannot_be_stored_is_kept_readable() -> None:
    assert traceback_text(ValueError("half \udcff")) == "ValueError: half \\udcff\n"
    assert traceback_text(Untraceable()) == "<the traceback of Untraceable cannot be shown: LookupError>"
