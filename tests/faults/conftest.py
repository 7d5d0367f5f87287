"""Stores in the process of the tests, beside those of victims."""

from tests.runtime.store.conftest import clock, facts, open_store, scheduler

__all__ = ["clock", "facts", "open_store", "scheduler"]
