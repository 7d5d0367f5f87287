"""Stores in the process of the tests, beside those of victims."""

from collections.abc import Iterator

import pytest

from tests.faults.proxy import Proxy
from tests.runtime.store.conftest import clock, facts, open_store, scheduler, store

__all__ = ["clock", "facts", "open_store", "scheduler", "store"]


@pytest.fixture
def proxy(store_url: str) -> Iterator[Proxy]:
    """Stand between a store and its server; a module of tests whose ``url`` it is goes by way of it."""
    with Proxy(store_url) as proxy:
        yield proxy
