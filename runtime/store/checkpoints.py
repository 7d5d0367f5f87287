"""Domains: taking over, fencing, and what a cut writes.

``components`` are the names of the accumulators and reactors of a domain. The writing functions put rows into a unit;
nothing happens until it is committed.
"""

from collections.abc import Collection
from typing import cast

import msgspec

from penstock.runtime.errors import InvariantError
from penstock.runtime.store.domain_kinds import (
    ADD_INBOX,
    ADD_LETTER,
    APPEND_LOG,
    CONSUME_INBOX,
    DROP_FIRING,
    DROP_STATE,
    FENCE_DOMAIN,
    MOVES,
    PUT_FIRING,
    PUT_STATE,
    STOP_DOMAIN,
    TAKE_DOMAIN,
    TRIM_LOG,
)
from penstock.runtime.store.engine import Query
from penstock.runtime.store.kinds import Values
from penstock.runtime.store.rows import FiringRow, InboxRow, LetterRow, LogRow, from_micros, to_micros
from penstock.runtime.store.store import Store
from penstock.runtime.store.unit import Unit


class DomainState(msgspec.Struct, frozen=True, kw_only=True):
    """What a new owner of a domain starts with."""

    #: Each write of this owner carries it.
    epoch: int
    #: Whether there was an owner before who did not stop in order.
    crashed: bool
    #: (component, key) → value.
    state: dict[tuple[str, str], bytes]
    #: In flight when the last owner ended, in the order in which they were started.
    firings: list[FiringRow]
    #: Journalled and not consumed, by sequence.
    inbox: list[InboxRow]
    #: By component, key and sequence.
    log: list[LogRow]


async def take_over(store: Store, domain: str, shard: int = 0, *, components: Collection[str]) -> DomainState:
    """Become the owner of a domain, and load what is stored of these components.

    Rows of the components that lie under another domain's name move here. All of that is committed before this returns;
    whatever the last owner still writes is refused.
    """
    ended = await store.read(ENDED, domain=domain, shard=shard)
    unit = store.unit("take over")
    for kind in MOVES:
        for component in sorted(components):
            unit.add(kind, (domain, shard, component))

    unit.add(TAKE_DOMAIN, (domain, shard, store.node))
    await store.commit(unit)
    return await load(store, domain, shard, unit.results[0], components, crashed=None in ended)


async def load(
    store: Store, domain: str, shard: int, epoch: int, components: Collection[str], *, crashed: bool = False
) -> DomainState:
    """Read what the owner of an epoch starts with."""
    [found] = await store.read(OWNED, domain=domain, shard=shard)
    if found < epoch:
        raise InvariantError(f"domain {domain!r} has epoch {found}, was raised to {epoch}")

    state = await store.read(STATE_OF, domain=domain, shard=shard)
    firings = await store.read(FIRINGS_OF, domain=domain, shard=shard)
    inbox = await store.read(INBOX_OF, domain=domain, shard=shard)
    log = await store.read(LOG_OF, domain=domain, shard=shard)
    return DomainState(
        epoch=epoch,
        crashed=crashed,
        state={(component, key): value for component, key, value in state if component in components},
        firings=[row for row in firings if row.reactor in components],
        inbox=[row for row in inbox if row.accumulator in components],
        log=[row for row in log if row.component in components],
    )


# -- what a cut writes ---------------------------------------------------------------------------------------


def fence(unit: Unit, domain: str, shard: int, epoch: int, *, stopped: bool = False) -> None:
    """Refuse the unit (LeaseLost) unless the domain is still in this epoch; note the orderly stop, if it is one."""
    unit.add(FENCE_DOMAIN, (domain, shard, epoch))
    if stopped:
        unit.add(STOP_DOMAIN, (domain, shard, to_micros(unit.clock.now())))


