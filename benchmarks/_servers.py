"""A PostgreSQL server to measure: one of our own with fsync on, as the tests start it, or one that is there already."""

import importlib.util
import subprocess
import sys
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

# a benchmark is started from anywhere, and tests/ is installed nowhere; at the end, where it hides nothing
sys.path.append(str(Path(__file__).resolve().parent.parent))

from tests.postgres_binaries import missing_binaries
from tests.postgres_server import SAFE, PostgresServer


class Missing(Exception):
    """There is no PostgreSQL; the text says why, in one line."""


@contextmanager
def postgres_server() -> Generator[str]:
    """Start a server in a temporary folder, and yield the URL of its database; it is gone after the block.

    Raises:
        Missing: There is none to start, or it does not start.
    """
    if reason := missing_binaries():
        raise Missing(f"{reason}; name a server with --postgres URL")

    with ExitStack() as stack:
        try:
            server = PostgresServer(**SAFE)
            stack.callback(server.remove)
            server.start()
        except (OSError, RuntimeError, subprocess.SubprocessError) as error:
            raise Missing(one_line(error)) from error

        yield server.url()


def check_driver() -> None:
    """See that the driver is there.

    Raises:
        Missing: It is not.
    """
    if importlib.util.find_spec("asyncpg") is None:
        raise Missing("asyncpg is not installed: pip install 'penstock[postgres]'")


def one_line(error: BaseException) -> str:
    """Return what an error says, in one line."""
    return " ".join(str(error).split()) or type(error).__name__
