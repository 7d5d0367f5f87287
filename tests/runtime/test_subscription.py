"""Subscriptions: bounded, one reader each, and nothing is attached when nobody listens."""

import asyncio
from collections.abc import Callable

import pytest
from anyio import create_task_group
from anyio.lowlevel import checkpoint
from reactivex import operators as ops

from penstock.runtime.errors import AppError
from penstock.runtime.subscription import SLICE, Fanout


class Giver:
    """Gives values to what is attached."""

    def __init__(self) -> None:
        self.attached: list[Callable[[int], None]] = []

    def attach(self, publish: Callable[[int], None]) -> Callable[[], None]:
        self.attached.append(publish)
        return lambda: self.attached.remove(publish)

    def give(self, *values: int) -> None:
        for value in values:
            for publish in self.attached:
                publish(value)


@pytest.fixture
def giver() -> Giver:
    return Giver()


@pytest.fixture
def fanout(giver: Giver) -> Fanout[int]:
    return Fanout(giver.attach)


async def turns(count: int = 3) -> None:
    for _ in range(count):
        await checkpoint()


async def test_it_is_attached_while_somebody_listens(giver: Giver, fanout: Fanout[int]) -> None:
    assert giver.attached == []
    one, other = fanout.subscribe(), fanout.subscribe()
    assert (len(giver.attached), fanout.listeners) == (1, 2)
    one.close()
    one.close()
    assert len(giver.attached) == 1
    other.close()
    assert (giver.attached, fanout.listeners) == ([], 0)
    fanout.subscribe()
    assert len(giver.attached) == 1


async def test_every_listener_gets_every_value_from_when_it_began(giver: Giver, fanout: Fanout[int]) -> None:
    one = fanout.subscribe()
    giver.give(1)
    other = fanout.subscribe()
    giver.give(2, 3)
    fanout.close()
    assert [value async for value in one] == [1, 2, 3]
    assert [value async for value in other] == [2, 3]


async def test_a_reader_waits_for_the_next_value(giver: Giver, fanout: Fanout[int]) -> None:
    read: list[int] = []

    async def reading() -> None:
        async with fanout.subscribe() as values:
            async for value in values:
                read.append(value)
                if value == 3:
                    break

    async with create_task_group() as group:
        group.start_soon(reading)
        await turns()
        giver.give(1)
        await turns()
        assert read == [1]
        giver.give(2, 3, 4)

    assert read == [1, 2, 3]
    assert giver.attached == []


async def test_a_slow_reader_loses_the_oldest_values_which_are_counted(giver: Giver, fanout: Fanout[int]) -> None:
    slow, quick = fanout.subscribe(capacity=2), fanout.subscribe(capacity=10)
    giver.give(1, 2, 3, 4, 5)
    fanout.close()
    assert [value async for value in slow] == [4, 5]
    assert [value async for value in quick] == [1, 2, 3, 4, 5]
    assert (slow.dropped, quick.dropped) == (3, 0)


async def test_a_reader_that_is_cancelled_loses_nothing(giver: Giver, fanout: Fanout[int]) -> None:
    values = fanout.subscribe()
    waiting = asyncio.ensure_future(anext(values))
    await turns()
    waiting.cancel()
    await asyncio.wait([waiting])
    giver.give(1)
    assert await anext(values) == 1


async def test_an_observable_emits_on_turns_of_its_own_and_completes(giver: Giver, fanout: Fanout[int]) -> None:
    seen: list[object] = []
    observable = fanout.subscribe().to_observable().pipe(ops.map(lambda value: value * 10))
    giver.give(1)
    observable.subscribe(seen.append, on_completed=lambda: seen.append("end"))
    giver.give(2)
    assert seen == []  # never inside of what gives the values
    await turns()
    assert seen == [10, 20]
    giver.give(*range(SLICE * 2))
    await turns(10)
    assert len(seen) == 2 + SLICE * 2
    fanout.close()
    await turns()
    assert seen[-1] == "end"


async def test_disposing_of_an_observable_ends_the_subscription(giver: Giver, fanout: Fanout[int]) -> None:
    seen: list[int] = []
    disposable = fanout.subscribe().to_observable().subscribe(seen.append)
    giver.give(1)
    await turns()
    giver.give(2)
    disposable.dispose()
    await turns()
    assert (seen, giver.attached) == ([1], [])


async def test_an_observer_that_raises_harms_nobody_else(giver: Giver, fanout: Fanout[int]) -> None:
    def fail(value: int) -> None:
        raise ValueError(value)

    told: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    try:
        other = fanout.subscribe()
        fanout.subscribe().to_observable().subscribe(fail)
        giver.give(1, 2)
        await turns()
    finally:
        asyncio.get_running_loop().set_exception_handler(None)

    assert [str(context["exception"]) for context in told] == ["1"]
    assert fanout.listeners == 1
    assert await anext(other) == 1


async def test_a_subscription_has_one_reader(giver: Giver, fanout: Fanout[int]) -> None:
    values = fanout.subscribe()
    waiting = asyncio.ensure_future(anext(values))
    await turns()
    with pytest.raises(AppError, match="one reader"):
        await anext(values)

    errors: list[Exception] = []
    values.to_observable().subscribe(print, errors.append)
    assert "one reader" in str(errors[0])
    giver.give(1)
    assert await waiting == 1


def test_a_capacity_of_none_is_refused(fanout: Fanout[int]) -> None:
    with pytest.raises(AppError, match="at least 1"):
        fanout.subscribe(capacity=0)
