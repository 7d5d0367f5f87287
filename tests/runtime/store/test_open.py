"""Opening: what cannot work is refused with its reason, and two processes never serve one file."""

import asyncio
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from anyio.lowlevel import checkpoint

from penstock.runtime.errors import (
    AppError,
    ConfigError,
    SchemaVersionError,
    StoreCorrupt,
    StoreError,
    StoreInUse,
    StoreReadOnly,
    StoreUnavailable,
)
from penstock.runtime.store import checkpoints
from penstock.runtime.store.dialects import parse_url
from penstock.runtime.store.migrations import MIGRATIONS, Migration
from penstock.runtime.store.schema import METADATA
from penstock.runtime.store.store import Store
from penstock.testing.clock import VirtualClock
from penstock.testing.crash import Crash
from penstock.testing.faults import FaultPoints
from tests.databases import Stores, rows, sqlite_only
from tests.postgres import is_postgres
from tests.runtime.store.conftest import OpenStore, Table


@pytest.fixture
def url(new_stores: Stores) -> str:
    """Return the URL of a store without a schema."""
    return new_stores.new(empty=True)


#: The user that owns nothing, on all systems that have root.
NOBODY = 65534


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("market.db", "is not a URL: write 'sqlite:///file.db'"),
        ("", "is not a URL"),
        ("mysql://host/db", "none that Penstock knows"),
        ("postgresql+psycopg://user:secret@host/db", "names another driver"),
        ("sqlite+aiosqlite:///a.db", "names another driver"),
        ("sqlite://", "in memory.*use a file in a temporary folder"),
        ("sqlite:///:memory:", "in memory.*use a file in a temporary folder"),
        ("sqlite:////no/such/folder/a.db", "there is no folder '/no/such/folder': create it"),
        ("sqlite:////tmp", "is a folder: name a file in it"),
        ("sqlite:///a.db?cache=shared", "unknown option 'cache'; known: max_page_count, mode"),
        ("sqlite:///a.db?mode=fast", "choose 'ro', 'rw' or 'rwc'"),
        ("sqlite:///a.db?max_page_count=lots", "give a number of pages"),
    ],
)
async def test_a_url_that_cannot_be_used_is_explained(open_store: OpenStore, url: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        await open_store(url=url)


@sqlite_only
@pytest.mark.parametrize("options", ["?mode=ro", "?mode=rw&max_page_count=9"])
async def test_how_a_file_is_opened_is_no_part_of_its_name(open_store: OpenStore, url: str, options: str) -> None:
    with pytest.raises(StoreUnavailable) as caught:
        await open_store(url=url + options, serve=False)

    assert str(caught.value).startswith(f"store '{url}' is unavailable: there is no such file")


@sqlite_only
async def test_a_password_is_not_shown(open_store: OpenStore) -> None:
    with pytest.raises(ConfigError) as caught:
        await open_store(url="postgresql+psycopg://user:secret@host/db")

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("text", ["postgresql://user:secret@host:port/db", "mysql://host/db?password=secret"])
def test_a_url_that_is_none_shows_no_password(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_url(text)

    assert "secret" not in str(caught.value)


@sqlite_only
async def test_a_mode_of_flushing_that_does_not_exist_is_refused(open_store: OpenStore) -> None:
    with pytest.raises(ConfigError, match="synchronous='quick': choose one of 'full'"):
        await open_store(synchronous="quick")


@sqlite_only
async def test_a_relative_path_is_that_of_the_working_directory(
    open_store: OpenStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    await open_store(url="sqlite:///here.db")
    assert (tmp_path / "here.db").exists()


@sqlite_only
async def test_a_file_name_may_hold_anything(open_store: OpenStore, tmp_path: Path) -> None:
    await open_store(url=f"sqlite:///{tmp_path}/straße 100%25 #1.db")
    assert (tmp_path / "straße 100% #1.db").exists() or (tmp_path / "straße 100%25 #1.db").exists()


# -- what is there already -------------------------------------------------------------------------------------


@sqlite_only
@pytest.mark.parametrize("content", [b"not a database at all, but text" * 100, bytes(8192) + b"\xff"])
async def test_a_file_that_is_no_database_is_named(open_store: OpenStore, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "store.db").write_bytes(content)
    with pytest.raises(StoreCorrupt, match=r"store\.db"):
        await open_store()

    assert (tmp_path / "store.db").read_bytes() == content


@sqlite_only
async def test_a_damaged_file_is_named(open_store: OpenStore, tmp_path: Path) -> None:
    store = await open_store()
    await store.close()
    path = tmp_path / "store.db"
    path.write_bytes(path.read_bytes()[:100] + b"\xa5" * 8000)
    with pytest.raises(StoreCorrupt):
        await open_store()


async def test_the_database_of_another_program_is_left_alone(
    open_store: OpenStore, url: str, dump: Callable[[], dict[str, Table]]
) -> None:
    if is_postgres(url):
        rows(url, "CREATE SCHEMA penstock")

    rows(url, "CREATE TABLE recipes (name TEXT)")
    with pytest.raises(ConfigError, match="tables of another program"):
        await open_store()

    assert list(dump()) == ["recipes"]


async def test_a_newer_schema_is_refused(open_store: OpenStore, url: str) -> None:
    await (await open_store()).close()
    rows(url, "INSERT INTO migrations VALUES (999, 'future', 0)")
    for serve in (True, False):
        with pytest.raises(SchemaVersionError, match=r"schema version 999.*install a newer Penstock"):
            await open_store(serve=serve)


@sqlite_only
async def test_serving_needs_to_write(open_store: OpenStore, url: str) -> None:
    await (await open_store()).close()
    with pytest.raises(StoreReadOnly, match="mode=ro"):
        await open_store(url=f"{url}?mode=ro")


@sqlite_only
async def test_a_link_to_a_store_is_that_store(open_store: OpenStore, tmp_path: Path) -> None:
    await open_store()
    (tmp_path / "link.db").symlink_to(tmp_path / "store.db")
    with pytest.raises(StoreInUse):
        await open_store(url=f"sqlite:///{tmp_path}/link.db")


@pytest.fixture
def folder_of_a_user() -> Iterator[Path]:
    """A folder in which permission bits count: root, whom they do not stop, becomes somebody else."""
    with tempfile.TemporaryDirectory() as folder:
        if os.geteuid() != 0:
            yield Path(folder)
            return

        os.chown(folder, NOBODY, NOBODY)
        os.seteuid(NOBODY)
        try:
            yield Path(folder)
        finally:
            os.seteuid(0)


@sqlite_only
async def test_a_file_without_write_permission_is_named(open_store: OpenStore, folder_of_a_user: Path) -> None:
    file = folder_of_a_user / "store.db"
    await (await open_store(url=f"sqlite:///{file}")).close()
    file.chmod(0o444)
    with pytest.raises(StoreReadOnly, match=r"store\.db"):
        await open_store(url=f"sqlite:///{file}")


@sqlite_only
async def test_a_read_only_store_can_be_read_and_refuses_writes(open_store: OpenStore, url: str) -> None:
    await (await open_store()).close()
    store = await open_store(url=f"{url}?mode=ro", serve=False)
    assert await store.read(checkpoints.STATE_OF, domain="d", shard=0) == []
    unit = store.unit("put")
    checkpoints.put_state(unit, "d", 0, "c", "k", b"v")
    with pytest.raises(StoreReadOnly):
        await store.commit(unit)

    assert isinstance(store.failed.result(), StoreReadOnly)


@sqlite_only
async def test_a_folder_where_the_journal_belongs_is_an_error_of_ours(open_store: OpenStore, tmp_path: Path) -> None:
    (tmp_path / "store.db-wal").mkdir()
    with pytest.raises(StoreError, match=r"store\.db"):
        await open_store()


# -- one serving process ---------------------------------------------------------------------------------------


async def test_a_second_serving_store_is_refused_and_told_who_serves(store: Store, open_store: OpenStore) -> None:
    with pytest.raises(StoreInUse, match=f"already served by process {os.getpid()} (.since 2026-01-01T00:00:00|on )"):
        await open_store()


async def test_the_lock_is_free_after_close_and_the_number_is_new(open_store: OpenStore) -> None:
    numbers: list[int] = []
    for _ in range(3):
        store = await open_store()
        numbers.append(store.node)
        await store.close()

    assert numbers == [1, 2, 3]


async def test_a_start_notes_when_it_ended_in_order(open_store: OpenStore, url: str, clock: VirtualClock) -> None:
    store = await open_store()
    await clock.advance(60.0)
    await store.close()
    assert rows(url, "SELECT id, stopped_at - started_at FROM nodes") == [(1, 60_000_000)]


async def test_run_ids_grow_over_restarts(open_store: OpenStore) -> None:
    ids: list[int] = []
    for _ in range(2):
        store = await open_store()
        ids += [store.new_run_id(), store.new_run_id()]
        await store.close()

    assert ids == sorted(set(ids))


async def test_a_visitor_reads_and_writes_beside_the_serving_store(store: Store, open_store: OpenStore) -> None:
    visitor = await open_store(serve=False)
    unit = visitor.unit("put")
    checkpoints.put_state(unit, "d", 0, "c", "k", b"v")
    await visitor.commit(unit)
    assert await store.read(checkpoints.STATE_OF, domain="d", shard=0) == [("c", "k", b"v")]
    assert visitor.node == 0
    with pytest.raises(AppError, match="serve=True"):
        visitor.new_run_id()


@sqlite_only
async def test_a_visitor_makes_no_file(open_store: OpenStore, tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="no such file"):
        await open_store(serve=False)

    assert not (tmp_path / "store.db").exists()


async def test_a_visitor_does_not_migrate(open_store: OpenStore, url: str) -> None:
    if not is_postgres(url):
        rows(url, "PRAGMA user_version = 1")

    with pytest.raises(StoreUnavailable, match=r"schema is older|there is no schema"):
        await open_store(serve=False)


async def test_opening_that_fails_leaves_nothing_open(
    open_store: OpenStore, clock: VirtualClock, tmp_path: Path
) -> None:
    faults = FaultPoints()
    faults.fail("migration: before commit")
    with pytest.raises(Crash):
        await open_store(faults=faults)

    assert clock.activity.count == 0
    assert (await open_store()).node == 1


# -- the schema ------------------------------------------------------------------------------------------------


async def test_the_tables_are_those_of_the_statements(store: Store, url: str) -> None:
    for table in METADATA.sorted_tables:
        found = rows(url, COLUMNS[is_postgres(url)], table.name)
        assert [name for name, _, _ in found] == [column.name for column in table.columns]
        assert [name for _, name in sorted((at, name) for name, _, at in found if at)] == [  # type: ignore[type-var]
            column.name for column in table.primary_key
        ]
        assert {name for name, required, _ in found if required} == {
            column.name for column in table.columns if not column.nullable
        }

    indexes = {name for (name,) in rows(url, INDEXES[is_postgres(url)])}
    assert indexes == {str(index.name) for table in METADATA.sorted_tables for index in table.indexes}


#: By whether it is PostgreSQL: name, is it required, place in the primary key. SQLite lets what is a key be NULL.
COLUMNS = {
    False: """SELECT name, "notnull" OR pk, pk FROM pragma_table_info(?) ORDER BY cid""",
    True: """
        SELECT a.attname::text, a.attnotnull, array_position(i.indkey, a.attnum) + 1
        FROM pg_attribute a LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary
        WHERE a.attrelid = to_regclass(?::text) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum""",
}
INDEXES = {
    False: "SELECT name FROM sqlite_master WHERE type = 'index' AND sql NOT NULL",
    True: """
        SELECT c.relname::text FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
        WHERE c.relnamespace = to_regnamespace(current_schema()) AND NOT i.indisprimary""",
}


async def test_many_that_open_at_once_migrate_once(open_store: OpenStore, dump: Callable[[], dict[str, Table]]) -> None:
    stores = await asyncio.gather(*(open_store(lock=False) for _ in range(8)))
    assert sorted(store.node for store in stores) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [row[0] for row in dump()["migrations"]] == [migration.version for migration in MIGRATIONS]


@pytest.mark.parametrize("point", ["before begin", "before commit"])
async def test_a_migration_that_is_cut_off_leaves_the_old_version(
    open_store: OpenStore, dump: Callable[[], dict[str, Table]], point: str
) -> None:
    faults = FaultPoints()
    faults.fail(f"migration: {point}")
    with pytest.raises(Crash):
        await open_store(faults=faults)

    assert dump() == {}
    await open_store()
    assert dump()["migrations"][0][:2] == (1, "foundation")


async def test_a_step_runs_on_top_of_the_rows_that_are_there(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch, dump: Callable[[], dict[str, Table]]
) -> None:
    store = await open_store()
    unit = store.unit("put")
    checkpoints.put_state(unit, "d", 0, "c", "k", b"v")
    await store.commit(unit)
    await store.close()
    known, version = len(MIGRATIONS), MIGRATIONS[-1].version + 1
    step = Migration(version=version, name="sizes", statements=("ALTER TABLE state ADD COLUMN size {integer}",))
    monkeypatch.setattr("penstock.runtime.store.store.MIGRATIONS", (*MIGRATIONS, step))
    store = await open_store()
    assert dump()["state"] == [("d", 0, "c", "k", b"v", None)]
    assert [row[:2] for row in dump()["migrations"]][known:] == [(version, "sizes")]
    assert store.node == 2


async def test_a_second_listener_is_refused_and_the_first_goes_on(store: Store) -> None:
    heard: list[str] = []
    store.listen(lambda: heard.append("first"))
    with pytest.raises(AppError, match="has a listener"):
        store.listen(lambda: heard.append("second"))

    while not heard:
        await checkpoint()

    assert heard == ["first"]
