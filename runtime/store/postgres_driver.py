"""One PostgreSQL connection: statements compiled and prepared once, programs driven step by step, errors translated.

Each kind has one statement for any number of rows: an array per column, which ``unnest`` turns into rows.
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TypeAlias, TypeVar, cast

import asyncpg
from asyncpg.prepared_stmt import PreparedStatement
from sqlalchemy import Table, bindparam, column, func, select
from sqlalchemy.dialects.postgresql import ARRAY, Insert, asyncpg as dialects
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import CTE, ClauseElement

from penstock.runtime.errors import (
    CommitUnknown,
    ConfigError,
    InvariantError,
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreReadOnly,
    StoreTakenOver,
    StoreUnavailable,
    WriteConflict,
)
from penstock.runtime.store import domain_statements, run_statements
from penstock.runtime.store.engine import (
    BEGIN,
    COMMIT,
    ROLLBACK,
    SETTLE,
    Execute,
    Outcome,
    Program,
    Query,
    Step,
)
from penstock.runtime.store.kinds import Kind, Role, Values
from penstock.runtime.store.postgres_url import Options
from penstock.runtime.store.queries import QUERIES
from penstock.runtime.store.statements import TYPES

T = TypeVar("T")
R = TypeVar("R")
# in quotes: only the stubs are generic
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

STATEMENTS = {**domain_statements.STATEMENTS, **run_statements.STATEMENTS}
DIALECT = dialects.dialect()  # type: ignore[no-untyped-call]
#: Seconds to reach the server, and for one statement: beyond, the network is taken to be gone.
CONNECT_TIMEOUT, COMMAND_TIMEOUT = 10.0, 60.0
#: Each statement finds its rows by an index, whatever the statistics of a table were when its plan was made.
PLANNER = {"jit": "off", "enable_hashjoin": "off", "enable_mergejoin": "off", "enable_seqscan": "off"}


def given_table(names: tuple[str, ...]) -> CTE:
    """Return the table of given rows: one array per column."""
    arrays = [bindparam(name, type_=ARRAY(TYPES[name])) for name in names]
    columns = [column(name, TYPES[name]) for name in names]
    rows = func.unnest(*arrays).table_valued(*columns, name="rows").render_derived()
    return select(*(rows.c[name] for name in names)).cte("given")


@cache
def compile_kind(kind: Kind) -> str:
    """Compile a kind's statement once per process."""
    statement = STATEMENTS[kind](given_table(kind.columns))
    if kind.role is Role.NUMBERED and isinstance(statement, Insert):
        statement = statement.returning(*cast("Table", statement.table).primary_key)

    compiled = cast("SQLCompiler", statement.compile(dialect=DIALECT))
    if tuple(compiled.positiontup or ()) != kind.columns:
        raise InvariantError(f"{kind.name}: parameters {compiled.positiontup}, given {kind.columns}")

    return compiled.string


@cache
def compile_query(statement: object) -> tuple[str, tuple[str, ...], Mapping[str, object]]:
    """Compile a query once per process; return its text, its parameters in order, and those that are part of it."""
    chosen = QUERIES[statement] if isinstance(statement, str) else cast("ClauseElement", statement)
    compiled = cast("SQLCompiler", chosen.compile(dialect=DIALECT))
    constants = {name: bind.value for name, bind in compiled.binds.items() if not bind.required}
    return compiled.string, tuple(compiled.positiontup or ()), constants


# -- errors --------------------------------------------------------------------------------------------------


def broken(store: str, reason: str) -> StoreError:
    """Say what should not happen: a missing table, a wrong use of the driver."""
    return StoreError(f"store {store}: {reason}")


def refused(store: str, reason: str) -> ConfigError:
    """Say that the server does not let us in as the URL says."""
    return ConfigError(f"store {store}: {reason}")


#: What the classes of SQLSTATE mean, and some states that mean something else than their class.
MEANINGS: Mapping[str, Callable[[str, str], StoreError | ConfigError]] = {
    "08": StoreUnavailable,
    "40": StoreUnavailable,
    "53": StoreUnavailable,
    "55": StoreUnavailable,
    "57": StoreUnavailable,
    "58": StoreUnavailable,
    "XX001": StoreCorrupt,
    "XX002": StoreCorrupt,
    "53100": StoreFull,
    "25006": StoreReadOnly,
    "42501": StoreReadOnly,
    "28": refused,
    "3D000": refused,
}
#: Rows that cannot be stored: bad data, a broken constraint, a key too long for an index.
ROW_FAULTS = ("22", "23", "54")
#: Another one made the same schema in the same moment.
SAME = (asyncpg.DuplicateSchemaError, asyncpg.UniqueViolationError)
#: What the driver raises.
TROUBLE = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)
#: The first version in which all is there that we ask of a server.
OLDEST = 14


