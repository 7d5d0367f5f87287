"""What only a server can do to a store: lose a connection, lose the answer of a commit, let another start take over."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime

import asyncpg
import pytest
from anyio.lowlevel import checkpoint
from asyncpg.prepared_stmt import PreparedStatement
from sqlalchemy.engine import make_url

from penstock.runtime.errors import ConfigError, StoreInUse, StoreTakenOver, StoreUnavailable
from penstock.runtime.observe import Fact, StoreRetried
from penstock.runtime.store import checkpoints, postgres_lease
from penstock.runtime.store.dialects import parse_url
from penstock.runtime.store.domain_kinds import PUT_STATE
from penstock.runtime.store.engine import BEGIN, COMMIT, Execute, Reach, Step
from penstock.runtime.store.kinds import Kind
from penstock.runtime.store.postgres_connections import connect
from penstock.runtime.store.postgres_driver import Driver
from penstock.runtime.store.postgres_lease import Lease
from penstock.runtime.store.postgres_statements import compile_kind
from penstock.runtime.store.postgres_url import Options, read_options
from penstock.runtime.store.rows import LetterRow
from penstock.runtime.store.run_kinds import COUNT_RECOVERIES, FENCE_RUN, FINISH_RUN, RELEASE_RUN
from penstock.runtime.store.store import Store
from penstock.runtime.store.unit import Unit
from penstock.testing.clock import VirtualClock
from tests.databases import postgres_only, rows
from tests.runtime.store.conftest import OpenStore

pytestmark = [postgres_only]
KEYS = "SELECT key FROM state ORDER BY key"
HOLDERS = """
    SELECT split_part(application_name, ' ', 2) FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND granted"""
LETTER = LetterRow(
    domain="d", part="p", reason="decode", error="e", payload=b"x", created_at=datetime(2026, 1, 1, tzinfo=UTC)
)
NOWHERE = "postgresql://user:secret@127.0.0.1:1/db"


def put(store: Store, key: str) -> Unit:
    unit = store.unit("put")
    checkpoints.put_state(unit, "d", 0, "c", key, b"v")
    return unit


def options(url: str) -> Options:
    return read_options(parse_url(url), synchronous="full", serve=False)


def end(url: str, role: str) -> int:
    """Let the server end the connections of a role; return how many there were."""
    text = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name LIKE ?"
    return len(rows(url, text, f"penstock {role}%"))


async def commit_in_time(store: Store, clock: VirtualClock, unit: Unit) -> None:
    """Commit while time passes, so that what fails is tried again."""
    committing = asyncio.ensure_future(store.commit(unit))
    for _ in range(5):
        await clock.advance(1.0)

    await committing


# -- connections that are lost ---------------------------------------------------------------------------------


async def test_a_connection_that_ends_between_commits_is_opened_again(
    url: str, store: Store, clock: VirtualClock
) -> None:
    await store.commit(put(store, "a"))
    assert end(url, "writer") == 1
    await commit_in_time(store, clock, put(store, "b"))
    assert rows(url, KEYS) == [("a",), ("b",)]


async def test_nothing_is_written_outside_of_the_transaction_whose_connection_ended(url: str) -> None:
    driver = Driver(options(url))
    connection = await driver.open()

    def program() -> Iterator[Step]:
        yield BEGIN
        yield Reach(lambda _: connection.terminate(), "lost")
        yield Execute(PUT_STATE, [("d", 0, "c", "a", b"v")])
        yield COMMIT

    try:
        with pytest.raises(StoreUnavailable):
            await driver.drive(program())  # type: ignore[arg-type]
    finally:
        await driver.close()

    assert rows(url, KEYS) == []


async def test_a_connection_that_ends_before_a_commit_in_one_statement_is_opened_again(
    url: str, open_store: OpenStore
) -> None:
    left = [1]

    def lose(point: str) -> None:
        if point == "put: before commit" and left:
            left.pop()
            store._engine._driver._connection.terminate()  # type: ignore[attr-defined]

    store = await open_store(faults=lose)
    unit = put(store, "a")
    checkpoints.append_log(unit, "d", 0, "c", "", 1, b"row")
    await store.commit(unit)
    assert (left, rows(url, "SELECT seq FROM log")) == ([], [(1,)])


async def test_a_commit_that_did_not_happen_is_made_once(
    url: str, open_store: OpenStore, clock: VirtualClock, facts: list[Fact]
) -> None:
    left = [1]

    def lose(point: str) -> None:
        if point == "put: before commit" and left:
            left.pop()
            store._engine._driver._connection.terminate()  # type: ignore[attr-defined]

    store = await open_store(faults=lose)
    unit = put(store, "a")
    checkpoints.add_inbox(unit, "d", 0, "a", b"event")
    await commit_in_time(store, clock, unit)
    assert [[seq] for (seq,) in rows(url, "SELECT seq FROM inbox")] == [unit.results]
    assert [fact.attempt for fact in facts if isinstance(fact, StoreRetried)] == [1]


async def test_a_commit_whose_answer_is_lost_is_not_repeated(
    url: str, store: Store, clock: VirtualClock, facts: list[Fact], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, left = asyncpg.Connection.execute, [1]

    async def execute(connection: asyncpg.Connection, query: str, *given: object, **more: object) -> str:
        answer = await real(connection, query, *given, **more)
        if query == COMMIT and left:
            left.pop()
            connection.terminate()
            raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")

        return answer

    monkeypatch.setattr(asyncpg.Connection, "execute", execute)
    # a row of the inbox has nothing that would refuse a second one
    unit = store.unit("push")
    checkpoints.add_inbox(unit, "d", 0, "a", b"event")
    await commit_in_time(store, clock, unit)
    assert [[seq] for (seq,) in rows(url, "SELECT seq FROM inbox")] == [unit.results]
    assert len([fact for fact in facts if isinstance(fact, StoreRetried)]) == 1


async def test_a_commit_without_numbers_or_conflicts_is_one_statement(
    url: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Driver, "_begin", None)  # what would begin step by step
    unit = put(store, "a")
    checkpoints.add_letter(unit, LETTER)
    await store.commit(unit)
    await store.commit(put(store, "b"))
    assert rows(url, KEYS) == [("a",), ("b",)]


@pytest.mark.parametrize(("given", "used"), [("off", "on"), ("local", "local"), ("remote_apply", "remote_apply")])
async def test_commits_are_durable_whatever_is_set_for_the_database(
    url: str, open_store: OpenStore, given: str, used: str
) -> None:
    rows(url, f"ALTER DATABASE {make_url(url).database} SET synchronous_commit = '{given}'")
    store = await open_store()
    connection = store._engine._driver._connection  # type: ignore[attr-defined]
    assert await connection.fetchval("SHOW synchronous_commit") == used


async def test_statements_are_parsed_once_for_a_connection(store: Store) -> None:
    for key in ("a", "b"):
        unit = put(store, key)
        checkpoints.add_inbox(unit, "d", 0, "a", b"event")
        await store.commit(unit)
        await store.commit(put(store, key))

    connection = store._engine._driver._connection  # type: ignore[attr-defined]
    known = await connection.fetch("SELECT generic_plans + custom_plans FROM pg_prepared_statements")
    assert [tuple(row) for row in known] == [(2,)] * 3


@pytest.mark.parametrize("kind", [FENCE_RUN, FINISH_RUN, RELEASE_RUN, COUNT_RECOVERIES], ids=lambda kind: kind.name)
async def test_a_run_is_found_by_its_id_in_tables_of_which_nothing_is_known(store: Store, kind: Kind) -> None:
    connection = store._engine._driver._connection  # type: ignore[attr-defined]
    await connection.execute(f"PREPARE statement AS {compile_kind(kind)}")
    plan = await connection.fetch(f"EXPLAIN EXECUTE statement ({', '.join(['NULL'] * len(kind.columns))})")
    used = {word for (line,) in plan for word in line.split() if word.startswith("runs_")}
    assert used == {"runs_pkey"}


@pytest.mark.parametrize("happened", [True, False])
async def test_a_commit_in_one_statement_whose_answer_is_lost_happens_once(
    url: str, store: Store, clock: VirtualClock, facts: list[Fact], monkeypatch: pytest.MonkeyPatch, *, happened: bool
) -> None:
    real, left = PreparedStatement.fetchval, [1]

    async def fetchval(statement: "PreparedStatement[asyncpg.Record]", *given: object) -> object:
        if not left:
            return await real(statement, *given)

        left.pop()
        if happened:
            await real(statement, *given)

        raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")

    monkeypatch.setattr(PreparedStatement, "fetchval", fetchval)
    # a dead letter has nothing that would refuse a second one
    unit = store.unit("letter")
    checkpoints.add_letter(unit, LETTER)
    await commit_in_time(store, clock, unit)
    assert rows(url, "SELECT error FROM dead_letters") == [("e",)]
    assert [fact.attempt for fact in facts if isinstance(fact, StoreRetried)] == [1]


async def test_a_visitor_finds_out_as_well(
    url: str, open_store: OpenStore, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await (await open_store()).close()
    store = await open_store(serve=False)
    real, left = asyncpg.Connection.execute, [1]

    async def execute(connection: asyncpg.Connection, query: str, *given: object, **more: object) -> str:
        answer = await real(connection, query, *given, **more)
        if query == COMMIT and left:
            left.pop()
            connection.terminate()
            raise asyncpg.AdminShutdownError("terminating connection due to administrator command")

        return answer

    monkeypatch.setattr(asyncpg.Connection, "execute", execute)
    unit = store.unit("push")
    checkpoints.add_inbox(unit, "d", 0, "a", b"event")
    await commit_in_time(store, clock, unit)
    assert len(rows(url, "SELECT seq FROM inbox")) == 1


# -- who serves ------------------------------------------------------------------------------------------------


async def test_a_second_start_is_refused_while_the_first_lives(store: Store, open_store: OpenStore) -> None:
    with pytest.raises(StoreInUse, match="already served by process"):
        await open_store()


async def test_who_was_taken_over_writes_nothing_more(url: str, store: Store, open_store: OpenStore) -> None:
    await store.commit(put(store, "a"))
    rows(url, "UPDATE nodes SET lease_until = 0")
    other = await open_store()
    with pytest.raises(StoreTakenOver):
        await store.commit(put(store, "late"))

    await other.commit(put(other, "b"))
    assert rows(url, KEYS) == [("a",), ("b",)]
    assert isinstance(store.failed.result(), StoreTakenOver)


async def test_who_lost_its_lock_goes_at_once_whatever_its_lease_says(
    url: str, store: Store, open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def out_of_reach() -> None:
        raise OSError

    monkeypatch.setattr(store._engine._lease, "_connect", out_of_reach)  # type: ignore[attr-defined]
    assert end(url, "lease") == 1
    other = await open_store()
    assert other.node == store.node + 1


async def test_a_lock_that_a_lost_session_still_holds_is_taken_later(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_lease, "RENEWAL", 0.001)
    given = options(url)
    session = await connect(given, "lost")
    await session.execute(f"SELECT pg_advisory_lock({given.token})")
    lease = Lease(given)
    await lease.open()
    try:
        assert rows(url, HOLDERS) == [("lost",)]
        await session.close()
        while rows(url, HOLDERS) != [("lease",)]:
            await checkpoint()
    finally:
        await lease.close()

    assert rows(url, HOLDERS) == []


# -- servers that are not there, or do not let us in ---------------------------------------------------------------


async def test_an_unreachable_server_is_tried_again_for_a_bounded_time(
    open_store: OpenStore, clock: VirtualClock, facts: list[Fact]
) -> None:
    opening = asyncio.ensure_future(open_store(url=NOWHERE, retry_timeout=5.0))
    for _ in range(20):
        await clock.advance(0.5)

    with pytest.raises(StoreUnavailable) as caught:
        await opening

    assert "secret" not in str(caught.value)
    assert [fact.delay for fact in facts if isinstance(fact, StoreRetried)] == [0.1, 0.2, 0.4, 0.8, 1.6]


async def test_a_visitor_is_told_at_once_that_a_server_is_unreachable(open_store: OpenStore, facts: list[Fact]) -> None:
    with pytest.raises(StoreUnavailable):
        await open_store(url=NOWHERE, serve=False)

    assert facts == []


async def test_a_database_that_is_not_there_is_a_mistake_of_the_url(url: str, open_store: OpenStore) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        await open_store(url=url.rpartition("/")[0] + "/no_such_database")


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("schema=public", "PostgreSQL's own"),
        ("schema=pg_mine", "PostgreSQL's own"),
        ("schema=Acme", "capital letters"),
        ("schema=a%22b", "1 to 63"),
        ("color=red", "unknown option 'color'"),
    ],
)
async def test_an_option_that_cannot_be_used_is_explained(
    url: str, open_store: OpenStore, option: str, says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        await open_store(url=f"{url}?{option}")


async def test_a_commit_that_is_not_durable_is_refused(open_store: OpenStore) -> None:
    with pytest.raises(ConfigError, match="every commit is durable"):
        await open_store(synchronous="normal")


async def test_tenants_do_not_see_each_other(url: str, store: Store, open_store: OpenStore) -> None:
    other = await open_store(url=f"{url}?schema=tenant")
    await store.commit(put(store, "a"))
    await other.commit(put(other, "b"))
    assert rows(url, "SELECT key FROM penstock.state") == [("a",)]
    assert rows(url, "SELECT key FROM tenant.state") == [("b",)]


async def test_a_closed_store_shows_no_password(url: str, open_store: OpenStore) -> None:
    store = await open_store(url=url.replace("postgres@", "postgres:secret@"))
    await store.close()
    with pytest.raises(StoreUnavailable, match="closed") as caught:
        await store.commit(put(store, "a"))

    assert "secret" not in str(caught.value)
