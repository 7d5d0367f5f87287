import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, blocks, page

pytestmark = pytest.mark.timeout(90)  # each test starts several interpreters


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


def commands() -> list[list[str]]:
    """Return what the page says to type once the example is saved, as words."""
    lines = [line for block in blocks("README.md", "console") for line in block.splitlines()]
    return [line.removeprefix("$ ").split() for line in lines if not line.startswith(("$ make ", "$ source "))]


def test_example_prints_what_its_last_line_says(boiler: Path) -> None:
    assert ["python", "boiler.py"] in commands()
    assert run("boiler.py", cwd=boiler) == "north is at 95.5 °C\n"
    assert "prints: north is at 95.5 °C" in page("README.md").partition("```python\n")[2].partition("```")[0]


def test_each_start_of_the_example_adds_a_run(boiler: Path) -> None:
    assert [run("boiler.py", cwd=boiler) for _ in range(2)] == ["north is at 95.5 °C\n"] * 2
    _, *lines = run("-m", "penstock", "runs", "list", "--store", "boiler.db", cwd=boiler).splitlines()
    assert [line.split()[:3] for line in lines] == [["2-1", "incident", "completed"], ["1-1", "incident", "completed"]]


def test_commands_of_the_page_work_on_the_example(boiler: Path) -> None:
    run("boiler.py", cwd=boiler)
    looks = [words[1:] for words in commands() if words[0] == "penstock"]
    assert [words[0] for words in looks] == ["check", "graph", "runs", "doctor"]
    outputs = [run("-m", "penstock", *words, cwd=boiler) for words in looks]
    assert outputs[0] == "boiler:app: ok (1 accumulator, 1 reactor, 1 graph, 1 workflow)\n"
    assert "escalate" in outputs[1]
    assert "1-1  incident  completed" in outputs[2]


def test_example_is_short() -> None:
    (example,) = blocks("README.md", "python")
    assert len([line for line in example.splitlines() if line]) <= 25


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
