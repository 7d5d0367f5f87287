"""Asks the predicate of one live reactor. It is user code: what it fails on is counted, told and kept aside."""

from collections.abc import Mapping

from penstock.accumulators.letter import Letter
from penstock.reactors.flight import Slot
from penstock.reactors.ledger import Ledger
from penstock.reactors.predicate import Predicate
from penstock.runtime.foreign import error_text, is_failure


class Judge:
    """The predicate of a reactor at work.

    Attributes:
        failures: How often it failed.
        error: Its last failure, until it answers again.
    """

    __slots__ = ("_ledger", "_mask", "_name", "_predicate", "_shared", "error", "failures")

    def __init__(
        self, predicate: Predicate, name: str, *, mask: int, shared: Mapping[str, object], ledger: Ledger
    ) -> None:
        """Begin without failures.

        Args:
            predicate: The user's.
            name: The reactor's name.
            mask: The inputs that do not count as new any more when it fails.
            shared: The broadcast values.
            ledger: Takes the dead letters.
        """
        self._predicate, self._name, self._mask = predicate, name, mask
        self._shared, self._ledger = shared, ledger
        self.failures: int = 0
        self.error: str | None = None

    def agrees(self, slot: Slot) -> bool:
        """Ask about a key; values on which it fails do not count as new any more."""
        slot.lent = True  # a predicate may keep what it sees
        values = {**self._shared, **slot.values} if self._shared else slot.values
        try:
            answer = self._predicate.holds(values)
        except BaseException as error:  # a predicate is user code; the next values are looked at all the same
            if not is_failure(error):
                raise

            self.failures += 1
            self.error = error_text(error)
            slot.dirty &= ~self._mask
            self._ledger.bury(Letter(part=self._name, reason="criteria", error=self.error, payload=dict(values)))
            return False

        self.error = None
        return answer
