"""One serving process per file: an operating system lock, which a killed process cannot leave behind."""

import contextlib
import os
import sys
from pathlib import Path

import msgspec

from penstock.runtime.errors import StoreInUse

if sys.platform == "win32":
    import msvcrt

    #: Behind the text, so that others can read who holds the lock.
    OFFSET = 4096

    def try_lock(descriptor: int) -> bool:
        """Take the lock, or return that somebody has it."""
        os.lseek(descriptor, OFFSET, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False

        return True

else:
    import fcntl

    def try_lock(descriptor: int) -> bool:
        """Take the lock, or return that somebody has it.

        ``flock`` belongs to the open file, not to the process: it also keeps two stores of one process apart, and
        closing another descriptor of the file does not lose it.
        """
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False

        return True


class Holder(msgspec.Struct, frozen=True):
    """Who holds a lock."""

    pid: int
    started_at: str


class FileLock:
    """The lock of a store; held until ``release`` or the end of the process.

    The file stays: deleting it would let two processes lock two files of one name.
    """

    def __init__(self, path: Path, *, store: str, started_at: str) -> None:
        """Take the lock.

        Raises:
            StoreInUse: Somebody has it.
            OSError: The file cannot be written.
        """
        # not inherited by programs that we start, so they cannot keep it
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        if not try_lock(self._descriptor):
            holder = read_holder(self._descriptor)
            os.close(self._descriptor)
            raise StoreInUse(store, holder)

        # the name is for people: without room for it the lock holds all the same
        with contextlib.suppress(OSError):
            os.ftruncate(self._descriptor, 0)
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            os.write(self._descriptor, msgspec.json.encode(Holder(os.getpid(), started_at)))

    def release(self) -> None:
        """Give the lock back."""
        os.close(self._descriptor)


def read_holder(descriptor: int) -> str:
    """Return who wrote the lock file, in words."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    try:
        holder = msgspec.json.decode(os.read(descriptor, 1000), type=Holder)
    except (msgspec.DecodeError, OSError):
        return "another process"  # it has the lock and has not written its name yet

    return f"process {holder.pid} (since {holder.started_at})"
