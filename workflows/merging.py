"""How the deltas of several tasks become one context. Pure; the rules stand in ``delta.py``.

The value at a path depends on the tasks that touched it and on which of them came after which, never on the clock. Of
the touches of a path only the *last* ones count: those that no other touch of it came after. One last touch saw all the
others, so its own view is the value. Several are resolved by the rules.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import reduce
from itertools import chain
from typing import cast

import msgspec

from penstock.workflows.delta import ABSENT, Delta
from penstock.workflows.values import is_mapping, same


class Contribution(msgspec.Struct, frozen=True):
    """What one task brings into a context."""

    #: Position of the task in the declared topological order.
    task: int
    #: Bit ``n`` is set when task ``n`` is an ancestor.
    ancestors: int
    delta: Delta


class Conflict(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """Tasks that are not ordered wrote different values to one path; the last declared one won."""

    #: Keys from the outside in.
    path: tuple[str, ...]
    #: Positions of the tasks in declared order; the last one won.
    tasks: tuple[int, ...]


class Merged(msgspec.Struct, frozen=True):
    """A context, and what could not be merged into it. Shares values with its sources: treat it as frozen."""

    values: dict[str, object]
    conflicts: tuple[Conflict, ...] = ()


def merge(base: dict[str, object], contributions: Iterable[Contribution]) -> Merged:
    """Return ``base`` with every contribution, each exactly once, whatever the order they come in.

    Args:
        base: The run's input, as checked values.
        contributions: The deltas of tasks; with a task come all its ancestors that changed anything.
    """
    ordered = sorted((item for item in contributions if not item.delta.empty), key=lambda item: item.task)
    conflicts: list[Conflict] = []
    values = _children(base, [_Touch(item.task, item.ancestors, item.delta) for item in ordered], (), conflicts)
    return Merged(values, tuple(sorted(set(conflicts))))


class Merger:
    """Merges contexts of one run; every join costs what is new at it, not what came before.

    A value depends on the touches of its own top-level key alone. So a context that is known already, that of one of
    the tasks that join, stays as it is but for the keys that the others touched.

    Args:
        base: The run's input.
        ancestors: By position, a bit mask of everything a task comes after.
    """

    def __init__(self, base: dict[str, object], ancestors: Sequence[int]) -> None:
        self._base = base
        self._ancestors = ancestors
        self._deltas: dict[int, Delta] = {}
        self._touched: dict[str, list[int]] = {}

    def add(self, task: int, delta: Delta) -> None:
        """Note what a task changed."""
        if not delta.empty:
            self._deltas[task] = delta
            for key in delta.touched():
                self._touched.setdefault(key, []).append(task)

    def merge(self, tasks: int, known: dict[str, object] | None = None, inside: int = 0) -> Merged:
        """Return the context in which some tasks come together.

        Args:
            tasks: A bit mask of them; with a task come its ancestors.
            known: The context of some of them, if there is one: not changed here.
            inside: A bit mask of those.
        """
        if known is None:
            return merge(self._base, [self._contribution(task) for task in self._deltas if tasks >> task & 1])

        beyond = [task for task in _bits(tasks & ~inside) if task in self._deltas]
        keys = dict.fromkeys(key for task in beyond for key in self._deltas[task].touched())
        touching = {task for key in keys for task in self._touched[key] if tasks >> task & 1}
        base = {key: self._base[key] for key in keys if key in self._base}
        merged = merge(base, [self._contribution(task, keys) for task in touching])
        untouched = {key: value for key, value in known.items() if key not in keys}
        return Merged({**untouched, **merged.values}, merged.conflicts)

    def _contribution(self, task: int, keys: Collection[str] | None = None) -> Contribution:
        delta = self._deltas[task]
        return Contribution(task, self._ancestors[task], delta if keys is None else delta.only(keys))


class _Set(msgspec.Struct, frozen=True):
    value: object


class _Append(msgspec.Struct, frozen=True):
    tail: list[object]


class _Delete(msgspec.Struct, frozen=True):
    pass


_DELETE = _Delete()
_Operation = Delta | _Set | _Append | _Delete


class _Touch(msgspec.Struct, frozen=True):
    task: int
    ancestors: int
    operation: _Operation

    def saw(self, tasks: int) -> bool:
        """Tell whether all these tasks are ancestors."""
        return self.ancestors & tasks == tasks


_Path = tuple[str, ...]


def _resolve(old: object, touches: Sequence[_Touch], path: _Path, conflicts: list[Conflict]) -> object:
    """Return the value at a path: the input's, changed by touches in topological order."""
    if not touches:
        return old

    last = _last(touches)
    kept = [touch for touch in last if not isinstance(touch.operation, _Delete)]
    if not kept:
        return ABSENT

    if len(kept) < len(last):  # a change beats a deletion
        touches = _views(touches, kept)

    if all(map(_makes_mapping, kept)):
        return _children(old, touches, path, conflicts)

    joined = _joined_appends(old, touches, path, conflicts)
    if joined is not None:
        return joined

    return _view(old, touches, kept[0]) if len(kept) == 1 else _decide(old, touches, kept, path, conflicts)


