"""Values for whoever listens: an async iterator or an Observable, bounded, and free when nobody does.

What gives the values (a stream, a reactor, a graph) never waits for a listener and is never harmed by one. It is
attached to while somebody listens and not a moment longer. A listener that reads too slowly loses the oldest values,
which are counted.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Generic, Self, TypeVar

from typing_extensions import override

from penstock.runtime.errors import AppError

if TYPE_CHECKING:
    from penstock.runtime.rx import Observable

T = TypeVar("T")

#: Values that wait for a listener, unless it says otherwise.
CAPACITY = 1024
#: Values that an Observable emits before the loop has its turn.
SLICE = 100

Publish = Callable[[T], None]
Detach = Callable[[], None]


class Subscription(AsyncIterator[T], Generic[T]):
    """The values of one listener, from the moment of its making. To be read in one way, by one reader.

        async with app.boundaries(orderbook) as boundaries:
            async for boundary in boundaries:
                print(boundary.value)

    It ends when it is closed, and when the app stops, after what is left was read.

    Attributes:
        dropped: How many values gave way to newer ones because they were not read in time.
        failed: Whether its observer raised, and gets no more.
    """

    def __init__(self, capacity: int, closed: Callable[["Subscription[T]"], None]) -> None:
        self.dropped: int = 0
        self.failed: bool = False
        self._values: deque[T] = deque()
        self._capacity = capacity
        self._closed = closed
        self._open = True
        self._reader: Callable[[], None] | None = None
        self._waiter: asyncio.Future[None] | None = None

    def publish(self, value: T) -> None:
        """Take a value; for whoever gives them. Never waits, never raises."""
        if len(self._values) >= self._capacity:
            self._values.popleft()
            self.dropped += 1

        self._values.append(value)
        self._wake()

    def close(self) -> None:
        """Take no more values; those that are there can be read. A second call does nothing."""
        if self._open:
            self._open = False
            self._closed(self)
            self._wake()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
        elif self._reader is not None:
            self._reader()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    @override
    def __aiter__(self) -> Self:
        return self

    @override
    async def __anext__(self) -> T:
        while not self._values:
            if not self._open:
                raise StopAsyncIteration

            if self._waiter is not None or self._reader is not None:
                raise AppError("a subscription has one reader, and something reads it already: make another one")

            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None

        return self._values.popleft()

    def to_observable(self) -> "Observable[T]":
        """Return the values as an Observable of reactivex, which emits on the event loop, for one observer at a time.

        It completes when the subscription ends. Disposing of what subscribed to it closes the subscription.
        """
        from penstock.runtime.rx import observable_of  # noqa: PLC0415 - whoever has no Observable need not load it

        return observable_of(self._begin)

    def _begin(self, take: Publish[T], complete: Callable[[], None]) -> Detach:
        if self._waiter is not None or self._reader is not None:
            raise AppError("a subscription has one reader, and something reads it already: make another one")

        def detach() -> None:
            emitter.stop()
            self._reader = None
            self.close()

        def fail() -> None:
            self.failed = True
            detach()

        emitter = Emitter(self._values, take, complete, failed=fail, is_open=lambda: self._open)
        self._reader = emitter.wake
        emitter.wake()
        return detach


class Emitter(Generic[T]):
    """Gives an observer what there is, in slices, on turns of the loop of its own: never inside of what publishes."""

    def __init__(
        self,
        values: "deque[T]",
        take: Publish[T],
        complete: Callable[[], None],
        *,
        failed: Callable[[], None],
        is_open: Callable[[], bool],
    ) -> None:
        self._values, self._take, self._complete = values, take, complete
        self._failed, self._is_open = failed, is_open
        self._loop = asyncio.get_running_loop()
        self._planned = False
        self._stopped = False

    def wake(self) -> None:
        """Emit at the next turn of the loop."""
        if not self._planned and not self._stopped:
            self._planned = True
            self._loop.call_soon(self._emit)

    def stop(self) -> None:
        """Emit nothing any more."""
        self._stopped = True

    def _emit(self) -> None:
        self._planned = False
        for _ in range(SLICE):
            if self._stopped or not self._values:
                break

            self._give(self._values.popleft())

        if self._values:
            self.wake()
        elif not self._stopped and not self._is_open():
            self._stopped = True
            self._complete()

    def _give(self, value: T) -> None:
        taken = False
        try:
            self._take(value)  # what an observer raises goes to the loop's handler, and it gets no more
            taken = True
        finally:
            if not taken:
                self._failed()


class Fanout(Generic[T]):
    """Gives the values of one thing to all who listen to it.

    Args:
        attach: Called with what takes the values when the first one listens; returns what is called when the last
            one has gone.

    Attributes:
        failed: How many observers raised, and got no more.
    """

    def __init__(self, attach: Callable[[Publish[T]], Detach]) -> None:
        self._attach = attach
        self._detach: Detach | None = None
        self._subscriptions: tuple[Subscription[T], ...] = ()
        self._dropped = 0
        self.failed: int = 0

    @property
    def listeners(self) -> int:
        """How many listen."""
        return len(self._subscriptions)

    @property
    def dropped(self) -> int:
        """How many values listeners missed because they read too slowly, those that have gone among them."""
        return self._dropped + sum(subscription.dropped for subscription in self._subscriptions)

    def subscribe(self, capacity: int = CAPACITY) -> Subscription[T]:
        """Listen from now on.

        Args:
            capacity: Values that may wait to be read.

        Raises:
            AppError: The capacity is none.
        """
        if capacity < 1:
            raise AppError(f"a subscription has a capacity of at least 1, not {capacity}")

        subscription = Subscription[T](capacity, self._forget)
        self._subscriptions = (*self._subscriptions, subscription)
        if self._detach is None:
            self._detach = self._attach(self._publish)

        return subscription

    def close(self) -> None:
        """End all subscriptions: nothing more comes."""
        for subscription in self._subscriptions:
            subscription.close()

    def _publish(self, value: T) -> None:
        for subscription in self._subscriptions:
            subscription.publish(value)

    def _forget(self, subscription: Subscription[T]) -> None:
        self._dropped += subscription.dropped
        self.failed += subscription.failed
        self._subscriptions = tuple(each for each in self._subscriptions if each is not subscription)
        if not self._subscriptions and self._detach is not None:
            detach, self._detach = self._detach, None
            detach()
