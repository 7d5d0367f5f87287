"""One SQLite connection: statements compiled once, programs driven step by step, errors translated.

``INSERT … VALUES (…), (…), …`` for all rows of a kind instead of ``executemany``: the driver gives the GIL up and takes
it back once per step, and beside a busy thread each taking back can cost a whole switch interval.
"""

import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from itertools import chain
from pathlib import Path
from typing import TypeVar, cast

import msgspec
from sqlalchemy.dialects import sqlite
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import ClauseElement

from penstock.runtime.errors import (
    InvariantError,
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreReadOnly,
    StoreUnavailable,
    WriteConflict,
)
from penstock.runtime.store import command_statements, domain_statements, run_statements
from penstock.runtime.store.engine import BEGIN, COMMIT, ROLLBACK, Execute, Outcome, Program, Query, Step, Whole
from penstock.runtime.store.identity import Identity
from penstock.runtime.store.kinds import Kind, Role, Values
from penstock.runtime.store.queries import QUERIES
from penstock.runtime.store.statements import given_table

T = TypeVar("T")
R = TypeVar("R")

#: Of every kind.
STATEMENTS = {**domain_statements.STATEMENTS, **run_statements.STATEMENTS, **command_statements.STATEMENTS}
DIALECT = sqlite.dialect(paramstyle="qmark")
NAMED = sqlite.dialect(paramstyle="named")
#: SQLite's limit is 32,766 parameters a statement since 3.32.
MAX_PARAMETERS = 32_766
#: Statements exist for these numbers of rows: 1000 rows are seven statements, and all of them fit the driver's cache. A
#: larger one would save a step in four, and keep megabytes: a prepared statement grows with its parameters.
SIZES = (256, 128, 64, 32, 16, 8, 4, 2, 1)
CACHED_STATEMENTS = 1024
#: The first version with UPDATE … FROM and RETURNING.
OLDEST = (3, 35, 0)
#: Seconds in which another process may finish what it does with the file, while it is opened or read. A commit does not
#: wait in its thread: it is tried again by the scheduler.
PATIENCE = 5.0
#: How often the file is switched to WAL while others do the same.
SWITCHES = 50


class Template(msgspec.Struct, frozen=True):
    """A statement around its row of parameters."""

    head: str
    row: str
    tail: str

    def text(self, rows: int) -> str:
        """Return the statement for a number of rows."""
        return self.head + ", ".join([self.row] * rows) + self.tail


@cache
def compile_kind(kind: Kind) -> Template:
    """Compile a kind's statement once per process."""
    compiled = cast("SQLCompiler", STATEMENTS[kind](given_table(kind.columns)).compile(dialect=DIALECT))
    row = "(" + ", ".join("?" * len(kind.columns)) + ")"
    if tuple(compiled.positiontup or ()) != kind.columns:
        raise InvariantError(f"{kind.name}: parameters {compiled.positiontup}, given {kind.columns}")

    head, _, tail = compiled.string.partition(f"VALUES {row}")
    return Template(head + "VALUES ", row, tail)


@cache
def statement_text(kind: Kind, rows: int) -> str:
    """Return the same text object each time: the driver finds its prepared statement by it."""
    return compile_kind(kind).text(rows)


@cache
def compile_query(statement: object) -> tuple[str, Mapping[str, object]]:
    """Compile a query once per process; return its text and the parameters that are part of it."""
    select = QUERIES[statement] if isinstance(statement, str) else cast("ClauseElement", statement)
    compiled = cast("SQLCompiler", select.compile(dialect=NAMED))
    return compiled.string, {name: bind.value for name, bind in compiled.binds.items() if not bind.required}


def chunks(rows: Sequence[Values], columns: int) -> Iterator[Sequence[Values]]:
    """Cut rows into the sizes for which there are statements, few and large ones."""
    if len(rows) == 1:
        yield rows  # a lone caller waits for it
        return

    start, largest = 0, MAX_PARAMETERS // columns
    for size in SIZES:
        while size <= largest and len(rows) - start >= size:
            yield rows if size == len(rows) else rows[start : start + size]
            start += size


def broken(store: str, reason: str) -> StoreError:
    """Say what should not happen: a missing table, a wrong use of the driver."""
    return StoreError(f"store {store}: {reason}")


#: What the basic codes of SQLite mean; those that are not here pass by: busy, locked, an interrupted disk.
MEANINGS: Mapping[int, Callable[[str, str], StoreError]] = {
    sqlite3.SQLITE_FULL: StoreFull,
    sqlite3.SQLITE_READONLY: StoreReadOnly,
    sqlite3.SQLITE_PERM: StoreReadOnly,
    sqlite3.SQLITE_AUTH: StoreReadOnly,
    sqlite3.SQLITE_CORRUPT: StoreCorrupt,
    sqlite3.SQLITE_NOTADB: StoreCorrupt,
    sqlite3.SQLITE_ERROR: broken,
    sqlite3.SQLITE_MISUSE: broken,
    sqlite3.SQLITE_RANGE: broken,
}
#: Rows that cannot be stored: the fault of their unit.
ROW_FAULTS = {sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG}


