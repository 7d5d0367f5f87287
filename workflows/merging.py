"""How what tasks left comes together in one context. Pure; the same before and after a restart.

What a task gets is the join of what its dependencies left; what it leaves is that with its own delta. Both follow from
the run's input and the deltas alone. What a task saw is settled: that something lost is known to all that come after
the task, and only what it has not seen can change what it left.

Of the places (``places.py``) that come together at one path:

1. One that knows less than another counts for nothing: the other has seen all that was written there, and more. So what
   only one side changed, deleted or settled is as that side has it.
2. If several are left, each has seen something that another has not. A writer that one of them knows, and has no more,
   was overwritten or has lost there; a place that has only such writers counts for nothing either. (If that leaves
   none, the same rivalry was settled in two ways by tasks that saw different parts of it: all of them count.)
3. Of those, a change beats a deletion, and the value is as the changing side has it.
4. The one wins whose last writer was declared last. With it go: mappings, key by key by these same rules; lists that
   grew from one and the same list, with all their tails in declared order; equal values. The rest loses: a conflict.

When tasks ended, and in which order they are named, has no part in this.
"""

from collections.abc import Container, Iterable, Sequence
from itertools import chain

import msgspec

from penstock.workflows.delta import NOTHING, Delta
from penstock.workflows.flat import Flats
from penstock.workflows.places import (
    INPUT,
    MAPPING,
    Grown,
    Place,
    Tail,
    Tasks,
    all_inside,
    as_grown,
    bit_of,
    inside,
    place,
    tails_of,
    task_of,
    value_of,
    values_of,
    written,
)
from penstock.workflows.values import is_list, same

_Path = tuple[str, ...]


