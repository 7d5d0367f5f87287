"""The SQLite engine: a file, one thread of ours that writes it, and one that reads it."""

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from queue import SimpleQueue
from typing import TypeVar

from sqlalchemy.engine import URL
from typing_extensions import override

from penstock.runtime.errors import ConfigError, StoreError, StoreReadOnly, StoreUnavailable
from penstock.runtime.store.engine import Engine, Program, Query, Report, answer
from penstock.runtime.store.lock import FileLock
from penstock.runtime.store.sqlite_driver import OLDEST, Driver, Options
from penstock.runtime.store.sqlite_watch import FileWatch

T = TypeVar("T")
R = TypeVar("R")

WORDS = {
    "integer": "INTEGER",
    "numbered": "INTEGER PRIMARY KEY AUTOINCREMENT",
    "bytes": "BLOB",
    "clustered": " WITHOUT ROWID",
    # who has the lock of the file is alone
    "alive": "FALSE",
    "lease_until": "NULL",
    "tables": "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
}
#: Acknowledged means: survives the loss of power (full, extra), survives the end of the process (normal, off).
SYNCHRONOUS = ("full", "normal", "extra", "off")
URL_OPTIONS = {"mode", "max_page_count"}


class DriverThread:
    """A thread with a driver of its own: does its jobs in order, and reports on the event loop."""

    def __init__(self, name: str, make: Callable[[], Driver], end: Callable[[Driver], None]) -> None:
        self.connected: bool = False
        self._make = make
        self._end = end
        self._jobs: SimpleQueue[Callable[[Driver], None] | None] = SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    async def open(self) -> None:
        """Start the thread; raises what opening the connection raises."""
        self._thread.start()
        await self._opened

    def put(self, work: Callable[[Driver], T], report: Report[T]) -> None:
        """Let the thread do something, after what it was given before."""

        def job(driver: Driver) -> None:
            try:
                result = work(driver)
            # whatever it is: someone on the loop waits for the report
            except BaseException as error:  # noqa: BLE001
                self._tell(report, None, error)
            else:
                self._tell(report, result, None)

        self._jobs.put(job)

    async def do(self, work: Callable[[Driver], T]) -> T:
        """Let the thread do something, and wait for it."""
        done: asyncio.Future[T] = self._loop.create_future()
        self.put(work, lambda result, error: answer(done, result, error))
        return await done

    async def close(self) -> None:
        """Let the thread finish what it was given, close the connection and end."""
        if self._thread.ident is not None:
            self._jobs.put(None)
            await self._ended

    def _work(self) -> None:
        try:
            driver = self._make()
        except BaseException as error:  # noqa: BLE001  # the one who opens waits for it
            self._tell(answer, self._opened, None, error)
            self._tell(answer, self._ended, None, None)
        else:
            self.connected = True
            self._tell(answer, self._opened, None, None)
            while job := self._jobs.get():
                job(driver)

            try:
                self._end(driver)
            finally:
                self.connected = False
                self._tell(answer, self._ended, None, None)

    def _tell(self, callback: Callable[..., None], *arguments: object) -> None:
        # when the loop is closed there is nobody left who could be told
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(callback, *arguments)