def _last(touches: Sequence[_Touch]) -> list[_Touch]:
    """Return the touches that no other touch came after."""
    seen = _mask(touch.ancestors for touch in touches)
    return [touch for touch in touches if not seen >> touch.task & 1]


def _views(touches: Sequence[_Touch], of: Sequence[_Touch]) -> list[_Touch]:
    """Return some touches and those that came before them."""
    mask = _mask(touch.ancestors | 1 << touch.task for touch in of)
    return [touch for touch in touches if mask >> touch.task & 1]


def _bits(mask: int) -> Iterator[int]:
    """Yield the positions of the bits that are set, in order."""
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest


def _mask(masks: Iterable[int]) -> int:
    return reduce(int.__or__, masks, 0)


def _makes_mapping(touch: _Touch) -> bool:
    operation = touch.operation
    return isinstance(operation, Delta) or (isinstance(operation, _Set) and is_mapping(operation.value))


def _view(old: object, touches: Sequence[_Touch], of: _Touch) -> object:
    """Return the value that one task left behind."""
    if isinstance(of.operation, _Set) and not is_mapping(of.operation.value):
        return of.operation.value

    before = [touch for touch in touches if of.ancestors >> touch.task & 1]
    if isinstance(of.operation, _Append):
        return [*cast("list[object]", _resolve(old, before, (), [])), *of.operation.tail]

    return _resolve(old, [*before, of], (), [])


def _joined_appends(
    old: object, touches: Sequence[_Touch], path: _Path, conflicts: list[Conflict]
) -> list[object] | None:
    """Return the list when the last touches only appended to one list that all of them saw."""
    others = [touch for touch in touches if not isinstance(touch.operation, _Append)]
    overwritten = _mask(touch.ancestors for touch in others)
    appends = [touch for touch in touches if isinstance(touch.operation, _Append) and not overwritten >> touch.task & 1]
    seen = _mask(1 << touch.task for touch in others)
    if not appends or not all(touch.saw(seen) for touch in appends):
        return None

    base = _resolve(old, others, path, conflicts) if others else old
    tails = (cast("_Append", touch.operation).tail for touch in appends)
    return reduce(lambda joined, tail: [*joined, *tail], tails, cast("list[object]", base))


def _decide(
    old: object, touches: Sequence[_Touch], rivals: Sequence[_Touch], path: _Path, conflicts: list[Conflict]
) -> object:
    """Let the last declared task win; it is no conflict when all of them left the same."""
    views = [_view(old, touches, rival) for rival in rivals]
    if not all(same(views[-1], view) for view in views[:-1]):
        conflicts.append(Conflict(path=path, tasks=tuple(rival.task for rival in rivals)))

    return views[-1]


def _children(old: object, touches: Sequence[_Touch], path: _Path, conflicts: list[Conflict]) -> dict[str, object]:
    """Return the mapping at a path, resolved key by key."""
    result = dict(old) if is_mapping(old) else dict[str, object]()
    by_key: dict[str, list[_Touch]] = {}
    for touch in touches:
        for key, operation in _inner(touch.operation, result, by_key):
            by_key.setdefault(key, []).append(_Touch(touch.task, touch.ancestors, operation))

    for key, inner in by_key.items():
        value = _resolve(result.get(key, ABSENT), inner, (*path, key), conflicts)
        if value is ABSENT:
            result.pop(key, None)
        else:
            result[key] = value

    return result


def _inner(operation: _Operation, *known: Iterable[str]) -> list[tuple[str, _Operation]]:
    """Return what an operation means for the keys of a mapping; what makes it something else deletes the known ones."""
    if isinstance(operation, Delta):
        return [
            *((key, _Set(value)) for key, value in operation.changed.items()),
            *((key, _Append(tail)) for key, tail in operation.appended.items()),
            *operation.within.items(),
            *((key, _DELETE) for key in operation.deleted),
        ]

    if isinstance(operation, _Set) and is_mapping(operation.value):
        return [(key, _Set(value)) for key, value in operation.value.items()]

    return [(key, _DELETE) for key in dict.fromkeys(chain.from_iterable(known))]
