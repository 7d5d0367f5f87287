import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from penstock.cli.main import VERBS, main
from penstock.runtime.errors import ConfigError, RunNotFound
from tests.cli.conftest import Penstock

Write = Callable[[str, str], Path]


def test_help_names_every_verb(penstock: Penstock) -> None:
    result = penstock("--help")
    assert result.code == 0
    assert [name for name, _, _ in VERBS if f" {name} " not in result.out] == []


@pytest.mark.parametrize("verb", [name for name, _, _ in VERBS])
def test_every_verb_has_help(penstock: Penstock, verb: str) -> None:
    result = penstock(verb, "--help")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith(f"Usage: penstock {verb}")


@pytest.mark.parametrize(
    "words", [("run",), ("check",), ("graph",), ("runs", "list"), ("runs", "show"), ("config", "show"), ("doctor",)]
)
def test_every_verb_has_json(penstock: Penstock, words: tuple[str, ...]) -> None:
    assert "--json" in penstock(*words, "--help").out


def test_version_is_the_package_s(penstock: Penstock) -> None:
    from importlib.metadata import version

    assert penstock("--version").out == f"{version('penstock')}\n"


def test_version_of_a_clone_that_is_not_installed_says_so(penstock: Penstock, monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib import metadata

    def nowhere(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", nowhere)
    assert penstock("--version").out == "not installed: imported from a clone\n"
    doctor = penstock("doctor")
    assert doctor.code == 0
    assert "not installed: imported from a clone" in doctor.out


def test_unknown_option_is_misuse(penstock: Penstock) -> None:
    result = penstock("config", "show", "--jsno")
    assert (result.code, result.out) == (2, "")
    assert "--jsno" in result.err
    assert "Traceback" not in result.err


def test_unknown_verb_is_misuse_and_names_the_nearest(penstock: Penstock) -> None:
    result = penstock("rnus")
    assert result.code == 2
    assert "runs" in result.err


def test_error_is_a_sentence_on_stderr(penstock: Penstock) -> None:
    result = penstock("runs", "show", "17")
    assert (result.code, result.out) == (1, "")
    assert result.err == f"penstock: {RunNotFound('17')}\n"


def test_traceback_is_shown_when_asked_for(penstock: Penstock) -> None:
    result = penstock("runs", "show", "17", "--traceback")
    assert result.code == 1
    assert "Traceback (most recent call last)" in result.err
    assert "RunNotFound" in result.err


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("check", "no_such_module"), 2),
        (("graph", "no_such_module"), 2),
        (("run", "no_such_module"), 2),
        (("runs", "list", "--store", "missing.db"), 1),
        (("runs", "show", "1-1", "--store", "missing.db"), 1),
        (("config", "show", "--store", "mysql://host/db"), 2),
        (("demo", "--seconds", "1"), 2),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, tuple) else None,
)
def test_command_that_fails_prints_no_document(penstock: Penstock, words: tuple[str, ...], code: int) -> None:
    result = penstock(*words, "--json")
    assert (result.code, result.out) == (code, "")
    assert re.fullmatch(r"penstock: .+\n", result.err)


def test_config_error_is_misuse(penstock: Penstock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_THREADS", "many")
    result = penstock("config", "show")
    assert result.code == 2
    assert "PENSTOCK_THREADS" in result.err


def test_missing_extra_says_how_to_install_it(penstock: Penstock, monkeypatch: pytest.MonkeyPatch) -> None:
    from penstock.cli import check

    def needs_psutil(_reference: str) -> None:
        raise ModuleNotFoundError("No module named 'psutil'", name="psutil")

    monkeypatch.setattr(check, "load", needs_psutil)
    result = penstock("check", "market:app")
    assert result.code == 1
    assert result.err == "penstock: this needs psutil, which is not installed: pip install 'penstock[demo]'\n"


WITHOUT_PSUTIL = "import sys; sys.modules['psutil'] = None; from penstock.cli.main import main; sys.exit(main())"


@pytest.mark.parametrize("words", [("--help",), ("config", "show")])
def test_command_works_without_the_library_of_the_demo(project: Path, words: tuple[str, ...]) -> None:
    result = run("-c", WITHOUT_PSUTIL, *words, cwd=project)
    assert (result.returncode, result.stderr) == (0, "")


def test_demo_without_its_library_says_how_to_install_it(project: Path) -> None:
    result = run("-c", WITHOUT_PSUTIL, "demo", "--seconds", "3", cwd=project)
    assert result.returncode == 1
    assert result.stderr == "penstock: this needs psutil, which is not installed: pip install 'penstock[demo]'\n"


def test_unknown_verb_is_explained_without_the_library_of_the_demo(project: Path) -> None:
    result = run("-c", WITHOUT_PSUTIL, "rnus", cwd=project)
    assert result.returncode == 2
    assert "runs" in result.stderr
    assert "Traceback" not in result.stderr


def test_other_import_errors_are_ours_and_not_hidden(penstock: Penstock, monkeypatch: pytest.MonkeyPatch) -> None:
    from penstock.cli import check

    def broken(_reference: str) -> None:
        raise ModuleNotFoundError("No module named 'x'", name="x")

    monkeypatch.setattr(check, "load", broken)
    with pytest.raises(ModuleNotFoundError):
        main(["check", "market:app"])


def test_interrupt_is_130(penstock: Penstock, monkeypatch: pytest.MonkeyPatch) -> None:
    from penstock.cli import check

    def interrupted(_reference: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(check, "load", interrupted)
    assert penstock("check", "market:app").code == 130


def run(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], cwd=cwd, capture_output=True, text=True, timeout=15, check=False)


def test_module_is_the_command(project: Path) -> None:
    result = run("-m", "penstock", "config", "show", cwd=project)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("setting")


def test_exit_code_is_the_process_s(project: Path) -> None:
    assert run("-m", "penstock", "check", "nothing:app", cwd=project).returncode == 2


def test_reader_that_goes_away_leaves_no_noise(project: Path) -> None:
    command = [sys.executable, "-m", "penstock", "config", "show"]
    reader, writer = os.pipe()
    os.close(reader)
    with subprocess.Popen(command, cwd=project, stdout=writer, stderr=subprocess.PIPE) as process:
        os.close(writer)
        assert process.communicate(timeout=15)[1] == b""

    assert process.returncode == 141


#: What a command that only prints help must not load: they are what takes time.
HEAVY = ["sqlalchemy", "rich", "prometheus_client", "psutil"]


def test_starting_loads_nothing_heavy(project: Path) -> None:
    code = f"import sys, penstock.cli.main as m; m.build(); print([x for x in {HEAVY} if x in sys.modules])"
    assert run("-c", code, cwd=project).stdout == "[]\n"


def test_errors_of_settings_are_told_from_failures() -> None:
    from penstock.cli.main import report

    assert report(ConfigError("x"), "x") == 2
    assert report(RunNotFound("x"), "x") == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device here that is always full")
def test_output_that_cannot_be_written_is_a_sentence() -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        command = [sys.executable, "-m", "penstock", "config", "show"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)

    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
