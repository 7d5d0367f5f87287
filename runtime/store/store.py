"""The one state store: write units in, rows out.

What is written goes through one writer (``submit``, ``commit``), filled by the functions of the facets:
``checkpoints`` (domains, state, inbox, firings), ``runs``, ``letters`` and ``commands``. What is read goes over a
connection of its own and sees what is committed.

For the layers that write:

* shards are integers, 0 where nothing is sharded; keys of state are texts, ``""`` where nothing is keyed;
* times in rows are aware UTC datetimes, columns hold microseconds;
* ``finish_run`` and ``release_run`` check the epoch themselves: ``fence_run`` is for units that do neither;
* whatever a unit was refused for, its ``done`` is told on the loop, after ``submit`` has returned.
"""

import asyncio
import importlib
import os
import socket
from collections.abc import Callable
from functools import partial
from typing import TypeVar, cast

from penstock.runtime.clock import Activity
from penstock.runtime.errors import AppError, StoreError, StoreInUse, StoreUnavailable
from penstock.runtime.observe import Observer, StoreRetried, silent
from penstock.runtime.scheduler import Scheduler
from penstock.runtime.store.commits import Faults
from penstock.runtime.store.engine import BEGIN, COMMIT, Engine, Program, Query, answer
from penstock.runtime.store.listening import Listening
from penstock.runtime.store.migrations import MIGRATIONS, check_version, migrate
from penstock.runtime.store.rows import RUNS_PER_NODE, to_micros
from penstock.runtime.store.unit import Unit
from penstock.runtime.store.writer import Done, Writer, WriterStatistics

R = TypeVar("R")
U = TypeVar("U", bound=Unit)

#: Seconds before the first and at most before a further try to open a store behind a network.
FIRST_DELAY, LONGEST_DELAY = 0.1, 2.0


