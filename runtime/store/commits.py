"""The program of one commit: all units in one transaction; if that does not add up, each in a savepoint of its own."""

from collections.abc import Callable, Generator, Sequence
from itertools import chain, groupby, islice
from operator import itemgetter

from penstock.runtime.errors import CommitUnknown, LeaseLost, LetterNotFound, StoreError, WriteConflict
from penstock.runtime.store.engine import (
    BEGIN,
    COMMIT,
    RELEASE,
    ROLLBACK,
    SAVEPOINT,
    SETTLE,
    UNDO,
    Execute,
    Outcome,
    Reach,
    Step,
    Whole,
)
from penstock.runtime.store.groups import waves
from penstock.runtime.store.kinds import Role, Values
from penstock.runtime.store.run_kinds import CREATED_COLUMNS, KEY_HOLDERS
from penstock.runtime.store.unit import NONE, Unit

#: Called in the writer with ``<label>: before begin``, ``…: before commit`` and ``…: after commit``, once per label in
#: the group. A StoreError that it raises fails the units of that label; one that is retryable, or an error of the
#: driver, stands for a passing trouble of the store; anything else ends the store as if the process had died there.
Faults = Callable[[str], None]
Work = Generator[Step, Outcome, None]
#: Positions in the group and their units.
Pending = list[tuple[int, Unit]]

#: What is the fault of a unit, not of the store.
UNIT_FAULTS = (WriteConflict, LeaseLost, LetterNotFound)
RUN_KEY = [CREATED_COLUMNS.index(name) for name in ("id", "workflow", "key")]


class Commit:
    """One try to commit a group.

    Attributes:
        failures: Position of a unit that is not committed → why.
    """

    def __init__(self, units: Sequence[Unit], faults: Faults | None, *, at_once: bool = False) -> None:
        self.failures: dict[int, StoreError] = {}
        #: Its COMMIT had no answer: the next try of the same group finds out first.
        self.unknown: bool = False
        self._units = units
        self._faults = faults
        self._at_once = at_once

    def program(self) -> Work:
        """Commit all units but those that ``failures`` names.

        Raises:
            StoreError: The store is in trouble; nothing is committed.
        """
        if self.unknown:
            if (yield SETTLE).count:
                yield from self._reach("after commit", committed=True)
                return

            self.unknown = False
            self.failures.clear()

        yield from self._reach("before begin")
        if self._at_once and (yield from self._whole()):
            yield from self._reach("after commit", committed=True)
            return

        apart = False
        while pending := self._pending():
            yield BEGIN
            try:
                yield from (self._apart(pending) if apart else together([unit for _, unit in pending]))
            except UNIT_FAULTS as error:
                yield ROLLBACK
                self._blame(error, pending)
                apart = True
                continue

            if (yield from self._reach("before commit")):
                # On SQLite an error here means that nothing is committed, as far as this process can see: the
                # transaction is rolled back, and the retry writes over its frames in the WAL. (Should the machine die
                # before the retry, the next start may find the frames whole: a lost acknowledgement, as after any
                # crash.) A database behind a network can lose the answer of a COMMIT that did happen: which it was is
                # found out before anything is tried again, because nothing guards the rows of events, inbox and log
                # against being inserted twice.
                yield from self._commit(COMMIT)
                yield from self._reach("after commit", committed=True)
                return

            yield ROLLBACK

    def _whole(self) -> Generator[Step, Outcome, bool]:
        """Commit in one step, if that is possible and nothing is in its way; return whether that was done."""
        units = [unit for _, unit in self._pending()]
        parts = list(islice(waves(units), 2))
        if len(parts) != 1 or any(kind.alone or kind.role is Role.NUMBERED for kind, _, _ in parts[0]):
            # numbers that the database gives would be lost with the answer
            return False

        if not (yield from self._reach("before commit")):
            return False

        return (yield from self._commit(Whole([Execute(kind, rows) for kind, rows, _ in parts[0]]))).count == 1

    def _commit(self, step: Step) -> Generator[Step, Outcome, Outcome]:
        """Do the step that commits; remember when nobody knows whether it did."""
        try:
            return (yield step)
        except CommitUnknown:
            self.unknown = True
            raise

    def _pending(self) -> Pending:
        return [(at, unit) for at, unit in enumerate(self._units) if at not in self.failures]

    def _blame(self, error: StoreError, pending: Pending) -> None:
        """Note whose fault it was; among several units that shows only when each is tried on its own."""
        if len(pending) == 1:
            at, unit = pending[0]
            self.failures[at] = named(error, unit)

    def _apart(self, pending: Pending) -> Work:
        """Run each unit in a savepoint, so that a bad one takes only its own rows back."""
        for at, unit in pending:
            yield SAVEPOINT
            try:
                yield from together([unit])
            except UNIT_FAULTS as error:
                self.failures[at] = named(error, unit)
                yield UNDO

            yield RELEASE

    def _reach(self, point: str, *, committed: bool = False) -> Generator[Step, Outcome, bool]:
        """Tell the fault hook where we are; return whether all labels may go on."""
        if self._faults is None:
            return True

        failed = False
        for label in dict.fromkeys(unit.label for _, unit in self._pending()):
            try:
                yield Reach(self._faults, f"{label}: {point}")
            except StoreError as error:
                # what is committed must not be tried again: its acknowledgement is lost, that is all
                if error.retryable and not committed:
                    raise

                self.failures |= {at: error for at, unit in self._pending() if unit.label == label}
                failed = True

        return not failed


