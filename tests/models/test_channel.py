"""The channel under all policies, with tasks that wait, are woken, overtaken and cancelled in every order."""

import asyncio
from collections.abc import Iterable
from itertools import count

from anyio import WouldBlock
from anyio.lowlevel import checkpoint
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from penstock.runtime.channel import Channel, Overflow
from penstock.runtime.errors import ChannelClosed, ChannelFull

#: More turns of the loop than any chain of wake-ups here takes.
TURNS = 50


def pending(tasks: Iterable[asyncio.Task[None]]) -> list[asyncio.Task[None]]:
    return [task for task in tasks if not task.done()]


class ChannelMachine(RuleBasedStateMachine):
    """The model is two lists: what was accepted, and what has left (taken or dropped)."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.numbers = count()
        self.accepted: list[int] = []
        self.left: list[int] = []
        self.puts: dict[int, asyncio.Task[None]] = {}
        self.gets: list[asyncio.Task[None]] = []
        self.refused = 0

    @initialize(capacity=st.integers(1, 3), policy=st.sampled_from(["block", "block", "drop_oldest", "reject"]))
    def make(self, capacity: int, policy: Overflow) -> None:
        self.channel = Channel[int]("c", capacity, policy, on_drop=self.left.append)

    def turn(self, turns: int = 1) -> None:
        async def wait() -> None:
            for _ in range(turns):
                await checkpoint()

        self.loop.run_until_complete(wait())

    # -- what may happen -----------------------------------------------------------------------------------

    @rule()
    def offer(self) -> None:
        item = next(self.numbers)
        try:
            if self.channel.offer(item):
                self.accepted.append(item)
            else:
                assert self.channel.policy == "block"
                assert self.channel.full
                self.refused += 1
        except ChannelFull:
            assert self.channel.policy == "reject"
            assert len(self.channel) == self.channel.capacity
            self.refused += 1
        except ChannelClosed:
            assert self.channel.closed

    @rule(turns=st.integers(0, 1))
    def put(self, turns: int) -> None:
        async def put(item: int) -> None:
            try:
                await self.channel.put(item)
                self.accepted.append(item)
            except ChannelFull:
                self.refused += 1
            except ChannelClosed:
                assert self.channel.closed

        item = next(self.numbers)
        self.puts[item] = self.loop.create_task(put(item))
        self.turn(turns)

    @rule(turns=st.integers(0, 1))
    def get(self, turns: int) -> None:
        async def get() -> None:
            try:
                self.left.append(await self.channel.get())
            except ChannelClosed:
                assert self.channel.closed
                assert len(self.channel) == 0

        self.gets.append(self.loop.create_task(get()))
        self.turn(turns)

    @rule()
    def get_nowait(self) -> None:
        try:
            self.left.append(self.channel.get_nowait())
        except WouldBlock:
            assert len(self.channel) == 0
        except ChannelClosed:
            assert self.channel.closed

    @rule()
    def drain(self) -> None:
        self.left.extend(self.channel.drain())

    def cancel_put(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from(pending(self.puts.values()))).cancel()

    def cancel_get(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from(pending(self.gets))).cancel()

    @precondition(lambda self: pending(self.puts.values()))
    @rule(data=st.data())
    def make_room_and_cancel_a_put(self, data: st.DataObject) -> None:
        """A race: the put that is cancelled may be the one that was just woken."""
        self.get_nowait()
        self.cancel_put(data)

    @precondition(lambda self: pending(self.gets))
    @rule(data=st.data())
    def offer_and_cancel_a_get(self, data: st.DataObject) -> None:
        self.offer()
        self.cancel_get(data)

    @rule()
    def come_to_rest(self) -> None:
        """After all wake-ups nobody waits for what is there."""
        self.turn(TURNS)
        waiting = [item for item, task in self.puts.items() if not task.done()]
        getting = pending(self.gets)
        statistics = self.channel.statistics()
        assert (statistics.putters, statistics.getters) == (len(waiting), len(getting))
        assert not waiting or (len(self.channel) == self.channel.capacity and not self.channel.closed)
        assert not getting or (len(self.channel) == 0 and not self.channel.closed)
        # who waits came after all that were let in, since no put overtakes another
        done = [item for item in self.puts if item in set(self.accepted)]
        assert done == [item for item in self.accepted if item in self.puts]
        assert all(item > max(done, default=-1) for item in waiting)

    @rule(rarely=st.integers(0, 19))
    def close(self, rarely: int) -> None:
        if rarely == 0:
            self.channel.close()

    # -- what always holds ---------------------------------------------------------------------------------

    @invariant()
    def items_leave_in_the_order_in_which_they_came(self) -> None:
        assert self.left == self.accepted[: len(self.left)]

    @invariant()
    def nothing_is_lost_and_the_bound_holds(self) -> None:
        if hasattr(self, "channel"):
            assert len(self.channel) == len(self.accepted) - len(self.left) <= self.channel.capacity

    @invariant()
    def cancelled_puts_put_nothing(self) -> None:
        cancelled = {item for item, task in self.puts.items() if task.done() and task.cancelled()}
        assert not cancelled.intersection(self.accepted)

    @invariant()
    def counters_tell_the_same(self) -> None:
        if hasattr(self, "channel"):
            told = self.channel.statistics()
            assert told.accepted == told.taken + told.dropped + told.waiting == len(self.accepted)
            assert told.refused == self.refused
            assert told.dropped == 0 or self.channel.policy == "drop_oldest"

    def teardown(self) -> None:
        try:
            self.come_to_rest()
            self.channel.close()
            self.turn(TURNS)
            assert all(task.done() for task in (*self.puts.values(), *self.gets))
        finally:
            self.loop.close()


TestChannel = ChannelMachine.TestCase