class Conflict(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """Tasks that are not ordered wrote different values to one path; the last declared one won."""

    #: Keys from the outside in.
    path: _Path
    #: Positions of the tasks in declared order; the last one won.
    tasks: tuple[int, ...]


class Merged(msgspec.Struct, frozen=True):
    """A context, and what could not be merged into it. Shares values with its sources: treat it as frozen."""

    values: dict[str, object]
    conflicts: tuple[Conflict, ...] = ()


class Contexts:
    """The contexts of one run. What is known is kept, and shares what is equal.

    Args:
        base: The run's input, as checked values.
        dependencies: By position, what each task comes after; the positions are a topological order.
    """

    def __init__(self, base: dict[str, object], dependencies: Sequence[Sequence[int]]) -> None:
        self._base: Place = place(base, INPUT)
        self._dependencies: Sequence[Sequence[int]] = dependencies
        self._deltas: dict[int, Delta] = {}
        self._flats: Flats = Flats(base, dependencies, self._deltas)
        self._left: dict[int, Place] = {}
        self._joined: dict[tuple[int, ...], tuple[Place, tuple[Conflict, ...]]] = {}

    def add(self, task: int, delta: Delta) -> None:
        """Note what a task changed, before anything that comes after it is asked for."""
        self._deltas[task] = delta

    def before(self, task: int) -> Merged:
        """Return what a task gets; everything before it has ended."""
        return self._merged(self._dependencies[task])

    def after_all(self) -> Merged:
        """Return the context in which the whole run comes together; everything has ended."""
        inner = {need for needs in self._dependencies for need in needs}
        return self._merged([task for task in range(len(self._dependencies)) if task not in inner])

    def _merged(self, tasks: Sequence[int]) -> Merged:
        values = self._flats.values(tasks, self._unknown(tasks, self._flats.left))
        return Merged(values) if values is not None else self.merged(tasks)

    def merged(self, tasks: Sequence[int]) -> Merged:
        """Return what tasks left together, by the rules above, whether they are needed or not."""
        for task in self._unknown(tasks, self._left):
            before, _ = self._join(self._dependencies[task])
            delta = self._deltas.get(task, NOTHING)
            self._left[task] = before if delta.empty else written(before, delta, bit_of(task))

        together, conflicts = self._join(tasks)
        return Merged(values_of(together), conflicts)

    def _unknown(self, tasks: Sequence[int], known: Container[int]) -> list[int]:
        """Return these tasks and all before them, as far as what they left is not known, in order."""
        found, waiting = set[int](), [*tasks]
        while waiting:
            task = waiting.pop()
            if task not in known and task not in found:
                found.add(task)
                waiting += self._dependencies[task]

        return sorted(found)

    def _join(self, tasks: Sequence[int]) -> tuple[Place, tuple[Conflict, ...]]:
        """Join what tasks left."""
        if len(tasks) < 2:  # noqa: PLR2004 (nothing to join)
            return (self._left[tasks[0]] if tasks else self._base), ()

        key = tuple(sorted(tasks))
        if key not in self._joined:
            conflicts: list[Conflict] = []
            places = {id(left): left for left in (self._left[task] for task in key)}
            joined = _together([*places.values()], (), conflicts)
            self._joined[key] = joined, tuple(sorted(conflicts))

        return self._joined[key]


def _together(places: Sequence[Place], path: _Path, conflicts: list[Conflict]) -> Place:
    """Return what several places at one path come to; they are different objects."""
    newest = _newest(places)
    if len(newest) == 1:
        return newest[0]

    dead = _union(here.known & ~here.by for here in newest)
    standing = [here for here in newest if here.by & ~dead]
    if not standing:
        dead, standing = 0, newest

    rivals = [here for here in standing if not here.is_gone] or standing
    top = max(rivals, key=lambda here: here.by & ~dead)
    winners = [here for here in rivals if here is top or _goes_with(here, top)]
    if len(winners) < len(rivals):
        _note(rivals, dead, path, conflicts)

    if not top.is_mapping:
        result = _leaf(winners, top, dead)
        return _knowing(result, newest, result.by)

    joined = _mapping([here for here in newest if here.is_mapping], dead, path, conflicts)
    return _knowing(joined, [here for here in newest if not here.is_mapping], joined.by)


def _note(rivals: Sequence[Place], dead: Tasks, path: _Path, conflicts: list[Conflict]) -> None:
    tasks = {task_of(here.by & ~dead) for here in rivals} - {task_of(INPUT)}
    if len(tasks) > 1:
        conflicts.append(Conflict(path=path, tasks=tuple(sorted(tasks))))


def _newest(places: Sequence[Place]) -> list[Place]:
    """Leave out the places that know less than another."""
    once = twice = 0
    for here in places:
        twice |= once & here.known
        once |= here.known

    alone = once & ~twice  # what one knows alone, no other place can know: most need no comparison
    return [
        here
        for here in places
        if here.known & alone
        or not any(here.known & ~other.known == 0 and here.known != other.known for other in places)
    ]


def _union(masks: Iterable[Tasks]) -> Tasks:
    union = 0
    for mask in masks:
        union |= mask

    return union


def _goes_with(here: Place, top: Place) -> bool:
    """Tell whether both can stand: mappings, lists that grew from the same one, equal values, two deletions."""
    if here.is_mapping or top.is_mapping:
        return here.is_mapping and top.is_mapping

    return _grew_together(here, top) or same(value_of(here), value_of(top))


def _is_list(here: Place) -> bool:
    return isinstance(here.value, Grown) or is_list(here.value)


def _grew_together(here: Place, top: Place) -> bool:
    return _is_list(here) and _is_list(top) and as_grown(here).origin & as_grown(top).origin != 0


def _leaf(winners: Sequence[Place], top: Place, dead: Tasks) -> Place:
    by = _union(here.by & ~dead for here in winners)
    value = _list([here for here in winners if _grew_together(here, top)]) if _is_list(top) else top.value
    return Place(by, top.known, value, places=top.places, late=top.late)


def _list(places: Sequence[Place]) -> Grown:
    """Return the list that several grew from, with every tail that none of them has seen lose."""
    grown = [as_grown(here) for here in places]
    all_tails = [{tail.by: tail.items for tail in tails_of(own)} for own in grown]
    lost = _union(
        here.known & ~_union(chain([own.origin], tails))
        for here, own, tails in zip(places, grown, all_tails, strict=True)
    )
    tails = {by: items for own in all_tails for by, items in own.items() if not by & lost}
    joined: Tail | None = None
    for by in sorted(tails):
        joined = Tail(joined, by, tails[by])

    return Grown(grown[0].first, _union(own.origin for own in grown), joined)


def _mapping(winners: Sequence[Place], dead: Tasks, path: _Path, conflicts: list[Conflict]) -> Place:
    """Join mappings key by key."""
    first = winners[0]
    alike = all(here.plain is first.plain for here in winners)  # then they are of the same writer
    by_key: dict[str, dict[int, Place]] = {}
    for here in winners:
        # of what is plain in all of them, only what somebody touched: the others know least of it
        for key, found in here.places.items() if alike else all_inside(here):
            by_key.setdefault(key, {})[id(found)] = found

    by = _union(here.by & ~dead for here in winners)
    places: dict[str, Place] = {}
    for key, several in by_key.items():
        different = [*several.values()]
        places[key] = different[0] if len(different) == 1 else _together(different, (*path, key), conflicts)
        by |= places[key].by

    known = _union(here.known for here in winners)
    if alike:
        return Place(by, known, MAPPING, first.plain, first.plain_by, places, first.late)

    return Place(by, known, MAPPING, places=places, late=first.late)


def _knowing(here: Place, others: Sequence[Place], winner: Tasks) -> Place:
    """Return a place that knows all that others know, inside as well: what they wrote has lost here.

    Args:
        winner: The writers that it lost to; where nothing stands, they count as having seen it go.
    """
    places = dict(here.places)
    for other in others:
        for key, lost in all_inside(other):
            own = places.get(key) or inside(here, key)
            if lost.known & ~own.known:
                places[key] = _knowing(own, [lost], winner)

    known = here.known | _union(other.known for other in others) | (winner if here.is_gone else 0)
    return Place(here.by, known, here.value, here.plain, here.plain_by, places, here.late)
