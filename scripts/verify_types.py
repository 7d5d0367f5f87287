"""Check that every public name of the wheel has a full type, as a project that installs Penstock sees it.

The wheel goes into an environment of its own, .types/wheel, which borrows the dependencies of .venv. Both are kept:
when no source file has changed since, only the check runs.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / ".types" / "wheel"
PYTHON = ENVIRONMENT / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def fingerprint(root: Path) -> str:
    """Return a digest of all that the wheel is built from."""
    folders = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]["package-dir"].values()
    files = [path for folder in folders for path in (root / folder).rglob("*") if path.suffix in {".py", ".typed"}]
    digest = hashlib.sha256(sys.version.encode())
    for path in [root / "pyproject.toml", *sorted(files)]:
        digest.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes())

    return digest.hexdigest()


def copy_sources(root: Path, target: Path) -> Path:
    """Copy what a build reads: a build in the clone itself would leave its traces there."""
    mapping = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]["package-dir"]
    for folder in [*mapping.values(), "scripts"]:
        shutil.copytree(root / folder, target / folder, ignore=shutil.ignore_patterns("__pycache__", "*.db*"))

    for name in ("pyproject.toml", "MANIFEST.in", "LICENSE", "README.md", "CHANGELOG.md"):
        if (root / name).exists():
            shutil.copy(root / name, target / name)

    return target


def install(root: Path) -> None:
    """Build the wheel and install it, alone, into a new environment that sees the libraries of this one."""
    shutil.rmtree(ENVIRONMENT, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", ENVIRONMENT], check=True)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    with tempfile.TemporaryDirectory() as wheels:
        clone = copy_sources(root, Path(wheels) / "clone")
        build = ["wheel", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", wheels, str(clone)]
        subprocess.run([*pip, *build], check=True)
        (wheel,) = Path(wheels).glob("*.whl")
        subprocess.run([*pip, "--python", PYTHON, "install", "--no-deps", "--no-index", str(wheel)], check=True)

    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = subprocess.run([PYTHON, "-c", ask], check=True, capture_output=True, text=True).stdout.strip()
    # a plain path in a .pth file adds the folder without its own .pth files, hence without the editable install
    (Path(site) / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")


def main() -> int:
    """Install when something changed, then check."""
    stamp = ENVIRONMENT / "fingerprint"
    current = fingerprint(ROOT)
    if not stamp.exists() or stamp.read_text() != current:
        install(ROOT)
        stamp.write_text(current)

    # pyright takes the first `python` it finds and the settings that are nearest: both are the new environment's, for
    # from the clone's root it would find the sources
    (ENVIRONMENT / "pyrightconfig.json").write_text("{}\n")
    search = {"VIRTUAL_ENV": str(ENVIRONMENT), "PATH": f"{PYTHON.parent}{os.pathsep}{os.environ['PATH']}"}
    verify = [sys.executable, "-m", "pyright", "--verifytypes", "penstock", "--ignoreexternal"]
    done = subprocess.run(
        verify, check=False, cwd=ENVIRONMENT, env=os.environ | search, stdout=subprocess.PIPE, text=True
    )
    score = [line for line in done.stdout.splitlines() if line.startswith("Type completeness score")]
    print(done.stdout if done.returncode else "\n".join(score))
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
