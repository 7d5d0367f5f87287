"""The contexts of a run in which no two unordered tasks wrote the same key. Pure.

That is how nearly all runs are: tasks set keys of the context, each its own. What they left then comes together without
the places of ``merging.py``, at a tenth of the price, and with the same outcome: values, order of keys, no conflict.
Where that cannot be said (a key was deleted, a list grew, something was changed inside a mapping, two tasks that are
not ordered wrote one key), there is no flat context, and ``merging.py`` has the word.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from penstock.workflows.delta import NOTHING, Delta
from penstock.workflows.places import INPUT, Tasks, bit_of


class Written(msgspec.Struct, frozen=True, eq=False, gc=False):
    """The last value of a key that tasks wrote."""

    #: All tasks that wrote there, and the input if it has the key: the last one has seen the others.
    known: Tasks
    value: object


class Flat(msgspec.Struct, frozen=True, eq=False):
    """What tasks made of the run's input. Shared between contexts, and never changed."""

    #: All tasks that wrote something.
    known: Tasks
    written: dict[str, Written]


class Flats:
    """What the tasks of one run left, as far as it is flat. What is known is kept.

    Args:
        base: The run's input. dependencies: By position, what each task comes after.
        deltas: By position, what each task changed; filled by the owner before anything after the task is asked for.

    Attributes:
        left: By position, what tasks left; nothing where it is not flat.
    """

    def __init__(
        self, base: Mapping[str, object], dependencies: Sequence[Sequence[int]], deltas: Mapping[int, Delta]
    ) -> None:
        self._base = base
        self._dependencies = dependencies
        self._deltas = deltas
        self._first = Flat(INPUT, {})
        self.left: dict[int, Flat | None] = {}
        self._joined: dict[tuple[int, ...], Flat | None] = {}

    def values(self, tasks: Sequence[int], unknown: Iterable[int]) -> dict[str, object] | None:
        """Return what several tasks left together, or nothing when that is not flat.

        Args:
            unknown: These tasks and all before them, as far as they have not been named yet, in order.
        """
        for task in unknown:
            self.left[task] = self._leave(task)

        together = self._join(tasks)
        if together is None:
            return None

        return {**self._base, **{key: written.value for key, written in together.written.items()}}

    def _leave(self, task: int) -> Flat | None:
        """Return what a task left: what it got, with what it set."""
        before, delta = self._join(self._dependencies[task]), self._deltas.get(task, NOTHING)
        if before is None or delta.deleted or delta.appended or delta.within:
            return None

        if not delta.changed:
            return before

        by, written = bit_of(task), dict(before.written)
        for key, value in delta.changed.items():
            found = written.get(key)
            seen = found.known if found is not None else INPUT if key in self._base else 0
            written[key] = Written(seen | by, value)

        return Flat(before.known | by, written)

    def _join(self, tasks: Sequence[int]) -> Flat | None:
        if len(tasks) < 2:  # noqa: PLR2004 (nothing to join)
            return self.left[tasks[0]] if tasks else self._first

        key = tuple(sorted(tasks))
        if key not in self._joined:
            self._joined[key] = _together([self.left[task] for task in key])

        return self._joined[key]


def _together(several: Sequence[Flat | None]) -> Flat | None:
    """Join what tasks left; of each key, who has seen the other writers has the last word, and if nobody has, none."""
    different: dict[int, Flat] = {}
    for flat in several:
        if flat is None:
            return None

        different[id(flat)] = flat

    newest = _newest([*different.values()])
    if len(newest) == 1:
        return newest[0]

    known, written = 0, dict[str, Written]()
    for flat in newest:
        known |= flat.known
        for key, own in flat.written.items():
            other = written.setdefault(key, own)
            if other is own or not own.known & ~other.known:
                continue

            if other.known & ~own.known:
                return None

            written[key] = own

    return Flat(known, written)


def _newest(several: list[Flat]) -> list[Flat]:
    """Leave out what knows less than another."""
    once = twice = 0
    for flat in several:
        twice |= once & flat.known
        once |= flat.known

    alone = once & ~twice  # what one knows alone, no other can know: most need no comparison
    return [
        flat
        for flat in several
        if flat.known & alone
        or not any(flat.known & ~other.known == 0 and flat.known != other.known for other in several)
    ]
