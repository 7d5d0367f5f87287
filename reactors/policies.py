"""What becomes of a firing whose graph failed: the choices of ``on_error``, and when a failed snapshot is tried again.

* ``keep_dirty``: tried again; a newer value of its key replaces it after the shortest delay. Default of ``latest``.
* ``retry``: tried again, and its key waits for it, so that the order is kept.
* ``dead_letter``: kept aside at once. Default of ``sequential``. * ``drop``: counted and told, and not kept.

The first two give up after some tries: the snapshot becomes a dead letter.
"""

from types import UnionType
from typing import Literal

from typing_extensions import override

from penstock.runtime import durations
from penstock.runtime.durations import Duration
from penstock.runtime.errors import DefinitionError

OnError = Literal["keep_dirty", "dead_letter", "retry", "drop"]
ON_ERROR = ("keep_dirty", "dead_letter", "retry", "drop")


class Retry:
    """How often, and when, a failed firing is tried again with its own snapshot.

    No chance is in the delays: one owner tries again, so there is no crowd to spread.

    Attributes:
        attempts: Tries in all, the first one included.
        backoff: Seconds before the second try.
        factor: By how much the delay grows with each further try.
        max_backoff: The most seconds before a try.
    """

    __slots__ = ("attempts", "backoff", "factor", "max_backoff")

    def __init__(
        self, *, attempts: int = 5, backoff: Duration = 0.5, factor: float = 2.0, max_backoff: Duration = 60.0
    ) -> None:
        """Describe the tries.

        Raises:
            DefinitionError: Values that make no sense; all of them are named.
        """
        problems: list[str] = []
        self.attempts: int = attempts
        self.factor: float = factor
        self.backoff: float = _seconds("backoff", backoff, problems)
        self.max_backoff: float = _seconds("max_backoff", max_backoff, problems)
        if not is_number(attempts, int) or attempts < 1:
            problems.append(f"Retry: attempts={attempts!r} must be a whole number of at least 1: the first try is one")

        if not is_number(factor, int | float) or not factor >= 1:
            problems.append(f"Retry: factor={factor!r} must be a number of at least 1")

        if not problems and self.max_backoff < self.backoff:
            problems.append(f"Retry: max_backoff={max_backoff!r} must not be shorter than backoff={backoff!r}")

        if problems:
            raise DefinitionError(*problems)

    @override
    def __repr__(self) -> str:
        backoff, most = durations.written(self.backoff), durations.written(self.max_backoff)
        return f"Retry(attempts={self.attempts}, backoff={backoff!r}, factor={self.factor}, max_backoff={most!r})"

    def delay(self, attempts: int) -> float:
        """Return the seconds before the next try after a number of failed ones: exponential, capped."""
        doublings = min(attempts - 1, 1000)  # beyond that every delay is at its maximum, and floats overflow
        try:
            return float(min(self.backoff * self.factor**doublings, self.max_backoff))
        except OverflowError:
            return self.max_backoff


def is_number(value: object, kind: type | UnionType) -> bool:
    """Tell whether a value is a number of a kind; a bool is none."""
    return isinstance(value, kind) and not isinstance(value, bool)


def _seconds(name: str, value: Duration, problems: list[str]) -> float:
    try:
        return durations.seconds(value, name=f"Retry({name}=…)")
    except DefinitionError as error:
        problems += error.problems
        return 0.0


def on_error_problems(where: str, on_error: object, strategy: str) -> list[str]:
    """Return what is wrong with what a reactor does about failures."""
    if not isinstance(on_error, Retry) and on_error not in ON_ERROR:
        choices = ", ".join(map(repr, ON_ERROR))
        return [f"{where}: on_error={on_error!r} is none of {choices}, and no ps.Retry(…)"]

    if on_error == "keep_dirty" and strategy == "sequential":
        problem = "lets newer values replace a failed one, and strategy='sequential' keeps their order"
        return [f"{where}: on_error='keep_dirty' {problem}: use 'retry', which makes the key wait, or 'dead_letter'"]

    return []
