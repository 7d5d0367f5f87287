"""All tables, as the statements see them. ``migrations.py`` makes them; a test compares the two.

Times are whole microseconds UTC. Text columns named after values (``input``, ``delta``, ``events`` …) hold JSON, for
people to read; ``value``, ``snapshot`` and ``payload`` hold what the codec writes.
"""

from sqlalchemy import BigInteger, Boolean, Column, Index, LargeBinary, MetaData, Table, Text, text

METADATA = MetaData()

MIGRATIONS = Table(
    "migrations",
    METADATA,
    Column("version", BigInteger, primary_key=True),
    Column("name", Text, nullable=False),
    Column("applied_at", BigInteger, nullable=False),
)

#: One row per start of a serving process, or per visitor that wrote on PostgreSQL; its number is never used again.
#: ``stopped_at``: when it ended in order (a visitor: from the first); ``lost_at``: when another start found it gone.
#: ``token``: its lock at the database; ``lease_until``: by the clock of the database; ``commits``: the number of its
#: last transaction.
NODES = Table(
    "nodes",
    METADATA,
    Column("id", BigInteger, primary_key=True),
    Column("pid", BigInteger, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("stopped_at", BigInteger),
    Column("host", Text),
    Column("token", BigInteger),
    Column("lease_until", BigInteger),
    Column("lost_at", BigInteger),
    Column("commits", BigInteger),
)

#: Who owns a domain. ``stopped_at``: when it stopped in order.
DOMAINS = Table(
    "domains",
    METADATA,
    Column("domain", Text, primary_key=True),
    Column("shard", BigInteger, primary_key=True),
    Column("owner", BigInteger),
    Column("epoch", BigInteger, nullable=False),
    Column("lease_until", BigInteger),
    Column("stopped_at", BigInteger),
)

STATE = Table(
    "state",
    METADATA,
    Column("domain", Text, primary_key=True),
    Column("shard", BigInteger, primary_key=True),
    Column("component", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)

#: Appended rows of what is long: queues, windows, batch buffers.
LOG = Table(
    "log",
    METADATA,
    Column("domain", Text, primary_key=True),
    Column("shard", BigInteger, primary_key=True),
    Column("component", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)

#: The journal of durable accumulators. ``seq`` is never used again, not even for a deleted row.
INBOX = Table(
    "inbox",
    METADATA,
    Column("seq", BigInteger, primary_key=True),
    Column("domain", Text, nullable=False),
    Column("shard", BigInteger, nullable=False),
    Column("accumulator", Text, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Index("inbox_accumulator", "domain", "shard", "accumulator", "seq"),
)

FIRINGS = Table(
    "firings",
    METADATA,
    Column("domain", Text, primary_key=True),
    Column("shard", BigInteger, primary_key=True),
    Column("firing", Text, primary_key=True),
    Column("reactor", Text, nullable=False),
    Column("key", Text),
    Column("snapshot", LargeBinary, nullable=False),
    Column("done", Text, nullable=False),
    Column("attempts", BigInteger, nullable=False),
    Column("crashes", BigInteger, nullable=False),
    Column("started_at", BigInteger, nullable=False),
)

#: Firings that are over, of reactors with ``history="store"``; ``number`` counts those of one reactor. ``snapshot`` is
#: null when the inputs could not be written; ``nanos``: from the decision to the end of the last graph.
HISTORY = Table(
    "history",
    METADATA,
    Column("reactor", Text, primary_key=True),
    Column("shard", BigInteger, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("firing", Text, nullable=False),
    Column("key", Text),
    Column("snapshot", LargeBinary),
    Column("results", Text, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("nanos", BigInteger, nullable=False),
)

RUNS = Table(
    "runs",
    METADATA,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("workflow", Text, nullable=False),
    Column("structure_version", Text, nullable=False),
    Column("code_version", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("input", Text, nullable=False),
    Column("output", Text),
    Column("error", Text),
    Column("origin", Text, nullable=False),
    Column("key", Text),
    Column("owner", BigInteger),
    Column("epoch", BigInteger, nullable=False),
    Column("recoveries", BigInteger, nullable=False),
    Column("lease_until", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    Column("started_at", BigInteger),
    Column("finished_at", BigInteger),
    # Both are partial: a run without a key costs no key, a finished run is in no index but the first.
    Index("runs_key", "workflow", "key", unique=True, sqlite_where=text("key IS NOT NULL")),
    Index("runs_unfinished", "owner", sqlite_where=text("finished_at IS NULL")),
)

TASKS = Table(
    "tasks",
    METADATA,
    Column("run_id", BigInteger, primary_key=True, autoincrement=False),
    Column("task", Text, primary_key=True),
    Column("status", Text, nullable=False),
    Column("attempts", BigInteger, nullable=False),
    Column("delta", Text),
    Column("error", Text),
    Column("started_at", BigInteger),
    Column("finished_at", BigInteger),
)

#: What was decided about a run: one packed row per decision.
EVENTS = Table(
    "events",
    METADATA,
    Column("run_id", BigInteger, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("events", Text, nullable=False),
)

#: What other processes want done. ``owner``: the start that has taken it; from then on it cannot be withdrawn.
#: ``expires_at``: when nobody waits for an answer any more.
COMMANDS = Table(
    "commands",
    METADATA,
    Column("id", BigInteger, primary_key=True),
    Column("verb", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("arguments", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("answer", Text),
    Column("created_at", BigInteger, nullable=False),
    Column("answered_at", BigInteger),
    Column("owner", BigInteger),
    Column("expires_at", BigInteger),
    Index("commands_open", "id", sqlite_where=text("answered_at IS NULL")),
)

DEAD_LETTERS = Table(
    "dead_letters",
    METADATA,
    Column("id", BigInteger, primary_key=True),
    Column("domain", Text, nullable=False),
    Column("shard", BigInteger, nullable=False),
    Column("part", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("error", Text, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("position", Text),
    Column("created_at", BigInteger, nullable=False),
)

SCHEDULES = Table(
    "schedules",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("workflow", Text, nullable=False),
    Column("expression", Text, nullable=False),
    Column("timezone", Text, nullable=False),
    Column("catchup", Text, nullable=False),
    Column("paused", Boolean, nullable=False),
    Column("next_at", BigInteger),
    Column("last_at", BigInteger),
)
