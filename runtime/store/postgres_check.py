"""Looks at a PostgreSQL server for the doctor. Changes nothing, and needs no rights but to connect.

A commit is measured with a message in the write-ahead log, which nobody reads: it is flushed as any commit, and is in
no table.
"""

import statistics
from datetime import datetime
from time import perf_counter
from typing import cast

import asyncpg

from penstock.runtime.clock import Clock
from penstock.runtime.errors import ConfigError
from penstock.runtime.store.migrations import MIGRATIONS
from penstock.runtime.store.postgres import PostgresEngine
from penstock.runtime.store.postgres_connections import Connection, leave, reach, refuse_pooler, unfit
from penstock.runtime.store.postgres_driver import SESSION
from penstock.runtime.store.postgres_errors import TROUBLE, translate
from penstock.runtime.store.postgres_facts import Rights, Schema, ServerFacts, Start
from penstock.runtime.store.postgres_url import Options
from penstock.runtime.store.rows import from_micros
from penstock.runtime.store.schema import METADATA

#: How often a time is taken.
STATEMENTS, COMMITS, LOOKS = 20, 5, 3
#: What an app does with each table.
ACTIONS = ("SELECT", "INSERT", "UPDATE", "DELETE")
#: The version since which a start says in ``nodes`` whether it is alive.
LEASES = 2

SERVER = """
SELECT split_part(current_setting('server_version'), ' ', 1) AS version,
       quote_ident(current_database()) AS database, quote_ident(current_user) AS user, quote_ident($1) AS schema,
       current_setting('server_encoding') AS encoding, current_setting('search_path') AS search_path,
       pg_is_in_recovery() AS standby, current_setting('transaction_read_only')::boolean AS read_only,
       current_setting('fsync')::boolean AS fsync, current_setting('full_page_writes')::boolean AS full_page_writes"""
SCHEMA = """
SELECT to_regnamespace($1) IS NOT NULL AS there,
       has_database_privilege(current_database(), 'CREATE') AS create_schema,
       coalesce(has_schema_privilege(to_regnamespace($1)::oid, 'USAGE'), false) AS use,
       coalesce(has_schema_privilege(to_regnamespace($1)::oid, 'CREATE'), false) AS create"""
#: Partitions and views are none of ours.
TABLES = """
SELECT relname::text AS name, pg_total_relation_size(c.oid) AS n_bytes, pg_has_role(relowner, 'USAGE') AS own,
       quote_ident(pg_get_userbyid(relowner)) AS owner,
       ARRAY(SELECT action FROM unnest($2::text[]) AS action WHERE NOT has_table_privilege(c.oid, action)) AS lacking
FROM pg_class c WHERE relkind = 'r' AND relnamespace = to_regnamespace($1) ORDER BY relname"""
COMMIT = "BEGIN; SELECT pg_logical_emit_message(true, 'penstock doctor', ''); COMMIT"
ALIVE = f"SELECT pid, host, started_at FROM nodes WHERE {PostgresEngine.words['alive']}"


async def examine(options: Options, clock: Clock) -> ServerFacts:
    """Look at the server behind a URL.

    Raises:
        ConfigError: It does not let us in.
        StoreError: It cannot be reached, or ends the connection.
    """
    # as the connection that writes: a setting of the user or the database is one of ours, too
    connection = await reach(options, "doctor", SESSION)
    try:
        return await look(options, clock, connection)
    except TROUBLE as error:
        raise translate(options.name, error, "looking at the server") from error
    finally:
        await leave(connection)


