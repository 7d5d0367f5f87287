"""A context that remembers its writers: what tasks make of it, and what is known of each place. Pure.

A *place* is what stands at one path, with the tasks that made it so (``by``) and all tasks that are known to have
written there or below (``known``), those that lost included. What was deleted leaves a place without a value, so that
it is still known who wrote it. A task that makes another kind of value of a mapping, or deletes it, clears what it saw
inside, and nothing else: what it did not see has no place yet.

What nobody looked into stays plain JSON (``plain``) and belongs to whoever wrote it as a whole.
"""

from collections.abc import Iterator
from typing import Final, cast

import msgspec

from penstock.workflows.delta import ABSENT, Absent, Delta
from penstock.workflows.values import is_mapping

#: Tasks as a bit mask: bit 0 stands for the run's input, bit ``n + 1`` for the task at position ``n``.
Tasks = int
INPUT: Final = 1


def bit_of(task: int) -> Tasks:
    """Return the mask of one task."""
    return 2 << task


def task_of(mask: Tasks) -> int:
    """Return the last declared task of a mask; -1 for the input."""
    return mask.bit_length() - 2


class Mapped(msgspec.Struct, frozen=True):
    """Stands for a mapping: what is inside has places of its own."""


class Tail(msgspec.Struct, frozen=True):
    """What a task appended, after what was appended before."""

    before: "Tail | None"
    by: Tasks
    items: list[object]


class Grown(msgspec.Struct, frozen=True):
    """A list that was written as a whole, and what was appended to it since."""

    first: list[object]
    #: The tasks that wrote it as a whole.
    origin: Tasks
    tail: Tail | None


MAPPING: Final = Mapped()


class Place(msgspec.Struct, frozen=True, eq=False):
    """What stands at one path. Shared between contexts, and never changed."""

    #: The tasks that made the value what it is; for a mapping, those that wrote inside as well.
    by: Tasks
    #: All tasks that wrote here or below, as far as this context knows; the others saw no more than these.
    known: Tasks
    value: object
    #: A mapping's values that were not looked into; places of the same name come first.
    plain: dict[str, object] = {}
    plain_by: Tasks = 0
    #: What is inside, or was: with places that have no value, for what was deleted.
    places: "dict[str, Place]" = {}
    #: Whether the key was deleted and set again, so that it comes after the others.
    late: bool = False

    @property
    def is_gone(self) -> bool:
        """Whether no value stands here."""
        return isinstance(self.value, Absent)

    @property
    def is_mapping(self) -> bool:
        """Whether a mapping stands here."""
        return isinstance(self.value, Mapped)


NOWHERE: Final = Place(0, 0, ABSENT)


def place(value: object, by: Tasks) -> Place:
    """Return the place of a value that some tasks wrote where nothing had been."""
    if is_mapping(value):
        return Place(by, by, MAPPING, value, by)

    return Place(by, by, value)


def inside(outer: Place, key: str) -> Place:
    """Return what stands at a key."""
    found = outer.places.get(key)
    if found is None and key in outer.plain:
        found = place(outer.plain[key], outer.plain_by)

    return found or NOWHERE


def all_inside(outer: Place) -> Iterator[tuple[str, Place]]:
    """Yield what stands at each key, in the order of the keys; what is gone somewhere among them."""
    for key, value in outer.plain.items():
        found = outer.places.get(key)
        if found is None:
            yield key, place(value, outer.plain_by)
        elif not found.late:
            yield key, found

    for key, found in outer.places.items():
        if found.late or key not in outer.plain:
            yield key, found


def values_of(outer: Place) -> dict[str, object]:
    """Return a mapping as JSON has it. Shares values: treat it as frozen."""
    if not outer.places:
        return outer.plain

    places, result = outer.places, dict[str, object]()
    for key, value in outer.plain.items():
        found = places.get(key)
        if found is None:
            result[key] = value
        elif not (found.late or found.is_gone):
            result[key] = value_of(found)

    for key, found in places.items():
        if not found.is_gone and (found.late or key not in outer.plain):
            result[key] = value_of(found)

    return result


def value_of(here: Place) -> object:
    """Return a value as JSON has it."""
    if here.is_mapping:
        return values_of(here)

    return whole(here.value) if isinstance(here.value, Grown) else here.value


def whole(grown: Grown) -> list[object]:
    """Return a list with everything that was appended to it."""
    return [*grown.first, *(item for tail in reversed([*tails_of(grown)]) for item in tail.items)]


def tails_of(grown: Grown) -> Iterator[Tail]:
    """Yield what was appended to a list, the last first."""
    tail = grown.tail
    while tail is not None:
        yield tail
        tail = tail.before


def as_grown(here: Place) -> Grown:
    """Return a list with its history."""
    value = here.value
    return value if isinstance(value, Grown) else Grown(cast("list[object]", value), here.by, None)


# -- what a task does ------------------------------------------------------------------------------------------


def written(outer: Place, delta: Delta, by: Tasks) -> Place:
    """Return a mapping with what a task changed in it."""
    places = dict(outer.places)
    for key in delta.deleted:
        places[key] = _cleared(inside(outer, key), by)

    for key, value in delta.changed.items():
        before = inside(outer, key)
        if before.is_gone:
            places.pop(key, None)

        places[key] = _put(before, value, by)

    for key, tail in delta.appended.items():
        places[key] = _appended(inside(outer, key), tail, by)

    for key, inner in delta.within.items():
        places[key] = written(inside(outer, key), inner, by)

    return Place(outer.by | by, outer.known | by, MAPPING, outer.plain, outer.plain_by, places, outer.late)


def _cleared(before: Place, by: Tasks) -> Place:
    return Place(by, before.known | by, ABSENT, places=_buried(before, by), late=before.late)


def _buried(before: Place, by: Tasks) -> dict[str, Place]:
    """Clear everything that stands inside; what is gone already is no concern of these tasks."""
    return {key: found if found.is_gone else _cleared(found, by) for key, found in all_inside(before)}


def _put(before: Place, value: object, by: Tasks) -> Place:
    known, late, places = before.known | by, before.late or before.is_gone, _buried(before, by)
    if not is_mapping(value):
        return Place(by, known, value, places=places, late=late)

    if not places:
        return Place(by, known, MAPPING, value, by, late=late)

    for key, inner in value.items():
        places[key] = _put(places.pop(key, NOWHERE), inner, by)

    return Place(by, known, MAPPING, places=places, late=late)


def _appended(before: Place, items: list[object], by: Tasks) -> Place:
    grown = as_grown(before)
    value = Grown(grown.first, grown.origin, Tail(grown.tail, by, items))
    return Place(before.by | by, before.known | by, value, places=before.places, late=before.late)
