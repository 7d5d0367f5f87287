"""What the doctor says of a store on a real PostgreSQL server, line by line."""

import os
import re
import secrets
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from anyio.to_thread import run_sync
from sqlalchemy.engine import make_url
from typing_extensions import override

from penstock.cli import doctor
from penstock.runtime.clock import SystemClock
from penstock.runtime.store import postgres_check
from penstock.runtime.store.migrations import MIGRATIONS
from penstock.runtime.store.schema import METADATA
from penstock.runtime.store.store import Store
from tests.cli.conftest import Penstock
from tests.cli.stored import add_run, with_store
from tests.cli.test_doctor import findings
from tests.databases import Stores, dump, postgres_only, rows
from tests.faults.frames import message_of
from tests.faults.pooler import Pooler
from tests.faults.proxy import Proxy

pytestmark = [postgres_only]
LATEST = MIGRATIONS[-1].version


@pytest.fixture
def url(store_url: str) -> str:
    return store_url


@pytest.fixture
def few(url: str) -> Iterator[str]:
    """The same store, for a user who may do nothing but connect."""
    name = f"few_{secrets.token_hex(4)}"
    rows(url, f"CREATE ROLE {name} LOGIN PASSWORD 'secret'")
    yield make_url(url).set(username=name, password="secret").render_as_string(hide_password=False)  # noqa: S106
    rows(url, f"DROP OWNED BY {name}")
    rows(url, f"DROP ROLE {name}")


def database(url: str) -> str:
    return str(make_url(url).database)


def outside(url: str) -> str:
    """Return the URL of another database on the same server."""
    return make_url(url).set(database="postgres").render_as_string(hide_password=False)


def by_setting(penstock: Penstock, url: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, object]]:
    monkeypatch.setenv("PENSTOCK_STORE", url)
    return findings(penstock("doctor", "--json"))


def look(penstock: Penstock, url: str) -> dict[str, dict[str, object]]:
    return findings(penstock("doctor", "--json", "--store", url))


def problems(penstock: Penstock, url: str) -> dict[str, object]:
    """Return the problems, with what is to be done; the exit code says whether there are any."""
    outcome = penstock("doctor", "--json", "--store", url)
    found = {name: one["advice"] for name, one in findings(outcome).items() if one["state"] == "problem"}
    assert outcome.code == bool(found)
    return found


# -- what is well ------------------------------------------------------------------------------


def test_healthy_store_has_no_problem_and_is_left_as_it_is(url: str, penstock: Penstock) -> None:
    async def fill(store: Store) -> None:
        await add_run(store, "settle", status="completed")
        await add_run(store, "settle")

    with_store(url, fill)
    before = dump(url)
    outcome = penstock("doctor", "--json", "--store", url)
    assert (outcome.code, outcome.err) == (0, "")
    found = findings(outcome)
    assert {name for name, one in found.items() if one["state"] != "ok"} == {"durability"}
    user, name = make_url(url).username, database(url)
    assert str(found["server"]["value"]).startswith("PostgreSQL ")
    assert str(found["server"]["value"]).endswith(f", database {name}, user {user}")
    assert found["privileges"]["value"] == "reads and writes the tables"
    assert (found["writing"]["value"], found["encoding"]["value"]) == ("possible", "UTF8")
    assert found["sessions"]["value"] == "one for each connection"
    assert str(found["store"]["value"]).startswith(f"schema penstock of database {name}: schema version {LATEST}, ")
    assert (found["served by"]["value"], found["runs"]["value"]) == ("nobody", "1 completed, 1 running")
    assert found["dead letters"]["value"] == "0"
    assert dump(url) == before


def test_process_that_serves_is_named_as_long_as_it_does(url: str, penstock: Penstock) -> None:
    import socket

    async def look_inside(_store: Store) -> None:
        found = await run_sync(lambda: look(penstock, url))
        words = f"process {os.getpid()} on {socket.gethostname()} (since 2026-01-01T12:00:00.000000Z)"
        assert found["served by"]["value"] == words

    with_store(url, look_inside)
    assert look(penstock, url)["served by"]["value"] == "nobody"


