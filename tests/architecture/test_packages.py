"""The hand-written package list is the folders, and nothing is left out of what is measured, checked or guarded."""

from pathlib import Path

import pytest

from tests.architecture.source import FOLDERS, LAYERS, PACKAGES, ROOT, SETTINGS, module_name, python_files
from tests.guards import GUARDED


def packages_in(root: Path, folders: dict[str, str]) -> set[str]:
    """Return the packages that the folders of the mapping hold, by the names they are imported under."""
    found = set[str]()
    for package, folder in folders.items():
        for file in (root / folder).rglob("*.py"):
            inner = file.relative_to(root / folder).parts[:-1]
            found.add(".".join((package, *inner)))

    return found


def test_package_list_is_the_folders() -> None:
    assert sorted(PACKAGES) == PACKAGES
    assert set(PACKAGES) == packages_in(ROOT, FOLDERS)


def test_mapping_has_every_layer_and_only_layers() -> None:
    assert {"penstock": "penstock"} | {f"penstock.{name}": name for name in LAYERS if name != "penstock"} == FOLDERS


@pytest.mark.parametrize("package", PACKAGES)
def test_package_says_what_it_is_for(package: str) -> None:
    (init,) = (file for file in python_files(*LAYERS) if file.endswith("__init__.py") and module_name(file) == package)
    assert (ROOT / init).read_text().startswith('"""')


def test_new_folder_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "graphs" / "planner").mkdir(parents=True)
    (tmp_path / "graphs" / "__init__.py").touch()
    (tmp_path / "graphs" / "planner" / "plan.py").touch()
    assert packages_in(tmp_path, {"penstock.graphs": "graphs"}) == {"penstock.graphs", "penstock.graphs.planner"}


def test_tools_see_every_layer() -> None:
    tools = SETTINGS["tool"]
    assert set(tools["coverage"]["run"]["source"]) == set(LAYERS)
    assert set(tools["pyright"]["include"]) == set(LAYERS)
    assert set(LAYERS) - {"penstock"} <= set(tools["ruff"]["lint"]["flake8-tidy-imports"]["banned-api"])
    assert set(GUARDED) == set(FOLDERS)
