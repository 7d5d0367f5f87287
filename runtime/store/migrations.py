"""Numbered steps, forward only, one list for both dialects; run under the database's write lock, all or nothing.

A step is frozen text once it is released: the next change of ``schema.py`` is a new step. Words in braces are what the
dialects spell differently (``Engine.words``).
"""

from collections.abc import Callable, Generator, Mapping
from typing import cast

import msgspec

from penstock.runtime.errors import ConfigError, SchemaVersionError
from penstock.runtime.store.engine import BEGIN, COMMIT, Outcome, Program, Reach, Step


class Migration(msgspec.Struct, frozen=True, kw_only=True):
    """One step from the version before to this one."""

    version: int
    name: str
    statements: tuple[str, ...]


FOUNDATION = Migration(
    version=1,
    name="foundation",
    statements=(
        """CREATE TABLE migrations (
             version {integer} PRIMARY KEY, name TEXT NOT NULL, applied_at {integer} NOT NULL)""",
        """CREATE TABLE nodes (
             id {numbered}, pid {integer} NOT NULL, started_at {integer} NOT NULL, stopped_at {integer})""",
        """CREATE TABLE domains (
             domain TEXT NOT NULL, shard {integer} NOT NULL, owner {integer}, epoch {integer} NOT NULL,
             lease_until {integer}, stopped_at {integer},
             PRIMARY KEY (domain, shard)){clustered}""",
        """CREATE TABLE state (
             domain TEXT NOT NULL, shard {integer} NOT NULL, component TEXT NOT NULL, key TEXT NOT NULL,
             value {bytes} NOT NULL,
             PRIMARY KEY (domain, shard, component, key)){clustered}""",
        """CREATE TABLE log (
             domain TEXT NOT NULL, shard {integer} NOT NULL, component TEXT NOT NULL, key TEXT NOT NULL,
             seq {integer} NOT NULL, value {bytes} NOT NULL,
             PRIMARY KEY (domain, shard, component, key, seq)){clustered}""",
        """CREATE TABLE inbox (
             seq {numbered}, domain TEXT NOT NULL, shard {integer} NOT NULL, accumulator TEXT NOT NULL,
             payload {bytes} NOT NULL)""",
        """CREATE INDEX inbox_accumulator ON inbox (domain, shard, accumulator, seq)""",
        """CREATE TABLE firings (
             domain TEXT NOT NULL, shard {integer} NOT NULL, firing TEXT NOT NULL, reactor TEXT NOT NULL, key TEXT,
             snapshot {bytes} NOT NULL, done TEXT NOT NULL, attempts {integer} NOT NULL, crashes {integer} NOT NULL,
             started_at {integer} NOT NULL,
             PRIMARY KEY (domain, shard, firing)){clustered}""",
        """CREATE TABLE runs (
             id {integer} PRIMARY KEY, workflow TEXT NOT NULL, structure_version TEXT NOT NULL,
             code_version TEXT NOT NULL, status TEXT NOT NULL, input TEXT NOT NULL, output TEXT, error TEXT,
             origin TEXT NOT NULL, key TEXT, owner {integer}, epoch {integer} NOT NULL, recoveries {integer} NOT NULL,
             lease_until {integer}, created_at {integer} NOT NULL, started_at {integer}, finished_at {integer})""",
        """CREATE UNIQUE INDEX runs_key ON runs (workflow, key) WHERE key IS NOT NULL""",
        """CREATE INDEX runs_unfinished ON runs (owner) WHERE finished_at IS NULL""",
        """CREATE TABLE tasks (
             run_id {integer} NOT NULL, task TEXT NOT NULL, status TEXT NOT NULL, attempts {integer} NOT NULL,
             delta TEXT, error TEXT, started_at {integer}, finished_at {integer},
             PRIMARY KEY (run_id, task)){clustered}""",
        """CREATE TABLE events (
             run_id {integer} NOT NULL, seq {integer} NOT NULL, at {integer} NOT NULL, events TEXT NOT NULL,
             PRIMARY KEY (run_id, seq)){clustered}""",
        """CREATE TABLE commands (
             id {numbered}, verb TEXT NOT NULL, target TEXT NOT NULL, arguments TEXT NOT NULL, status TEXT NOT NULL,
             answer TEXT, created_at {integer} NOT NULL, answered_at {integer})""",
        """CREATE INDEX commands_waiting ON commands (id) WHERE status = 'waiting'""",
        """CREATE TABLE dead_letters (
             id {numbered}, domain TEXT NOT NULL, shard {integer} NOT NULL, part TEXT NOT NULL, reason TEXT NOT NULL,
             error TEXT NOT NULL, payload {bytes} NOT NULL, position TEXT, created_at {integer} NOT NULL)""",
        """CREATE TABLE schedules (
             name TEXT PRIMARY KEY NOT NULL, workflow TEXT NOT NULL, expression TEXT NOT NULL, timezone TEXT NOT NULL,
             catchup TEXT NOT NULL, paused BOOLEAN NOT NULL, next_at {integer}, last_at {integer})""",
    ),
)