def test_latency_is_measured_of_statements_and_commits(url: str, penstock: Penstock) -> None:
    words = str(look(penstock, url)["latency"]["value"])
    assert re.fullmatch(r"[\d.]+ ms a round trip, [\d.]+ ms a commit \(medians\)", words)


# -- how far the tables are --------------------------------------------------------------------


def test_schema_that_is_not_there_yet_is_a_note_unless_it_was_named(
    new_stores: Stores, penstock: Penstock, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = new_stores.new(empty=True)
    assert problems(penstock, url) == {"store": "it is made when an app first opens it"}
    found = by_setting(penstock, url, monkeypatch)
    assert found["store"] == {
        "subject": "store",
        "state": "note",
        "value": f"there is no schema penstock of database {database(url)}",
        "advice": "it is made when an app first opens it",
    }
    assert found["privileges"]["value"] == "may make the tables"
    assert not {"served by", "runs"} & set(found)
    assert rows(url, "SELECT to_regnamespace('penstock') IS NULL") == [(True,)]
    rows(url, "CREATE SCHEMA penstock")
    assert by_setting(penstock, url, monkeypatch)["store"]["state"] == "note"


def test_older_schema_is_a_problem_that_a_start_solves(url: str, penstock: Penstock) -> None:
    rows(url, "DELETE FROM migrations WHERE version = ?", LATEST)
    assert problems(penstock, url) == {"store": "an app that serves it brings it up to date"}
    assert f"schema version {LATEST - 1}, this Penstock knows {LATEST}" in str(look(penstock, url)["store"]["value"])


def test_newer_schema_is_a_problem(url: str, penstock: Penstock) -> None:
    rows(url, "INSERT INTO migrations VALUES (99, 'future', 0)")
    assert problems(penstock, url) == {"store": "install a newer Penstock"}
    found = look(penstock, url)
    assert f"schema version 99, this Penstock knows up to {LATEST}" in str(found["store"]["value"])
    assert not {"served by", "runs"} & set(found)


def test_tables_of_another_program_are_a_problem(new_stores: Stores, penstock: Penstock) -> None:
    url = new_stores.new(empty=True)
    rows(url, "CREATE SCHEMA penstock")
    rows(url, "CREATE TABLE penstock.books (title text)")
    assert problems(penstock, url) == {"store": "give Penstock a schema of its own: …?schema=name"}


def test_missing_table_is_a_problem(url: str, penstock: Penstock) -> None:
    rows(url, "DROP TABLE events, inbox")
    assert problems(penstock, url) == {"store": "restore the store from a backup"}
    assert str(look(penstock, url)["store"]["value"]).endswith(": the tables events, inbox are missing")


def test_a_schema_of_another_name_is_looked_into(url: str, penstock: Penstock) -> None:
    with_store(f"{url}?schema=tenant", lambda store: add_run(store, "settle", status="failed"))
    found = look(penstock, f"{url}?schema=tenant")
    assert (found["store"]["state"], found["runs"]["value"]) == ("ok", "1 failed")
    assert "schema tenant of" in str(found["store"]["value"])
    assert look(penstock, url)["runs"]["value"] == "none"


# -- what the user may do: the advice is taken, word by word -----------------------------------


def test_user_who_may_not_make_the_schema_is_told_how(
    new_stores: Stores, few: str, penstock: Penstock, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = new_stores.new(empty=True)
    few = make_url(few).set(database=database(url)).render_as_string(hide_password=False)
    advice = str(by_setting(penstock, few, monkeypatch)["privileges"]["advice"])
    schema, create = advice.split(", or ")
    assert schema.startswith("CREATE SCHEMA penstock AUTHORIZATION few_")
    assert create.startswith(f"GRANT CREATE ON DATABASE {database(url)} TO few_")
    for statement in (create, schema):
        rows(url, statement)
        found = by_setting(penstock, few, monkeypatch)
        assert (found["privileges"]["state"], found["store"]["state"]) == ("ok", "note")
        rows(url, "DROP OWNED BY " + str(make_url(few).username))

    rows(url, schema)
    with_store(few, lambda store: add_run(store, "settle"))
    assert problems(penstock, few) == {}
    rows(url, "DROP OWNED BY " + str(make_url(few).username) + " CASCADE")


def test_user_who_may_not_make_tables_in_the_schema_is_told_how(
    new_stores: Stores, few: str, penstock: Penstock, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = new_stores.new(empty=True)
    few = make_url(few).set(database=database(url)).render_as_string(hide_password=False)
    rows(url, "CREATE SCHEMA penstock")
    advice = str(by_setting(penstock, few, monkeypatch)["privileges"]["advice"]).split("; ")
    assert [statement.split(" TO ")[0] for statement in advice] == [
        "GRANT USAGE ON SCHEMA penstock",
        "GRANT CREATE ON SCHEMA penstock",
    ]
    for statement in advice:
        rows(url, statement)

    assert by_setting(penstock, few, monkeypatch)["privileges"]["value"] == "may make the tables"
    with_store(few, lambda store: add_run(store, "settle"))
    rows(url, "DROP OWNED BY " + str(make_url(few).username) + " CASCADE")


def test_user_who_may_not_use_the_tables_is_told_how(url: str, few: str, penstock: Penstock) -> None:
    found = problems(penstock, few)
    assert set(found) == {"privileges", "store"}
    assert found["store"] == "see the privileges above"
    usage, tables = str(found["privileges"]).split("; ")
    assert usage.startswith("GRANT USAGE ON SCHEMA penstock TO few_")
    assert tables.startswith("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA penstock TO few_")
    rows(url, usage)
    assert problems(penstock, few) == {"privileges": tables, "store": "see the privileges above"}
    rows(url, tables)
    assert problems(penstock, few) == {}
    with_store(few, lambda store: add_run(store, "settle", status="completed"))
    assert look(penstock, few)["runs"]["value"] == "1 completed"


def test_user_who_may_only_read_is_told_so_and_sees_the_contents(url: str, few: str, penstock: Penstock) -> None:
    user = make_url(few).username
    rows(url, f"GRANT USAGE ON SCHEMA penstock TO {user}")
    rows(url, f"GRANT SELECT ON ALL TABLES IN SCHEMA penstock TO {user}")
    assert set(problems(penstock, few)) == {"privileges"}
    found = look(penstock, few)
    assert found["privileges"]["value"] == f"{user} may not DELETE, INSERT, UPDATE in {len(METADATA.tables)} tables"
    assert (found["runs"]["value"], found["served by"]["value"]) == ("none", "nobody")


def test_older_tables_of_another_user_are_a_problem(url: str, few: str, penstock: Penstock) -> None:
    user, owner = make_url(few).username, make_url(url).username
    rows(url, "DELETE FROM migrations WHERE version = ?", LATEST)
    rows(url, f"GRANT USAGE, CREATE ON SCHEMA penstock TO {user}")
    rows(url, f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA penstock TO {user}")
    assert problems(penstock, few) == {
        "privileges": f"let {owner} serve it once, which brings it up to date",
        "store": "an app that serves it brings it up to date",
    }


def test_user_who_may_not_connect_is_told_how(url: str, few: str, penstock: Penstock) -> None:
    rows(url, f"REVOKE CONNECT ON DATABASE {database(url)} FROM PUBLIC")
    assert problems(penstock, few) == {"server": None}
    told = str(look(penstock, few)["server"]["value"])
    assert "permission denied for database" in told
    assert "let the user in with GRANT CONNECT ON DATABASE" in told
    assert "secret" not in told


# -- what cannot hold a store ------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_database_that_does_not_hold_every_text_is_a_problem(
    new_stores: Stores, penstock: Penstock, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    url = new_stores.new(empty=True)
    rows(outside(url), f"DROP DATABASE {database(url)}")
    rows(outside(url), f"CREATE DATABASE {database(url)} TEMPLATE template0 ENCODING '{encoding}'")
    found = by_setting(penstock, url, monkeypatch)
    assert found["encoding"] == {
        "subject": "encoding",
        "state": "problem",
        "value": f"{encoding}, which does not hold every text",
        "advice": "make a database with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0",
    }
    assert found["server"]["state"] == "ok"


@pytest.mark.parametrize("whose", ["ROLE", "DATABASE"])
def test_read_only_transactions_are_a_problem(url: str, few: str, penstock: Penstock, whose: str) -> None:
    user = str(make_url(few).username)
    rows(url, f"GRANT ALL ON SCHEMA penstock TO {user}")
    rows(url, f"GRANT ALL ON ALL TABLES IN SCHEMA penstock TO {user}")
    name = user if whose == "ROLE" else database(url)
    rows(url, f"ALTER {whose} {name} SET default_transaction_read_only = on")
    advice = problems(penstock, few)
    assert advice == {"writing": f"ALTER ROLE {user} SET default_transaction_read_only = off"}
    found = look(penstock, few)
    assert "a commit" not in str(found["latency"]["value"])
    assert found["runs"]["value"] == "none"
    rows(outside(url), str(advice["writing"]))
    assert problems(penstock, few) == {}
    rows(outside(url), f"ALTER {whose} {name} RESET default_transaction_read_only")


def test_pooler_in_transaction_mode_is_a_problem(url: str, penstock: Penstock) -> None:
    with Pooler(url) as pooler:
        assert problems(penstock, pooler.url) == {
            "sessions": "connect to PostgreSQL itself, or let the pooler give whole sessions (pool_mode = session)"
        }
        assert penstock("runs", "list", "--store", pooler.url).code == 2


def test_old_server_is_a_problem(url: str, penstock: Penstock) -> None:
    def age(message: bytes) -> bytes:
        if not message.startswith(b"S") or b"server_version\0" not in message:
            return message

        return message_of(b"S", b"server_version\x0013.4\0")

    with Proxy(url, age) as proxy:
        assert problems(penstock, proxy.url) == {"server": "PostgreSQL 13 is too old: 14 or newer is needed"}


# -- what is worth a warning -------------------------------------------------------------------


def test_commits_that_a_crash_can_lose_are_a_warning(url: str, penstock: Penstock) -> None:
    found = look(penstock, url)["durability"]
    assert found["state"] == "warning"
    assert str(found["value"]).split("; ") == [
        "fsync is off: a loss of power can lose acknowledged work, and destroy the database",
        "full_page_writes is off: a loss of power can destroy pages of the database",
    ]
    assert found["advice"] == "set fsync = on and full_page_writes = on at the server"


class Late(SystemClock):
    """A clock of this machine that was never set right."""

    @override
    def now(self) -> datetime:
        return super().now() - timedelta(minutes=5)


def test_clocks_that_differ_are_a_warning(url: str, penstock: Penstock, monkeypatch: pytest.MonkeyPatch) -> None:
    assert str(look(penstock, url)["server clock"]["value"]).startswith("as on this machine, to ")
    monkeypatch.setattr(doctor, "SystemClock", Late)
    found = look(penstock, url)["server clock"]
    assert (found["state"], found["value"]) == ("warning", "300 s ahead of this machine")
    assert str(found["advice"]).startswith("times in the store are those of this machine")


# -- what cannot be looked at ------------------------------------------------------------------


def test_database_that_is_not_there_is_a_problem(url: str, penstock: Penstock) -> None:
    wrong = make_url(url).set(database="nowhere").render_as_string(hide_password=False)
    assert problems(penstock, wrong) == {"server": None}
    told = str(look(penstock, wrong)["server"]["value"])
    assert told.endswith('database "nowhere" does not exist: make it with CREATE DATABASE, or mend the URL')


def test_url_that_cannot_be_used_is_a_problem(url: str, penstock: Penstock) -> None:
    assert problems(penstock, f"{url}?schema=public") == {"server": None}
    assert "give Penstock one of its own" in str(look(penstock, f"{url}?schema=public")["server"]["value"])


def test_server_that_ends_the_connection_is_a_problem(
    url: str, penstock: Penstock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_check, "COMMIT", "SELECT pg_terminate_backend(pg_backend_pid())")
    assert problems(penstock, url) == {"server": None}
    assert "is unavailable" in str(look(penstock, url)["server"]["value"])
