"""What a doctor sees of a store that is on a PostgreSQL server: facts in, findings out."""

from collections.abc import Generator, Iterator

import anyio

from penstock.cli.findings import Finding, absent
from penstock.cli.output import counted, duration, iso, size
from penstock.cli.stores import read
from penstock.runtime.clock import Clock
from penstock.runtime.config import Config
from penstock.runtime.errors import ConfigError, StoreError
from penstock.runtime.store.census import Census, take_census
from penstock.runtime.store.dialects import examine_server
from penstock.runtime.store.migrations import MIGRATIONS
from penstock.runtime.store.postgres_facts import ServerFacts

#: The version of the tables that this Penstock writes.
LATEST = MIGRATIONS[-1].version
ENCODING = "UTF8"
#: Seconds beyond which there is a warning: of a round trip, of which each commit takes one or some, and between clocks.
FAR, APART = 0.010, 1.0


def look_at_server(config: Config, clock: Clock, *, named: bool) -> Generator[Finding, None, Census | None]:
    """Look at the server and into the schema, and return what it holds, if it can be read.

    Args:
        named: It was named on the command line.
    """

    async def ask() -> ServerFacts:
        return await examine_server(config.store, clock, synchronous=config.synchronous)

    try:
        facts = anyio.run(ask)
    except (StoreError, ConfigError) as error:
        yield Finding(subject="server", state="problem", value=str(error))
        return None

    yield from judge(facts)
    store = look_at_tables(facts, named=named)
    yield store
    yield from look_at_serving(facts)
    if store.state != "ok" or facts.unfit or facts.pooled or not facts.rights.readable:
        return None

    try:
        return read(config.store, take_census)
    except (StoreError, ConfigError) as error:
        yield Finding(subject="contents", state="problem", value=str(error))
        return None


def judge(facts: ServerFacts) -> Iterator[Finding]:
    """Look at everything but the tables."""
    yield look_at_version(facts)
    yield look_at_writing(facts)
    yield look_at_rights(facts)
    yield look_at_encoding(facts)
    yield look_at_sessions(facts)
    yield look_at_durability(facts)
    yield look_at_latency(facts)
    yield look_at_server_clock(facts)


def look_at_version(facts: ServerFacts) -> Finding:
    """Say what was reached, and whether it can be used at all."""
    wrong = facts.unfit if facts.encoding == ENCODING else None
    return Finding(
        subject="server",
        value=f"PostgreSQL {facts.version}, database {facts.database}, user {facts.user}",
        state="problem" if wrong else "ok",
        advice=wrong,
    )


def look_at_writing(facts: ServerFacts) -> Finding:
    """Look whether anything can be written."""
    if facts.standby:
        return Finding(
            subject="writing",
            state="problem",
            value="the server is a standby, which can only be read",
            advice="name the primary in the URL; with several hosts in it, add target_session_attrs=primary",
        )

    if facts.read_only:
        return Finding(
            subject="writing",
            state="problem",
            value="transactions are read-only: default_transaction_read_only is on",
            advice=f"ALTER ROLE {facts.user} SET default_transaction_read_only = off",
        )

    return Finding(subject="writing", value="possible")


def look_at_rights(facts: ServerFacts) -> Finding:
    """Look whether the user may do what an app does."""
    lacking = list(lacking_rights(facts))
    if lacking:
        return Finding(
            subject="privileges",
            state="problem",
            value="; ".join(what for what, _ in lacking),
            advice="; ".join(fix for _, fix in lacking),
        )

    there = facts.tables.version == LATEST
    return Finding(subject="privileges", value="reads and writes the tables" if there else "may make the tables")


def lacking_rights(facts: ServerFacts) -> Iterator[tuple[str, str]]:
    """Yield what the user may not do, and who has to say what about that."""
    rights, tables, schema, user = facts.rights, facts.tables, facts.schema, facts.user
    if not tables.there:
        if not rights.create_schema:
            yield (
                f"{user} may not make the schema {schema}",
                f"CREATE SCHEMA {schema} AUTHORIZATION {user}, or GRANT CREATE ON DATABASE {facts.database} TO {user}",
            )

        return

    if not rights.use:
        yield f"{user} may not look into the schema {schema}", f"GRANT USAGE ON SCHEMA {schema} TO {user}"

    outdated = tables.version is not None and tables.version < LATEST
    if outdated and not rights.create:
        yield f"{user} may not make tables in the schema {schema}", f"GRANT CREATE ON SCHEMA {schema} TO {user}"

    if outdated and rights.owner is not None:
        yield (
            f"the tables belong to {rights.owner}, and have to be changed",
            f"let {rights.owner} serve it once, which brings it up to date",
        )

    if rights.lacking:
        actions = sorted({action for several in rights.lacking.values() for action in several})
        yield (
            f"{user} may not {', '.join(actions)} in {counted(len(rights.lacking), 'tables')}",
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {user}",
        )


