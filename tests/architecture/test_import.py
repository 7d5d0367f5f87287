"""Importing Penstock does nothing but define names."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.source import LAYERS, ROOT, module_name, python_files

MODULES = [module_name(file) for file in python_files(*LAYERS) if not file.endswith("__main__.py")]

#: Run in a fresh interpreter: what the process is like before and after.
PROBE = """
import importlib, logging, os, signal, sys, threading, warnings
def state():
    return {
        "switch interval": sys.getswitchinterval(),
        "threads": threading.active_count(),
        "log handlers": list(logging.getLogger().handlers) + list(logging.getLogger("penstock").handlers),
        "log levels": (logging.getLogger().level, logging.getLogger("penstock").level),
        "warning filters": list(warnings.filters),
        "environment": dict(os.environ),
        "signals": [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)],
        "excepthook": sys.excepthook,
        "recursion limit": sys.getrecursionlimit(),
        "folder": sorted(os.listdir()),
    }
import asyncio, anyio, msgspec
before = state()
for name in sys.argv[1:]:
    importlib.import_module(name)
after = state()
print(sorted(key for key in before if before[key] != after[key]))
print(sorted({name.partition(".")[0] for name in sys.modules}))
"""


def probe(folder: Path, *modules: str) -> tuple[list[str], list[str]]:
    """Import modules in a fresh interpreter; return what changed, and the top names of all that was loaded."""
    run = [sys.executable, "-W", "error", "-c", PROBE, *modules]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(run, check=True, cwd=folder, env=environment, capture_output=True, text=True)
    changed, loaded = map(ast.literal_eval, done.stdout.splitlines())
    return changed, loaded


def test_import_has_no_side_effects(tmp_path: Path) -> None:
    changed, _ = probe(tmp_path, *MODULES)
    assert changed == []


@pytest.mark.parametrize("library", ["cyclopts", "prometheus_client", "psutil", "reactivex", "rich", "sqlalchemy"])
def test_front_door_does_not_load(tmp_path: Path, library: str) -> None:
    _, loaded = probe(tmp_path, "penstock")
    assert library not in loaded


def test_side_effects_are_noticed(tmp_path: Path) -> None:
    planted = (
        "import logging, sys, threading\nlogging.basicConfig()\nsys.setswitchinterval(0.1)\nopen('log', 'w').close()"
    )
    (tmp_path / "planted.py").write_text(planted)
    changed, loaded = probe(tmp_path, "planted")
    assert changed == ["folder", "log handlers", "switch interval"]
    assert "planted" in loaded
