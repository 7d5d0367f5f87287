"""What can be wrong with the declarations of a workflow: everything is found, each with its fix."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from penstock.graphs.graph import ComputationGraph
from penstock.runtime.texts import name_problem
from penstock.workflows.binding import Key, bind, fields_of, nearest, takes_keys
from penstock.workflows.plan import Plan, find_cycle, topological
from penstock.workflows.task import Argument, Declaration, Dependency, Task, TaskFunction


class Checked(NamedTuple):
    """A workflow that was looked at: a plan, or what is wrong."""

    plan: Plan | None
    problems: tuple[str, ...]


class Checker:
    """Looks at the declarations of one workflow.

    Args:
        workflow: Its name.
        inputs: The fields of its input.
        declarations: The tasks, in declared order.
        names: The name of each function that was ever declared as one of its tasks.
    """

    def __init__(
        self,
        workflow: str,
        inputs: Mapping[str, Key],
        declarations: Sequence[Declaration],
        names: Mapping[TaskFunction, str],
    ) -> None:
        self.workflow = workflow
        self.inputs = inputs
        self.declared = declarations
        self.declarations: dict[str, Declaration] = {declaration.name: declaration for declaration in declarations}
        self.names = names
        self.problems: list[str] = []

    def check(self) -> Checked:
        """Return the plan, or everything that is wrong."""
        self._check_names()
        needs = {name: self._dependencies(declaration) for name, declaration in self.declarations.items()}
        cycle = find_cycle(needs)
        if cycle:
            self.problems.append(f"workflow {self.workflow!r}: tasks wait for each other: {' -> '.join(cycle)}")

        produced = {name: self._produced(declaration) for name, declaration in self.declarations.items()}
        tasks = [self._task(self.declarations[name], needs, produced) for name in topological(needs)]
        return Checked(None if self.problems else Plan(self._declared(tasks)), tuple(self.problems))

    def _check_names(self) -> None:
        where = f"workflow {self.workflow!r}"
        if not self.declarations:
            self.problems.append(f"{where} has no tasks: decorate a function with its `.task`")

        counted = Counter(declaration.name for declaration in self.declared)
        self.problems += [
            f"{where} has {count} tasks named {name!r}: give each a name= of its own"
            for name, count in counted.items()
            if count > 1
        ]
        for declaration in self.declared:
            problem = name_problem(declaration.name)
            self.problems += [f"{where}, task: {problem}"] if problem else []
            self.problems += [f"{where}: {problem}" for problem in declaration.problems]

    def _declared(self, tasks: Sequence[Task]) -> list[Task]:
        by_name = {task.name: task for task in tasks}
        return [by_name[name] for name in self.declarations]

    def _where(self, task: str) -> str:
        return f"workflow {self.workflow!r}, task {task!r}"

    def _dependencies(self, declaration: Declaration) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for dependency in declaration.dependencies:
            name = self._resolve(declaration.name, dependency)
            if name is not None:
                found[name] = None

        return tuple(found)

    def _resolve(self, task: str, dependency: Dependency) -> str | None:
        given: object = dependency
        if not isinstance(given, str) and not callable(given):
            self.problems.append(
                f"{self._where(task)}: dependencies= has {given!r}, which is neither a function nor the name of a task"
            )
            return None

        name = dependency if isinstance(dependency, str) else self.names.get(dependency)
        if name in self.declarations:
            return name

        text = dependency if isinstance(dependency, str) else getattr(dependency, "__name__", repr(dependency))
        advice = nearest(text, self.declarations.keys() - {task})
        self.problems.append(f"{self._where(task)} depends on {text!r}, which is no task of the workflow; {advice}")
        return None

    def _produced(self, declaration: Declaration) -> dict[str, Key]:
        """Return the keys that a task says it sets, in the order in which they are looked up."""
        where = self._where(declaration.name)
        returned = fields_of(declaration.function.returns) if declaration.function else {}
        keys = {name: Key(name) for name in declaration.produces}
        self.problems += [f"{where}: produces={name!r} is an empty key" for name in keys if not name]
        return {**keys, **returned, **self._terminals(where, declaration.invokes)}

    def _terminals(self, where: str, graph: ComputationGraph | None) -> dict[str, Key]:
        if graph is None:
            return {}

        if graph.reactor is not None:
            self.problems.append(
                f"{where} invokes graph {graph.name!r}, which reactor {graph.reactor.name!r} fires: "
                "a task invokes a graph that is declared with inputs= instead of reactor="
            )
            return {}

        found = graph.check()
        if graph.starts:
            found.append(
                f"node {next(iter(graph.starts))!r} has starts=: only a graph that a reactor fires starts runs"
            )

        self.problems += [f"{where} invokes graph {graph.name!r}: {problem}" for problem in found]
        return {} if found else {name: Key(name, type_) for name, type_ in graph.terminals.items()}

    def _task(
        self, declaration: Declaration, needs: Mapping[str, tuple[str, ...]], produced: Mapping[str, Mapping[str, Key]]
    ) -> Task:
        return Task(
            workflow=self.workflow,
            name=declaration.name,
            fn=declaration.fn,
            is_async=declaration.function is not None and declaration.function.is_async,
            arguments=self._arguments(declaration, needs, produced),
            dependencies=needs[declaration.name],
            produces={key.name: key.type for key in produced[declaration.name].values()},
            invokes=declaration.invokes,
        )

    def _arguments(
        self, declaration: Declaration, needs: Mapping[str, tuple[str, ...]], produced: Mapping[str, Mapping[str, Key]]
    ) -> tuple[Argument, ...]:
        if declaration.function is None:
            return ()

        known: dict[str, Key] = {}
        elsewhere: dict[str, str] = {}
        if takes_keys(declaration.function):  # for most tasks of a large workflow there is nothing to look up
            known |= self.inputs
            for name in _upstream(declaration.name, needs):
                known = {**produced[name], **known}

            elsewhere |= {key: name for name, keys in produced.items() for key in keys if name != declaration.name}

        bound = bind(self._where(declaration.name), declaration.function, known, elsewhere)
        self.problems += bound.problems
        return bound.arguments


def _upstream(task: str, needs: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Yield everything that a task comes after, each once."""
    seen: set[str] = set()
    stack = list(needs[task])
    while stack:
        name = stack.pop()
        if name not in seen:
            seen.add(name)
            stack += needs[name]
            yield name
