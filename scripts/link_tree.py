"""Make .types/penstock: links that show static tools the layout that the installed package has.

They do not see the mapping of an editable install, by which ``penstock.graphs`` is the folder graphs/ at the root.
"""

import shutil
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def links(root: Path) -> dict[str, Path]:
    """Return what .types/penstock holds: the entries of the front door and the layers, by name."""
    mapping: dict[str, str] = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]["package-dir"]
    front = {path.name: path for path in (root / "penstock").iterdir() if path.name != "__pycache__"}
    layers = {name.removeprefix("penstock."): root / folder for name, folder in mapping.items() if "." in name}
    return front | layers


def make(root: Path) -> None:
    """Bring the tree up to date; links that are right stay, so that the tools' caches do as well."""
    tree = root / ".types" / "penstock"
    tree.mkdir(parents=True, exist_ok=True)
    wanted = links(root)
    for path in tree.iterdir():
        if wanted.get(path.name) != path.resolve() or not path.is_symlink():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()

    for name, target in wanted.items():
        if not (tree / name).is_symlink():
            (tree / name).symlink_to(target)


if __name__ == "__main__":
    make(ROOT)
    sys.exit(0)
