"""Many units, few statements: which units may share one, and what the statements are. Pure.

The units of a group are cut into *waves*. Within a wave the statements run by the rank of their kinds, whatever unit a
row comes from; a unit for which that would not be the same as running after the units before it begins a new wave. Put
and deleted rows of one thing are merged first, so that the last unit has the last word.
"""

from collections.abc import Iterable, Iterator

from penstock.runtime.store.kinds import Kind, Role, Values
from penstock.runtime.store.unit import Unit

#: Roles whose outcome goes back to the unit of the row. Compared by identity: hashing an enum is slow.
NUMBERED, RETURNS = Role.NUMBERED, Role.RETURNS
#: The parts of a wave, in the order in which they run: a kind, its rows, and for some roles the unit of each row.
Parts = list[tuple[Kind, list[Values], list[Unit]]]


class Wave:
    """Units that share statements."""

    def __init__(self) -> None:
        self.closed: bool = False
        self._rows: dict[Kind, list[Values]] = {}
        self._units: dict[Kind, list[Unit]] = {}
        self._once: dict[Kind, dict[Values, None]] = {}
        self._last: dict[str, dict[object, tuple[Kind, Values]]] = {}
        #: By slot and thing: the highest rank that an earlier unit has used for it.
        self._reached: dict[str, dict[object, int]] = {}

    @property
    def empty(self) -> bool:
        """Whether no unit is in it."""
        return not (self._rows or self._once or self._last)

    def admits(self, unit: Unit) -> bool:
        """Tell whether the unit may share statements with those that are in."""
        reached = self._reached
        for kind, row in unit.rows:
            if kind.alone:
                return self.empty

            if kind.ordered and kind.slot in reached and reached[kind.slot].get(kind.key(row), 0) > kind.rank:
                return False

        return not self.closed

    def add(self, unit: Unit) -> None:
        """Take the unit in."""
        for kind, row in unit.rows:
            if kind.last_wins:
                self._last.setdefault(kind.slot, {})[kind.key(row)] = (kind, row)
            elif kind.once:
                self._once.setdefault(kind, {})[row] = None
            else:
                self._rows.setdefault(kind, []).append(row)
                if kind.role is NUMBERED or kind.role is RETURNS:
                    self._units.setdefault(kind, []).append(unit)

            if kind.ordered:
                ranks = self._reached.setdefault(kind.slot, {})
                key = kind.key(row)
                if kind.rank > ranks.get(key, 0):
                    ranks[key] = kind.rank

            if kind.alone:
                self.closed = True

    def parts(self) -> Parts:
        """Return what to run, in order."""
        rows = dict(self._rows)
        for kind, given in self._once.items():
            rows[kind] = list(given)

        for things in self._last.values():
            for kind, row in things.values():
                rows.setdefault(kind, []).append(row)

        # Stable: the kinds of a unit that stands alone have one rank and run in the order in which they were added.
        kinds = sorted(rows, key=rank_of)
        return [(kind, rows[kind], self._units.get(kind, [])) for kind in kinds]


def rank_of(kind: Kind) -> int:
    """Return the rank, to sort by."""
    return kind.rank


def waves(units: Iterable[Unit]) -> Iterator[Parts]:
    """Yield the parts of each wave."""
    wave = Wave()
    for unit in units:
        if not wave.admits(unit):
            yield wave.parts()
            wave = Wave()

        wave.add(unit)

    if not wave.empty:
        yield wave.parts()
