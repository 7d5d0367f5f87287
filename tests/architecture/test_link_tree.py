"""The links that static tools see follow the folders."""

from pathlib import Path

import pytest

from scripts.link_tree import make
from tests.architecture.source import FOLDERS, ROOT


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    for folder in FOLDERS.values():
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "__init__.py").touch()

    return tmp_path


def seen(clone: Path) -> dict[str, Path]:
    return {path.name: path.resolve() for path in (clone / ".types" / "penstock").iterdir()}


def test_tree_has_the_front_door_and_every_layer(clone: Path) -> None:
    make(clone)
    layers = {name.partition(".")[2]: clone / folder for name, folder in FOLDERS.items() if "." in name}
    assert seen(clone) == layers | {"__init__.py": clone / "penstock" / "__init__.py"}


def test_tree_follows_what_is_added_and_removed(clone: Path) -> None:
    (clone / "penstock" / "old.py").touch()
    make(clone)
    (clone / "penstock" / "old.py").unlink()
    (clone / "penstock" / "app.py").touch()
    make(clone)
    assert set(seen(clone)) == {"__init__.py", "app.py", *FOLDERS.values()} - {"penstock"}


def test_wrong_entry_is_replaced(clone: Path) -> None:
    (clone / ".types" / "penstock" / "graphs").mkdir(parents=True)
    (clone / ".types" / "penstock" / "runtime").symlink_to(clone / "graphs")
    make(clone)
    assert seen(clone)["graphs"] == clone / "graphs"
    assert seen(clone)["runtime"] == clone / "runtime"
