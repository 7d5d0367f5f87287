"""The services that tests need, and what happens when one is missing.

``PENSTOCK_REQUIRE`` names, with commas, those that have to be there: a test run without them does not start. Tests of
any other missing service are skipped, with the reason.
"""

import os
import sqlite3
from collections.abc import Callable

import pytest

from tests import kafka_broker, postgres


def sqlite_missing() -> str | None:
    """Say what SQLite lacks: the store needs RETURNING and the JSON functions."""
    if sqlite3.sqlite_version_info < (3, 38):
        return f"SQLite {sqlite3.sqlite_version} is older than 3.38"

    return None


#: Each service with the question why it cannot be used; ``None`` is: it can.
SERVICES: dict[str, Callable[[], str | None]] = {
    "sqlite": sqlite_missing,
    "postgres": postgres.missing,
    "kafka": kafka_broker.missing,
}


def required() -> frozenset[str]:
    """Return the names in ``PENSTOCK_REQUIRE``."""
    return frozenset(name.strip() for name in os.environ.get("PENSTOCK_REQUIRE", "").split(",") if name.strip())


def check_required() -> None:
    """Raise when ``PENSTOCK_REQUIRE`` names a service that nobody knows or that cannot be used."""
    for name in sorted(required()):
        if name not in SERVICES:
            raise pytest.UsageError(f"PENSTOCK_REQUIRE names {name!r}; known are: {', '.join(sorted(SERVICES))}")

        if reason := SERVICES[name]():
            raise pytest.UsageError(f"PENSTOCK_REQUIRE names {name!r}, but: {reason}")


def need(name: str) -> None:
    """Skip the current test when the service cannot be used. A required one was found before the first test."""
    if reason := SERVICES[name]():
        pytest.skip(f"needs {name}: {reason}")


def describe() -> str:
    """Return a line for the head of the test report."""
    states = {name: missing() or "found" for name, missing in sorted(SERVICES.items())}
    return "services: " + ", ".join(f"{name} ({state})" for name, state in states.items())
