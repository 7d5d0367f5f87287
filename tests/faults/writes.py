"""Units that name what they write, and what is read of them past the store."""

import asyncio

from penstock.runtime.observe import Fact, StoreRetried
from penstock.runtime.store import checkpoints
from penstock.runtime.store.rows import LetterRow
from penstock.runtime.store.store import Store
from penstock.runtime.store.unit import Unit
from penstock.testing.clock import VirtualClock
from tests.databases import rows


def push(store: Store, name: str) -> Unit:
    """Return a unit of which nothing is refused when it comes twice; its number is asked for within a transaction."""
    unit = note(store, name, label="push")
    checkpoints.add_inbox(unit, "d", 0, "a", name.encode())
    return unit


def note(store: Store, name: str, *, label: str = "note") -> Unit:
    """Return one of which nothing is asked: a whole transaction may be one statement."""
    unit, now = store.unit(label), store.scheduler.clock.now()
    letter = LetterRow(domain="d", part="p", reason="decode", error=name, payload=b"", created_at=now)
    checkpoints.add_letter(unit, letter)
    return unit


def pushed(url: str) -> list[str]:
    """Return the names of what was pushed, in order; what is half there fails."""
    names = [str(name) for (name,) in rows(url, "SELECT convert_from(payload, 'UTF8') FROM inbox ORDER BY seq")]
    assert set(names) <= set(noted(url))
    return names


def noted(url: str) -> list[str]:
    """Return the names of what was pushed or noted, in order."""
    return [str(name) for (name,) in rows(url, "SELECT error FROM dead_letters ORDER BY id")]


async def commit_in_time(store: Store, clock: VirtualClock, unit: Unit) -> None:
    """Commit while time passes, so that what fails is tried again."""
    committing = asyncio.ensure_future(store.commit(unit))
    while not committing.done():
        await clock.advance(1.0)

    await committing


def retries(facts: list[Fact]) -> int:
    """Return how often something was tried again."""
    return sum(isinstance(fact, StoreRetried) for fact in facts)
