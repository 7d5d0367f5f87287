"""Something has changed: those who wait for a condition look again."""

import asyncio


class Signal:
    """Wakes everyone who waits. Edge-triggered: whoever is woken checks the condition anew."""

    __slots__ = ("_waiters",)

    def __init__(self) -> None:
        self._waiters: list[asyncio.Future[None]] = []

    def wait(self) -> "asyncio.Future[None]":
        """Return what to await for the next change."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        return waiter

    def tell(self) -> None:
        """Wake everyone who waits now."""
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
