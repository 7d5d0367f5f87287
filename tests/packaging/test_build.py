"""The mapping from folders to packages: wheel, sdist, live editable installs, and the clone itself.

Everything is built from a copy of the clone, without a network and without build isolation.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest
import uv

from scripts.verify_types import copy_sources
from tests.architecture.source import FOLDERS, LAYERS, ROOT, module_name, python_files

# One worker builds it all: what the tests share is made once.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(120), pytest.mark.xdist_group("packaging")]

MODULES = [module_name(file) for file in python_files(*LAYERS)]


def run(python: Path | str, *arguments: str | Path, cwd: Path) -> str:
    """Run a Python and return what it printed; nothing but the working directory decides what it can import."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"  # a module that is edited twice in a second must be read twice
    done = subprocess.run(
        [python, *arguments], check=False, cwd=cwd, env=environment, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def build(clone: Path, kind: str) -> Path:
    """Build a ``wheel`` or an ``sdist`` into the clone's dist/ and return it."""
    dist = clone / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    dist.mkdir()
    run(sys.executable, "-c", f"from setuptools import build_meta; build_meta.build_{kind}('dist')", cwd=clone)
    (built,) = dist.iterdir()
    return built


def contents(wheel: Path) -> dict[str, str]:
    """Return what the wheel ships, each file with its digest, without the metadata."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if ".dist-info/" not in name]
        return {name: hashlib.sha256(archive.read(name)).hexdigest() for name in names}


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_sources(ROOT, tmp_path_factory.mktemp("packaging") / "clone")


@pytest.fixture(scope="module")
def wheel(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    built = build(clone, "wheel")
    return built.rename(tmp_path_factory.mktemp("wheel") / built.name)


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with every library of this environment but Penstock."""
    folder = tmp_path_factory.mktemp("libraries")
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if not path.name.startswith(("penstock", "__editable__")) and path.suffix != ".pth":
            (folder / path.name).symlink_to(path)

    return folder


@pytest.fixture
def python(tmp_path: Path, libraries: Path) -> Path:
    """Make an environment in which Penstock is not installed, and return its interpreter."""
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "environment", cwd=tmp_path)
    (site,) = (tmp_path / "environment").glob("lib/python*/site-packages")
    # a plain path in a .pth file adds the folder; the .pth files in it are not read
    (site / "libraries.pth").write_text(f"{libraries}\n")
    return tmp_path / "environment" / "bin" / "python"


def expected_files() -> set[str]:
    """Return the paths that the files of the clone have in a wheel."""
    files = {module_name(file): Path(file).name for file in python_files(*LAYERS)}
    paths = {
        f"{name.replace('.', '/')}/__init__.py" if file == "__init__.py" else f"{name.replace('.', '/')}.py"
        for name, file in files.items()
    }
    return paths | {"penstock/py.typed"}


def test_wheel_holds_every_module_and_nothing_else(wheel: Path) -> None:
    assert set(contents(wheel)) == expected_files()


def test_wheel_metadata_has_the_licence(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (licence,) = (name for name in archive.namelist() if name.endswith("licenses/LICENSE"))
        assert archive.read(licence) == (ROOT / "LICENSE").read_bytes()


def test_sdist_builds_the_same_wheel(clone: Path, wheel: Path, tmp_path: Path) -> None:
    with tarfile.open(build(clone, "sdist")) as archive:
        archive.extractall(tmp_path, filter="data")

    (unpacked,) = tmp_path.iterdir()
    assert contents(build(unpacked, "wheel")) == contents(wheel)


def test_deleted_module_is_not_shipped(tmp_path: Path) -> None:
    clone = copy_sources(ROOT, tmp_path / "clone")
    (clone / "graphs" / "planted.py").write_text("ANSWER = 42\n")
    assert "penstock/graphs/planted.py" in contents(build(clone, "wheel"))
    assert (clone / "build" / "lib" / "penstock" / "graphs" / "planted.py").exists()  # the trap is set

    (clone / "graphs" / "planted.py").unlink()
    assert "penstock/graphs/planted.py" not in contents(build(clone, "wheel"))


def test_installed_wheel_imports_everything_from_itself(python: Path, wheel: Path, tmp_path: Path) -> None:
    (site,) = (tmp_path / "environment").glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)

    names = [name for name in MODULES if not name.endswith("__main__")]
    code = f"import importlib; print(*{{importlib.import_module(n).__file__.split('/penstock/')[0] for n in {names}}})"
    assert run(python, "-c", code, cwd=tmp_path) == str(site)
    assert run(python, "-c", "import penstock; print(len(penstock.__path__))", cwd=tmp_path) == "1"


def test_clone_imports_its_layers_without_an_installation(python: Path, clone: Path) -> None:
    code = f"import importlib; print(*(importlib.import_module(name).__file__ for name in {sorted(FOLDERS)}))"
    assert run(python, "-c", code, cwd=clone).split() == [
        str(clone / FOLDERS[name] / "__init__.py") for name in sorted(FOLDERS)
    ]


INSTALLERS = {
    "pip": ["{this}", "-m", "pip", "-q", "--python", "{python}", "install", "--no-index"],
    "uv": [uv.find_uv_bin(), "pip", "install", "-q", "--offline", "--no-cache", "--python", "{python}"],
}


@pytest.mark.parametrize("installer", INSTALLERS)
def test_editable_install_is_live(python: Path, tmp_path: Path, installer: str) -> None:
    clone = copy_sources(ROOT, tmp_path / "clone")
    command = [part.format(this=sys.executable, python=python) for part in INSTALLERS[installer]]
    run(*command, "--no-deps", "--no-build-isolation", "-e", str(clone), cwd=tmp_path)
    code = (
        f"import importlib; print(*(importlib.import_module(f'{{name}}.planted').ANSWER for name in {list(FOLDERS)}))"
    )
    for answer in ("42", "43"):
        for folder in FOLDERS.values():
            (clone / folder / "planted.py").write_text(f"ANSWER = {answer}\n")

        assert run(python, "-c", code, cwd=tmp_path).split() == [answer] * len(FOLDERS)
