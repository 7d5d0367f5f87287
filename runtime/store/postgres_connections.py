"""Connections to a PostgreSQL server: opened, checked, used for queries, left."""

from collections.abc import Mapping
from typing import TypeAlias, TypeVar, cast

import asyncpg

from penstock.runtime.errors import ConfigError, StoreError, WriteConflict
from penstock.runtime.store.engine import Query
from penstock.runtime.store.postgres_errors import TROUBLE, translate, translate_connecting
from penstock.runtime.store.postgres_statements import compile_query
from penstock.runtime.store.postgres_url import Options

R = TypeVar("R")
# in quotes: only the stubs are generic
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

#: Seconds to reach the server, and for one statement: beyond, the network is taken to be gone.
CONNECT_TIMEOUT, COMMAND_TIMEOUT = 10.0, 60.0
#: The first version in which all is there that we ask of a server.
OLDEST = 14
#: How often it is looked for a pooler: one that gives sessions in turn, or any, may give the right ones by chance.
ROUNDS = 6
#: Of the database: others cannot store every text.
ENCODING = "UTF8"


async def connect(options: Options, role: str, settings: Mapping[str, str] | None = None) -> Connection:
    """Open a connection that sees the schema of the store, and nothing else.

    Raises:
        ConfigError: The server does not let us in, changes what we ask for, or cannot hold a store.
        StoreError: It cannot be reached.
    """
    connection, fits = await reach(options, role, settings), False
    try:
        problem = unfit(
            options, connection, str(await connection.fetchval("SHOW search_path", timeout=CONNECT_TIMEOUT))
        )
        if problem is not None:
            raise ConfigError(f"store {options.name}: {problem}")

        fits = True
    except TROUBLE as error:
        raise translate(options.name, error, "connecting") from error
    finally:
        if not fits:  # also when whoever waits is cancelled
            connection.terminate()

    return connection


async def reach(options: Options, role: str, settings: Mapping[str, str] | None = None) -> Connection:
    """Open a connection to whatever there is.

    Raises:
        ConfigError: The server does not let us in.
        StoreError: It cannot be reached.
    """
    given = {"application_name": application(options, role), "search_path": options.schema, **(settings or {})}
    try:
        return await asyncpg.connect(
            options.dsn,
            timeout=CONNECT_TIMEOUT,
            command_timeout=COMMAND_TIMEOUT,
            statement_cache_size=0,
            server_settings=given,
        )
    except (*TROUBLE, ValueError) as error:
        raise translate_connecting(options.name, cast("Exception", error)) from error


def unfit(options: Options, connection: Connection, search_path: str) -> str | None:
    """Return why no store can be behind a connection; None when one can."""
    version = connection.get_server_version()
    if version.major < OLDEST:
        return f"PostgreSQL {version.major} is too old: {OLDEST} or newer is needed"

    if search_path != options.schema:
        return "the server, or a pooler before it, ignores search_path"

    encoding = str(getattr(connection.get_settings(), "server_encoding", ENCODING))
    if encoding != ENCODING:
        return f"the database has the encoding {encoding}, which does not hold every text: make it with {ENCODING}"

    return None


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
    for _ in range(ROUNDS):
        async with second.transaction():
            other = await second.fetchval("SELECT current_setting('penstock.session', true)")
            own = await first.fetchval("SELECT current_setting('penstock.session', true)")

        if other == mark or own != mark:
            raise ConfigError(
                f"store {options.name} is behind a pooler in transaction mode: connect to PostgreSQL itself, or let "
                "the pooler give whole sessions (pool_mode = session)"
            )
