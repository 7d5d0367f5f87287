import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import cast

import pytest

from penstock.cli.runs import shortened
from penstock.runtime.store.store import Store
from tests.cli.conftest import Outcome, Penstock
from tests.cli.stored import add_run, with_store

Row = dict[str, object]


async def fill(store: Store) -> None:
    await add_run(store, "settle", status="completed")
    await add_run(store, "settle", status="failed", second=1)
    await add_run(store, "notify", second=2)


@pytest.fixture
def store(project: Path) -> Path:
    with_store(project / "penstock.db", fill)
    return project / "penstock.db"


def listed(outcome: Outcome) -> list[Row]:
    assert (outcome.code, outcome.err) == (0, "")
    return cast("dict[str, list[Row]]", outcome.json)["runs"]


def ids(outcome: Outcome) -> list[object]:
    return [row["id"] for row in listed(outcome)]


def test_runs_are_listed_newest_first(store: Path, penstock: Penstock) -> None:
    assert ids(penstock("runs", "list", "--json")) == ["1-3", "1-2", "1-1"]


def test_runs_of_any_store_are_listed_and_shown(store_url: str, penstock: Penstock) -> None:
    with_store(store_url, fill)
    assert ids(penstock("runs", "list", "--json", "--store", store_url)) == ["1-3", "1-2", "1-1"]
    assert ids(penstock("runs", "list", "--json", "--store", store_url, "--status", "failed")) == ["1-2"]
    shown = penstock("runs", "show", "1-2", "--json", "--store", store_url)
    assert (shown.code, cast("Row", shown.json)["status"]) == (0, "failed")


def test_run_in_a_list_has_these_keys(store: Path, penstock: Penstock) -> None:
    outcome = penstock("runs", "list", "--json", "--status", "failed")
    assert cast("Row", outcome.json)["store"] == "sqlite:///penstock.db"
    assert listed(outcome) == [
        {
            "id": "1-2",
            "workflow": "settle",
            "status": "failed",
            "origin": "app",
            "key": None,
            "error": "ValueError: no",
            "owner": 1,
            "recoveries": 0,
            "created_at": "2026-01-01T12:00:01.000000Z",
            "started_at": "2026-01-01T12:00:01.000000Z",
            "finished_at": "2026-01-01T12:00:01.500000Z",
            "seconds": 0.5,
        }
    ]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("--workflow", "settle"), ["1-2", "1-1"]),
        (("--status", "running"), ["1-3"]),
        (("--limit", "1"), ["1-3"]),
        (("--workflow", "settle", "--status", "completed"), ["1-1"]),
        (("--workflow", "nothing"), []),
    ],
)
def test_filters_and_limit(store: Path, penstock: Penstock, words: tuple[str, ...], found: list[str]) -> None:
    assert ids(penstock("runs", "list", "--json", *words)) == found


def test_list_for_people_is_aligned_columns(store: Path, penstock: Penstock) -> None:
    assert penstock("runs", "list").out.splitlines() == [
        "run  workflow  status     created               took    origin",
        "1-3  notify    running    2026-01-01 12:00:02Z          app",
        "1-2  settle    failed     2026-01-01 12:00:01Z  500 ms  app",
        "1-1  settle    completed  2026-01-01 12:00:00Z  500 ms  app",
    ]


def test_status_that_does_not_exist_is_misuse(store: Path, penstock: Penstock) -> None:
    outcome = penstock("runs", "list", "--status", "done")
    assert (outcome.code, outcome.out) == (2, "")
    assert "completed" in outcome.err


def test_every_stored_status_can_be_asked_for() -> None:
    from typing import get_args

    from penstock.cli.runs import StoredState
    from penstock.workflows.states import RunState

    assert {RunState(name) for name in get_args(StoredState)} == set(RunState) - {RunState.PARKED}


def test_no_runs_is_said(store: Path, penstock: Penstock) -> None:
    outcome = penstock("runs", "list", "--workflow", "nothing")
    assert (outcome.code, outcome.out) == (0, "no such runs in sqlite:///penstock.db\n")


def test_store_may_be_named_by_its_path_or_url(store: Path, penstock: Penstock) -> None:
    store.rename("other.db")
    for named in ("other.db", "sqlite:///other.db", f"sqlite:///{Path('other.db').absolute()}"):
        assert len(listed(penstock("runs", "list", "--json", "--store", named))) == 3


