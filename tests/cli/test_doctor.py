import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from penstock.cli import doctor, doctor_file
from penstock.runtime.store.migrations import MIGRATIONS
from penstock.runtime.store.store import Store
from tests.architecture.source import SETTINGS
from tests.cli.conftest import Outcome, Penstock
from tests.cli.stored import add_run, with_store

Findings = dict[str, dict[str, object]]
Write = Callable[[str, str], Path]


@pytest.fixture
def store(project: Path) -> Path:
    async def fill(store: Store) -> None:
        await add_run(store, "settle", status="completed")
        await add_run(store, "settle")

    with_store(project / "penstock.db", fill)
    return project / "penstock.db"


def findings(outcome: Outcome) -> Findings:
    found = cast("dict[str, list[dict[str, object]]]", outcome.json)["findings"]
    return {str(one["subject"]): one for one in found}


def test_healthy_store_has_no_problem(store: Path, penstock: Penstock) -> None:
    outcome = penstock("doctor", "--json")
    assert (outcome.code, outcome.err) == (0, "")
    assert cast("dict[str, object]", outcome.json)["ok"] is True
    found = findings(outcome)
    assert found["integrity"] == {"subject": "integrity", "state": "ok", "value": "sound", "advice": None}
    assert found["runs"]["value"] == "1 completed, 1 running"
    assert found["served by"]["value"] == "nobody"
    assert found["dead letters"]["value"] == "0"
    assert f"schema version {MIGRATIONS[-1].version}" in str(found["store"]["value"])
    assert found["configuration"]["value"] == "store sqlite:///penstock.db, synchronous=full"


def test_installation_is_described(project: Path, penstock: Penstock) -> None:
    import platform

    import msgspec

    found = findings(penstock("doctor", "--json"))
    assert f"CPython {platform.python_version()}" in str(found["python"]["value"])
    assert found["msgspec"]["value"] == msgspec.__version__
    assert {"extra demo", "clock", "free disk space"} <= set(found)


def test_every_extra_of_the_package_is_looked_at() -> None:
    assert set(doctor.EXTRAS) == set(SETTINGS["project"]["optional-dependencies"])


def test_store_that_is_not_there_yet_is_no_problem_and_is_not_made(project: Path, penstock: Penstock) -> None:
    outcome = penstock("doctor", "--json")
    assert outcome.code == 0
    assert findings(outcome)["store"]["state"] == "note"
    assert list(project.iterdir()) == []


def test_named_store_that_is_not_there_is_a_problem(project: Path, penstock: Penstock) -> None:
    outcome = penstock("doctor", "--json", "--store", "market.db")
    assert outcome.code == 1
    assert findings(outcome)["store"]["value"] == f"there is no {project / 'market.db'}"


def test_process_that_serves_is_named(project: Path, penstock: Penstock) -> None:
    import os

    async def look(_store: Store) -> None:
        from anyio.to_thread import run_sync

        found = findings(await run_sync(lambda: penstock("doctor", "--json")))
        assert str(found["served by"]["value"]).startswith(f"process {os.getpid()} (since 2026-01-01T12:00:00")

    with_store(project / "penstock.db", look)


def test_damaged_store_is_a_problem(project: Path, penstock: Penstock) -> None:
    (project / "penstock.db").write_bytes(b"this is no database at all" * 200)
    outcome = penstock("doctor", "--json")
    assert outcome.code == 1
    assert "is not a database" in str(findings(outcome)["store"]["value"])


def test_damaged_page_is_a_problem(store: Path, penstock: Penstock) -> None:
    with sqlite3.connect(store) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'runs_key'").fetchone()

    connection.close()
    data = bytearray(store.read_bytes())
    data[(page - 1) * 4096 : page * 4096] = b"\xff" * 4096
    store.write_bytes(data)
    outcome = penstock("doctor", "--json")
    assert outcome.code == 1
    assert findings(outcome)["integrity"]["state"] == "problem"


def test_newer_schema_is_a_problem(store: Path, penstock: Penstock) -> None:
    with sqlite3.connect(store) as connection:
        connection.execute("INSERT INTO migrations VALUES (99, 'future', 0)")

    connection.close()
    outcome = penstock("doctor", "--json")
    assert outcome.code == 1
    assert "install a newer Penstock" in str(findings(outcome)["store"]["value"])


def test_bad_settings_are_problems_and_the_rest_is_looked_at(
    penstock: Penstock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PENSTOCK_THREADS", "many")
    outcome = penstock("doctor", "--json")
    assert outcome.code == 1
    assert "'many' is not a whole number" in str(findings(outcome)["configuration"]["value"])
    assert findings(outcome)["clock"]["state"] == "ok"


def test_little_room_is_a_warning(project: Path, penstock: Penstock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_file, "LITTLE_ROOM_BYTES", 2**60)
    outcome = penstock("doctor", "--json")
    assert outcome.code == 0
    assert findings(outcome)["free disk space"]["state"] == "warning"


def test_clock_before_the_newest_run_is_a_warning(project: Path, penstock: Penstock) -> None:
    async def fill(store: Store) -> None:
        await add_run(store, "settle", second=100 * 365 * 86_400)

    with_store(project / "penstock.db", fill)
    found = findings(penstock("doctor", "--json"))["clock"]
    assert found["state"] == "warning"
    assert "it stands before the newest run" in str(found["advice"])


def test_missing_extra_is_a_note(project: Path, penstock: Penstock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "EXTRAS", {"demo": "no_such_library"})
    outcome = penstock("doctor", "--json")
    assert outcome.code == 0
    assert findings(outcome)["extra demo"] == {
        "subject": "extra demo",
        "state": "note",
        "value": "no_such_library is not installed",
        "advice": "pip install 'penstock[demo]' if you want it",
    }


def test_text_is_a_table(store: Path, penstock: Penstock) -> None:
    lines = penstock("doctor").out.splitlines()
    assert any(line.split()[:3] == ["ok", "integrity", "sound"] for line in lines)


def test_server_that_is_not_there_is_a_problem(project: Path, penstock: Penstock) -> None:
    url = "postgresql+asyncpg://app:secret@127.0.0.1:1/shop"
    outcome = penstock("doctor", "--json", "--store", url)
    assert (outcome.code, outcome.err) == (1, "")
    assert findings(outcome)["server"]["value"] == (
        "store 'postgresql+asyncpg://app:***@127.0.0.1:1/shop' is unavailable: [Errno 111] Connect call failed "
        "('127.0.0.1', 1); check that the server runs, and host and port of the URL"
    )
    assert findings(outcome)["clock"]["state"] == "ok"
    assert "secret" not in outcome.out


def test_missing_driver_is_named_with_what_brings_it() -> None:
    words = ["doctor", "--json", "--store", "postgresql://app:secret@127.0.0.1:1/shop"]
    program = f"import sys; sys.modules['asyncpg'] = None; from penstock.cli.main import main; sys.exit(main({words}))"
    ended = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=15)
    assert ended.returncode == 1
    assert "PostgreSQL needs the package asyncpg: pip install 'penstock[postgres]'" in ended.stdout
    assert "secret" not in ended.stdout + ended.stderr