def put_state(  # noqa: PLR0917  where a value lies has five parts
    unit: Unit, domain: str, shard: int, component: str, key: str, value: bytes | None
) -> None:
    """Store a value, or forget it when it is None."""
    if value is None:
        unit.add(DROP_STATE, (domain, shard, component, key))
    else:
        unit.add(PUT_STATE, (domain, shard, component, key, value))


def append_log(  # noqa: PLR0917
    unit: Unit, domain: str, shard: int, component: str, key: str, seq: int, value: bytes
) -> None:
    """Append a row to what is long; the component numbers its rows."""
    unit.add(APPEND_LOG, (domain, shard, component, key, seq, value))


def trim_log(  # noqa: PLR0917
    unit: Unit, domain: str, shard: int, component: str, key: str, up_to: int
) -> None:
    """Forget the rows up to and with a number; rows that the same unit appends stay."""
    unit.add(TRIM_LOG, (domain, shard, component, key, up_to))


def put_firing(unit: Unit, domain: str, shard: int, row: FiringRow) -> None:
    """Store a firing in flight, or how far it is now."""
    unit.add(
        PUT_FIRING,
        (
            *(domain, shard, row.firing, row.reactor, row.key, row.snapshot, row.done),
            *(row.attempts, row.crashes, to_micros(row.started_at)),
        ),
    )


def drop_firing(unit: Unit, domain: str, shard: int, firing: str) -> None:
    """Forget a firing: all its graphs are done."""
    unit.add(DROP_FIRING, (domain, shard, firing))


def add_inbox(unit: Unit, domain: str, shard: int, accumulator: str, payload: bytes) -> None:
    """Journal an event; its sequence number is in ``unit.results`` after the commit."""
    unit.add(ADD_INBOX, (domain, shard, accumulator, payload))


def consume_inbox(unit: Unit, domain: str, shard: int, accumulator: str, up_to: int) -> None:
    """Forget an accumulator's events up to and with a sequence number; events that the same unit adds stay."""
    unit.add(CONSUME_INBOX, (domain, shard, accumulator, up_to))


def add_letter(unit: Unit, row: LetterRow) -> None:
    """Store a dead letter."""
    unit.add(
        ADD_LETTER,
        (
            *(row.domain, row.shard, row.part, row.reason, row.error),
            *(row.payload, row.position, to_micros(row.created_at)),
        ),
    )


# -- reading: the selects are in ``queries`` --------------------------------------------------------------------


def decode_owned(row: Values) -> int:
    """Return the epoch."""
    return cast("tuple[int]", row)[0]


def decode_ended(row: Values) -> int | None:
    """Return when the owner stopped in order."""
    return cast("tuple[int | None]", row)[0]


def decode_state(row: Values) -> tuple[str, str, bytes]:
    """Return (component, key, value)."""
    return cast("tuple[str, str, bytes]", row)


def decode_firing(row: Values) -> FiringRow:
    """Return a firing."""
    reactor, firing, key, snapshot, done, attempts, crashes, started_at = cast(
        "tuple[str, str, str | None, bytes, str, int, int, int]", row
    )
    return FiringRow(
        reactor=reactor,
        firing=firing,
        key=key,
        snapshot=snapshot,
        done=done,
        attempts=attempts,
        crashes=crashes,
        started_at=from_micros(started_at),
    )


def decode_inbox(row: Values) -> InboxRow:
    """Return a journalled event."""
    seq, accumulator, payload = cast("tuple[int, str, bytes]", row)
    return InboxRow(seq=seq, accumulator=accumulator, payload=payload)


def decode_log(row: Values) -> LogRow:
    """Return an appended row."""
    component, key, seq, value = cast("tuple[str, str, int, bytes]", row)
    return LogRow(component=component, key=key, seq=seq, value=value)


OWNED = Query("domain", decode_owned)
ENDED = Query("end of a domain", decode_ended)
STATE_OF = Query("state of a domain", decode_state)
FIRINGS_OF = Query("firings of a domain", decode_firing)
INBOX_OF = Query("inbox of a domain", decode_inbox)
LOG_OF = Query("log of a domain", decode_log)
