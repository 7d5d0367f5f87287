"""A project folder with a module, and the command line called as the console script calls it."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from penstock.cli.main import main


class Outcome(msgspec.Struct, frozen=True):
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> object:
        """What it printed, as one JSON document."""
        return msgspec.json.decode(self.out)


Penstock = Callable[..., Outcome]


@pytest.fixture
def penstock(capfd: pytest.CaptureFixture[str], project: Path) -> Penstock:
    """Call the command in the project folder."""

    def call(*words: str) -> Outcome:
        capfd.readouterr()
        code = main(words)
        return Outcome(code, *capfd.readouterr())

    return call


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Work in an empty folder; its modules are forgotten afterwards."""
    before = set(sys.modules)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    for name in ("PENSTOCK_STORE", "PENSTOCK_THREADS"):
        monkeypatch.delenv(name, raising=False)

    yield tmp_path
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def write(project: Path) -> Callable[[str, str], Path]:
    """Write a file of the project."""

    def put(name: str, text: str) -> Path:
        path = project / name
        path.write_text(text)
        return path

    return put