class SQLiteEngine(Engine):
    """One file."""

    words: Mapping[str, str] = WORDS

    def __init__(self, options: Options) -> None:
        self.name: str = options.name
        self._options = options
        self._lock: FileLock | None = None
        self._watch: FileWatch | None = None
        self._writer = DriverThread("penstock-writer", self._make_writer, self._end_writer)
        self._reader = DriverThread("penstock-reader", self._make_reader, Driver.close)

    @override
    async def open(self, prepare: Callable[[], Program[T]]) -> T:
        try:
            await self._writer.open()
            prepared = await self._writer.do(lambda driver: driver.drive(prepare()))
            # from here on a commit that finds the file locked is tried again by the scheduler's timer
            await self._writer.do(lambda driver: driver.set_patience(0))
            await self._reader.open()
        except BaseException:
            await self.close()
            raise

        return prepared

    @override
    def serve(self, node: int, lost: Callable[[StoreError], None]) -> None:
        """Do nothing: the lock of the file is held since it was opened."""

    @override
    def hand_over(self, program: Program[T], report: Report[T]) -> None:
        self._writer.put(lambda driver: driver.drive(program), report)

    @override
    def look_up(self, query: Query[R], parameters: Mapping[str, object], report: Report[list[R]]) -> None:
        self._reader.put(lambda driver: driver.look_up(query, parameters), report)

    @override
    async def listen(self, heard: Callable[[], None]) -> asyncio.Future[None]:
        """Call back soon after another process has written the file; what we write ourselves is not meant."""
        version = await self._writer.do(Driver.foreign_version)

        def compare(found: int | None, error: BaseException | None) -> None:
            nonlocal version
            if error is not None or (found is not None and found != version):
                version = version if found is None else found
                heard()

        self._watch = FileWatch(self._options.path, lambda: self._writer.put(Driver.foreign_version, compare))
        return asyncio.get_running_loop().create_future()

    @override
    def open_connections(self) -> int:
        return self._writer.connected + self._reader.connected

    @override
    async def close(self) -> None:
        if self._watch is not None:
            await self._watch.close()

        # the reader first: emptying the WAL needs all other connections gone
        await self._reader.close()
        await self._writer.close()

    # The rest runs in the threads: all of it may wait for the disk.

    def _make_writer(self) -> Driver:
        check_path(self._options)
        if self._options.lock:
            self._lock = take_lock(self._options)

        try:
            return Driver(self._options, reading=False)
        except BaseException:
            self._release_lock()
            raise

    def _end_writer(self, driver: Driver) -> None:
        # a checkpoint that fails loses nothing: the next opening reads the WAL
        if self._options.lock:
            with contextlib.suppress(sqlite3.Error):
                driver.checkpoint()

        driver.close()
        self._release_lock()

    def _make_reader(self) -> Driver:
        return Driver(self._options, reading=True)

    def _release_lock(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None


def check_path(options: Options) -> None:
    """Find out what SQLite would only call "unable to open database file".

    Raises:
        ConfigError: The folder is missing, or the path is a folder.
        StoreUnavailable: There is no file, and none is to be made.
    """
    folder = options.path.parent
    if not folder.is_dir():
        raise ConfigError(f"store {options.name}: there is no folder {str(folder)!r}: create it, or mend the path")

    if options.path.is_dir():
        raise ConfigError(f"store {options.name}: {str(options.path)!r} is a folder: name a file in it")

    if options.mode != "rwc" and not options.path.exists():
        raise StoreUnavailable(options.name, "there is no such file; an app that serves it makes it")


def take_lock(options: Options) -> FileLock:
    """Become the one serving process of the file.

    Raises:
        StoreInUse: Another one is.
        StoreReadOnly: The lock file beside it cannot be written.
    """
    # of the file itself: a link to it must not have a lock of its own
    file = options.path.resolve()
    path = file.with_name(f"{file.name}.lock")
    try:
        return FileLock(path, store=options.name, started_at=options.started_at)
    except OSError as error:
        raise StoreReadOnly(options.name, f"{path.name}: {error.strerror}") from error


def read_options(url: URL, *, synchronous: str, serve: bool, lock: bool, started_at: str) -> Options:
    """Return what a SQLite URL says.

    Raises:
        ConfigError: It says something that we do not do.
    """
    name = repr(url.set(query={}).render_as_string())  # how it is opened is no part of it
    if sqlite3.sqlite_version_info < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise ConfigError(
            f"SQLite {sqlite3.sqlite_version} is too old: a Python with SQLite {oldest} or newer is needed"
        )

    if url.database in {None, "", ":memory:"}:
        raise ConfigError(
            f"store {name}: a database in memory cannot be shared by the connections that read and write it, and is "
            "lost with the process: use a file in a temporary folder, as penstock.testing does"
        )

    if synchronous not in SYNCHRONOUS:
        raise ConfigError(f"synchronous={synchronous!r}: choose one of {', '.join(map(repr, SYNCHRONOUS))}")

    if unknown := sorted(set(url.query) - URL_OPTIONS):
        raise ConfigError(f"store {name}: unknown option {unknown[0]!r}; known: {', '.join(sorted(URL_OPTIONS))}")

    return Options(
        name=name,
        path=Path(str(url.database)),
        mode=read_mode(name, url, serve=serve),
        synchronous=synchronous,
        max_page_count=read_pages(name, url),
        lock=lock,
        started_at=started_at,
    )


def read_mode(name: str, url: URL, *, serve: bool) -> str:
    """Return how to open the file."""
    mode = str(url.query.get("mode", "rwc" if serve else "rw"))
    if mode not in {"ro", "rw", "rwc"}:
        raise ConfigError(f"store {name}: mode={mode!r}: choose 'ro', 'rw' or 'rwc'")

    if serve and mode == "ro":
        raise StoreReadOnly(name, "mode=ro was asked for")

    return mode


def read_pages(name: str, url: URL) -> int:
    """Return the bound of the file's size."""
    pages = str(url.query.get("max_page_count", "0"))
    if not (pages.isascii() and pages.isdecimal()):
        raise ConfigError(f"store {name}: max_page_count={pages!r}: give a number of pages of 4096 bytes")

    return int(pages)
