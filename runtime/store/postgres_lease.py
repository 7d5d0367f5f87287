"""The lease of a serving process: an advisory lock and a date, kept on a connection and in a thread of their own.

Slow user code on the event loop cannot lose the lease; a loop that hangs beyond ``STALL_LIMIT`` does. All times are the
database's: the clock of this machine may be wrong.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable

from penstock.runtime.errors import PenstockError, StoreError, StoreTakenOver
from penstock.runtime.store.engine import answer
from penstock.runtime.store.postgres_connections import Connection, application, connect, leave
from penstock.runtime.store.postgres_errors import TROUBLE
from penstock.runtime.store.postgres_url import Options

#: Seconds for which a lease is good without being renewed, between two renewals, and after trouble with one.
LEASE, RENEWAL, RETRY = 30.0, 6.0, 1.0
#: Seconds in which the server must answer; beyond, the connection is taken to be gone while there is time for another.
ANSWER = 8.0
#: Seconds after which an event loop that does not answer no longer counts as serving.
STALL_LIMIT = 60.0
#: Microseconds since 1970, by the database's clock; and the date of a lease that is taken or renewed now.
NOW = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
UNTIL = f"{NOW} + {int(LEASE * 1_000_000)}"


class Lease:
    """Holds the lock of a start from ``open`` on, and renews its lease from ``serve`` on."""

    def __init__(self, options: Options) -> None:
        self.connected: bool = False
        self._options = options
        self._node = 0
        self._locked = False
        self._lost: Callable[[StoreError], None] | None = None
        self._loop = asyncio.get_running_loop()
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._thread = threading.Thread(target=self._work, name="penstock-lease", daemon=True)
        #: The thread's loop; what wakes it before a renewal is due: the end, or the loss of the connection.
        self._own: asyncio.AbstractEventLoop | None = None
        self._wake: asyncio.Event = asyncio.Event()
        self._stopping = False
        self._last_beat = 0.0

    async def open(self) -> None:
        """Start the thread, and take the lock; raises what connecting raises."""
        self._thread.start()
        await self._opened

    def serve(self, node: int, lost: Callable[[StoreError], None]) -> None:
        """Renew the lease of a start from here on; ``lost`` is called on the loop when it is another one's."""
        self._lost = lost
        self._node = node

    async def close(self) -> None:
        """Give the lock back and end the thread."""
        if self._thread.ident is None:
            return

        self._stopping = True
        if self._own is not None:
            with contextlib.suppress(RuntimeError):  # it has ended by itself
                self._own.call_soon_threadsafe(self._wake.set)

        await self._ended

    # The rest runs in the thread.

    def _work(self) -> None:
        try:
            asyncio.run(self._keep())
        finally:
            self._tell(answer, self._ended, None, None)

    async def _keep(self) -> None:
        self._own = asyncio.get_running_loop()
        self._last_beat = self._own.time()
        connection: Connection | None = None
        try:
            connection = await self._connect()
        except BaseException as error:  # noqa: BLE001  # the one who opens waits for it
            self._tell(answer, self._opened, None, error)
            return

        self._tell(answer, self._opened, None, None)
        delay = RENEWAL
        while not await self._stop_within(delay):
            try:
                if connection.is_closed():
                    self.connected = False
                    connection = await self._connect()
                elif not self._locked:
                    await self._lock(connection)

                if not await self._renew(connection):
                    break

                delay = RENEWAL
            # it is tried again; what happens when it lasts too long is up to whoever wants to take over
            except (*TROUBLE, PenstockError):
                connection.remove_termination_listener(self._lose)
                connection.terminate()
                delay = RETRY

        await leave(connection)
        self.connected = False

    async def _connect(self) -> Connection:
        connection = await connect(self._options, "lease")
        try:
            await self._lock(connection)
        except BaseException:
            connection.terminate()
            raise

        connection.add_termination_listener(self._lose)
        self.connected = True
        return connection

    async def _lock(self, connection: Connection) -> None:
        """Take the lock, from a lost session of ours if there is one; if it does not end, that is tried again."""
        take = f"SELECT pg_try_advisory_lock({self._options.token})"
        self._locked = bool(await connection.fetchval(take, timeout=ANSWER))
        if not self._locked:
            name = application(self._options, "lease")
            await connection.execute(
                "SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity "
                f"WHERE application_name = '{name}' AND pid <> pg_backend_pid()",
                timeout=ANSWER,
            )
            self._locked = bool(await connection.fetchval(take, timeout=ANSWER))

    async def _renew(self, connection: Connection) -> bool:
        """Renew the lease; return whether it is still ours."""
        own = asyncio.get_running_loop()
        self._tell(self._beat, own)
        if not self._node or own.time() - self._last_beat > STALL_LIMIT:
            return True

        done = await connection.execute(
            f"UPDATE nodes SET lease_until = {UNTIL} WHERE id = {self._node} AND lost_at IS NULL", timeout=ANSWER
        )
        if done != "UPDATE 1" and self._lost is not None:
            self._tell(self._lost, StoreTakenOver(self._options.name))
            return False

        return True

    async def _stop_within(self, seconds: float) -> bool:
        """Wait until the end, the loss of the connection, or some seconds later; return whether it is the end."""
        if not self._stopping:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), seconds)

        self._wake.clear()
        return self._stopping

    def _lose(self, _connection: object) -> None:
        """Let another connection be made at once: until it has the lock, others may take us for dead."""
        self._wake.set()

    def _beat(self, own: asyncio.AbstractEventLoop) -> None:
        """Note, on the app's loop, that it runs."""
        self._last_beat = own.time()

    def _tell(self, callback: Callable[..., None], *arguments: object) -> None:
        # when the loop is closed there is nobody left who could be told
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(callback, *arguments)
