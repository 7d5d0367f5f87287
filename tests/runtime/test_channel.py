"""What each operation of the channel does; that nothing is lost in any order is shown in tests/models."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from anyio import WouldBlock, create_task_group
from anyio.lowlevel import checkpoint

from penstock.runtime.channel import Channel
from penstock.runtime.errors import ChannelClosed, ChannelFull
from penstock.testing.clock import VirtualClock


def filled(*items: str, capacity: int | None = None) -> Channel[str]:
    channel = Channel[str]("c", capacity or max(1, len(items)))
    for item in items:
        channel.offer(item)

    return channel


def begin(work: Awaitable[object]) -> "asyncio.Task[object]":
    async def run() -> object:
        return await work

    return asyncio.get_running_loop().create_task(run())


async def settle() -> None:
    await VirtualClock().settle()


# -- policies ----------------------------------------------------------------------------------------------


def test_blocking_channel_refuses_an_offer_when_full() -> None:
    channel = filled("a", "b")
    assert (channel.full, channel.offer("c"), channel.drain()) == (True, False, ["a", "b"])
    assert channel.statistics().refused == 1


async def test_drop_oldest_makes_room_and_tells_what_it_dropped() -> None:
    dropped: list[int] = []
    channel = Channel[int]("c", 2, "drop_oldest", on_drop=dropped.append)
    assert [channel.offer(item) for item in range(4)] == [True] * 4
    await channel.put(4)
    assert (dropped, channel.drain(), channel.statistics().dropped) == ([0, 1, 2], [3, 4], 3)


async def test_reject_raises_and_keeps_what_waits() -> None:
    channel = Channel[int]("orders", 1, "reject")
    channel.offer(1)
    with pytest.raises(ChannelFull, match="'orders' is full"):
        channel.offer(2)

    with pytest.raises(ChannelFull):
        await channel.put(3)

    assert (channel.drain(), channel.statistics().refused) == ([1], 2)


def test_channel_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="capacity of at least 1"):
        Channel[int]("c", 0)


# -- waiting -----------------------------------------------------------------------------------------------


async def test_put_waits_for_room_and_keeps_its_place() -> None:
    channel = filled("a")
    puts = [begin(channel.put(item)) for item in "bc"]
    await settle()
    assert (channel.statistics().putters, channel.statistics().blocked) == (2, 2)
    assert [await channel.get() for _ in "abc"] == ["a", "b", "c"]
    await asyncio.wait(puts)


async def test_put_does_not_overtake_one_that_was_woken() -> None:
    channel = filled("a", "b")
    first = begin(channel.put("c"))
    await settle()
    second = begin(channel.put("d"))  # runs first, when there is room already
    channel.drain()
    await settle()
    assert (channel.drain(), first.done(), second.done()) == (["c", "d"], True, True)


async def test_room_that_is_granted_to_a_put_is_not_for_offers() -> None:
    channel = filled("a")
    put = begin(channel.put("b"))
    await settle()
    channel.get_nowait()
    assert (channel.full, channel.offer("c"), len(channel)) == (True, False, 0)
    await put
    assert channel.drain() == ["b"]


async def test_get_waits_for_an_item_and_gets_are_served_in_order() -> None:
    channel = filled(capacity=5)
    gets = [begin(channel.get()) for _ in range(2)]
    await settle()
    channel.offer("a")
    channel.offer("b")
    assert [await get for get in gets] == ["a", "b"]


async def test_overtaken_get_keeps_its_place() -> None:
    channel = filled(capacity=5)
    gets = [begin(channel.get()) for _ in range(2)]
    await settle()
    channel.offer("a")
    assert channel.get_nowait() == "a"  # before the first get could run
    await settle()
    channel.offer("b")
    assert await gets[0] == "b"
    channel.offer("c")
    assert await gets[1] == "c"


def test_get_nowait_does_not_wait() -> None:
    with pytest.raises(WouldBlock):
        filled().get_nowait()


async def test_ready_returns_when_there_is_room() -> None:
    channel = filled("a", "b")
    ready, empty = begin(channel.ready()), begin(channel.wait_below(1))
    await settle()
    channel.get_nowait()
    await settle()
    assert (ready.done(), empty.done()) == (True, False)
    channel.get_nowait()
    await empty


async def test_ready_counts_those_who_wait_to_put() -> None:
    channel = filled("a")
    ready, put = begin(channel.ready()), begin(channel.put("b"))
    await settle()
    channel.get_nowait()
    await settle()
    assert (ready.done(), put.done()) == (False, True)
    channel.get_nowait()
    await ready


# -- cancelling --------------------------------------------------------------------------------------------


async def test_cancelled_put_has_put_nothing() -> None:
    channel = filled("a")
    put = begin(channel.put("b"))
    await settle()
    put.cancel()
    await settle()
    assert (channel.drain(), channel.statistics().putters) == (["a"], 0)


async def test_put_that_is_woken_and_cancelled_hands_its_room_on() -> None:
    channel = filled("a")
    first, second = begin(channel.put("b")), begin(channel.put("c"))
    await settle()
    channel.get_nowait()
    first.cancel()
    await settle()
    assert (first.cancelled(), second.done(), channel.drain()) == (True, True, ["c"])
    assert channel.offer("d")


async def test_get_that_is_woken_and_cancelled_hands_its_turn_on() -> None:
    channel = filled(capacity=5)
    first, second = begin(channel.get()), begin(channel.get())
    await settle()
    channel.offer("a")
    first.cancel()
    assert await second == "a"
    assert first.cancelled()


async def test_cancelled_put_lets_those_know_who_wait_for_room() -> None:
    channel = filled("a", capacity=2)
    channel.offer("b")
    put, below = begin(channel.put("c")), begin(channel.wait_below(3))
    await settle()
    assert not below.done()
    put.cancel()
    await below


async def test_ten_thousand_who_wait_and_are_cancelled_leave_nothing() -> None:
    channel = filled("a")
    async with create_task_group() as group:
        for _ in range(10_000):
            group.start_soon(channel.put, "b")

        await checkpoint()
        await checkpoint()
        assert channel.statistics().putters == 10_000
        group.cancel_scope.cancel()

    assert (channel.statistics().putters, len(channel)) == (0, 1)


# -- the end -----------------------------------------------------------------------------------------------


def test_closed_channel_gives_what_it_has_and_takes_nothing() -> None:
    channel = filled("a", capacity=2)
    channel.close()
    channel.close()
    with pytest.raises(ChannelClosed, match="'c' is closed"):
        channel.offer("b")

    assert channel.get_nowait() == "a"
    with pytest.raises(ChannelClosed):
        channel.get_nowait()


@pytest.mark.parametrize(
    "wait",
    [
        lambda channel: channel.put("b"),
        lambda channel: channel.ready(),
        lambda channel: channel.wait_below(1),
    ],
    ids=["put", "ready", "wait_below"],
)
async def test_closing_wakes_who_waits_for_room(wait: Callable[[Channel[str]], Awaitable[None]]) -> None:
    channel = filled("a")
    waiting = begin(wait(channel))
    await settle()
    channel.close()
    with pytest.raises(ChannelClosed):
        await waiting

    assert (channel.drain(), channel.statistics().putters) == (["a"], 0)


async def test_closing_wakes_who_waits_for_an_item() -> None:
    channel = filled()
    waiting = begin(channel.get())
    await settle()
    channel.close()
    with pytest.raises(ChannelClosed):
        await waiting


async def test_put_that_was_woken_before_the_closing_puts_nothing() -> None:
    channel = filled("a")
    put = begin(channel.put("b"))
    await settle()
    channel.get_nowait()
    channel.close()
    with pytest.raises(ChannelClosed):
        await put

    assert len(channel) == 0


def test_statistics_add_up() -> None:
    channel = Channel[int]("c", 2, "drop_oldest")
    for item in range(5):
        channel.offer(item)

    channel.get_nowait()
    told = channel.statistics()
    assert (told.accepted, told.taken, told.dropped, told.waiting, told.peak) == (5, 1, 3, 1, 2)
