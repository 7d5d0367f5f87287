"""What the kernel offers by name."""

import inspect
import subprocess
import sys
from types import ModuleType

import pytest

from penstock import runtime
from penstock.runtime import errors, observe


@pytest.mark.parametrize("module", [errors, observe], ids=["errors", "facts"])
def test_every_class_is_public(module: ModuleType) -> None:
    classes = {
        name for name, value in vars(module).items() if inspect.isclass(value) and value.__module__ == module.__name__
    }
    assert classes - set(runtime.__all__) == set()


def test_prometheus_is_loaded_only_on_demand() -> None:
    code = "import sys, penstock, penstock.runtime; print('prometheus_client' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