def named(error: StoreError, unit: Unit) -> StoreError:
    """Return the error with the unit's label instead of the statement's name."""
    if isinstance(error, WriteConflict):
        conflict = WriteConflict(unit.label, error.reason)
        conflict.__cause__ = error.__cause__
        return conflict

    return error


def together(units: Sequence[Unit]) -> Work:
    """Run one statement per kind and wave.

    Raises:
        WriteConflict: A row breaks a constraint, or cannot be stored at all.
        LeaseLost: A guard matched fewer rows than it should.
    """
    for unit in units:
        # what a try before this one has answered was rolled back with it
        unit.results, unit.existing = (), NONE

    for kind, rows, owners in chain.from_iterable(waves(units)):
        outcome = yield Execute(kind, rows)
        if kind.role is Role.NUMBERED:
            give_numbers(owners, outcome.numbers)
        elif kind.role is Role.RETURNS:
            owners[0].results = [*owners[0].results, *(int(str(row[0])) for row in outcome.rows)]
        elif kind.role is Role.GUARD and outcome.count != len(rows):
            # which row it was is clear when there is one; of several units each is tried on its own
            raise kind.refusal(rows[0])
        elif kind.role is Role.UNLESS_TAKEN and outcome.count != len(rows):
            yield from find_holders(units, rows)


def give_numbers(owners: Sequence[Unit], numbers: Sequence[int]) -> None:
    """Tell each unit the numbers of its rows, which stand together."""
    for unit, own in groupby(zip(owners, numbers, strict=True), key=itemgetter(0)):
        unit.results = [*unit.results, *(number for _, number in own)]


def find_holders(units: Sequence[Unit], rows: Sequence[Values]) -> Work:
    """Tell the units whose runs were left out which runs hold the keys."""
    keyed = [tuple(row[column] for column in RUN_KEY) for row in rows]
    outcome = yield Execute(KEY_HOLDERS, [row for row in keyed if row[2] is not None])
    holders = {int(str(row[0])): int(str(row[1])) for row in outcome.rows}
    for unit in units:
        for kind, row in unit.rows:
            if kind.role is Role.UNLESS_TAKEN and row[0] in holders:
                unit.existing = {**unit.existing, int(str(row[0])): holders[int(str(row[0]))]}
