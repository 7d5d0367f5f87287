"""Dead letters: what could not be processed, kept for people to look at and to give back."""

from typing import cast

from penstock.runtime.errors import LetterNotFound
from penstock.runtime.store.domain_kinds import DROP_LETTER, TAKE_LETTER
from penstock.runtime.store.engine import Query
from penstock.runtime.store.kinds import Values
from penstock.runtime.store.rows import LetterRow, from_micros
from penstock.runtime.store.runs import NO_BOUND
from penstock.runtime.store.store import Store
from penstock.runtime.store.unit import Unit
from penstock.runtime.texts import is_text


async def list_letters(
    store: Store, part: str | None = None, *, limit: int = 100, before: int | None = None
) -> list[LetterRow]:
    """Return dead letters, the newest first.

    Args:
        part: Only those of one accumulator, reactor or graph.
        before: Only those with a smaller id: the last of the page before.
    """
    if part is not None and not is_text(part):
        return []  # as in ``runs.list_runs``

    bound = NO_BOUND if before is None else before
    return await store.read(NEWEST_LETTERS, part=part, before=bound, limit=limit)


async def load_letter(store: Store, letter_id: int) -> LetterRow:
    """Return one dead letter.

    Raises:
        LetterNotFound: There is none of this number.
    """
    found = await store.read(LETTER, id=letter_id) if -(2**63) < letter_id < 2**63 else []
    if not found:
        raise LetterNotFound(letter_id)

    return found[0]


def take_letter(unit: Unit, letter_id: int) -> None:
    """Delete a dead letter; refuses the unit (LetterNotFound) when it is not there any more."""
    unit.add(TAKE_LETTER, (letter_id,))


def drop_letter(unit: Unit, letter_id: int) -> None:
    """Delete a dead letter if it is there."""
    unit.add(DROP_LETTER, (letter_id,))


async def discard_letter(store: Store, letter_id: int) -> None:
    """Delete a dead letter; returns when that is committed.

    Raises:
        LetterNotFound: There is none of this number, or somebody else has taken it.
    """
    unit = store.unit("discard letter")
    take_letter(unit, letter_id)
    await store.commit(unit)


def decode_letter(row: Values) -> LetterRow:
    """Return a dead letter."""
    letter_id, domain, shard, part, reason, error, payload, position, created_at = cast(
        "tuple[int, str, int, str, str, str, bytes, str | None, int]", row
    )
    return LetterRow(
        id=letter_id,
        domain=domain,
        shard=shard,
        part=part,
        reason=reason,
        error=error,
        payload=payload,
        position=position,
        created_at=from_micros(created_at),
    )


NEWEST_LETTERS = Query("newest letters", decode_letter)
LETTER = Query("letter", decode_letter)
