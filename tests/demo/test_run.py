"""The whole demo, as a command, on the machine on which the tests run."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest
from sqlalchemy.engine import make_url

from tests.postgres import is_postgres

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]

DEMO = [sys.executable, "-W", "error", "-m", "penstock", "demo"]


def penstock(folder: Path, *words: str) -> str:
    command = [sys.executable, "-m", "penstock", *words]
    return subprocess.run(command, check=True, cwd=folder, capture_output=True, text=True).stdout


def load_of(pid: int) -> Sequence[psutil.Process]:
    return [child for child in psutil.Process(pid).children() if "burn.py" in " ".join(child.cmdline())]


def test_demo_sees_events_firings_and_runs_and_remembers_them(tmp_path: Path, store_url: str) -> None:
    store = store_url
    if is_postgres(store_url):  # of whom the server of the tests asks no password
        given = make_url(store_url)
        store = given.set(password=given.password or "secret").render_as_string(hide_password=False)

    done = subprocess.run(
        [*DEMO, "--seconds", "5", "--json", "--store", store], check=False, cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "secret" not in done.stdout
    seen = json.loads(done.stdout)
    assert seen["store"] == make_url(store).render_as_string(hide_password=True).removeprefix("sqlite:///")
    assert seen["missing"] == []
    assert seen["events"] >= seen["firings"] > 10
    for report in seen["reports"]:
        assert Path(report).with_suffix(".svg").read_text().startswith("<svg")

    listed = json.loads(penstock(tmp_path, "runs", "list", "--store", store, "--json"))
    assert sorted(run["id"] for run in listed["runs"]) == sorted(seen["runs"])
    run = json.loads(penstock(tmp_path, "runs", "show", seen["runs"][0], "--store", store, "--json"))
    assert {task["status"] for task in run["tasks"]} <= {"completed", "running"}
    assert (tmp_path / "store.db").exists() is not is_postgres(store)
    assert not (tmp_path / "penstock-demo.db").exists()


def test_demo_says_that_it_waits_for_a_server(tmp_path: Path) -> None:
    url = "postgresql+asyncpg://app:secret@127.0.0.1:1/shop"
    environ = os.environ | {"PENSTOCK_STORE_RETRY_TIMEOUT": "0.5s"}
    command = [*DEMO, "--plain", "--store", url]
    done = subprocess.run(command, check=False, cwd=tmp_path, capture_output=True, text=True, env=environ)
    sentence = "store 'postgresql+asyncpg://app:***@127.0.0.1:1/shop' is unavailable: [Errno 111] Connect call failed"
    assert done.returncode == 1
    assert done.stdout.count("the store has trouble, and is tried again: " + sentence) == 1
    assert done.stderr.startswith(f"penstock: {sentence}")
    assert "secret" not in done.stdout + done.stderr


def started(folder: Path) -> "subprocess.Popen[str]":
    command = [*DEMO, "--seconds", "60", "--plain"]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def wait_for(words: str, demo: "subprocess.Popen[str]") -> None:
    assert demo.stdout is not None
    next(line for line in demo.stdout if words in line)


def test_ctrl_c_ends_the_demo_and_its_load_in_order(tmp_path: Path) -> None:
    with started(tmp_path) as demo:
        wait_for("load spike", demo)
        while not (load := load_of(demo.pid)):
            pass

        demo.send_signal(signal.SIGINT)
        rest = demo.communicate()[0]

    assert [process for process in load if process.is_running()] == []
    assert "ended by Ctrl-C" in rest
    assert demo.returncode in {0, 1}
    assert (demo.returncode == 1) == ("NOT SEEN" in rest)
    (command,) = re.findall(r"look further: (.* runs list --store penstock-demo.db)", rest)
    assert subprocess.run(shlex.split(command), check=False, cwd=tmp_path, stdout=subprocess.DEVNULL).returncode == 0


def test_incident_of_a_killed_demo_is_finished_by_the_next_one(tmp_path: Path) -> None:
    with started(tmp_path) as demo:
        wait_for("opened", demo)
        demo.kill()

    again = json.loads(penstock(tmp_path, "demo", "--seconds", "3", "--json"))
    assert (again["recovered"], again["earlier_runs"]) == (1, 1)
    assert again["completed"] >= 1
