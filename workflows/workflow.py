"""A workflow: tasks with dependencies, declared with decorators and checked before anything runs."""

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Self, TypeVar, cast, overload

from typing_extensions import override

from penstock.graphs.graph import ComputationGraph
from penstock.runtime.calls import Function, caller_locals, describe_type
from penstock.runtime.codec import Codec
from penstock.runtime.effects import Start
from penstock.runtime.errors import DecodeError, DefinitionError, InputError
from penstock.runtime.texts import name_problem
from penstock.workflows.binding import fields_of, has_fields
from penstock.workflows.checks import Checked, Checker
from penstock.workflows.plan import Plan
from penstock.workflows.task import Declaration, Dependency, Task, TaskFunction
from penstock.workflows.values import json_value, to_text
from penstock.workflows.versions import code_version, structure_version

F = TypeVar("F", bound=TaskFunction)


class Workflow:
    """A named DAG of tasks. Holds declarations only: one workflow may serve several apps.

    Args:
        name: What the store, the metrics and the commands call it.
        input: The type of a run's input: a struct, dataclass or TypedDict; its fields are the first keys of the
            context. Without it, the input is any mapping.
        description: For people.

    Used as ``with Workflow("settle") as settle:`` it collects the functions that are decorated with ``task`` in the
    block; when the block raises, none of them is registered.
    """

    def __init__(self, name: str, *, input: type | None = None, description: str = "") -> None:  # noqa: A002
        self.name = name
        self.input = input
        self.description = description
        self._declarations: list[Declaration] = []
        self._names: dict[TaskFunction, str] = {}
        #: Names that were ever declared: only a task of one of these can take the place of another.
        self._known: set[str] = set()
        self._problems: list[str] = [f"workflow: {problem}" for problem in [name_problem(name)] if problem]
        self._codec = self._input_codec()
        self._checked: Checked | None = None
        self._blocks: list[_Block] = []

    @override
    def __repr__(self) -> str:
        return f"<Workflow {self.name!r} with {len(self._declarations)} tasks>"

    # -- declaring -----------------------------------------------------------------------------------------

    @overload
    def task(self, fn: F, /) -> F: ...

    @overload
    def task(
        self,
        fn: None = None,
        /,
        *,
        name: str | None = None,
        dependencies: Sequence[Dependency] = (),
        produces: Sequence[str] = (),
        invokes: ComputationGraph | None = None,
    ) -> Callable[[F], F]: ...

    def task(
        self,
        fn: F | None = None,
        /,
        *,
        name: str | None = None,
        dependencies: Sequence[Dependency] = (),
        produces: Sequence[str] = (),
        invokes: ComputationGraph | None = None,
    ) -> F | Callable[[F], F]:
        """Register a function as a task, and return it unchanged.

        Its parameters name the context (annotated ``Context``), fields of the workflow's input, terminals of graphs
        that upstream tasks invoke, and keys that upstream tasks declare. What it returns goes into the context: a
        mapping or the fields of a struct are merged, a ``Context`` takes its place, ``None`` keeps what was changed in
        place.

        Args:
            fn: The function, when the decorator is used without parentheses.
            name: Instead of the function's own.
            dependencies: The tasks that must complete before, as functions or names.
            produces: Keys that it sets, for downstream tasks that name them as parameters.
            invokes: A graph without a reactor, traversed after the body: its inputs are keys of the context, and its
                terminals go into the context under their names.
        """
        localns = caller_locals()

        def register(fn: F) -> F:
            self.declare(fn, localns, name=name, dependencies=dependencies, produces=produces, invokes=invokes)
            return fn

        return register if fn is None else register(fn)

    def declare(
        self,
        fn: TaskFunction,
        localns: Mapping[str, object],
        *,
        name: str | None = None,
        dependencies: Sequence[Dependency] = (),
        produces: Sequence[str] = (),
        invokes: ComputationGraph | None = None,
    ) -> None:
        """Register a function as a task: what the decorators do.

        Args:
            localns: Local names that annotations of the function may use.

        Raises:
            DefinitionError: The name is no text.
        """
        if name is not None and not isinstance(cast("object", name), str):
            raise DefinitionError(f"workflow {self.name!r}, task {fn.__name__!r}: name={name!r} is no text")

        function, problems = _read(fn, localns)
        declaration = Declaration(
            name=name or (function.name if function else fn.__name__),
            fn=fn,
            function=function,
            problems=problems,
            dependencies=dependencies,
            produces=produces,
            invokes=invokes,
        )
        self._insert(declaration)
        self._names[fn] = declaration.name
        self._checked = None

    def _insert(self, declaration: Declaration) -> None:
        if declaration.name in self._known:
            for at, other in enumerate(self._declarations):
                if declaration.replaces(other):
                    self._declarations[at] = declaration
                    return

        self._known.add(declaration.name)
        self._declarations.append(declaration)

    def __enter__(self) -> Self:
        """Become the workflow to which ``task`` adds."""
        token = _active.set(self)
        self._blocks.append(_Block(token, list(self._declarations), dict(self._names)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Check what was declared; forget it when the block raised.

        Raises:
            DefinitionError: The tasks do not fit together; all problems are named.
        """
        block = self._blocks.pop()
        _active.reset(block.token)
        if error is not None:
            self._declarations, self._names = block.declarations, block.names
            self._checked = None
        else:
            self.plan()

    # -- checking ------------------------------------------------------------------------------------------

    def check(self) -> list[str]:
        """Return everything that is wrong with the workflow, each with its fix; nothing when it can run."""
        return [*self._problems, *self._look().problems]

    def plan(self) -> Plan:
        """Return the checked DAG.

        Raises:
            DefinitionError: Something is wrong with the workflow; all problems are named.
        """
        problems = self.check()
        plan = self._look().plan
        if problems or plan is None:
            raise DefinitionError(*problems)

        return plan

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks in declared topological order.

        Raises:
            DefinitionError: Something is wrong with the workflow.
        """
        return self.plan().tasks

    @property
    def invoked(self) -> tuple[ComputationGraph, ...]:
        """The graphs that tasks invoke; also of a workflow that has problems."""
        return tuple(each.invokes for each in self._declarations if each.invokes is not None)

    @property
    def structure_version(self) -> str:
        """A digest of names, edges and graphs. A run keeps to the structure it was started with."""
        return structure_version(self.tasks)

    @property
    def code_version(self) -> str:
        """A digest of the functions. A run goes on with changed functions, and an event of the run says so."""
        return code_version(self.tasks)

    def _look(self) -> Checked:
        if self._checked is None:
            inputs = fields_of(self.input) if self.input is not None and self._codec is not None else {}
            self._checked = Checker(self.name, inputs, self._declarations, self._names).check()

        return self._checked

    # -- input ---------------------------------------------------------------------------------------------

    def prepare(self, value: object = None) -> Start:
        """Check and encode a value as the input of a run; ``None`` is the input without any field.

        Raises:
            InputError: The value does not have the declared type, or is no mapping of JSON values.
        """
        given: object = dict[str, object]() if value is None else value
        try:
            fields = json_value(given if self._codec is None else self._codec.convert(given), "input")
        except (DecodeError, TypeError, ValueError) as error:
            raise InputError(self.name, str(error)) from error

        if not isinstance(fields, dict):
            raise InputError(self.name, f"it is a {type(value).__name__}; give a mapping or a struct")

        return Start(workflow=self.name, input=to_text(cast("dict[str, object]", fields)))

    def _input_codec(self) -> Codec[object] | None:
        if self.input is None:
            return None

        where = f"input of workflow {self.name!r}"
        if not has_fields(self.input):
            self._problems.append(
                f"{where}: {describe_type(self.input)} has no named fields; declare a struct, dataclass or TypedDict"
            )
            return None

        try:
            return Codec[object](self.input, part=where)
        except DefinitionError as error:
            self._problems += error.problems
            return None


def _read(fn: TaskFunction, localns: Mapping[str, object]) -> tuple[Function[object] | None, tuple[str, ...]]:
    try:
        return Function[object].of(fn, localns=localns), ()
    except DefinitionError as error:
        return None, error.problems


class _Block:
    """What a ``with`` block found, to go back to."""

    def __init__(
        self,
        token: "Token[Workflow | None]",
        declarations: list[Declaration],
        names: dict[TaskFunction, str],
    ) -> None:
        self.token = token
        self.declarations = declarations
        self.names = names


_active: ContextVar[Workflow | None] = ContextVar("active_workflow", default=None)


@overload
def task(fn: F, /) -> F: ...


@overload
def task(
    fn: None = None,
    /,
    *,
    name: str | None = None,
    dependencies: Sequence[Dependency] = (),
    produces: Sequence[str] = (),
    invokes: ComputationGraph | None = None,
) -> Callable[[F], F]: ...


def task(
    fn: F | None = None,
    /,
    *,
    name: str | None = None,
    dependencies: Sequence[Dependency] = (),
    produces: Sequence[str] = (),
    invokes: ComputationGraph | None = None,
) -> F | Callable[[F], F]:
    """Register a function as a task of the workflow whose ``with`` block this is; see ``Workflow.task``.

    Raises:
        DefinitionError: There is no ``with Workflow(…)`` block around it, in this thread or asyncio task.
    """
    workflow = _active.get()
    if workflow is None:
        raise DefinitionError(
            "`@task` stands in no `with Workflow(…) as w:` block of this thread: put it into one, or write `@w.task`"
        )

    localns = caller_locals()

    def register(fn: F) -> F:
        workflow.declare(fn, localns, name=name, dependencies=dependencies, produces=produces, invokes=invokes)
        return fn

    return register if fn is None else register(fn)
