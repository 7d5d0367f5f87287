"""The statements about domains: owners, fences, and what a cut writes. See ``statements``."""

from collections.abc import Mapping

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

from penstock.runtime.store import domain_kinds, schema
from penstock.runtime.store.kinds import Kind
from penstock.runtime.store.statements import ONE, ZERO, Build, drop, hold, put, write


def stop_domain(given: CTE) -> ClauseElement:
    """Note that the owner stops in order."""
    domains = schema.DOMAINS
    return (
        update(domains)
        .where(domains.c.domain == given.c.domain, domains.c.shard == given.c.shard)
        .values(stopped_at=given.c.stopped_at)
    )


def take_domain(given: CTE) -> ClauseElement:
    """Give the domain an epoch above that of every domain; remember whether the last owner stopped in order.

    Above every domain, because a component may come from a domain of another name: its firings are numbered by epoch,
    and a number must not come twice.
    """
    domains = schema.DOMAINS
    epoch = select(func.coalesce(func.max(domains.c.epoch), ZERO) + ONE).scalar_subquery()
    statement = insert(domains).from_select(
        ["domain", "shard", "owner", "epoch"],
        select(given.c.domain, given.c.shard, given.c.owner, epoch).where(true()),
    )
    changes = {
        "owner": statement.excluded.owner,
        "epoch": statement.excluded.epoch,
        "stopped_at": null(),
    }
    statement = statement.on_conflict_do_update(index_elements=["domain", "shard"], set_=changes)
    return statement.returning(domains.c.epoch)


def move(table: Table, component: str, identity: tuple[str, ...]) -> Build:
    """Return the statement that moves rows of a component from domains of other names to this one.

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

    return build


# -- what a cut writes ---------------------------------------------------------------------------------------


def trim_log(given: CTE) -> ClauseElement:
    """Delete rows up to a number, found by the primary key of log."""
    log = schema.LOG
    same = and_(*(log.c[name] == given.c[name] for name in ("domain", "shard", "component", "key")))
    keys = list(log.primary_key)
    old = select(*keys).select_from(given).join(log, and_(same, log.c.seq <= given.c.up_to))
    return delete(log).where(tuple_(*keys).in_(old))


def old_history(bound: str, column: str) -> Build:
    """Return the statement that deletes a reactor's rows below a bound, found by the primary key of history."""

    def build(given: CTE) -> ClauseElement:
        history = schema.HISTORY
        same = and_(history.c.reactor == given.c.reactor, history.c.shard == given.c.shard)
        below = history.c[column] <= given.c[bound]
        keys = list(history.primary_key)
        old = select(*keys).select_from(given).join(history, and_(same, below))
        return delete(history).where(tuple_(*keys).in_(old))

    return build


def consume_inbox(given: CTE) -> ClauseElement:
    """Delete rows up to a number, found by inbox_accumulator."""
    inbox = schema.INBOX
    same = and_(*(inbox.c[name] == given.c[name] for name in ("domain", "shard", "accumulator")))
    used = select(inbox.c.seq).select_from(given).join(inbox, and_(same, inbox.c.seq <= given.c.up_to))
    return delete(inbox).where(inbox.c.seq.in_(used))


STATEMENTS: Mapping[Kind, Build] = {
    domain_kinds.FENCE_DOMAIN: lambda given: hold(schema.DOMAINS, given),
    domain_kinds.STOP_DOMAIN: stop_domain,
    domain_kinds.TAKE_DOMAIN: take_domain,
    domain_kinds.PUT_STATE: lambda given: put(schema.STATE, given),
    domain_kinds.DROP_STATE: lambda given: drop(schema.STATE, given),
    domain_kinds.PUT_FIRING: lambda given: put(schema.FIRINGS, given),
    domain_kinds.DROP_FIRING: lambda given: drop(schema.FIRINGS, given),
    domain_kinds.TRIM_LOG: trim_log,
    domain_kinds.APPEND_LOG: lambda given: write(schema.LOG, given),
    domain_kinds.CONSUME_INBOX: consume_inbox,
    domain_kinds.ADD_INBOX: lambda given: write(schema.INBOX, given),
    domain_kinds.ADD_LETTER: lambda given: write(schema.DEAD_LETTERS, given),
    domain_kinds.TAKE_LETTER: lambda given: drop(schema.DEAD_LETTERS, given),
    domain_kinds.DROP_LETTER: lambda given: drop(schema.DEAD_LETTERS, given),
    domain_kinds.TRIM_HISTORY: old_history("up_to", "number"),
    domain_kinds.AGE_HISTORY: old_history("started_at", "started_at"),
    domain_kinds.APPEND_HISTORY: lambda given: write(schema.HISTORY, given),
    domain_kinds.MOVE_STATE: move(schema.STATE, "component", ("component", "key")),
    domain_kinds.MOVE_LOG: move(schema.LOG, "component", ("component", "key", "seq")),
    domain_kinds.MOVE_INBOX: move(schema.INBOX, "accumulator", ()),
    domain_kinds.MOVE_FIRINGS: move(schema.FIRINGS, "reactor", ("firing",)),
}