def look_at_encoding(facts: ServerFacts) -> Finding:
    """Look whether the database holds every text."""
    wrong = facts.encoding != ENCODING
    return Finding(
        subject="encoding",
        value=f"{facts.encoding}, which does not hold every text" if wrong else facts.encoding,
        state="problem" if wrong else "ok",
        advice=f"make a database with CREATE DATABASE … ENCODING '{ENCODING}' TEMPLATE template0" if wrong else None,
    )


def look_at_sessions(facts: ServerFacts) -> Finding:
    """Look whether a connection is one session."""
    return Finding(
        subject="sessions",
        value="a pooler gives each transaction another one" if facts.pooled else "one for each connection",
        state="problem" if facts.pooled else "ok",
        advice="connect to PostgreSQL itself, or let the pooler give whole sessions (pool_mode = session)"
        if facts.pooled
        else None,
    )


def look_at_durability(facts: ServerFacts) -> Finding:
    """Look whether what is acknowledged stays, whatever happens to the server."""
    costs = {
        "fsync": (facts.fsync, "a loss of power can lose acknowledged work, and destroy the database"),
        "full_page_writes": (facts.full_page_writes, "a loss of power can destroy pages of the database"),
    }
    off = {setting: cost for setting, (good, cost) in costs.items() if not good}
    return Finding(
        subject="durability",
        value="; ".join(f"{setting} is off: {cost}" for setting, cost in off.items())
        or "a commit is on disk before it is acknowledged",
        state="warning" if off else "ok",
        advice=f"set {' and '.join(f'{setting} = on' for setting in off)} at the server" if off else None,
    )


def look_at_latency(facts: ServerFacts) -> Finding:
    """Look how far away the server is."""
    commit = "" if facts.commit is None else f", {duration(facts.commit)} a commit"
    far = facts.round_trip > FAR
    return Finding(
        subject="latency",
        value=f"{duration(facts.round_trip)} a round trip{commit} (medians)",
        state="warning" if far else "ok",
        advice="each commit takes one or more round trips: run the app near the server" if far else None,
    )


def look_at_server_clock(facts: ServerFacts) -> Finding:
    """Look whether the server's clock and ours tell the same time."""
    apart = abs(facts.ahead) - facts.uncertainty > APART
    difference = f"{duration(abs(facts.ahead))} {'ahead of' if facts.ahead > 0 else 'behind'} this machine"
    return Finding(
        subject="server clock",
        value=difference if apart else f"as on this machine, to {duration(abs(facts.ahead) + facts.uncertainty)}",
        state="warning" if apart else "ok",
        advice="times in the store are those of this machine: set both clocks by NTP. Leases do not mind: they go by "
        "the server's alone"
        if apart
        else None,
    )


def look_at_tables(facts: ServerFacts, *, named: bool) -> Finding:
    """Look how far the tables are."""
    tables = facts.tables
    where = f"schema {facts.schema} of database {facts.database}"
    if not tables.there:
        return absent(f"there is no {where}", named=named)

    if tables.version == 0:
        return absent(f"{where} is empty", named=named)

    if tables.version is None:
        return Finding(
            subject="store",
            state="problem",
            value=f"{where} cannot be read" if tables.ours else f"{where} holds the tables of another program",
            advice="see the privileges above" if tables.ours else "give Penstock a schema of its own: …?schema=name",
        )

    wrong, advice = outdated(tables.version)
    if tables.missing:
        wrong, advice = f"the tables {', '.join(tables.missing)} are missing", "restore the store from a backup"

    return Finding(
        subject="store",
        state="problem" if wrong else "ok",
        value=f"{where}: {wrong or f'schema version {tables.version}, {size(tables.n_bytes)}'}",
        advice=advice,
    )


def outdated(version: int) -> tuple[str | None, str | None]:
    """Return what is wrong with the version of the tables, and what to do about it."""
    if version == LATEST:
        return None, None

    return (
        f"schema version {version}, this Penstock knows {'up to ' if version > LATEST else ''}{LATEST}",
        "install a newer Penstock" if version > LATEST else "an app that serves it brings it up to date",
    )


def look_at_serving(facts: ServerFacts) -> Iterator[Finding]:
    """Say who serves the store."""
    if facts.serving is None:
        return

    starts = [f"process {start.pid} on {start.host} (since {iso(start.started_at)})" for start in facts.serving]
    yield Finding(subject="served by", value=", ".join(starts) or "nobody")
