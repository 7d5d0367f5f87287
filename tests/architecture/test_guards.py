"""The guards of the test suite can fail: each is shown what it is there to catch."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.services import check_required

ROOT = Path(__file__).resolve().parents[2]

#: A test module in which everything but the two clean tests is caught, at the test or at its teardown.
PLANTED = """
import asyncio, sys, threading
import pytest
from hypothesis import given, strategies as st
from tests import guards

kept = []

async def test_clean():
    task = asyncio.get_running_loop().create_task(asyncio.Event().wait())
    task.cancel()

def test_clean_def():
    pass

async def test_task():
    kept.append(asyncio.get_running_loop().create_task(asyncio.Event().wait()))

@given(st.just(1))
async def test_task_of_hypothesis(number):
    kept.append(asyncio.get_running_loop().create_task(asyncio.Event().wait()))

def test_thread(monkeypatch):
    monkeypatch.setattr(guards, "PATIENCE", 0.01)
    threading.Thread(target=threading.Event().wait, name="penstock-writer", daemon=True).start()

def test_switch_interval():
    sys.setswitchinterval(0.001)

@pytest.mark.parametrize("folder", ["penstock", "runtime", "accumulators", "reactors", "graphs", "workflows"])
async def test_blocking(folder):
    code = compile("import time; time.sleep(0)", f"ROOT/{folder}/planted.py", "exec")
    exec(code, {})
""".replace("ROOT", str(ROOT))

CAUGHT = {
    "test_task",
    "test_task_of_hypothesis",
    "test_thread",
    "test_switch_interval",
    *(f"test_blocking[{f}]" for f in ("penstock", "runtime", "accumulators", "reactors", "graphs", "workflows")),
}


@pytest.mark.timeout(90)  # it runs tests of its own
def test_guards_catch_what_is_planted_and_nothing_else(tmp_path: Path) -> None:
    planted = tmp_path / "test_planted.py"
    planted.write_text(PLANTED)
    (tmp_path / "conftest.py").write_text("from tests.conftest import *\n")
    settings = ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(tmp_path)]
    run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *settings, str(planted)]
    # not measured: the planted files have no source that a report could show
    unmeasured = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    report = subprocess.run(
        run, check=False, cwd=ROOT, env=unmeasured, capture_output=True, text=True, timeout=60
    ).stdout
    summary = [line.split(" - ")[0] for line in report.splitlines() if line.startswith(("FAILED", "ERROR"))]
    assert {line.split("::")[1] for line in summary} == CAUGHT, report


@pytest.mark.parametrize("names", ["", "sqlite", " sqlite , "])
def test_required_service_that_is_there_lets_tests_run(monkeypatch: pytest.MonkeyPatch, names: str) -> None:
    monkeypatch.setenv("PENSTOCK_REQUIRE", names)
    check_required()


def test_required_service_that_nobody_knows_stops_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_REQUIRE", "sqlite,oracle")
    with pytest.raises(pytest.UsageError, match="oracle"):
        check_required()


def test_required_service_that_is_missing_stops_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_REQUIRE", "sqlite")
    monkeypatch.setitem(check_required.__globals__["SERVICES"], "sqlite", lambda: "too old")
    with pytest.raises(pytest.UsageError, match="too old"):
        check_required()
