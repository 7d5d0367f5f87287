"""The plan of a workflow: its tasks in declared topological order, and who waits for whom. Pure."""

import heapq
from collections.abc import Iterator, Mapping, Sequence

from penstock.workflows.task import Task


class Plan:
    """A checked DAG of tasks; tasks are known by their position in ``tasks``.

    Attributes:
        tasks: In declared topological order: as declared, unless a dependency demands otherwise.
        names: Their names.
        position: The position of each task, by name.
        size: How many tasks there are.
        needs: By position, how many tasks it waits for.
        has_edges: Whether any waits for another.
        dependencies: By position, what the task waits for, in declared order of the dependencies.
        dependents: By position, what waits for the task, in order.
        root_positions: The tasks that wait for nothing.
        single_leaf: The only task that nothing waits for; its context is the output.
    """

    def __init__(self, tasks: Sequence[Task]) -> None:
        order = topological({task.name: task.dependencies for task in tasks})
        by_name = {task.name: task for task in tasks}
        self.tasks: tuple[Task, ...] = tuple(by_name[name] for name in order)
        self.names: tuple[str, ...] = tuple(order)
        self.position: Mapping[str, int] = {name: at for at, name in enumerate(order)}
        self.dependencies: tuple[tuple[int, ...], ...] = tuple(
            tuple(self.position[name] for name in task.dependencies) for task in self.tasks
        )
        self.size: int = len(self.tasks)
        self.needs: list[int] = [*map(len, self.dependencies)]
        self.has_edges: bool = any(self.needs)
        dependents: list[list[int]] = [[] for _ in order]
        for at, needs in enumerate(self.dependencies):
            for need in needs:
                dependents[need].append(at)

        self.dependents: tuple[tuple[int, ...], ...] = tuple(map(tuple, dependents))
        self.root_positions: tuple[int, ...] = tuple(at for at, needs in enumerate(self.needs) if not needs)
        leaves = [at for at, after in enumerate(self.dependents) if not after]
        self.single_leaf: int | None = leaves[0] if len(leaves) == 1 else None


def topological(needs: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the names in the order of the mapping, as far as what they need allows; those in a cycle are left out.

    Complexity: (names + edges) * log(names).
    """
    rank = {name: at for at, name in enumerate(needs)}
    names = list(needs)
    missing = {name: len(set(own)) for name, own in needs.items()}
    waiting: dict[str, list[str]] = {name: [] for name in needs}
    for name, own in needs.items():
        for need in set(own):
            waiting[need].append(name)

    ready = [rank[name] for name in names if not missing[name]]
    order: list[str] = []
    while ready:
        name = names[heapq.heappop(ready)]
        order.append(name)
        for after in waiting[name]:
            missing[after] -= 1
            if not missing[after]:
                heapq.heappush(ready, rank[after])

    return order


def find_cycle(needs: Mapping[str, Sequence[str]]) -> list[str]:
    """Return one cycle as a closed path (``["a", "b", "a"]``: a needs b needs a), or nothing."""
    done: set[str] = set()
    for start in needs:
        path: dict[str, Iterator[str]] = {}
        current: str | None = None if start in done else start
        while current is not None:
            if current in path:
                names = list(path)
                return [*names[names.index(current) :], current]

            path[current] = iter(needs[current])
            current = _next(path, done)

    return []


def _next(path: dict[str, Iterator[str]], done: set[str]) -> str | None:
    """Return the next name to visit, going back along the path as far as needed."""
    while path:
        name, rest = next(reversed(path.items()))
        for need in rest:
            if need not in done:
                return need

        done.add(name)
        del path[name]

    return None
