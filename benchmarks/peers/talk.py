"""Where the answers of a script go: not where its library prints."""

import os
from importlib.metadata import version
from typing import IO


def own_output() -> IO[str]:
    """Return the output that the benchmark reads; what is printed from now on goes to the errors."""
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    return out


def versions(packages: list[str]) -> dict[str, str]:
    """Return what is installed."""
    return {name: version(name) for name in packages}
