"""Something that stands between a store and its server, on a port of its own and in a thread of its own.

What it does needs nothing from the loop under test, and goes on when that is blocked.
"""

import asyncio
import contextlib
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

from anyio.lowlevel import checkpoint

from tests.faults import frames
from tests.faults.frames import CANCEL, GONE, Ends
from tests.postgres import Aside


class Door(ABC):
    """Takes connections for a server, as long as the block lasts.

    Attributes:
        url: The URL of the store by way of this door.
    """

    def __init__(self, url: str) -> None:
        self.behind = url
        self._aside = Aside()
        self._tasks: set[asyncio.Task[None]] = set()
        self._listener = self._aside.run(asyncio.start_server(self._come_in, "127.0.0.1", 0))
        self.url: str = frames.by_way_of(url, self._listener.sockets[0].getsockname()[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._aside.run(self.close())
        self._aside.close()

    @abstractmethod
    async def serve(self, client: Ends, startup: bytes) -> None:
        """Do what is to be done with a client, whose first message this is, until it goes."""

    async def _come_in(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        client = reader, writer
        try:
            with contextlib.suppress(*GONE, asyncio.CancelledError):
                startup = await frames.read_startup(client)
                await (self._cancel(startup) if frames.request(startup) == CANCEL else self.serve(client, startup))
        finally:
            writer.transport.abort()

    async def _cancel(self, startup: bytes) -> None:
        """Pass on the wish that the server ends a statement; it answers by the end of the connection."""
        server = await frames.connect(self.behind)
        try:
            await frames.send(server, startup)
            await server[0].read()
        finally:
            server[1].close()

    async def close(self) -> None:
        self._listener.close()
        for task in self._tasks:
            task.cancel()

        if self._tasks:
            await asyncio.wait(self._tasks)

        await checkpoint()  # what was closed ends in the next turn of the loop
