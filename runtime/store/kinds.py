"""A kind of row: what is done with it, in which order, and what may be merged with what.

The writer runs one statement per kind and commit, so that a thousand units cost a few statements. A kind tells the
rules under which one statement for many units has the same outcome as many statements one after the other. The
statements themselves are in ``statements`` and the files of that name; only the engine imports them, and SQLAlchemy
with them, when a store is opened: declaring graphs and workflows needs neither.
"""

import enum
from collections.abc import Callable

import msgspec

from penstock.runtime.errors import StoreError

#: One row, in the order of the kind's columns; values that the drivers take as they are.
Values = tuple[object, ...]


class Role(enum.Enum):
    """What the count that a statement returns means."""

    #: Nothing: the rows are written, or the statement raises.
    WRITE = "write"
    #: Each given row must have matched, or some unit may not write.
    GUARD = "guard"
    #: The rows were numbered by the database; the numbers go to ``Unit.results``.
    NUMBERED = "numbered"
    #: Rows whose key is taken were left out; the holders of the keys go to ``Unit.existing``.
    UNLESS_TAKEN = "unless taken"
    #: What the statement returns goes to ``Unit.results``.
    RETURNS = "returns"


def whole(row: Values) -> object:
    """Let the whole row be the key."""
    return row


def never(_row: Values) -> StoreError:
    """Stand in for the refusal of a kind that is no guard."""
    raise AssertionError


class Kind(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """A kind of row, and the statement for many of them."""

    name: str
    #: Statements of one wave run in the order of their ranks.
    rank: int
    #: Names of the columns of ``given``.
    columns: tuple[str, ...]
    role: Role = Role.WRITE
    #: Kinds with the same slot speak of the same things; ``key`` names the thing.
    slot: str = ""
    key: Callable[[Values], object] = whole
    #: Of the rows with one key the last is written, whichever kind of the slot it has.
    last_wins: bool = False
    #: Rows that are equal are given once.
    once: bool = False
    #: The order between units matters within the slot: a lower rank after a higher one starts a new wave.
    ordered: bool = False
    #: The unit shares no statement with others.
    alone: bool = False
    #: The error for a row of a guard that did not match.
    refusal: Callable[[Values], StoreError] = never


def insert_kind(table: str, columns: tuple[str, ...], *, role: Role = Role.WRITE) -> Kind:
    """Return the kind of a table whose rows are only ever inserted."""
    return Kind(name=f"insert {table}", rank=3, columns=columns, role=role)