async def look(options: Options, clock: Clock, connection: Connection) -> ServerFacts:
    """Collect the facts."""
    server = await row(connection, SERVER, options.schema)
    writable = not (server["standby"] or server["read_only"])
    pooled = await is_pooled(options, connection)
    ahead, uncertainty = await compare_clocks(connection, clock)
    rights, tables = await look_at_schema(options, connection)
    return ServerFacts(
        version=server["version"],
        unfit=unfit(options, connection, str(server["search_path"])),
        database=server["database"],
        user=server["user"],
        schema=server["schema"],
        encoding=server["encoding"],
        standby=server["standby"],
        read_only=server["read_only"],
        fsync=server["fsync"],
        full_page_writes=server["full_page_writes"],
        pooled=pooled,
        round_trip=await measure(connection, "SELECT 1", STATEMENTS),
        commit=await measure_commit(connection) if writable else None,
        ahead=ahead,
        uncertainty=uncertainty,
        rights=rights,
        tables=tables,
        serving=await who_serves(connection, rights, tables),
    )


async def row(connection: Connection, text: str, *values: object) -> asyncpg.Record:
    """Return the only row of a query."""
    return cast("asyncpg.Record", await connection.fetchrow(text, *values))


async def is_pooled(options: Options, connection: Connection) -> bool:
    """Tell whether a pooler is in between that does not keep sessions."""
    second = await reach(options, "doctor", SESSION)
    try:
        await refuse_pooler(options, connection, second)
    except ConfigError:
        return True
    finally:
        await leave(second)

    return False


async def measure(connection: Connection, text: str, times: int) -> float:
    """Return the median of the seconds that a statement takes."""
    taken: list[float] = []
    for _ in range(times):
        begun = perf_counter()
        await connection.execute(text)
        taken.append(perf_counter() - begun)

    return statistics.median(taken)


async def measure_commit(connection: Connection) -> float | None:
    """Return the median of the seconds that a commit takes; nothing when the user may not do what is measured."""
    try:
        return await measure(connection, COMMIT, COMMITS)
    except asyncpg.InsufficientPrivilegeError:
        await connection.execute("ROLLBACK")
        return None


async def compare_clocks(connection: Connection, clock: Clock) -> tuple[float, float]:
    """Return the seconds by which the server's clock is ahead, and by how many that may be wrong."""
    looks: list[tuple[float, float]] = []
    for _ in range(LOOKS):
        begun = clock.now()
        there = cast("datetime", await connection.fetchval("SELECT clock_timestamp()"))
        half = (clock.now() - begun) / 2
        looks.append((half.total_seconds(), (there - (begun + half)).total_seconds()))

    uncertainty, ahead = min(looks)
    return ahead, uncertainty


async def look_at_schema(options: Options, connection: Connection) -> tuple[Rights, Schema]:
    """Return how far the tables are, and what the user may do with them."""
    schema = await row(connection, SCHEMA, options.schema)
    found = {table["name"]: table for table in await connection.fetch(TABLES, options.schema, ACTIONS)}
    ours = "migrations" in found
    version = None if found else 0
    if ours and schema["use"] and "SELECT" not in found["migrations"]["lacking"]:
        version = await connection.fetchval("SELECT max(version) FROM migrations") or 0

    current = version == MIGRATIONS[-1].version
    known = [found[name] for name in METADATA.tables if name in found]
    rights = Rights(
        create_schema=schema["create_schema"],
        use=schema["use"],
        create=schema["create"],
        lacking={table["name"]: tuple(table["lacking"]) for table in known if table["lacking"]},
        owner=next((table["owner"] for table in known if not table["own"]), None),
    )
    tables = Schema(
        there=schema["there"],
        version=version,
        missing=tuple(sorted(set(METADATA.tables) - set(found))) if current else (),
        ours=ours,
        n_bytes=sum(table["n_bytes"] for table in found.values()),
    )
    return rights, tables


async def who_serves(connection: Connection, rights: Rights, tables: Schema) -> tuple[Start, ...] | None:
    """Return the processes that are alive and serve the store: none, or one; nothing when that cannot be seen."""
    if tables.version is None or tables.version > MIGRATIONS[-1].version or not rights.readable:
        return None

    if tables.version < LEASES:
        return ()

    return tuple(
        Start(pid=start["pid"], host=start["host"] or "", started_at=from_micros(start["started_at"]))
        for start in await connection.fetch(ALIVE)
    )
