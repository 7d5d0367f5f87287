"""What the doctor says of servers that tests may not share: durable ones, standbys, those that want a password."""

import asyncio
from collections.abc import Iterator

import msgspec
import pytest
from sqlalchemy.engine import make_url

from penstock.cli.doctor_server import look_at_durability, look_at_latency
from penstock.cli.findings import Finding
from penstock.runtime.clock import SystemClock
from penstock.runtime.store.dialects import examine_server
from penstock.runtime.store.postgres_facts import ServerFacts
from tests.cli.conftest import Penstock
from tests.cli.stored import add_run, with_store
from tests.cli.test_doctor import findings
from tests.databases import rows
from tests.postgres_server import SAFE, PostgresServer
from tests.services import need

pytestmark = [pytest.mark.timeout(60)]
#: What a copy that follows needs of the server before it.
FOLLOWED = {"wal_level": "replica"}


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    need("postgres")
    with PostgresServer(**SAFE, **FOLLOWED) as server:
        with_store(server.url(), lambda store: add_run(store, "settle", status="completed"))
        yield server


def look(penstock: Penstock, url: str) -> dict[str, dict[str, object]]:
    return findings(penstock("doctor", "--json", "--store", url))


@pytest.mark.parametrize("way", ["url", "socket_url"])
def test_durable_server_has_neither_problem_nor_warning(server: PostgresServer, penstock: Penstock, way: str) -> None:
    outcome = penstock("doctor", "--json", "--store", getattr(server, way)())
    assert (outcome.code, outcome.err) == (0, "")
    found = findings(outcome)
    assert found["durability"]["value"] == "a commit is on disk before it is acknowledged"
    assert {one["state"] for one in found.values()} == {"ok"}


@pytest.mark.parametrize("setting", ["fsync", "full_page_writes"])
def test_each_setting_that_costs_durability_is_named(server: PostgresServer, setting: str) -> None:
    facts = asyncio.run(examine(server.url()))
    off = msgspec.structs.replace(facts, **{setting: False})
    found = look_at_durability(off)
    assert (found.state, found.advice) == ("warning", f"set {setting} = on at the server")
    assert found.value.startswith(f"{setting} is off: a ")


def test_server_that_is_far_away_is_a_warning(server: PostgresServer) -> None:
    facts = asyncio.run(examine(server.url()))
    assert look_at_latency(msgspec.structs.replace(facts, round_trip=0.025, commit=None)) == Finding(
        subject="latency",
        state="warning",
        value="25 ms a round trip (medians)",
        advice="each commit takes one or more round trips: run the app near the server",
    )


async def examine(url: str) -> ServerFacts:
    return await examine_server(url, SystemClock(), synchronous="full")


def test_wrong_password_is_a_problem_and_is_not_shown(server: PostgresServer, penstock: Penstock) -> None:
    rows(server.url(), "CREATE ROLE app LOGIN PASSWORD 'right'")
    rows(server.url(), "GRANT CREATE ON DATABASE postgres TO app")
    access = server.data / "pg_hba.conf"
    before = access.read_text()
    access.write_text("host all app all scram-sha-256\nhost all postgres all trust\nlocal all all trust\n")
    server.restart()
    try:
        for password in ("wrong", "", None):
            url = make_url(server.url(user="app")).set(password=password).render_as_string(hide_password=False)
            outcome = penstock("doctor", "--json", "--store", url)
            assert outcome.code == 1
            told = str(findings(outcome)["server"]["value"])
            assert 'password authentication failed for user "app": check the user and the password of the URL' in told
            assert "wrong" not in outcome.out
            listed = penstock("runs", "list", "--store", url)
            assert (listed.code, listed.out) == (2, "")
            assert "check the user and the password of the URL" in listed.err
            assert "wrong" not in listed.err

        right = make_url(server.url(user="app", options="schema=own")).set(password="right")  # noqa: S106
        url = right.render_as_string(hide_password=False)
        with_store(url, lambda store: add_run(store, "settle"))
        outcome = penstock("doctor", "--json", "--store", url)
        assert (outcome.code, findings(outcome)["runs"]["value"]) == (0, "1 running")
        assert "right" not in outcome.out
    finally:
        access.write_text(before)
        server.restart()


def test_user_who_has_no_line_in_the_rules_of_access_is_told_where_it_would_be(
    server: PostgresServer, penstock: Penstock
) -> None:
    rows(server.url(), "CREATE ROLE stranger LOGIN")
    access = server.data / "pg_hba.conf"
    before = access.read_text()
    access.write_text("host all postgres all trust\n")
    server.restart()
    try:
        told = str(look(penstock, server.url(user="stranger"))["server"]["value"])
        assert "no pg_hba.conf entry for host" in told
        assert told.endswith("mend the URL, or let the user in at the server (its role, pg_hba.conf)")
    finally:
        access.write_text(before)
        server.restart()


def test_standby_is_a_problem_and_can_be_read(server: PostgresServer, penstock: Penstock) -> None:
    signal = server.data / "standby.signal"
    server.stop()
    signal.touch()
    server.start()
    try:
        outcome = penstock("doctor", "--json", "--store", server.url())
        assert outcome.code == 1
        found = findings(outcome)
        assert found["writing"] == {
            "subject": "writing",
            "state": "problem",
            "value": "the server is a standby, which can only be read",
            "advice": "name the primary in the URL; with several hosts in it, add target_session_attrs=primary",
        }
        assert "a commit" not in str(found["latency"]["value"])
        assert found["runs"]["value"] == "1 completed"
        listed = penstock("runs", "list", "--json", "--store", server.url())
        assert (listed.code, listed.err) == (0, "")
        other = penstock("doctor", "--json", "--store", server.url(options="target_session_attrs=primary"))
        assert "None of the hosts match the target attribute requirement" in str(findings(other)["server"]["value"])
    finally:
        server.stop()
        signal.unlink()
        server.start()
