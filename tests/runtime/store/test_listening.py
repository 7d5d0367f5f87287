"""Who waits for commands hears of them, also after the connection was lost."""

import sqlite3
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from anyio.lowlevel import checkpoint
from anyio.to_thread import run_sync

from penstock.runtime.observe import Fact, StoreRetried
from penstock.runtime.store import commands, sqlite_driver, sqlite_watch
from penstock.runtime.store.rows import CommandRow
from penstock.runtime.store.store import Store
from penstock.testing.clock import VirtualClock
from tests.databases import postgres_only, rows, sqlite_only
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


@pytest.fixture(autouse=True)
def looking_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_watch, "TICK", 0.01)


async def test_a_command_of_another_process_is_heard(store: Store, open_store: OpenStore) -> None:
    ear, visitor = Ear(), await open_store(serve=False)
    store.listen(ear)
    await ear.until(1)
    await add_command(visitor)
    await ear.until(2)
    assert [command.verb for command in await commands.list_open(store)] == ["cancel"]


@sqlite_only
async def test_a_file_that_only_we_write_tells_nothing(store: Store, open_store: OpenStore) -> None:
    ear, visitor = Ear(), await open_store(serve=False)
    store.listen(ear)
    await ear.until(1)
    for _ in range(20):
        await add_command(store)
        await run_sync(time.sleep, 0.005)  # noqa: TID251 - the file is looked at in real time

    assert ear.calls == 1
    await add_command(visitor)
    await ear.until(2)


@sqlite_only
async def test_a_file_is_watched_behind_a_link(url: str, tmp_path: Path, open_store: OpenStore) -> None:
    link = tmp_path / "link.db"
    (await open_store()).node  # noqa: B018 - the file is there
    link.symlink_to(url.removeprefix("sqlite:///"))
    ear, store, visitor = Ear(), await open_store(url=f"sqlite:///{link}", lock=False), await open_store(serve=False)
    store.listen(ear)
    await ear.until(1)
    await add_command(visitor)
    await ear.until(2)


@sqlite_only
async def test_a_file_that_cannot_be_asked_counts_as_written(
    store: Store, open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    ear, visitor = Ear(), await open_store(serve=False)
    store.listen(ear)
    await ear.until(1)

    def fail(_driver: object) -> int:
        raise sqlite3.OperationalError("busy")

    monkeypatch.setattr(sqlite_driver.Driver, "foreign_version", fail)
    await add_command(visitor)
    await ear.until(2)


async def test_a_file_is_asked_for_a_while_after_it_was_written(tmp_path: Path) -> None:
    """The disk may take long for a commit: the file is written, and nobody sees the commit yet."""
    ear = Ear()
    watch = sqlite_watch.FileWatch(tmp_path / "store.db", ear)
    (tmp_path / "store.db-wal").write_bytes(b"frames")
    await ear.until(20)
    await watch.close()


@sqlite_only
async def test_a_file_that_cannot_be_asked_at_first_is_tried_again(
    store: Store, open_store: OpenStore, clock: VirtualClock, facts: list[Fact], monkeypatch: pytest.MonkeyPatch
) -> None:
    ear, visitor = Ear(), await open_store(serve=False)
    connection, driver = sqlite_driver.Driver.foreign_version, sqlite_driver.Driver

    class Busy:
        def execute(self, _text: str) -> None:
            raise sqlite3.OperationalError("database is locked")

    def fail(given: sqlite_driver.Driver) -> int:
        with monkeypatch.context() as patch:
            patch.setattr(given, "_connection", Busy())
            return connection(given)

    with monkeypatch.context() as patch:
        patch.setattr(driver, "foreign_version", fail)
        store.listen(ear)
        await until(lambda: len(facts) == 1)

    assert [type(fact) for fact in facts] == [StoreRetried]
    await clock.advance(1.0)
    await ear.until(1)
    await add_command(visitor)
    await ear.until(2)


@sqlite_only
async def test_an_idle_file_is_not_asked(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_watch, "LINGER", 0.05)
    asked: list[object] = []
    monkeypatch.setattr(sqlite_driver.Driver, "foreign_version", lambda driver: asked.append(driver) or 0)
    store.listen(lambda: None)
    await run_sync(time.sleep, 0.3)  # noqa: TID251 - the file is looked at in real time
    known = len(asked)
    assert known >= 2
    await run_sync(time.sleep, 0.1)  # noqa: TID251 - the file is looked at in real time
    assert len(asked) == known


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
