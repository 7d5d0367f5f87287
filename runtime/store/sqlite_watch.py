"""Notices when a file of SQLite is written: nobody tells, so a thread looks at it, whatever the loop does."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from pathlib import Path

#: Seconds between two looks. A look is one question to the operating system, and none to the database.
TICK = 0.5


class FileWatch:
    """Looks at the write-ahead log of a database, to which every commit is appended.

    Args:
        database: The file.
        changed: Called on the loop after the log has changed, whoever wrote it: at the first look, at each look that
            sees a change, and once more at the next one, because a file system may round the times of two changes to
            the same.
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
        seen, again = None, True
        while not self._stop.wait(TICK):
            before, seen = seen, look(log)
            if again or seen != before:
                self._tell(self._changed)

            again = seen != before

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
