"""The statements about domains: owners, fences, and what a cut writes. See ``statements``."""

from operator import itemgetter

from sqlalchemy import (
    CTE,
    Table,
    and_,
    delete,
    exists,
    func,
    null,
    select,
    true,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql.expression import ClauseElement

from penstock.runtime.errors import LeaseLost, StoreError
from penstock.runtime.store import schema
from penstock.runtime.store.kinds import Kind, Role, Values
from penstock.runtime.store.statements import ONE, ZERO, drop, hold, insert_kind, put, write


def domain_lost(row: Values) -> StoreError:
    """Say that a domain has another owner."""
    domain, shard, epoch = row
    return LeaseLost(f"domain {domain!r}" + (f", shard {shard}" if shard else ""), int(str(epoch)))


# Closes the race of a cut with a take-over: the epoch that the cut was made in must still be the domain's. Index:
# primary key of domains.
FENCE_DOMAIN = Kind(
    name="fence domain",
    rank=1,
    columns=("domain", "shard", "epoch"),
    build=lambda given: hold(schema.DOMAINS, given),
    role=Role.GUARD,
    slot="domain",
    key=itemgetter(0, 1),
    once=True,
    ordered=True,
    refusal=domain_lost,
)


def stop_domain(given: CTE) -> ClauseElement:
    """Note that the owner stops in order."""
    domains = schema.DOMAINS
    return (
        update(domains)
        .where(domains.c.domain == given.c.domain, domains.c.shard == given.c.shard)
        .values(stopped_at=given.c.stopped_at)
    )


# Runs behind FENCE_DOMAIN in the same transaction: only the owner gets here. Index: primary key of domains.
STOP_DOMAIN = Kind(
    name="stop domain",
    rank=5,
    columns=("domain", "shard", "stopped_at"),
    build=stop_domain,
    slot="domain",
    key=itemgetter(0, 1),
    last_wins=True,
    ordered=True,
)


def take_domain(given: CTE) -> ClauseElement:
    """Give the domain an epoch above that of every domain; remember whether the last owner stopped in order.

    Above every domain, because a component may come from a domain of another name: its firings are numbered by epoch,
    and a number must not come twice.
    """
    domains = schema.DOMAINS
    epoch = select(func.coalesce(func.max(domains.c.epoch), ZERO) + ONE).scalar_subquery()
    statement = insert(domains).from_select(
        ["domain", "shard", "owner", "epoch", "clean"],
        select(given.c.domain, given.c.shard, given.c.owner, epoch, true()).where(true()),
    )
    changes = {
        "owner": statement.excluded.owner,
        "epoch": statement.excluded.epoch,
        "clean": domains.c.stopped_at.is_not(None),
        "stopped_at": null(),
    }
    statement = statement.on_conflict_do_update(index_elements=["domain", "shard"], set_=changes)
    return statement.returning(domains.c.epoch)


# Closes the race of two owners: one statement compares and sets, the epoch that it returns belongs to one caller only.
# Index: primary key of domains.
TAKE_DOMAIN = Kind(
    name="take domain",
    rank=0,
    columns=("domain", "shard", "owner"),
    build=take_domain,
    role=Role.RETURNS,
    alone=True,
)


def raise_crashes(given: CTE) -> ClauseElement:
    """Count a crash for each firing that was in flight when its owner died."""
    firings, domains = schema.FIRINGS, schema.DOMAINS
    stopped = exists().where(
        domains.c.domain == firings.c.domain, domains.c.shard == firings.c.shard, domains.c.stopped_at.is_not(None)
    )
    mine = tuple_(firings.c.reactor, firings.c.shard).in_(select(given.c.component, given.c.shard))
    return update(firings).where(mine, ~stopped).values(crashes=firings.c.crashes + ONE)


# Runs before TAKE_DOMAIN, which forgets whether the last owner stopped in order; committed before a firing is run
# again, so that a firing that kills the process is counted. Scans firings: only what is in flight is in there.
RAISE_CRASHES = Kind(
    name="raise crashes", rank=0, columns=("domain", "shard", "component"), build=raise_crashes, alone=True
)


def move(table: Table, component: str, identity: tuple[str, ...]) -> Kind:
    """Return the kind that moves rows of a component from domains of other names to this one.

    A domain is named after its parts, so its name changes when parts are added. Each row lies under a name that
    ``domains`` has, so the rows are found by the index that begins with (domain, shard). Where the new domain has the
    same row already, the old one stays where it is: it is older.
    """

    def build(given: CTE) -> ClauseElement:
        there = table.alias("there")
        taken = exists().where(
            there.c.domain == given.c.domain,
            there.c.shard == given.c.shard,
            *(there.c[name] == table.c[name] for name in identity),
        )
        return (
            update(table)
            .where(
                table.c.domain.in_(select(schema.DOMAINS.c.domain)),
                table.c.domain != given.c.domain,
                table.c.shard == given.c.shard,
                table.c[component] == given.c.component,
                *([~taken] if identity else []),
            )
            .values(domain=given.c.domain)
        )

    return Kind(name=f"move {table.name}", rank=0, columns=("domain", "shard", "component"), build=build, alone=True)


# All four run in the transaction of TAKE_DOMAIN: nobody sees the rows under neither name.
MOVES = (
    move(schema.STATE, "component", ("component", "key")),
    move(schema.LOG, "component", ("component", "key", "seq")),
    move(schema.INBOX, "accumulator", ()),
    move(schema.FIRINGS, "reactor", ("firing",)),
)

# -- what a cut writes ---------------------------------------------------------------------------------------

# No race of their own: each stands behind the fence of its cut. Index: the primary key of the table.
PUT_STATE = Kind(
    name="put state",
    rank=3,
    columns=("domain", "shard", "component", "key", "value"),
    build=lambda given: put(schema.STATE, given),
    slot="state",
    key=itemgetter(0, 1, 2, 3),
    last_wins=True,
)
DROP_STATE = Kind(
    name="drop state",
    rank=3,
    columns=("domain", "shard", "component", "key"),
    build=lambda given: drop(schema.STATE, given),
    slot="state",
    key=itemgetter(0, 1, 2, 3),
    last_wins=True,
)
PUT_FIRING = Kind(
    name="put firing",
    rank=3,
    columns=(
        *("domain", "shard", "firing", "reactor", "key", "snapshot", "done", "attempts", "crashes", "started_at"),
    ),
    build=lambda given: put(schema.FIRINGS, given),
    slot="firing",
    key=itemgetter(0, 1, 2),
    last_wins=True,
)
DROP_FIRING = Kind(
    name="drop firing",
    rank=3,
    columns=("domain", "shard", "firing"),
    build=lambda given: drop(schema.FIRINGS, given),
    slot="firing",
    key=itemgetter(0, 1, 2),
    last_wins=True,
)


def trim_log(given: CTE) -> ClauseElement:
    """Delete rows up to a number, found by the primary key of log."""
    log = schema.LOG
    same = and_(*(log.c[name] == given.c[name] for name in ("domain", "shard", "component", "key")))
    keys = list(log.primary_key)
    old = select(*keys).select_from(given).join(log, and_(same, log.c.seq <= given.c.up_to))
    return delete(log).where(tuple_(*keys).in_(old))


def consume_inbox(given: CTE) -> ClauseElement:
    """Delete rows up to a number, found by inbox_accumulator."""
    inbox = schema.INBOX
    same = and_(*(inbox.c[name] == given.c[name] for name in ("domain", "shard", "accumulator")))
    used = select(inbox.c.seq).select_from(given).join(inbox, and_(same, inbox.c.seq <= given.c.up_to))
    return delete(inbox).where(inbox.c.seq.in_(used))


# Deleting before appending, and a wave of its own when a unit deletes what an earlier one in the group has appended.
TRIM_LOG = Kind(
    name="trim log",
    rank=2,
    columns=("domain", "shard", "component", "key", "up_to"),
    build=trim_log,
    slot="log",
    key=itemgetter(0, 1, 2, 3),
    once=True,
    ordered=True,
)
APPEND_LOG = Kind(
    name="append log",
    rank=3,
    columns=("domain", "shard", "component", "key", "seq", "value"),
    build=lambda given: write(schema.LOG, given),
    slot="log",
    key=itemgetter(0, 1, 2, 3),
    ordered=True,
)
CONSUME_INBOX = Kind(
    name="consume inbox",
    rank=2,
    columns=("domain", "shard", "accumulator", "up_to"),
    build=consume_inbox,
    slot="inbox",
    key=itemgetter(0, 1, 2),
    once=True,
    ordered=True,
)
# The numbers come from AUTOINCREMENT: a deleted number is never given again, so a position in the inbox means one event
# for ever.
ADD_INBOX = Kind(
    name="add inbox",
    rank=3,
    columns=("domain", "shard", "accumulator", "payload"),
    build=lambda given: write(schema.INBOX, given),
    role=Role.NUMBERED,
    slot="inbox",
    key=itemgetter(0, 1, 2),
    ordered=True,
)
ADD_LETTER = insert_kind(
    schema.DEAD_LETTERS,
    ("domain", "shard", "part", "reason", "error", "payload", "position", "created_at"),
)
