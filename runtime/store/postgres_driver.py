"""The connection that writes: programs driven step by step, in transactions that prove whether they committed."""

import contextlib
import itertools
import os
from collections.abc import Sequence
from typing import TypeVar, cast

import asyncpg
from asyncpg.prepared_stmt import PreparedStatement

from penstock.runtime.errors import CommitUnknown, InvariantError, StoreTakenOver, StoreUnavailable, WriteConflict
from penstock.runtime.store.command_kinds import ADD_COMMAND
from penstock.runtime.store.engine import (
    BEGIN,
    COMMIT,
    ROLLBACK,
    SETTLE,
    Execute,
    Outcome,
    Program,
    Step,
    Whole,
)
from penstock.runtime.store.kinds import Kind, Role, Values
from penstock.runtime.store.postgres_connections import Connection, application, connect, leave
from penstock.runtime.store.postgres_errors import TROUBLE, translate
from penstock.runtime.store.postgres_lease import NOW
from penstock.runtime.store.postgres_statements import CHECKED, WHOLES, compile_kind, compile_whole
from penstock.runtime.store.postgres_url import Options

T = TypeVar("T")

#: Each statement finds its rows by an index, whatever the statistics of a table were when its plan was made.
#: And a plan is made once: it is the same for one row and for a thousand.
PLANNER = {
    "plan_cache_mode": "force_generic_plan",
    "jit": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_seqscan": "off",
}
#: The server itself ends a transaction with which we do not get on, in time for a renewal of the lease (which waits for
#: its lock) when our loop is blocked, and for the next start when we are paused, or out of reach.
SESSION = {**PLANNER, "idle_in_transaction_session_timeout": "10s"}
#: What is acknowledged is durable, whatever is set for the server, the database or the user.
DURABLE = "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"


class Driver:
    """Drives programs on the connection that writes; opens it again when it was lost."""

    def __init__(self, options: Options) -> None:
        #: Number of the start, or of the visitor, whose writes these are; 0 while there is none.
        self.node: int = 0
        self._options = options
        self._connection: Connection | None = None
        #: Whether there was one already, in an opening that failed as well.
        self._again = False
        self._statements: dict[Kind, PreparedStatement[asyncpg.Record]] = {}
        self._wholes: dict[tuple[Kind, ...], PreparedStatement[asyncpg.Record]] = {}
        self._names = itertools.count()
        #: Number of the last transaction; our row holds that of the last committed one.
        self._commits = 0

    @property
    def connected(self) -> bool:
        """Whether the connection is open."""
        return self._connection is not None and not self._connection.is_closed()

    async def open(self) -> Connection:
        """Connect, unless we are; after a loss, first end what the server may still do for the lost connection."""
        if self._connection is not None and not self._connection.is_closed():
            return self._connection

        self._statements.clear()
        self._wholes.clear()
        self._connection = connection = await connect(self._options, "writer", SESSION)
        again, self._again = self._again, True
        await self._prepare_session(connection, again=again)
        return connection

    async def _prepare_session(self, connection: Connection, *, again: bool) -> None:
        """Make commits durable; end our other sessions, whose transactions hold locks until the network gives them up.

        Raises:
            StoreError: The connection is lost again.
        """
        name = application(self._options, "writer")
        end_lost = (
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            f"WHERE application_name = '{name}' AND pid <> pg_backend_pid()"
        )
        try:
            await connection.execute(f"{DURABLE}; {end_lost}" if again else DURABLE)
        except TROUBLE as error:
            connection.terminate()
            raise translate(self._options.name, error, "connecting") from error

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

            if isinstance(step, Whole):
                return Outcome(count=await self._whole(step.parts))

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
        if self._options.serve and not self.node:
            # starting: one at a time looks for others, migrates and takes its number
            lock = f"SELECT pg_advisory_xact_lock(hashtext('penstock {self._options.schema}'))"
            await connection.execute(f"BEGIN; {lock}")
            return Outcome()

        # in one round trip: our start is still the one that serves, and the proof that this transaction committed
        self.node = self.node or await self._enter(connection)
        self._commits += 1
        done = await connection.execute(
            f"BEGIN; UPDATE nodes SET commits = {self._commits} WHERE id = {self.node} AND lost_at IS NULL"
        )
        if done != "UPDATE 1":
            raise StoreTakenOver(self._options.name)

        return Outcome()

    async def _enter(self, connection: Connection) -> int:
        """Make the row of a visitor, which has ended from the first: nobody takes it for a start that serves.

        The server's own number of a transaction proves nothing: after a crash it may be another one's.
        """
        row = f"INSERT INTO nodes (pid, started_at, stopped_at) VALUES ({os.getpid()}, {NOW}, {NOW}) RETURNING id"
        return cast("int", await connection.fetchval(row))

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

    async def _whole(self, parts: Sequence[Execute]) -> bool:
        """Do a transaction in one round trip; return whether it was done, and nothing is left to find out."""
        if not self.node:
            return False  # a visitor has no row yet that would prove the commit

        connection = await self.open()
        kinds = tuple(part.kind for part in parts)
        statement = self._wholes.get(kinds)
        if statement is None:
            if len(self._wholes) >= WHOLES:
                self._wholes.clear()

            statement = self._wholes[kinds] = await self._prepare(connection, compile_whole(kinds))

        columns = [column for part in parts for column in columns_of(part.rows)]
        wanted = 1 + sum(len(part.rows) for part in parts if part.kind.role in CHECKED)
        self._commits += 1
        try:
            await statement.fetchval(*columns, self._commits, self.node, wanted)
        except TROUBLE as error:
            if isinstance(translate(self._options.name, error, ""), WriteConflict):
                return False

            if getattr(error, "severity_en", None) == "ERROR":
                raise  # the server itself has rolled it back

            connection.terminate()
            raise CommitUnknown(self._options.name, str(error) or type(error).__name__) from error

        return True

    async def _prepare(self, connection: Connection, text: str) -> "PreparedStatement[asyncpg.Record]":
        """Prepare a statement under a name: without one the driver has it parsed again at each use."""
        return await connection.prepare(text, name=f"penstock {next(self._names)}")

    async def _settle(self) -> bool:
        """Find out whether the transaction whose COMMIT had no answer was committed."""
        connection = await self.open()
        # waits for whoever still holds the row, which is that transaction
        found = await connection.fetchval(f"SELECT commits FROM nodes WHERE id = {self.node} FOR UPDATE")
        return cast("int", found) == self._commits

    async def _execute(self, step: Execute) -> Outcome:
        kind = step.kind
        statement = self._statements.get(kind)
        if statement is None:
            statement = self._statements[kind] = await self._prepare(self._current(), compile_kind(kind))

        found = await statement.fetch(*columns_of(step.rows))
        if kind is ADD_COMMAND:
            # heard when it is committed, by who listens on the channel of the schema
            await self._current().execute("SELECT pg_notify(current_schema(), '')")

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
