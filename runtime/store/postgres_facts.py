"""What a look at a PostgreSQL server has shown: facts, without a judgement."""

from collections.abc import Mapping
from datetime import datetime

import msgspec


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """A process that serves the store."""

    pid: int
    host: str
    started_at: datetime


class Rights(msgspec.Struct, frozen=True, kw_only=True):
    """What the user of the URL may do."""

    #: Make a schema in the database.
    create_schema: bool
    #: Look into the schema, and make tables in it; both are False when it is not there.
    use: bool
    create: bool
    #: Our tables, and what is to be done with them and not allowed: ``{"runs": ("INSERT", "DELETE")}``.
    lacking: Mapping[str, tuple[str, ...]]
    #: Whose the tables are, when they are another user's, under whose name they cannot be changed.
    owner: str | None

    @property
    def readable(self) -> bool:
        """Whether every table can be read."""
        return self.use and not any("SELECT" in actions for actions in self.lacking.values())


class Schema(msgspec.Struct, frozen=True, kw_only=True):
    """How far the tables are."""

    there: bool
    #: None when there are tables and none is ours, or when the user may not read which version they have.
    version: int | None
    #: Names of our tables that are not there, though the version has them.
    missing: tuple[str, ...]
    #: Whether there is the table that says the version.
    ours: bool
    n_bytes: int


class ServerFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A server, seen through the URL of a store."""

    version: str
    #: Why no store can be behind the connection at all.
    unfit: str | None
    #: Database, user and schema, quoted as SQL wants them.
    database: str
    user: str
    schema: str
    encoding: str
    #: It follows another server, and can only be read.
    standby: bool
    #: Transactions only read, by a setting.
    read_only: bool
    #: The settings of which it depends whether a commit is durable.
    fsync: bool
    full_page_writes: bool
    #: A pooler gives each transaction another session.
    pooled: bool
    #: Median seconds of a statement that does nothing, and of a commit that the disk has; None when nothing is written.
    round_trip: float
    commit: float | None
    #: Seconds by which the clock of the server is ahead of ours, and how many it may be more or less.
    ahead: float
    uncertainty: float
    rights: Rights
    tables: Schema
    #: None when the user may not see it.
    serving: tuple[Start, ...] | None
