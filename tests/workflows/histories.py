"""Histories: tasks in some order, each of which does something to the context it gets."""

from copy import deepcopy
from random import Random

from hypothesis import settings, strategies as st

from penstock.workflows.delta import Delta, diff
from penstock.workflows.merging import Contexts
from penstock.workflows.values import is_list, is_mapping

Values = dict[str, object]


class Author:
    """Writes histories in which tasks get into each other's way: few keys, few values."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def happens(self, chance: float) -> bool:
        return self.random.random() < chance

    def leaf(self) -> object:
        return self.random.choice([1, 2, True, None, "text", [], [1], [2, 3]])

    def tree(self, depth: int = 1) -> object:
        if depth > 2 or self.happens(0.45):
            return self.leaf()

        return {key: self.tree(depth + 1) for key in "ab" if self.happens(0.6)}

    def base(self) -> Values:
        return {key: self.tree() for key in "ab" if self.happens(0.8)}

    def needs(self) -> list[list[int]]:
        often = self.random.choice([0.2, 0.4, 0.7])
        return [[need for need in range(task) if self.happens(often)] for task in range(self.random.randint(2, 7))]

    def changed(self, old: Values, depth: int = 1) -> Values:
        """What a task may make of a mapping: nothing, more of it, less of it, or something else."""
        kept = {key: self.changed_value(value, depth) for key, value in old.items() if self.happens(0.85)}
        return kept | ({self.random.choice("ab"): self.tree(depth)} if self.happens(0.3) else {})

    def changed_value(self, old: object, depth: int) -> object:
        if is_mapping(old) and self.happens(0.85):
            return self.changed(old, depth + 1)

        if is_list(old) and self.happens(0.6):
            return [*old, self.random.randint(4, 6)]

        return self.tree(depth) if self.happens(0.4) else old


class History:
    """What some tasks got and left.

    Attributes:
        seen: By position, the tasks that a task comes after.
    """

    def __init__(self, author: Author) -> None:
        self.base = author.base()
        self.needs = author.needs()
        self.contexts = Contexts(self.base, self.needs)
        self.got: list[Values] = []
        self.left: list[Values] = []
        self.deltas: list[Delta] = []
        self.seen: list[set[int]] = []
        for task, needs in enumerate(self.needs):
            self.seen.append({seen for need in needs for seen in (need, *self.seen[need])})
            self.got.append(self.contexts.before(task).values)
            own = deepcopy(self.got[task])
            self.left.append(author.changed(own) if author.happens(0.8) else own)
            self.deltas.append(diff(self.got[task], self.left[task]))
            self.contexts.add(task, self.deltas[task])

    @property
    def size(self) -> int:
        return len(self.needs)


#: A history costs a millisecond, and what can go wrong is rare: so there are more of them than of other examples.
MANY = settings(max_examples=max(300, settings().max_examples))
HISTORIES = st.randoms(use_true_random=True).map(Author).map(History)
