"""The write unit: what is stored whole or not at all."""

from collections.abc import Mapping, Sequence

from penstock.runtime.clock import Clock
from penstock.runtime.store.kinds import Kind, Values

#: What most units have as ``existing``: thousands of them wait at a time, so each makes what it needs.
NONE: Mapping[int, int] = {}


class Unit:
    """Rows that belong together: a cut, the creation of a run, a decision of the planner.

    Filled by the small functions of the facets (``checkpoints``, ``runs`` …), given to ``Store.submit`` once. Within a
    unit the order of ``add`` does not matter, but that the last row wins where two are about the same key.

    Attributes:
        label: What the unit is, for errors and fault points: ``cut``, ``run``, ``push`` …
        rows: What is written.
        results: After the commit: the sequence numbers of the unit's inbox rows, or the ids of its commands, in the
            order of ``add``.
        existing: After the commit: run id that was not inserted → id of the run that holds its key.
    """

    __slots__ = ("clock", "existing", "label", "results", "rows")

    def __init__(self, label: str, clock: Clock) -> None:
        self.label: str = label
        self.clock: Clock = clock
        self.rows: list[tuple[Kind, Values]] = []
        self.results: Sequence[int] = ()
        self.existing: Mapping[int, int] = NONE

    def add(self, kind: Kind, row: Values) -> None:
        """Put a row into the unit; nothing is checked or written here."""
        self.rows.append((kind, row))
