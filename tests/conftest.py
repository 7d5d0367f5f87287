"""What every test has: guards, the anyio backend, Hypothesis profiles, the services that must be there."""

import os

import pytest
from hypothesis import HealthCheck, settings

from tests.guards import (
    guard_blocking_calls as guard_blocking_calls,
    guard_leaks as guard_leaks,
    guard_tasks as guard_tasks,
)
from tests.services import check_required, describe

# No deadlines: on a busy machine they fail tests that are right. CI runs the same examples every time.
settings.register_profile("dev", max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("dev"), max_examples=100, derandomize=True, print_blob=True)
settings.register_profile("thorough", settings.get_profile("dev"), max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev"))


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run async tests on asyncio alone: the database and broker drivers are asyncio libraries."""
    return "asyncio"


def pytest_configure(config: pytest.Config) -> None:
    """Refuse to start when a service is required but missing: a skipped test would look like a passed one."""
    check_required()


def pytest_report_header() -> str:
    """Say which services the tests found."""
    return describe()
