"""Work for a store in the process of the test, while something happens to it."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio.lowlevel import checkpoint

from penstock.runtime.store.store import Store
from tests.faults.writes import note, noted, push, pushed

CALLERS = 24


class Load:
    """Callers that commit one unit after the other, of both kinds, and keep what was acknowledged."""

    def __init__(self, store: Store) -> None:
        self.told: list[str] = []
        self._store = store
        self._going_on = True

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Let them commit until the block ends, and each its last unit to the end."""
        async with asyncio.TaskGroup() as callers:
            for caller in range(CALLERS):
                callers.create_task(self._call(caller))

            yield
            self._going_on = False

    async def more(self, count: int) -> None:
        """Return when some more units are acknowledged."""
        wanted = len(self.told) + count
        while len(self.told) < wanted:
            await checkpoint()

    async def _call(self, caller: int) -> None:
        n, kind = 0, push if caller % 2 else note
        while self._going_on:
            n += 1
            name = f"{caller}-{n}"
            await self._store.commit(kind(self._store, name))
            self.told.append(name)

    def check(self, url: str) -> None:
        """Compare what is stored with what was acknowledged: each unit is there once, and whole; no other one is."""
        assert Counter(noted(url)) == Counter(self.told)
        assert Counter(pushed(url)) == Counter(name for name in self.told if int(name.partition("-")[0]) % 2)
