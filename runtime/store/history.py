"""Firings that are over, of reactors that keep their history in the store.

The writing functions put rows into the unit of a cut: a firing is in the history if and only if what came of it is in
the store as well.
"""

from datetime import datetime
from typing import cast

from penstock.runtime.store.domain_kinds import AGE_HISTORY, APPEND_HISTORY, TRIM_HISTORY
from penstock.runtime.store.engine import Query
from penstock.runtime.store.kinds import Values
from penstock.runtime.store.rows import HistoryRow, from_micros, to_micros
from penstock.runtime.store.runs import NO_BOUND
from penstock.runtime.store.store import Store
from penstock.runtime.store.unit import Unit
from penstock.runtime.texts import is_text

NANOSECONDS = 1e9


def append_history(unit: Unit, shard: int, row: HistoryRow) -> None:
    """Store a firing that is over; its reactor numbers them."""
    nanos = round(row.seconds * NANOSECONDS)
    unit.add(
        APPEND_HISTORY,
        (
            *(row.reactor, shard, row.number, row.firing, row.key, row.snapshot, row.results),
            *(to_micros(row.started_at), nanos),
        ),
    )


def trim_history(unit: Unit, shard: int, reactor: str, up_to: int) -> None:
    """Forget a reactor's firings up to and with a number; those that the same unit appends stay."""
    unit.add(TRIM_HISTORY, (reactor, shard, up_to))


def age_history(unit: Unit, shard: int, reactor: str, until: datetime) -> None:
    """Forget a reactor's firings that were decided until a time; those that the same unit appends stay."""
    unit.add(AGE_HISTORY, (reactor, shard, to_micros(until)))


async def list_history(
    store: Store, reactor: str, shard: int = 0, *, limit: int = 100, before: int | None = None
) -> list[HistoryRow]:
    """Return firings of a reactor that are over, the newest first.

    Args:
        store: Where they are.
        reactor: Name of the reactor.
        shard: Its shard.
        limit: The most to return.
        before: Only those with a smaller number: that of the last of the page before.
    """
    if not is_text(reactor):
        return []  # as in ``runs.list_runs``

    bound = NO_BOUND if before is None else before
    return await store.read(NEWEST, reactor=reactor, shard=shard, before=bound, limit=limit)


def decode_history(row: Values) -> HistoryRow:
    """Return a firing that is over."""
    reactor, _shard, number, firing, key, snapshot, results, started_at, nanos = cast(
        "tuple[str, int, int, str, str | None, bytes | None, str, int, int]", row
    )
    return HistoryRow(
        reactor=reactor,
        number=number,
        firing=firing,
        key=key,
        snapshot=snapshot,
        results=results,
        started_at=from_micros(started_at),
        seconds=nanos / NANOSECONDS,
    )


NEWEST = Query("newest of a history", decode_history)
