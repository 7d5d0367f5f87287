import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import psutil
import pytest

from penstock.demo.burn import burn
from penstock.demo.load import MOST, make_load, workers


def burning() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if "burn.py" in " ".join(child.cmdline())]


@asynccontextmanager
async def loaded(seconds: float, count: int) -> AsyncIterator[list[psutil.Process]]:
    """Make a load in the background, and cancel it at the end."""
    async with anyio.create_task_group() as group:
        group.start_soon(make_load, seconds, count)
        while len(found := burning()) < count:
            await anyio.lowlevel.checkpoint()

        yield found
        group.cancel_scope.cancel()


@pytest.mark.parametrize(("cores", "count"), [(1, 1), (2, 1), (3, 1), (4, 2), (8, 4), (128, MOST)])
def test_load_takes_half_of_the_cores_and_never_more_than_four(cores: int, count: int) -> None:
    assert workers(cores) == count


async def test_load_ends_by_itself_and_leaves_no_process() -> None:
    await make_load(0.05, 1)
    assert burning() == []


async def test_cancelled_load_ends_at_once() -> None:
    async with loaded(5.0, 2) as processes:
        assert len(processes) == 2

    assert [process for process in processes if process.is_running()] == []


async def test_ctrl_c_in_the_terminal_does_not_reach_the_load() -> None:
    async with loaded(5.0, 1) as processes:
        assert os.getpgid(processes[0].pid) != os.getpgid(0)


def test_load_ends_when_the_demo_is_gone() -> None:
    burn(60.0, parent=-1)