class Store:
    """An open store. Made by ``Store.open``."""

    def __init__(
        self,
        url: str,
        engine: Engine,
        writer: Writer,
        *,
        scheduler: Scheduler,
        activity: Activity,
        observer: Observer,
    ) -> None:
        self.url = url
        #: Number of this start of a serving process, never used twice; 0 for one that does not serve.
        self.node = 0
        #: Waits for time, and holds the clock.
        self.scheduler = scheduler
        self._engine = engine
        self._writer = writer
        self._activity = activity
        self._observer = observer
        self._listening: Listening | None = None
        self._runs = 0
        self._closed = False

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        scheduler: Scheduler,
        activity: Activity,
        observer: Observer = silent,
        faults: Faults | None = None,
        synchronous: str = "full",
        group_limit: int = 1000,
        retry_timeout: float = 30.0,
        serve: bool = True,
        lock: bool | None = None,
    ) -> "Store":
        """Open a store, bring its schema up to date, and become its serving process.

        Args:
            url: ``sqlite:///file.db`` (relative), ``sqlite:////folder/file.db`` (absolute), or
                ``postgresql+asyncpg://user:password@host/database?schema=name``.
            scheduler: Waits before a commit is tried again.
            activity: Counts what is with the writer or the reader.
            observer: Told when a commit is tried again.
            faults: Called at named commit points, in the writer: see ``commits.Faults``.
            synchronous: ``full`` survives the loss of power, ``normal`` the end of the process.
            group_limit: Units in one commit, at most.
            retry_timeout: Seconds in which a passing trouble must pass.
            serve: Otherwise: no lock, no migration, no node number; for reading, and small writes, beside an app.
            lock: For tests of what the lock prevents: serve without it.

        Raises:
            ConfigError: The URL cannot be used.
            StoreInUse: Another process serves the store.
            SchemaVersionError: It was written by a newer Penstock.
            StoreReadOnly: It cannot be written.
            StoreCorrupt: It is damaged, or no database.
            StoreUnavailable: It cannot be reached.
        """
        now = scheduler.clock.now()
        engine = make_engine(
            url,
            synchronous=synchronous,
            serve=serve,
            lock=serve if lock is None else lock,
            started_at=now.isoformat(timespec="seconds"),
        )
        writer = Writer(
            engine,
            scheduler=scheduler,
            activity=activity,
            observer=observer,
            faults=faults,
            group_limit=group_limit,
            retry_timeout=retry_timeout,
        )
        store = cls(url, engine, writer, scheduler=scheduler, activity=activity, observer=observer)
        prepare = (
            partial(serving, engine, to_micros(now), faults, alone=lock is not False)
            if serve
            else partial(visiting, engine)
        )
        give_up_at = scheduler.clock.monotonic() + retry_timeout if serve and engine.remote else 0.0
        store.node = await store._open(prepare, give_up_at)
        if serve:
            engine.serve(store.node, writer.give_up)

        return store

    async def _open(self, prepare: Callable[[], Program[int]], give_up_at: float) -> int:
        """Open the engine; a server may still be starting, so it is tried again until a time."""
        delay, tries = FIRST_DELAY, 0
        while True:
            self._activity.leave()
            try:
                return await self._engine.open(prepare)
            except StoreUnavailable as error:
                if self.scheduler.clock.monotonic() + delay > give_up_at:
                    raise

                tries += 1
                self._observer(StoreRetried(store=self._engine.name, attempt=tries, delay=delay, error=str(error)))
            finally:
                self._activity.come_back()

            await self.scheduler.sleep(delay)
            delay = min(delay * 2, LONGEST_DELAY)

    # -- writing -------------------------------------------------------------------------------------------

    def new_run_id(self) -> int:
        """Return an id for a run: grows with time, and is unique without asking the database.

        Raises:
            AppError: The store was opened without serving, so it has no number of its own.
        """
        if not self.node:
            raise AppError("only a serving process numbers runs: open the store with serve=True")

        self._runs += 1
        return self.node * RUNS_PER_NODE + self._runs

    def unit(self, label: str) -> Unit:
        """Return an empty write unit."""
        return Unit(label, self.scheduler.clock)

    def submit(self, unit: U, done: Callable[[U, StoreError | None], None]) -> None:
        """Hand a unit to the writer. Never waits; ``done`` is called on the loop, later, with the unit's error."""
        self._writer.submit(unit, cast("Done", done))

    async def commit(self, unit: Unit) -> None:
        """Store a unit; return when it is committed.

        A caller that is cancelled does not take its unit back.

        Raises:
            LeaseLost: A fence of the unit did not hold.
            WriteConflict: The unit breaks a rule of the store.
            StoreError: The store has failed.
        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._writer.submit(unit, lambda _, error: answer(done, None, error))
        await done

    # -- reading -------------------------------------------------------------------------------------------

    async def read(self, query: Query[R], **parameters: object) -> list[R]:
        """Return what a query finds among what is committed.

        Raises:
            StoreError: The store cannot be read, or is closed.
        """
        if self._closed:
            raise closed(self._engine.name)

        done: asyncio.Future[list[R] | None] = asyncio.get_running_loop().create_future()
        self._activity.leave()

        def come_back(rows: list[R] | None, error: BaseException | None) -> None:
            self._activity.come_back()
            answer(done, rows, error)

        self._engine.look_up(query, parameters, come_back)
        return await done or []

    def listen(self, heard: Callable[[], None]) -> None:
        """Call back, on the loop, when another process has added a command, or may have.

        The first call comes at once. A database behind a network tells; the word may get lost with the connection, so a
        call comes as well when that is there again. A file tells nobody: it is looked at twice a second, and a call
        comes when somebody else has written it.

        Raises:
            AppError: Somebody listens already; there is one call for everybody's commands.
        """
        if self._listening is not None:
            raise AppError(f"store {self._engine.name} has a listener: let that one tell the others")

        self._listening = Listening(
            self._engine, heard, scheduler=self.scheduler, activity=self._activity, observer=self._observer
        )

    # -- life ----------------------------------------------------------------------------------------------

    @property
    def failed(self) -> "asyncio.Future[StoreError]":
        """Done when the store has failed for good, with the error; the app stops then."""
        return self._writer.failed

    @property
    def error(self) -> StoreError | None:
        """Why the store takes no more units, when it does not."""
        return self._writer.error

    def statistics(self) -> WriterStatistics:
        """Return what was written so far."""
        return self._writer.statistics()

    def open_connections(self) -> int:
        """Return how many connections are open."""
        return self._engine.open_connections()

    async def close(self) -> None:
        """Answer everything that was submitted, then give the file back. A second call does nothing."""
        if self._closed:
            return

        self._closed = True
        if self._listening is not None:
            await self._listening.close()

        await self._writer.drain()
        in_order = self.node and self._writer.error is None
        self._writer.refuse(closed(self._engine.name))
        self._activity.leave()
        if in_order:
            self._engine.hand_over(leaving(self.node, to_micros(self.scheduler.clock.now())), unheard)

        try:
            await self._engine.close()
        finally:
            self._activity.come_back()


def make_engine(url: str, **options: object) -> Engine:
    """Import what talks to the database, which nobody needs before, and let it make an engine."""
    dialects = importlib.import_module("penstock.runtime.store.dialects")
    return cast("Engine", dialects.make_engine(url, **options))


def closed(url: str) -> StoreError:
    """Say that a store is closed."""
    return StoreUnavailable(url, "it is closed")


def serving(engine: Engine, now: int, faults: Callable[[str], None] | None, *, alone: bool) -> Program[int]:
    """Migrate, and return the number of this start."""
    yield from migrate(engine.name, engine.words, now, faults or nowhere, MIGRATIONS)
    yield BEGIN
    if alone:
        yield from replace_others(engine, now)

    host = socket.gethostname().replace("'", "")
    outcome = yield (
        "INSERT INTO nodes (pid, started_at, host, token, lease_until) "
        f"VALUES ({os.getpid()}, {now}, '{host}', {engine.token}, {engine.words['lease_until']}) RETURNING id"
    )
    yield COMMIT
    return int(str(outcome.rows[0][0]))


def replace_others(engine: Engine, now: int) -> Program[None]:
    """Note that the starts before are over, in the transaction in which no other can be on its way.

    Raises:
        StoreInUse: One of them is not.
    """
    # a start of ours is none: its COMMIT was not answered, and it is made again
    text = f"SELECT pid, host FROM nodes WHERE token <> {engine.token} AND {engine.words['alive']}"
    rivals = (yield text).rows
    if rivals:
        pid, host = rivals[0]
        raise StoreInUse(engine.name, f"process {pid} on {host}")

    yield f"UPDATE nodes SET lost_at = {now} WHERE stopped_at IS NULL AND lost_at IS NULL"


def leaving(node: int, now: int) -> Program[None]:
    """Note that a start has ended in order: one without this note died."""
    yield BEGIN
    yield f"UPDATE nodes SET stopped_at = {now} WHERE id = {node}"
    yield COMMIT


def unheard(_result: None, _error: BaseException | None) -> None:
    """Let a note be lost that is for people alone."""


def visiting(engine: Engine) -> Program[int]:
    """Check the version; a visitor has no number."""
    version = yield from check_version(engine.name, engine.words, MIGRATIONS)
    if version != MIGRATIONS[-1].version:
        raise StoreUnavailable(
            engine.name, "its schema is older than this Penstock; an app that serves it brings it up to date"
        )

    return 0


def nowhere(_point: str) -> None:
    """Be no fault hook."""