def test_one_run_is_shown_whole(store: Path, penstock: Penstock) -> None:
    shown = cast("Row", penstock("runs", "show", "1-1", "--json").json)
    assert (shown["id"], shown["input"], shown["output"]) == ("1-1", {"amount": 3.0}, {"x": 1})
    assert (shown["structure_version"], shown["code_version"], shown["error"]) == ("s1", "c1", None)
    assert shown["tasks"] == [
        {
            "task": "fetch",
            "status": "completed",
            "attempts": 1,
            "delta": {"x": 1},
            "error": None,
            "started_at": "2026-01-01T12:00:00.000000Z",
            "finished_at": "2026-01-01T12:00:00.500000Z",
            "seconds": 0.5,
        }
    ]
    assert shown["events"] == [
        {"at": "2026-01-01T12:00:00.500000Z", "event": "task_ended", "task": "fetch"},
        {"at": "2026-01-01T12:00:00.500000Z", "event": "run_ended"},
    ]


def test_one_run_for_people(store: Path, penstock: Penstock) -> None:
    out = penstock("runs", "show", "1-2").out
    assert "workflow  settle\n" in out
    assert 'input     {"amount": 3.0}\n' in out
    assert "error     ValueError: no\n" in out
    assert "fetch  failed  1         2026-01-01 12:00:01Z  500 ms  ValueError: no\n" in out
    assert "event=task_ended task=fetch\n" in out


def test_run_that_is_not_there(store: Path, penstock: Penstock) -> None:
    outcome = penstock("runs", "show", "1-99", "--json")
    assert (outcome.code, outcome.out) == (1, "")
    assert "no run '1-99' in the store" in outcome.err


def test_store_that_is_served_can_be_read(project: Path, penstock: Penstock) -> None:
    async def look(store: Store) -> None:
        from anyio.to_thread import run_sync

        await add_run(store, "settle", status="completed")
        outcome = await run_sync(lambda: penstock("runs", "list", "--json"))
        assert ids(outcome) == ["1-1"]

    with_store(project / "penstock.db", look)


@pytest.mark.parametrize("words", [("runs", "list"), ("runs", "show", "1-1")])
def test_missing_store_is_not_made(project: Path, penstock: Penstock, words: tuple[str, ...]) -> None:
    outcome = penstock(*words, "--json")
    assert (outcome.code, outcome.out) == (1, "")
    assert "there is no such file" in outcome.err
    assert list(project.iterdir()) == []


def test_database_of_another_program_is_left_as_it_is(project: Path, penstock: Penstock) -> None:
    with sqlite3.connect("other.db") as connection:
        connection.execute("CREATE TABLE books (title TEXT)")

    connection.close()
    before = Path("other.db").read_bytes()
    outcome = penstock("runs", "list", "--store", "other.db")
    assert outcome.code == 2
    assert "holds the tables of another program" in outcome.err
    assert Path("other.db").read_bytes() == before


def test_newer_schema_is_refused(store: Path, penstock: Penstock) -> None:
    with sqlite3.connect(store) as connection:
        connection.execute("INSERT INTO migrations VALUES (99, 'future', 0)")

    connection.close()
    outcome = penstock("runs", "list")
    assert outcome.code == 1
    assert "has schema version 99" in outcome.err
    assert "install a newer Penstock" in outcome.err


@pytest.mark.parametrize("limit", ["0", "-1", "many"])
def test_limit_that_is_none_is_misuse(project: Path, penstock: Penstock, limit: str) -> None:
    outcome = penstock("runs", "list", "--limit", limit)
    assert (outcome.code, outcome.out) == (2, "")
    assert "--limit" in outcome.err


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_terminal_without_unicode_gets_escapes(project: Path, words: tuple[str, ...]) -> None:
    async def fill(store: Store) -> None:
        await add_run(store, "Übertrag", status="completed")

    with_store(project / "penstock.db", fill)
    command = [sys.executable, "-m", "penstock", "runs", "list", *words]
    environ = os.environ | {"PYTHONIOENCODING": "ascii"}
    result = subprocess.run(command, env=environ, capture_output=True, timeout=15, check=False)
    assert (result.returncode, result.stderr) == (0, b"")
    assert (b"\\u00dcbertrag" if words else b"\\xdcbertrag") in result.stdout


def test_long_values_are_shortened_for_people() -> None:
    text = '{"text": "' + "x" * 5000 + '"}'

    assert shortened("{}") == "{}"
    assert shortened(text) == f"{text[:400]}… (5,012 characters; --json shows all)"
