"""Who may bring events in, and whose turn it is."""

import anyio
import pytest

from penstock.accumulators.gate import SLICE, Gate
from penstock.runtime.errors import AppError


class Hand:
    """A clock set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_many_short_firings_end_a_slice_together() -> None:
    gate = Gate(Hand())
    gate.overdue(100.0)
    assert not gate.shut
    assert gate.slice_end == 100.0 + SLICE
    gate.overdue(100.0 + SLICE)
    assert gate.shut


def test_one_long_firing_ends_a_slice() -> None:
    gate = Gate(Hand())
    gate.overdue(100.0)
    gate.ended(100.0 + 4 * SLICE)
    assert gate.shut


def test_after_a_quiet_while_a_slice_begins_anew() -> None:
    gate = Gate(Hand())
    gate.overdue(100.0)
    gate.end_slice()
    gate.overdue(101.0)
    assert not gate.shut


async def test_ready_begins_a_slice_after_a_turn_of_the_loop() -> None:
    clock = Hand()
    gate = Gate(clock)
    gate.end_slice()
    await gate.ready()
    assert (gate.shut, gate.slice_end) == (False, 100.0 + SLICE)


async def test_ready_waits_while_the_domain_is_full() -> None:
    gate = Gate(Hand())
    gate.close()
    async with anyio.create_task_group() as group:
        group.start_soon(gate.ready)
        group.start_soon(gate.ready)
        await anyio.lowlevel.checkpoint()
        assert gate.shut
        gate.open()

    assert not gate.shut


async def test_the_end_of_a_slice_does_not_open_a_full_gate() -> None:
    gate = Gate(Hand())
    gate.close()
    gate.begin_slice()
    gate.overdue(200.0)
    assert gate.shut
    assert gate.full


async def test_those_who_wait_learn_that_the_domain_is_gone() -> None:
    gate = Gate(Hand())
    gate.close()
    with pytest.raises(ExceptionGroup, match="unhandled") as caught:
        await wait_and_leave(gate)

    assert str(caught.value.exceptions[0]) == "gone"
    with pytest.raises(AppError, match="gone"):
        await gate.ready()


async def wait_and_leave(gate: Gate) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(gate.ready)
        await anyio.lowlevel.checkpoint()
        gate.leave(AppError("gone"))
