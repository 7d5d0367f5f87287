"""A connection that hears when another process has added a command."""

import asyncio
from collections.abc import Callable

from penstock.runtime.store.engine import answer
from penstock.runtime.store.postgres_connections import Connection, connect, leave
from penstock.runtime.store.postgres_errors import TROUBLE, translate
from penstock.runtime.store.postgres_url import Options


class Listener:
    """Listens on the channel of its schema, which has the schema's name."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._connection: Connection | None = None

    @property
    def connected(self) -> bool:
        """Whether the connection is open."""
        return self._connection is not None and not self._connection.is_closed()

    async def open(self, heard: Callable[[], None]) -> asyncio.Future[None]:
        """Connect and listen; return what is done when the connection is lost.

        Raises:
            StoreError: The server cannot be reached.
        """
        lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def end(_connection: object) -> None:
            answer(lost, None, None)

        def hear(*_notification: object) -> None:
            heard()

        self._connection = connection = await connect(self._options, "listener")
        connection.add_termination_listener(end)
        try:
            await connection.add_listener(self._options.schema, hear)
        except TROUBLE as error:
            connection.terminate()
            raise translate(self._options.name, error, "listening") from error

        return lost

    async def close(self) -> None:
        """Close the connection."""
        await leave(self._connection)
        self._connection = None