def translate(store: str, error: Exception, doing: str) -> StoreError | ConfigError:
    """Return the error of ours that says what a driver's error means."""
    reason = str(error) or type(error).__name__
    if isinstance(error, asyncpg.PostgresError):
        state = str(error.sqlstate or "")
        if state.startswith(ROW_FAULTS):
            return WriteConflict(doing, reason)

        return MEANINGS.get(state, MEANINGS.get(state[:2], broken))(store, reason)

    # the driver itself refuses a value; its other errors are about connections that are gone
    return WriteConflict(doing, reason) if isinstance(error, ValueError) else StoreUnavailable(store, reason)


# -- connections ---------------------------------------------------------------------------------------------


async def connect(options: Options, role: str, settings: Mapping[str, str] | None = None) -> Connection:
    """Open a connection that sees the schema of the store, and nothing else.

    Raises:
        ConfigError: The server does not let us in, or changes what we ask for.
        StoreError: It cannot be reached.
    """
    given = {"application_name": application(options, role), "search_path": options.schema, **(settings or {})}
    try:
        connection = await asyncpg.connect(
            options.dsn,
            timeout=CONNECT_TIMEOUT,
            command_timeout=COMMAND_TIMEOUT,
            statement_cache_size=0,
            server_settings=given,
        )
    except (*TROUBLE, ValueError) as error:
        raise translate(options.name, cast("Exception", error), "connecting") from error

    try:
        path = await connection.fetchval("SHOW search_path")
    except TROUBLE as error:
        connection.terminate()
        raise translate(options.name, error, "connecting") from error

    version = connection.get_server_version()
    if path != options.schema or version.major < OLDEST:
        connection.terminate()
        raise ConfigError(
            f"store {options.name}: PostgreSQL {version.major} is too old: {OLDEST} or newer is needed"
            if version.major < OLDEST
            else f"store {options.name}: the server, or a pooler before it, ignores search_path"
        )

    return connection


def application(options: Options, role: str) -> str:
    """Return what a connection is called in ``pg_stat_activity``: unique to this start and role."""
    return f"penstock {role} {options.token:x}"


async def leave(connection: "Connection | None") -> None:
    """Close a connection, whatever state it is in."""
    if connection is not None and not connection.is_closed():
        try:
            await connection.close(timeout=CONNECT_TIMEOUT)
        except TROUBLE:
            connection.terminate()


