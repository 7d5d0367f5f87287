"""A pooler in transaction mode: each transaction gets the session that was free last, whoever had it before."""

import asyncio
import contextlib

from typing_extensions import override

from tests.faults import frames
from tests.faults.door import Door
from tests.faults.frames import GONE, Ends, send

#: What a server says when it waits for a statement outside of a transaction: its letter, and where it stands.
READY, OUTSIDE = b"Z", b"I"
FAREWELL = b"X"
SESSIONS = 2


class Pooler(Door):
    """Has two sessions, opened as the first client asks for them, and gives them to all clients in turn."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._greeting = b""
        self._free: list[Ends] = []
        self._room = asyncio.Semaphore(SESSIONS)
        self._opening = asyncio.Lock()

    @override
    async def serve(self, client: Ends, startup: bytes) -> None:
        async with self._opening:
            if not self._greeting:
                await self._open(startup)

        await send(client, self._greeting)
        while (message := await frames.read_message(client))[:1] != FAREWELL:
            async with self._room:
                session = self._free.pop()
                await transact(client, session, message)
                self._free.append(session)

    async def _open(self, startup: bytes) -> None:
        for _ in range(SESSIONS):
            session = await frames.connect(self.behind)
            await send(session, startup)
            self._greeting = b""
            while not self._greeting.endswith(frames.message_of(READY, OUTSIDE)):
                self._greeting += await frames.read_message(session)

            self._free.append(session)

    @override
    async def _close(self) -> None:
        await super()._close()
        for _, writer in self._free:
            writer.close()


async def transact(client: Ends, session: Ends, first: bytes) -> None:
    """Let a client have a session until the end of the transaction that a message of it begins."""
    await send(session, first)
    requests = asyncio.create_task(pass_on(client, session))
    try:
        while (answer := await frames.read_message(session)) != frames.message_of(READY, OUTSIDE):
            await send(client, answer)
    finally:
        # the client waits for the answer, so that none of its messages is cut in two
        requests.cancel()
        await asyncio.wait([requests])

    await send(client, answer)


async def pass_on(client: Ends, session: Ends) -> None:
    """Give the server what a client sends."""
    with contextlib.suppress(*GONE):
        while True:
            await send(session, await frames.read_message(client))
