"""What every test has: guards, the anyio backend, Hypothesis profiles, the services that must be there."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.databases import DIALECTS, Stores, stores
from tests.guards import (
    guard_blocking_calls as guard_blocking_calls,
    guard_leaks as guard_leaks,
    guard_tasks as guard_tasks,
)
from tests.kafka_broker import close_broker
from tests.postgres import close_databases
from tests.services import check_required, describe, need

# No deadlines: on a busy machine they fail tests that are right. CI runs the same examples every time.
settings.register_profile("dev", max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("dev"), max_examples=100, derandomize=True, print_blob=True)
settings.register_profile("thorough", settings.get_profile("dev"), max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev"))


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run async tests on asyncio alone: the database and broker drivers are asyncio libraries."""
    return "asyncio"


@pytest.fixture(params=DIALECTS)
def new_stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stores]:
    """Make stores for a test that needs several, or an empty one; the test runs once for each database."""
    need(request.param)
    with stores(request.param, tmp_path) as made:
        yield made


@pytest.fixture
def store_url(new_stores: Stores) -> str:
    """Return the URL of a store that nothing has served; the test runs once for each database."""
    return new_stores.new()


def pytest_configure(config: pytest.Config) -> None:
    """Refuse to start when a service is required but missing: a skipped test would look like a passed one."""
    check_required()


def pytest_unconfigure() -> None:
    """End the servers that tests have started."""
    close_databases()
    close_broker()


def pytest_report_header() -> str:
    """Say which services the tests found."""
    return describe()