class Driver:
    """Drives programs on the connection that writes; opens it again when it was lost."""

    def __init__(self, options: Options) -> None:
        #: Number of the start whose writes these are; 0 while there is none.
        self.node: int = 0
        self._options = options
        self._connection: Connection | None = None
        self._statements: dict[Kind, PreparedStatement[asyncpg.Record]] = {}
        #: Number of the last transaction; the row of our start holds that of the last committed one.
        self._commits = 0
        #: For who has no such row: the transaction's number at the server.
        self._transaction: str | None = None

    @property
    def connected(self) -> bool:
        """Whether the connection is open."""
        return self._connection is not None and not self._connection.is_closed()

    async def open(self) -> Connection:
        """Connect, unless we are; after a loss, first end what the server may still do for the lost connection."""
        if self._connection is not None and not self._connection.is_closed():
            return self._connection

        again = self._connection is not None
        self._statements.clear()
        self._connection = connection = await connect(self._options, "writer", PLANNER)
        if again:
            # otherwise it might hold the locks of a transaction that nobody ends, until the network gives it up
            await connection.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                f"WHERE application_name = '{application(self._options, 'writer')}' AND pid <> pg_backend_pid()"
            )

        return connection

    async def close(self) -> None:
        """Close the connection."""
        await leave(self._connection)
        self._connection = None

    async def drive(self, program: Program[T]) -> T:
        """Run a program to its end; roll back what it leaves open."""
        try:
            step = next(program)
            while True:
                try:
                    outcome = await self._do(step)
                # whatever it is: the program knows what it means, and raises what it does not know
                except BaseException as error:  # noqa: BLE001
                    step = program.throw(error)
                else:
                    step = program.send(outcome)
        except StopIteration as end:
            return cast("T", end.value)
        finally:
            if self._in_transaction():
                with contextlib.suppress(*TROUBLE):
                    await self._current().execute(ROLLBACK)

    async def _do(self, step: Step) -> Outcome:
        """Do a step.

        Raises:
            StoreError: What the driver's error means.
        """
        try:
            if isinstance(step, Execute):
                return await self._execute(step)

            if isinstance(step, str):
                return await self._run(step)

            step.hook(step.point)
            return Outcome()
        except TROUBLE as error:
            trouble = translate(self._options.name, error, step.kind.name if isinstance(step, Execute) else str(step))
            if isinstance(trouble, StoreUnavailable) and self._connection is not None:
                # nobody knows what state it is in: an answer may still come, and would be taken for another one's
                self._connection.terminate()

            raise trouble from error

    async def _run(self, text: str) -> Outcome:
        if text == BEGIN:
            return await self._begin()

        if text == SETTLE:
            return Outcome(count=await self._settle())

        if text == ROLLBACK and not self._in_transaction():
            return Outcome()  # the server has rolled back what it had of a lost connection

        if text == COMMIT:
            return await self._commit()

        return Outcome(rows=[tuple(row) for row in await self._current().fetch(text)])

    def _in_transaction(self) -> bool:
        connection = self._connection
        return connection is not None and not connection.is_closed() and connection.is_in_transaction()

    def _current(self) -> Connection:
        """Return the connection of the transaction: another one would write outside of it.

        Raises:
            StoreUnavailable: It is lost.
        """
        if self._connection is None or self._connection.is_closed():
            raise StoreUnavailable(self._options.name, "the connection was lost")

        return self._connection

    async def _begin(self) -> Outcome:
        connection = await self.open()
        if self.node:
            # in one round trip: our start is still the one that serves, and the proof that this transaction committed
            self._commits += 1
            done = await connection.execute(
                f"BEGIN; UPDATE nodes SET commits = {self._commits} WHERE id = {self.node} AND lost_at IS NULL"
            )
            if done != "UPDATE 1":
                raise StoreTakenOver(self._options.name)

        elif self._options.serve:
            # starting: one at a time looks for others, migrates and takes its number
            lock = f"SELECT pg_advisory_xact_lock(hashtext('penstock {self._options.schema}'))"
            await connection.execute(f"BEGIN; {lock}")
        else:
            await connection.execute(BEGIN)
            self._transaction = str(await connection.fetchval("SELECT pg_current_xact_id()::text"))

        return Outcome()

    async def _commit(self) -> Outcome:
        connection = self._current()
        try:
            done = await connection.execute(COMMIT)
        except TROUBLE as error:
            # whatever the server says: it may say so after the commit, when it is being stopped
            connection.terminate()
            raise CommitUnknown(self._options.name, str(error) or type(error).__name__) from error

        if done != COMMIT:
            raise InvariantError(f"COMMIT was answered with {done}")

        return Outcome()

    async def _settle(self) -> bool:
        """Find out whether the transaction whose COMMIT had no answer was committed."""
        connection = await self.open()
        if self.node:
            # waits for whoever still holds the row, which is that transaction
            found = await connection.fetchval(f"SELECT commits FROM nodes WHERE id = {self.node} FOR UPDATE")
            return cast("int", found) == self._commits

        status = cast("str", await connection.fetchval("SELECT pg_xact_status($1::text::xid8)", self._transaction))
        if status == "in progress":
            raise StoreUnavailable(self._options.name, "the server still ends a transaction whose connection is lost")

        return status == "committed"

    async def _execute(self, step: Execute) -> Outcome:
        kind = step.kind
        statement = self._statements.get(kind)
        if statement is None:
            statement = self._statements[kind] = await self._current().prepare(compile_kind(kind))

        found = await statement.fetch(*columns_of(step.rows))
        if kind.role is Role.GUARD and found:
            return Outcome(count=cast("int", found[0][0]))

        if kind.role is Role.NUMBERED:
            # rows are numbered in the order in which they were given
            numbers = sorted(cast("int", row[0]) for row in found)
            return Outcome(len(numbers), (), numbers)

        count = int(str(statement.get_statusmsg()).rpartition(" ")[2])
        return Outcome(count, [tuple(row) for row in found])


def columns_of(rows: Sequence[Values]) -> list[tuple[object, ...]]:
    """Return one array per column."""
    return list(zip(*rows, strict=True))


async def look_up(store: str, connection: Connection, query: Query[R], parameters: Mapping[str, object]) -> list[R]:
    """Run a query."""
    text, names, constants = compile_query(query.statement)
    values = {**constants, **parameters}
    if missing := [name for name in names if name not in values]:
        raise StoreError(f"store {store}: the query needs {missing[0]!r}")

    try:
        rows = await connection.fetch(text, *(values[name] for name in names))
    except TROUBLE as error:
        trouble = translate(store, error, text)
        # there is no unit whose fault it could be
        raise StoreError(str(error)) if isinstance(trouble, WriteConflict) else trouble from error

    return [query.decode(tuple(row)) for row in rows]


async def refuse_pooler(options: Options, first: Connection, second: Connection) -> None:
    """Find out whether a connection of ours is one session of the server.

    Raises:
        ConfigError: A pooler gives each transaction any session: prepared statements, advisory locks and settings get
            lost, or appear where they should not.
    """
    mark = f"{options.token:x}"
    await first.fetchval("SELECT set_config('penstock.session', $1, false)", mark)
    async with second.transaction():
        other = await second.fetchval("SELECT current_setting('penstock.session', true)")
        own = await first.fetchval("SELECT current_setting('penstock.session', true)")

    if other == mark or own != mark:
        raise ConfigError(
            f"store {options.name} is behind a pooler in transaction mode: connect to PostgreSQL itself, or let the "
            "pooler give whole sessions (pool_mode = session)"
        )
