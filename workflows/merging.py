"""How what tasks left comes together in one context. Pure; the same before and after a restart.

What a task gets is the join of what its dependencies left, and what it left is that with its own delta. So a task is
never surprised: whatever it saw is settled for all that comes after it, and only what it has not seen can change that.

Two contexts are joined from the top. Each knows the tasks that it comes from, and each value the tasks that wrote it,
or something inside it. Where only one side has writes that the other has not seen, that side is right: this covers
deletions as well. Where both have, the rules decide:

- a change beats a deletion, and the value is as the changing side has it;
- mappings are joined key by key;
- lists that only grew from one and the same list are that list, and the new tails in declared order of their tasks;
- anything else is a conflict: the side whose last write was declared last wins. Equal values are none.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import cast

import msgspec

from penstock.workflows.delta import NOTHING, Delta
from penstock.workflows.values import is_list, is_mapping, same

#: Tasks as a bit mask: bit ``n`` stands for task ``n``; the run's input has no bit, for everybody has seen it.
Tasks = int
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


class Unknown:
    """Stands for what was not computed yet."""


UNKNOWN = Unknown()


class Value:
    """A value of a context, with its writers. Never changed: what was not touched is the same object in all contexts.

    Attributes:
        writers: The tasks that wrote it, or something inside it.
    """

    __slots__ = ("_inside", "_plain", "first", "tails", "writers")

    def __init__(
        self,
        first: object,
        writers: Tasks,
        *,
        inside: "dict[str, Value] | None" = None,
        tails: Mapping[int, list[object]] | None = None,
    ) -> None:
        #: As it was written as a whole; None for a mapping in which something changed since.
        self.first: object = first
        self.writers: Tasks = writers
        #: What was appended to the list since, by task.
        self.tails: Mapping[int, list[object]] = tails or {}
        self._inside = inside
        self._plain: object = UNKNOWN if inside is not None or tails else first

    @property
    def plain(self) -> object:
        """The value as JSON has it."""
        if self._plain is UNKNOWN:
            self._plain = self._grown() if self._inside is None else self._mapping(self._inside)

        return self._plain

    def _grown(self) -> list[object]:
        tails = (self.tails[task] for task in sorted(self.tails))
        return [*cast("list[object]", self.first), *chain.from_iterable(tails)]

    @staticmethod
    def _mapping(inside: "Mapping[str, Value]") -> dict[str, object]:
        return {key: value.plain for key, value in inside.items()}

    @property
    def inside(self) -> "dict[str, Value] | None":
        """What a mapping holds; None for anything else."""
        if self._inside is None and is_mapping(self.first):
            self._inside = {key: Value(value, self.writers) for key, value in self.first.items()}

        return self._inside

    def changed(self, delta: Delta, task: int) -> "Value":
        """Return a mapping with what a task changed in it."""
        inside = dict(cast("dict[str, Value]", self.inside))
        for key in delta.deleted:
            del inside[key]

        for key, value in delta.changed.items():
            inside[key] = Value(value, 1 << task)

        for key, tail in delta.appended.items():
            inside[key] = inside[key].grown({task: tail}, 1 << task)

        for key, inner in delta.within.items():
            inside[key] = inside[key].changed(inner, task)

        return Value(None, self.writers | 1 << task, inside=inside)

    def grown(self, tails: Mapping[int, list[object]], writers: Tasks) -> "Value":
        """Return the list with more tails; in the end they stand in declared order of their tasks."""
        return Value(self.first, self.writers | writers, tails={**self.tails, **tails})

    def grew_with(self, other: "Value") -> "Value | None":
        """Return the list that two lists grew to together; None when they did not grow from one and the same."""
        if not is_list(self.first) or self.first is not other.first:
            return None

        return self.grown(other.tails, other.writers)


class Context:
    """What a task gets or left.

    Attributes:
        value: A mapping.
        seen: The tasks that it comes from.
    """

    __slots__ = ("seen", "value")

    def __init__(self, value: Value, seen: Tasks) -> None:
        self.value: Value = value
        self.seen: Tasks = seen


class Contexts:
    """The contexts of one run. What is known is kept, and shares what is equal, so a join costs what differs.

    Args:
        base: The run's input, as checked values.
        dependencies: By position, what each task comes after; the positions are a topological order.
    """

    def __init__(self, base: dict[str, object], dependencies: Sequence[Sequence[int]]) -> None:
        self._base = Context(Value(base, 0), 0)
        self._dependencies = dependencies
        self._deltas: dict[int, Delta] = {}
        self._left: dict[int, Context] = {}

    def add(self, task: int, delta: Delta) -> None:
        """Note what a task changed, before anything that comes after it is asked for."""
        self._deltas[task] = delta

    def before(self, task: int) -> Merged:
        """Return what a task gets; everything before it has ended."""
        return self._together(self._dependencies[task])

    def after_all(self) -> Merged:
        """Return the context in which the whole run comes together; everything has ended."""
        inner = {need for needs in self._dependencies for need in needs}
        return self._together([task for task in range(len(self._dependencies)) if task not in inner])

    def _together(self, tasks: Sequence[int]) -> Merged:
        conflicts: dict[_Path, Tasks] = {}
        for task in self._unknown(tasks):
            # what a task was told when it began is not told again
            told = conflicts if task not in self._deltas else {}
            context = self._join([self._left[need] for need in self._dependencies[task]], told)
            delta = self._deltas.get(task, NOTHING)
            value = context.value if delta.empty else context.value.changed(delta, task)
            self._left[task] = Context(value, context.seen | 1 << task)

        context = self._join([self._left[task] for task in sorted(tasks)], conflicts)
        found = (Conflict(path=path, tasks=tuple(bits(writers))) for path, writers in sorted(conflicts.items()))
        return Merged(cast("dict[str, object]", context.value.plain), tuple(found))

    def _unknown(self, tasks: Sequence[int]) -> list[int]:
        """Return these tasks and all before them, as far as what they left is not known, in order."""
        found, waiting = set[int](), [*tasks]
        while waiting:
            task = waiting.pop()
            if task not in self._left and task not in found:
                found.add(task)
                waiting += self._dependencies[task]

        return sorted(found)

    def _join(self, contexts: Sequence[Context], conflicts: dict[_Path, Tasks]) -> Context:
        """Join contexts by halves: many small ones first, then few large ones."""
        if len(contexts) < 2:  # noqa: PLR2004 (a pair)
            return contexts[0] if contexts else self._base

        half = len(contexts) // 2
        first, second = (self._join(some, conflicts) for some in (contexts[:half], contexts[half:]))
        value = Join(first.seen, second.seen, conflicts).value(first.value, second.value, ())
        return Context(value, first.seen | second.seen)


class Join:
    """The join of two contexts.

    Args:
        seen: The tasks that the first comes from.
        seen_by_other: The tasks that the second comes from.
        conflicts: Takes the writers that are in conflict, by path.
    """

    def __init__(self, seen: Tasks, seen_by_other: Tasks, conflicts: dict[_Path, Tasks]) -> None:
        self._seen = seen
        self._seen_by_other = seen_by_other
        self._conflicts = conflicts

    def value(self, one: Value, other: Value, path: _Path) -> Value:
        """Return what two values at one path come to."""
        if one is other or not self._is_news(other):
            return one

        if not self._is_news_to_other(one):
            return other

        if one.inside is not None and other.inside is not None:
            inside = self._mapping(one.inside, other.inside, path)
            return Value(None, one.writers | other.writers, inside=inside)

        return one.grew_with(other) or self._winner(one, other, path)

    def _is_news(self, other: Value) -> bool:
        return other.writers & ~self._seen != 0

    def _is_news_to_other(self, one: Value) -> bool:
        return one.writers & ~self._seen_by_other != 0

    def _mapping(self, one: Mapping[str, Value], other: Mapping[str, Value], path: _Path) -> dict[str, Value]:
        """Join mappings key by key. What one side lacks it has deleted, or it never was there."""
        joined = dict(one)
        for key, theirs in other.items():
            ours = one.get(key)
            if ours is not None:
                joined[key] = self.value(ours, theirs, (*path, key))
            elif self._is_news(theirs):
                joined[key] = theirs

        for key in one.keys() - other.keys():
            if not self._is_news_to_other(one[key]):
                del joined[key]

        return joined

    def _winner(self, one: Value, other: Value, path: _Path) -> Value:
        """Let the side win whose last write was declared last; it is no conflict when both left the same."""
        last = (one.writers & ~self._seen_by_other).bit_length() - 1
        last_of_other = (other.writers & ~self._seen).bit_length() - 1
        if not same(one.plain, other.plain):
            self._conflicts[path] = self._conflicts.get(path, 0) | 1 << last | 1 << last_of_other

        return one if last > last_of_other else other


def bits(mask: Tasks) -> Iterator[int]:
    """Yield the positions of the bits that are set, in order."""
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest
