"""A bounded channel between two stages on one event loop.

Items leave in the order in which they were accepted. Puts that wait are served in the order in which they came; a put
or a get that is cancelled has put or taken nothing. There are no locks: everything happens on the loop, and every step
costs the same however much waits.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Generic, Literal, TypeVar

import anyio
import msgspec

from penstock.runtime.errors import ChannelClosed, ChannelFull

T = TypeVar("T")

#: What happens to an item for which there is no room.
Overflow = Literal["block", "drop_oldest", "reject"]


class ChannelStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """What went through a channel since it was made: ``accepted == taken + dropped + waiting``."""

    name: str
    capacity: int
    #: Items in the channel now.
    waiting: int
    #: The most items that were ever in the channel.
    peak: int
    #: Items that were let in.
    accepted: int
    #: Items that were handed out.
    taken: int
    #: Items that were let in and then dropped for newer ones (``drop_oldest``).
    dropped: int
    #: Items that were not let in, because the channel was full.
    refused: int
    #: Puts that had to wait for room.
    blocked: int
    #: Puts that wait now.
    putters: int
    #: Gets that wait now.
    getters: int


class Channel(Generic[T]):
    """A first-in-first-out channel that holds at most ``capacity`` items.

    Args:
        name: The name for messages and statistics.
        capacity: The most items that wait.
        policy: ``block``: ``put`` waits for room, ``offer`` returns False; ``drop_oldest``: the oldest item makes room;
            ``reject``: both raise ``ChannelFull``.
        on_drop: Told each item that is dropped.
    """

    def __init__(
        self,
        name: str,
        capacity: int,
        policy: Overflow = "block",
        *,
        on_drop: Callable[[T], None] | None = None,
    ) -> None:
        if capacity < 1:
            raise ValueError(f"channel {name!r} needs a capacity of at least 1, not {capacity}")

        self.name: str = name
        self.capacity: int = capacity
        self.policy: Overflow = policy
        self._on_drop = on_drop
        self._items: deque[T] = deque()
        self._closed = False
        # ordered, and cheap to leave: a waiting task may be cancelled wherever it stands in the line
        self._getters: OrderedDict[asyncio.Future[bool], None] = OrderedDict()
        self._putters: OrderedDict[asyncio.Future[bool], None] = OrderedDict()
        self._watchers: dict[asyncio.Future[bool], int] = {}
        self._granted = 0  # room that is kept for putters that were woken and have not run yet
        self._accepted = self._taken = self._dropped = self._refused = self._blocked = self._peak = 0

    def __len__(self) -> int:
        """Return how many items wait."""
        return len(self._items)

    @property
    def full(self) -> bool:
        """Whether there is no room now: a put would wait, drop or raise."""
        return len(self._items) + self._granted >= self.capacity

    @property
    def closed(self) -> bool:
        """Whether nothing is accepted any more."""
        return self._closed

    # -- putting -------------------------------------------------------------------------------------------

    def offer(self, item: T) -> bool:
        """Put an item without waiting; tell whether it was accepted.

        Raises:
            ChannelFull: There is no room, and the policy is ``reject``.
            ChannelClosed: The channel is closed.
        """
        self._check_open()
        if self.full and not self._make_room():
            self._refused += 1
            return False

        self._accept(item)
        return True

    async def put(self, item: T) -> None:
        """Put an item; under ``block``, wait for room and for those who came before.

        Raises:
            ChannelFull: There is no room, and the policy is ``reject``.
            ChannelClosed: The channel is, or was meanwhile, closed; the item was not accepted.
        """
        self._check_open()
        # room that is granted to those who came before keeps the line, even while there is more
        if (self.full or self._granted) and not self._make_room():
            self._blocked += 1
            await self._wait_for_room()
            self._check_open()

        self._accept(item)
        self._has_room()  # for the next one, who may have waited for this one only

    # -- getting -------------------------------------------------------------------------------------------

    def get_nowait(self) -> T:
        """Take the oldest item.

        Raises:
            anyio.WouldBlock: Nothing waits.
            ChannelClosed: Nothing waits, and the channel is closed.
        """
        if not self._items:
            self._check_open()
            raise anyio.WouldBlock

        item = self._items.popleft()
        self._taken += 1
        self._has_room()
        return item

    async def get(self) -> T:
        """Take the oldest item; wait for one.

        Raises:
            ChannelClosed: Nothing waits, and the channel is closed.
        """
        overtaken = False
        while not self._items:
            self._check_open()
            await self._wait_for_item(first=overtaken)
            overtaken = True

        return self.get_nowait()

    def drain(self) -> list[T]:
        """Take all items that wait."""
        items = list(self._items)
        self._items.clear()
        self._taken += len(items)
        self._has_room()
        return items

    # -- both ----------------------------------------------------------------------------------------------

    async def ready(self) -> None:
        """Wait until there is room.

        Raises:
            ChannelClosed: The channel is, or was meanwhile, closed.
        """
        await self.wait_below(self.capacity)

    async def wait_below(self, count: int) -> None:
        """Wait until fewer than ``count`` items wait, and nobody who puts.

        Raises:
            ChannelClosed: The channel is, or was meanwhile, closed.
        """
        self._check_open()
        while self._crowd >= count:
            woken = asyncio.get_running_loop().create_future()
            self._watchers[woken] = count
            try:
                await woken
            finally:
                self._watchers.pop(woken, None)

            self._check_open()

    def close(self) -> None:
        """Accept nothing any more; what waits can still be taken. A second call does nothing."""
        self._closed = True
        for line in (self._putters, self._getters, self._watchers):
            for waiting in line:
                wake(waiting, granted=False)

            line.clear()

    def statistics(self) -> ChannelStatistics:
        """Return what went through, and what waits."""
        return ChannelStatistics(
            name=self.name,
            capacity=self.capacity,
            waiting=len(self._items),
            peak=self._peak,
            accepted=self._accepted,
            taken=self._taken,
            dropped=self._dropped,
            refused=self._refused,
            blocked=self._blocked,
            putters=len(self._putters) + self._granted,
            getters=len(self._getters),
        )

    # -- inside --------------------------------------------------------------------------------------------

    @property
    def _crowd(self) -> int:
        return len(self._items) + self._granted + len(self._putters)

    def _check_open(self) -> None:
        if self._closed:
            raise ChannelClosed(self.name)

    def _make_room(self) -> bool:
        """Apply the policy of a full channel; tell whether there is room then."""
        if self.policy == "reject":
            self._refused += 1
            raise ChannelFull(self.name, self.capacity)

        if self.policy == "block":
            return False

        oldest = self._items.popleft()
        self._dropped += 1
        if self._on_drop is not None:
            self._on_drop(oldest)

        return True

    def _accept(self, item: T) -> None:
        self._items.append(item)
        self._accepted += 1
        self._peak = max(self._peak, len(self._items))
        self._wake_getter()

    def _has_room(self) -> None:
        """Grant room to those who wait for it, in the order in which they came."""
        while self._putters and len(self._items) + self._granted < self.capacity:
            self._granted += wake(self._putters.popitem(last=False)[0], granted=True)

        if self._watchers:
            crowd = self._crowd
            for waiting in [waiting for waiting, count in self._watchers.items() if crowd < count]:
                wake(waiting, granted=True)

    def _wake_getter(self) -> None:
        while self._getters and not wake(self._getters.popitem(last=False)[0], granted=True):
            pass

    async def _wait_for_room(self) -> None:
        """Wait in the line of the putters; return with the right to put, or when the channel is closed."""
        woken: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._putters[woken] = None
        try:
            granted = await woken
        except asyncio.CancelledError:
            self._putters.pop(woken, None)
            self._granted -= was_granted(woken)
            self._has_room()  # for the next one
            raise

        self._granted -= granted

    async def _wait_for_item(self, *, first: bool) -> None:
        """Wait in the line of the getters; ``first`` for one who was there already and was overtaken."""
        woken: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._getters[woken] = None
        self._getters.move_to_end(woken, last=not first)
        try:
            await woken
        except asyncio.CancelledError:
            self._getters.pop(woken, None)
            if was_granted(woken) and self._items:
                self._wake_getter()  # for the next one

            raise


def wake(waiting: asyncio.Future[bool], *, granted: bool) -> bool:
    """Wake who waits; tell whether it still did."""
    if waiting.done():
        return False

    waiting.set_result(granted)
    return True


def was_granted(waiting: asyncio.Future[bool]) -> bool:
    """Tell whether a cancelled wait had been granted, but the task could not run any more."""
    return waiting.done() and not waiting.cancelled() and waiting.result()
