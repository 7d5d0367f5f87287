"""Stores in the process of the tests, beside those of victims; a server that a test may stop, and a way to one."""

import itertools
from collections.abc import Iterator

import pytest

from penstock.runtime.clock import SystemClock
from penstock.runtime.scheduler import Scheduler
from tests.faults.proxy import Proxy
from tests.postgres_binaries import missing_binaries
from tests.postgres_server import SAFE, PostgresServer
from tests.runtime.store.conftest import clock, facts, open_store, scheduler, store

__all__ = ["clock", "facts", "open_store", "scheduler", "store"]
SCHEMAS = itertools.count()


@pytest.fixture
def proxy(store_url: str) -> Iterator[Proxy]:
    """Stand between a store and its server; a module of tests whose ``url`` it is goes by way of it."""
    with Proxy(store_url) as proxy:
        yield proxy


@pytest.fixture(scope="session")
def safe_server() -> Iterator[PostgresServer]:
    """Prepare a server that survives everything."""
    if reason := missing_binaries():
        pytest.skip(reason)

    # what is not committed stays in memory: after a kill it has left no trace
    server = PostgresServer(**SAFE, wal_writer_delay="10s")
    yield server
    server.remove()


@pytest.fixture
def server(safe_server: PostgresServer) -> PostgresServer:
    """Return a server that runs, and that the test may stop and start."""
    if not safe_server.running:
        safe_server.start()

    return safe_server


@pytest.fixture
def server_url(server: PostgresServer) -> str:
    """Return the URL of a new store on it."""
    return server.url(options=f"schema=faults_{next(SCHEMAS)}")


@pytest.fixture
def live() -> Iterator[Scheduler]:
    """Wait in real time, in which a server ends and starts."""
    scheduler = Scheduler(SystemClock(), on_error=print)
    yield scheduler
    scheduler.close()
