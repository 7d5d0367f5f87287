import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from penstock.cli.program import program, spell


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "clone" / ".venv" / "bin" / "penstock"
    path.parent.mkdir(parents=True)
    path.touch()
    return path


def test_program_on_the_path_is_called_by_its_name(script: Path) -> None:
    assert spell(script, script.parents[2], str(script)) == "penstock"


@pytest.mark.parametrize("found", [None, "/usr/bin/penstock"])
def test_program_that_the_name_does_not_find_is_called_by_its_path(script: Path, found: str | None) -> None:
    assert spell(script, script.parents[2], found) == ".venv/bin/penstock"
    assert spell(script, Path("/srv"), found) == str(script)


def test_program_in_the_same_folder_is_no_bare_name(script: Path) -> None:
    assert spell(script, script.parent, None) == str(script)


def test_path_is_quoted_for_the_shell(tmp_path: Path) -> None:
    script = tmp_path / "my tools" / "penstock"
    script.parent.mkdir()
    script.touch()
    assert spell(script, tmp_path, None) == "'my tools/penstock'"


def test_without_a_script_there_is_the_module(tmp_path: Path) -> None:
    assert spell(tmp_path / "penstock", tmp_path, None) == f"{shlex.quote(sys.executable)} -m penstock"


def test_what_it_says_can_be_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = [*shlex.split(program()), "--help"]
    assert subprocess.run(words, check=True, capture_output=True, text=True).stdout.startswith("Usage: penstock")