LEASES = Migration(
    version=2,
    name="leases",
    statements=(
        "ALTER TABLE nodes ADD COLUMN host TEXT",
        "ALTER TABLE nodes ADD COLUMN token {integer}",
        "ALTER TABLE nodes ADD COLUMN lease_until {integer}",
        "ALTER TABLE nodes ADD COLUMN lost_at {integer}",
        "ALTER TABLE nodes ADD COLUMN commits {integer}",
    ),
)

HISTORY = Migration(
    version=3,
    name="history",
    statements=(
        """CREATE TABLE history (
             reactor TEXT NOT NULL, shard {integer} NOT NULL, number {integer} NOT NULL, firing TEXT NOT NULL, key TEXT,
             snapshot {bytes}, results TEXT NOT NULL, started_at {integer} NOT NULL, nanos {integer} NOT NULL,
             PRIMARY KEY (reactor, shard, number)){clustered}""",
    ),
)

COMMANDS = Migration(
    version=4,
    name="commands",
    statements=(
        "ALTER TABLE commands ADD COLUMN owner {integer}",
        "ALTER TABLE commands ADD COLUMN expires_at {integer}",
        "DROP INDEX commands_waiting",
        "CREATE INDEX commands_open ON commands (id) WHERE answered_at IS NULL",
    ),
)

MIGRATIONS: tuple[Migration, ...] = (FOUNDATION, LEASES, HISTORY, COMMANDS)


def read_version(words: Mapping[str, str]) -> Generator[Step, Outcome, int | None]:
    """Return the schema version; 0 for an empty database, nothing for one that is not ours."""
    tables = {cast("str", row[0]) for row in (yield words["tables"]).rows}
    if "migrations" in tables:
        rows = (yield "SELECT max(version) FROM migrations").rows
        return cast("int | None", rows[0][0]) or 0

    return None if tables else 0


def check_version(store: str, words: Mapping[str, str], known: tuple[Migration, ...]) -> Generator[Step, Outcome, int]:
    """Return the schema version.

    Raises:
        SchemaVersionError: The database was written by a newer version.
        ConfigError: The database is not empty and not ours.
    """
    version = yield from read_version(words)
    if version is None:
        raise ConfigError(f"{store} holds the tables of another program: give Penstock a database of its own")

    if version > known[-1].version:
        raise SchemaVersionError(store, version, known[-1].version)

    return version


def migrate(
    store: str,
    words: Mapping[str, str],
    applied_at: int,
    faults: Callable[[str], None],
    known: tuple[Migration, ...],
) -> Program[int]:
    """Bring the schema up to date; return the version that was found.

    BEGIN takes the write lock, so of several processes that open at once one migrates, and the others find it done. A
    crash before COMMIT leaves the version that was there.
    """
    found = yield from check_version(store, words, known)
    if found == known[-1].version:
        return found

    yield Reach(faults, "migration: before begin")
    yield BEGIN
    found = yield from check_version(store, words, known)
    for step in known[found:]:
        for statement in step.statements:
            yield statement.format_map(words)

        yield f"INSERT INTO migrations (version, name, applied_at) VALUES ({step.version}, '{step.name}', {applied_at})"
        yield Reach(faults, f"migration {step.version}: applied")

    yield Reach(faults, "migration: before commit")
    yield COMMIT
    yield Reach(faults, "migration: after commit")
    return found
