"""A few coroutines at once, with nothing left behind."""

import asyncio

import pytest
from anyio.lowlevel import checkpoint

from penstock.runtime.together import together


async def note(trail: list[str], name: str, turns: int = 0, error: BaseException | None = None) -> None:
    for _ in range(turns):
        await checkpoint()

    trail.append(name)
    if error is not None:
        raise error


async def wait(trail: list[str], *, error: BaseException | None = None) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        await checkpoint()
        trail.append("ended")
        if error is not None:
            raise error


async def test_all_run_and_are_awaited() -> None:
    trail: list[str] = []
    await together(note(trail, "slow", 3), False, note(trail, "fast"))
    assert trail == ["fast", "slow"]


async def test_lone_one_runs_in_the_callers_task() -> None:
    tasks: list[object] = []

    async def look() -> None:
        tasks.append(asyncio.current_task())

    await together(False, look())
    await together(False, False)
    assert tasks == [asyncio.current_task()]


async def test_failure_cancels_the_others_and_waits_for_them() -> None:
    trail: list[str] = []
    with pytest.raises(ValueError, match="x"):
        await together(wait(trail), note(trail, "failed", 1, ValueError("x")), wait(trail))

    assert trail == ["failed", "ended", "ended"]


async def test_second_failure_is_noted_at_the_first() -> None:
    with pytest.raises(ValueError, match="x") as caught:
        await together(wait([], error=KeyError("y")), note([], "failed", 1, ValueError("x")))

    assert caught.value.__notes__ == ["at the same time: KeyError: 'y'"]


async def test_cancelled_caller_cancels_all_and_waits_for_them() -> None:
    trail: list[str] = []
    task = asyncio.get_running_loop().create_task(together(wait(trail), wait(trail)))
    for _ in range(3):  # cancelled again while it waits: it still waits
        await checkpoint()
        task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task

    assert trail == ["ended", "ended"]


async def test_one_that_cancels_itself_cancels_all() -> None:
    trail: list[str] = []
    with pytest.raises(asyncio.CancelledError):
        await together(wait(trail), note(trail, "gave up", 1, asyncio.CancelledError()))

    assert trail == ["gave up", "ended"]
