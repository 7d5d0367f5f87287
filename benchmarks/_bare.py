"""What a bare driver does here: it writes rows into the tables of a store without the store, and reads them back."""

from abc import ABC, abstractmethod
from typing import NamedTuple

from sqlalchemy import Table

from penstock.runtime.store import schema

Rows = list[tuple[object, ...]]

#: Columns of ``Completion.ends``.
ENDS = ("status", "output", "error", "started_at", "finished_at", "id", "epoch")
RUNS, TASKS, EVENTS = schema.RUNS, schema.TASKS, schema.EVENTS


class Completion(NamedTuple):
    """The rows that end some runs."""

    tasks: Rows
    events: Rows
    #: One for each run: what it becomes, then which run it is.
    ends: Rows


class Bare(ABC):
    """One connection. Nothing of the store's is on the way: no grouping, no fence, no acknowledgement."""

    @abstractmethod
    async def create(self, runs: Rows) -> None:
        """Insert runs, in one commit."""

    @abstractmethod
    async def complete(self, done: Completion) -> None:
        """Insert tasks and events and end their runs, in one commit."""

    @abstractmethod
    async def rows(self, text: str) -> Rows:
        """Return what a query finds."""

    @abstractmethod
    async def close(self) -> None:
        """Close the connection."""


def names(table: Table) -> str:
    """Return the names of all columns, as they stand in a statement."""
    return ", ".join(table.columns.keys())


class WrongRows(Exception):
    """The database does not hold what was written, or something else: the figures mean nothing."""


def expect(what: str, found: object, expected: object) -> None:
    """Compare what is there with what must be.

    Raises:
        WrongRows: They differ.
    """
    if found != expected:
        raise WrongRows(f"{what}: found {str(found)[:500]}, expected {str(expected)[:500]}")
