"""Notices when a file of SQLite is written: nobody tells, so a thread looks at it, whatever the loop does."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from pathlib import Path

#: Seconds between two looks. A look is one question to the operating system, and none to the database.
TICK = 0.5
#: Seconds for which looking goes on after the last change: a commit can be seen by others only when the disk has it,
#: which may be long after it was written.
LINGER = 30.0


class FileWatch:
    """Looks at the write-ahead log of a database, to which every commit is appended.

    Args:
        database: The file.
        changed: Called on the loop at each look until ``LINGER`` after the log has changed, whoever wrote it; also in
            the beginning.
    """

    def __init__(self, database: Path, changed: Callable[[], None]) -> None:
        self._database = database
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self._stop = threading.Event()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._thread = threading.Thread(target=self._work, name="penstock-watch", daemon=True)
        self._thread.start()

    async def close(self) -> None:
        """End the thread."""
        self._stop.set()
        await self._ended

    # The rest runs in the thread.

    def _work(self) -> None:
        file = self._database.resolve()  # where SQLite puts the log of a file that is a link
        log = file.with_name(f"{file.name}-wal")
        most = round(LINGER / TICK)
        seen, left = look(log), most
        while not self._stop.wait(TICK):
            before, seen = seen, look(log)
            left = most if seen != before else left - 1
            if left > 0:
                self._tell(self._changed)

        self._tell(self._ended.set_result, None)

    def _tell(self, callback: Callable[..., None], *arguments: object) -> None:
        # when the loop is closed there is nobody left who could be told
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(callback, *arguments)


def look(log: Path) -> tuple[int, int] | None:
    """Return what changes with each write."""
    try:
        found = log.stat()
    except OSError:  # there is none before the first write
        return None

    return found.st_mtime_ns, found.st_size
