"""The commands on stores that are on a PostgreSQL server: each does what it does with a file, or says what is wrong."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from tests.cli.conftest import Penstock
from tests.cli.stored import add_run, with_store
from tests.cli.test_run import STREAM, serving
from tests.databases import Stores, postgres_only, rows

Write = Callable[[str, str], Path]
pytestmark = [postgres_only]


@pytest.fixture
def url(store_url: str) -> str:
    """The store, with a password that the server of the tests does not ask for, unless it has one."""
    given = make_url(store_url)
    return given.set(password=given.password or "secret").render_as_string(hide_password=False)


def changed(url: str, **parts: object) -> str:
    return make_url(url).set(**parts).render_as_string(hide_password=False)


def masked(url: str) -> str:
    return make_url(url).render_as_string(hide_password=True)


def test_app_serves_until_a_signal_and_its_runs_are_read_meanwhile(write: Write, penstock: Penstock, url: str) -> None:
    write("market.py", STREAM)
    with serving("market:app", "--json", "--store", url) as process:
        assert process.stdout is not None
        facts = (json.loads(line) for line in process.stdout)
        ended = next(fact for fact in facts if fact["type"] == "RunFinished")
        shown = penstock("runs", "show", ended["run_id"], "--store", url)
        assert (shown.code, shown.err) == (0, "")
        assert "completed" in shown.out
        second = penstock("run", "market:app", "--store", url)
        assert (second.code, second.out) == (1, "")
        assert f"is already served by process {process.pid} on " in second.err
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=15)

    assert errors == f"penstock: market:app serves {masked(url)}; Ctrl-C stops it\n"
    assert process.returncode == 0
    assert "secret" not in second.err + shown.out


def test_app_that_names_a_server_is_checked_and_drawn_without_one(write: Write, penstock: Penstock, url: str) -> None:
    nowhere = changed(url, port=1)
    write("market.py", STREAM.replace("sqlite:///market.db", nowhere))
    assert penstock("check", "market").code == 0
    assert penstock("graph", "market").code == 0


def test_runs_are_listed_without_the_password(penstock: Penstock, url: str) -> None:
    with_store(url, lambda store: add_run(store, "settle", status="completed"))
    listed = penstock("runs", "list", "--json", "--store", url)
    document = listed.json
    assert isinstance(document, dict)
    assert (document["store"], [run["id"] for run in document["runs"]]) == (masked(url), ["1-1"])
    assert penstock("runs", "list", "--store", url, "--status", "failed").out == f"no such runs in {masked(url)}\n"


@pytest.mark.parametrize("words", [("runs", "list"), ("runs", "show", "1-1")])
def test_schema_that_does_not_exist_is_not_made(new_stores: Stores, penstock: Penstock, words: tuple[str, ...]) -> None:
    url = new_stores.new(empty=True)
    outcome = penstock(*words, "--json", "--store", url)
    assert (outcome.code, outcome.out) == (1, "")
    assert "there is no schema 'penstock'; an app that serves it makes it" in outcome.err
    assert rows(url, "SELECT to_regnamespace('penstock') IS NULL") == [(True,)]


def test_empty_schema_is_left_empty(new_stores: Stores, penstock: Penstock) -> None:
    url = new_stores.new(empty=True)
    rows(url, "CREATE SCHEMA penstock")
    outcome = penstock("runs", "list", "--store", url)
    assert (outcome.code, outcome.out) == (1, "")
    assert "its schema is older than this Penstock; an app that serves it brings it up to date" in outcome.err
    assert rows(url, "SELECT count(*) FROM pg_class WHERE relnamespace = 'penstock'::regnamespace") == [(0,)]


def test_tables_of_another_program_are_left_as_they_are(new_stores: Stores, penstock: Penstock) -> None:
    url = new_stores.new(empty=True)
    rows(url, "CREATE SCHEMA penstock")
    rows(url, "CREATE TABLE penstock.books (title text)")
    outcome = penstock("runs", "list", "--store", url)
    assert outcome.code == 2
    assert "holds the tables of another program" in outcome.err


def test_newer_schema_is_refused(penstock: Penstock, url: str) -> None:
    rows(url, "INSERT INTO migrations VALUES (99, 'future', 0)")
    outcome = penstock("runs", "list", "--store", url)
    assert outcome.code == 1
    assert "has schema version 99" in outcome.err


@pytest.mark.parametrize(
    ("parts", "code", "told"),
    [
        (
            {"database": "nowhere"},
            2,
            '"nowhere" does not exist: make it with CREATE DATABASE, or mend the URL',
        ),
        ({"username": "nobody_here"}, 2, "mend the URL, or let the user in at the server"),
        ({"port": 1}, 1, "check that the server runs, and host and port of the URL"),
        ({"host": "no.such.host.invalid"}, 1, "check that the server runs, and host and port of the URL"),
        ({"database": ""}, 2, "names no database"),
        ({"query": {"schema": "Bad"}}, 2, "schema='Bad': 1 to 63 of a–z, 0–9 and _"),
        ({"query": {"schema": "other"}}, 1, "there is no schema 'other'"),
        ({"query": {"sslmode": "maybe"}}, 2, "`sslmode` parameter must be one of"),
        ({"query": {"speed": "high"}}, 2, "unknown option 'speed'"),
        ({"drivername": "postgresql+psycopg"}, 2, "is not the URL of a store"),
        ({"drivername": "postgres"}, 2, "is not the URL of a store"),
    ],
    ids=lambda value: str(value).strip("{}") if isinstance(value, dict) else "",
)
def test_url_that_cannot_be_used_is_explained_without_its_password(
    penstock: Penstock, url: str, parts: dict[str, object], code: int, told: str
) -> None:
    outcome = penstock("runs", "list", "--store", changed(url, **parts))
    assert (outcome.code, outcome.out) == (code, "")
    assert told in outcome.err
    assert "secret" not in outcome.err
    assert outcome.err.count("\n") == 1


def test_missing_driver_is_named_with_what_brings_it(url: str) -> None:
    words = ["runs", "list", "--store", url]
    program = f"import sys; sys.modules['asyncpg'] = None; from penstock.cli.main import main; sys.exit(main({words}))"
    ended = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=15)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "penstock: PostgreSQL needs the package asyncpg: pip install 'penstock[postgres]'\n"
