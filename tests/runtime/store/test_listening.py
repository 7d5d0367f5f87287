"""Who waits for commands hears of them, also after the connection was lost."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from anyio.lowlevel import checkpoint

from penstock.runtime.observe import Fact, StoreRetried
from penstock.runtime.store import commands
from penstock.runtime.store.rows import CommandRow
from penstock.runtime.store.store import Store
from penstock.testing.clock import VirtualClock
from tests.databases import postgres_only, rows
from tests.runtime.store.conftest import OpenStore

COMMAND = CommandRow(verb="cancel", target="r1", arguments="{}", created_at=datetime(2026, 1, 1, tzinfo=UTC))
LISTENERS = "FROM pg_stat_activity WHERE application_name LIKE 'penstock listener%'"
END = f"SELECT pg_terminate_backend(pid, 5000) {LISTENERS}"


class Ear:
    """Counts the calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> None:
        self.calls += 1

    async def until(self, calls: int) -> None:
        while self.calls < calls:
            await checkpoint()


async def add_command(store: Store) -> None:
    unit = store.unit("command")
    commands.add_command(unit, COMMAND)
    await store.commit(unit)


async def until(fact: Callable[[], bool]) -> None:
    while not fact():
        await checkpoint()


async def test_listening_begins_with_a_call_for_what_came_before(store: Store) -> None:
    ear = Ear()
    store.listen(ear)
    await ear.until(1)


@postgres_only
async def test_a_command_of_another_process_is_heard(store: Store, open_store: OpenStore) -> None:
    ear, visitor = Ear(), await open_store(serve=False)
    store.listen(ear)
    await ear.until(1)
    await add_command(visitor)
    await ear.until(2)
    assert [command.verb for command in await commands.list_waiting(store)] == ["cancel"]


@postgres_only
async def test_a_command_for_another_tenant_is_not_heard(url: str, store: Store, open_store: OpenStore) -> None:
    ear, theirs = Ear(), Ear()
    other = await open_store(url=f"{url}?schema=other")
    store.listen(ear)
    other.listen(theirs)
    await ear.until(1)
    await theirs.until(1)
    await add_command(other)
    await theirs.until(2)
    assert ear.calls == 1


@postgres_only
async def test_after_a_lost_connection_there_is_a_call_and_commands_are_heard_again(url: str, store: Store) -> None:
    ear = Ear()
    store.listen(ear)
    await ear.until(1)
    assert rows(url, END) == [(True,)]
    await ear.until(2)
    await add_command(store)
    await ear.until(3)


@postgres_only
async def test_a_server_that_is_away_is_tried_again_after_growing_delays(
    url: str, store: Store, clock: VirtualClock, facts: list[Fact], monkeypatch: pytest.MonkeyPatch
) -> None:
    ear = Ear()
    options = store._engine._listener._options  # type: ignore[attr-defined]
    store.listen(ear)
    await ear.until(1)
    nowhere = type(options)(
        name=options.name, dsn="postgresql://127.0.0.1:1/db", schema="s", serve=True, token=options.token
    )
    monkeypatch.setattr(store._engine._listener, "_options", nowhere)  # type: ignore[attr-defined]
    rows(url, END)
    await until(lambda: len(facts) == 1)
    for _ in range(6):
        await clock.advance(0.5)

    assert [fact.delay for fact in facts if isinstance(fact, StoreRetried)] == [0.1, 0.2, 0.4, 0.8, 1.6]
    monkeypatch.setattr(store._engine._listener, "_options", options)  # type: ignore[attr-defined]
    await clock.advance(5.0)
    await ear.until(2)


@postgres_only
async def test_a_closed_store_listens_no_more(url: str, open_store: OpenStore) -> None:
    ear, store = Ear(), await open_store()
    store.listen(ear)
    await ear.until(1)
    await store.close()
    assert rows(url, f"SELECT 1 {LISTENERS}") == []
