"""The dialect seam: all that differs between SQLite and PostgreSQL is behind ``Engine``.

What the store does in the database is written once, as *programs*: generators that yield a step and get its outcome.
An engine drives them, on a thread of its own (SQLite) or on an asyncio driver (PostgreSQL), one after the other on one
connection. Errors of the driver are translated here, into the error tree, and thrown into the program.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Generic, TypeVar, cast

import msgspec

from penstock.runtime.errors import StoreError
from penstock.runtime.store.kinds import Kind, Values

T = TypeVar("T")
R = TypeVar("R")

#: The verbs of a transaction; an engine spells them as its database wants.
BEGIN = "BEGIN"
COMMIT = "COMMIT"
#: Does nothing when no transaction is open.
ROLLBACK = "ROLLBACK"
SAVEPOINT = "SAVEPOINT unit"
UNDO = "ROLLBACK TO unit"
RELEASE = "RELEASE unit"
#: After a COMMIT without an answer (``CommitUnknown``): finds out; its count is 1 when that transaction was committed.
SETTLE = "SETTLE"


class Execute(msgspec.Struct, frozen=True):
    """Run a kind's statement over rows."""

    kind: Kind
    rows: Sequence[Values]


class Whole(msgspec.Struct, frozen=True):
    """Run the statements of several kinds in a transaction of their own, check the guards, and commit: or do nothing.

    Its count is 1 when that was done, and 0 when it has to be done step by step, to find out whose fault it is. May
    raise ``CommitUnknown``. Only an engine that is ``at_once`` gets it.
    """

    parts: Sequence[Execute]


class Outcome(msgspec.Struct, frozen=True):
    """What a step did."""

    #: Rows that were matched or written.
    count: int = 0
    #: What a query or RETURNING gave.
    rows: Sequence[Values] = ()
    #: For ``Role.NUMBERED``: the numbers of the given rows, in their order.
    numbers: Sequence[int] = ()


class Reach(msgspec.Struct, frozen=True):
    """Tell the fault hook that the program is at a point; what it raises comes back as an error of the driver would."""

    hook: Callable[[str], None]
    point: str


#: Rows to run a kind's statement over, a whole transaction, the text of a statement, or a point to tell of.
Step = Execute | Whole | Reach | str
#: Something to do in the database, in steps.
Program = Generator[Step, Outcome, T]
#: Told on the event loop how a program ended: its result, or what it raised.
Report = Callable[[T | None, BaseException | None], None]


class Query(msgspec.Struct, Generic[R], frozen=True, eq=False):
    """A select with named parameters, compiled once per dialect, and what its rows become."""

    #: The name of one in ``queries``, or a select of SQLAlchemy.
    statement: object
    decode: Callable[[Values], R]


class Engine(ABC):
    """One database: a write connection that runs programs in order, and a read connection."""

    #: How errors and logs name the store; holds no password.
    name: str
    #: How this dialect spells what ``migrations`` leaves open.
    words: Mapping[str, str]
    #: Whether it is behind a network: an opening that fails is tried again.
    remote: bool = False
    #: Whether it does ``Whole`` in one round trip.
    at_once: bool = False
    #: Tells this start from others, among those that may live at the same time.
    token: int = 0

    @abstractmethod
    async def open(self, prepare: Callable[[], Program[T]]) -> T:
        """Connect, run a first program, and return what it returns.

        Raises:
            PenstockError: That is not possible; nothing is left open.
        """

    @abstractmethod
    def serve(self, node: int, lost: Callable[[StoreError], None]) -> None:
        """Write as this start from here on, and only as long as no other start has taken over.

        Args:
            node: Its number.
            lost: Called on the loop when another one has.
        """

    @abstractmethod
    def hand_over(self, program: Program[T], report: Report[T]) -> None:
        """Run a program on the write connection after those handed over before; returns at once."""

    @abstractmethod
    def look_up(self, query: Query[R], parameters: Mapping[str, object], report: Report[list[R]]) -> None:
        """Run a query on the read connection; returns at once."""

    @abstractmethod
    async def listen(self, heard: Callable[[], None]) -> asyncio.Future[None]:
        """Call back on the loop when another process has added a command; return what is done when that has ended.

        Raises:
            StoreError: The database cannot be reached.
        """

    @abstractmethod
    def open_connections(self) -> int:
        """Return how many connections are open; zero after ``close``."""

    @abstractmethod
    async def close(self) -> None:
        """Run what was handed over, then give everything back."""


def answer(future: asyncio.Future[T], result: T | None, error: BaseException | None) -> None:
    """Give a future its end, unless its owner has stopped waiting. A result of None belongs to an error, or to T."""
    if future.done():
        return

    if error is None:
        future.set_result(cast("T", result))
    else:
        future.set_exception(error)
