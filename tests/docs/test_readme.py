import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, blocks, page


@pytest.fixture
def boiler(tmp_path: Path) -> Path:
    (example,) = blocks("README.md", "python")
    (tmp_path / "boiler.py").write_text(example)
    return tmp_path


def run(*words: str, cwd: Path) -> str:
    command = [sys.executable, "-W", "error", *words]
    result = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=30, check=False)
    assert (result.returncode, result.stderr) == (0, ""), result.stderr
    return result.stdout


def test_example_prints_what_its_last_line_says(boiler: Path) -> None:
    assert run("boiler.py", cwd=boiler) == "1-1 completed north is at 95.5 °C\n"
    assert "prints: 1-1 completed north is at 95.5 °C" in page("README.md")


def test_second_time_the_first_run_is_still_there(boiler: Path) -> None:
    run("boiler.py", cwd=boiler)
    lines = run("boiler.py", cwd=boiler).splitlines()
    assert lines == ["2-1 completed north is at 95.5 °C", "1-1 completed north is at 95.5 °C"]


def test_commands_of_the_page_work_on_the_example(boiler: Path) -> None:
    run("boiler.py", cwd=boiler)
    commands = [
        line.removeprefix("$ penstock ").split()
        for block in blocks("README.md", "console")
        for line in block.splitlines()
        if line.startswith("$ penstock ")
    ]
    assert [words[0] for words in commands] == ["check", "graph", "runs", "doctor"]
    outputs = [run("-m", "penstock", *words, cwd=boiler) for words in commands]
    assert outputs[0] == "boiler:app: ok (1 accumulator, 1 reactor, 1 graph, 1 workflow)\n"
    assert "escalate" in outputs[1]
    assert "1-1  incident  completed" in outputs[2]


def test_example_is_short() -> None:
    (example,) = blocks("README.md", "python")
    assert len([line for line in example.splitlines() if line]) <= 36


def test_links_lead_somewhere() -> None:
    import re

    targets = re.findall(r"\]\(([^)#:]+)\)", page("README.md"))
    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_make_goals_exist() -> None:
    goals = [
        line.split()[2]
        for block in blocks("README.md", "console")
        for line in block.splitlines()
        if line.startswith("$ make ")
    ]
    assert goals == ["demo", "test"]
    makefile = (ROOT / "Makefile").read_text()
    assert [goal for goal in goals if f"\n{goal}: " not in makefile] == []
