"""Dead letters as an app shows them."""

from collections.abc import AsyncIterator
from datetime import datetime

import msgspec

from penstock.runtime.store.letters import list_letters
from penstock.runtime.store.rows import LetterRow
from penstock.runtime.store.store import Store

#: Letters that are read at once.
PAGE = 100


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """What could not be processed, and why."""

    id: int
    #: The accumulator, reactor or graph that could not process it.
    part: str
    #: ``decode``, ``process``, ``firing``, ``overflow`` …
    reason: str
    error: str
    #: Bytes and text as they came; anything else as JSON.
    payload: bytes
    #: Where its source had it; the id of the firing, for a graph.
    position: str | None
    created_at: datetime

    @classmethod
    def of(cls, row: LetterRow) -> "DeadLetter":
        """Return a letter of the store."""
        return cls(
            id=row.id,
            part=row.part,
            reason=row.reason,
            error=row.error,
            payload=row.payload,
            position=row.position,
            created_at=row.created_at,
        )


async def iterate(store: Store, part: str | None) -> AsyncIterator[DeadLetter]:
    """Yield dead letters, the newest first."""
    before: int | None = None
    while rows := await list_letters(store, part, limit=PAGE, before=before):
        for row in rows:
            yield DeadLetter.of(row)

        before = rows[-1].id