def translate(store: str, error: Exception, doing: str) -> StoreError:
    """Return the error of ours that says what a driver's error means."""
    code = cast("int | None", getattr(error, "sqlite_errorcode", None))
    if code is None and not isinstance(error, sqlite3.OperationalError):
        return WriteConflict(doing, str(error))  # the driver itself refuses a value

    basic = (code or 0) & 0xFF  # the rest of the code tells details
    if basic in ROW_FAULTS:
        return WriteConflict(doing, str(error))

    return MEANINGS.get(basic, StoreUnavailable)(store, str(error))


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What the URL and the caller say about the file."""

    name: str
    path: Path
    #: ``rw`` fails when there is no file, ``rwc`` makes one, ``ro`` reads.
    mode: str
    synchronous: str
    #: Bounds the size of the file, in pages of 4096 bytes; 0 for none.
    max_page_count: int = 0
    lock: bool
    started_at: str


def connect(options: Options, *, reading: bool) -> sqlite3.Connection:
    """Open the file."""
    connection = sqlite3.connect(
        f"{options.path.absolute().as_uri()}?mode={options.mode}",
        uri=True,
        isolation_level=None,
        timeout=PATIENCE,
        cached_statements=CACHED_STATEMENTS,
    )
    try:
        if options.mode == "rwc" or options.lock:
            use_wal(connection)

        connection.execute(f"PRAGMA synchronous={options.synchronous}")
        if options.max_page_count:
            connection.execute(f"PRAGMA max_page_count={options.max_page_count}")

        if reading:
            connection.execute("PRAGMA query_only=ON")

        connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
    except BaseException:
        connection.close()
        raise

    return connection


def use_wal(connection: sqlite3.Connection) -> None:
    """Let readers read while one writes. It is a property of the file: those who visit it find it so.

    SQLite does not wait for a lock when it switches. A write transaction does wait, so one that does nothing stands for
    the waiting, and then it is tried again.
    """
    for _ in range(SWITCHES):
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise

            connection.execute("BEGIN IMMEDIATE")
            connection.execute("COMMIT")
        else:
            return

    connection.execute("PRAGMA journal_mode=WAL")


class Driver:
    """Drives programs and queries on one connection, in the thread that opened it."""

    def __init__(self, options: Options, *, reading: bool) -> None:
        self._name = options.name
        try:
            self._connection = connect(options, reading=reading)
        except sqlite3.Error as error:
            raise translate(options.name, error, "opening") from error

        wal = options.path.with_name(f"{options.path.name}-wal")
        self._files: Identity = Identity([options.path.absolute(), wal.absolute()])

    def drive(self, program: Program[T]) -> T:
        """Run a program to its end; roll back what it leaves open."""
        try:
            step = next(program)
            while True:
                step = self._answer(program, step)
        except StopIteration as end:
            return cast("T", end.value)
        finally:
            # a rollback that fails leaves no more behind than the crash of the process would
            if self._connection.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    self._connection.execute(ROLLBACK)

    def _answer(self, program: Program[T], step: Step) -> Step:
        try:
            outcome = self._do(step)
        # whatever it is: the program knows what it means, and raises what it does not know
        except BaseException as error:  # noqa: BLE001
            return program.throw(error)

        return program.send(outcome)

    def _do(self, step: Step) -> Outcome:
        """Do a step.

        Raises:
            StoreError: What the driver's error means.
        """
        try:
            if isinstance(step, Execute):
                return self._execute(step)

            if isinstance(step, str):
                return self._run(step)

            if isinstance(step, Whole):
                return Outcome()  # there are no round trips to save

            step.hook(step.point)
            return Outcome()
        except (sqlite3.Error, OverflowError, UnicodeEncodeError) as error:
            raise translate(self._name, error, step.kind.name if isinstance(step, Execute) else str(step)) from error

    def _run(self, text: str) -> Outcome:
        if text == ROLLBACK and not self._connection.in_transaction:
            return Outcome()  # some errors make SQLite roll back by itself

        if text == COMMIT and (lost := self._files.lost()):
            raise StoreUnavailable(
                self._name,
                f"{str(lost)!r} was removed or replaced while it was open: a commit would be lost",
            )

        # IMMEDIATE takes the write lock now: a transaction that reads first and writes later can fail in between
        return Outcome(rows=self._connection.execute("BEGIN IMMEDIATE" if text == BEGIN else text).fetchall())

    def _execute(self, step: Execute) -> Outcome:
        connection, kind = self._connection, step.kind
        before = connection.total_changes  # the driver's rowcount ignores statements that begin with WITH
        rows: list[Values] = []
        numbers: list[int] = []
        for chunk in chunks(step.rows, len(kind.columns)):
            cursor = connection.execute(statement_text(kind, len(chunk)), list(chain.from_iterable(chunk)))
            if kind.role is Role.NUMBERED:
                # one statement of the only writer: its numbers follow one another
                last = cast("int", cursor.lastrowid)
                numbers.extend(range(last - len(chunk) + 1, last + 1))
            elif cursor.description:
                rows.extend(cursor.fetchall())

        if kind.role is Role.GUARD and rows:
            return Outcome(count=sum(cast("int", row[0]) for row in rows))

        return Outcome(connection.total_changes - before, rows, numbers)

    def look_up(self, query: Query[R], parameters: Mapping[str, object]) -> list[R]:
        """Run a query."""
        text, constants = compile_query(query.statement)
        try:
            rows = self._connection.execute(text, {**constants, **parameters}).fetchall()
        except (sqlite3.Error, OverflowError, ValueError) as error:
            trouble = translate(self._name, error, text)
            # there is no unit whose fault it could be
            raise StoreError(str(error)) if isinstance(trouble, WriteConflict) else trouble from error

        return list(map(query.decode, rows))

    def set_patience(self, seconds: float) -> None:
        """Set how long a statement waits, in this thread, for the lock of another process."""
        self._connection.execute(f"PRAGMA busy_timeout={int(seconds * 1000)}")

    def foreign_version(self) -> int:
        """Return a number that changes when another connection than this one has written.

        Raises:
            StoreError: The file cannot be asked now.
        """
        try:
            return cast("int", self._connection.execute("PRAGMA data_version").fetchone()[0])
        except sqlite3.Error as error:
            raise translate(self._name, error, "looking whether others have written") from error

    def checkpoint(self) -> None:
        """Bring what is in the WAL into the file, and empty the WAL."""
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
