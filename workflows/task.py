"""A task: one function of a workflow, what it waits for, and what it leaves in the context."""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from penstock.graphs.graph import ComputationGraph
from penstock.runtime.calls import Function

#: A function of the user.
TaskFunction = Callable[..., object]
#: A task that another one waits for: its function, or its name.
Dependency = TaskFunction | str


class Declaration(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A task as it was declared: nothing is looked up yet, so it may name what is declared further down."""

    name: str
    fn: TaskFunction
    #: ``None`` when its signature cannot be read; ``problems`` says why.
    function: Function[object] | None
    problems: tuple[str, ...] = ()
    dependencies: Sequence[Dependency] = ()
    produces: Sequence[str] = ()
    invokes: ComputationGraph | None = None

    def replaces(self, other: "Declaration") -> bool:
        """Tell whether this is the other one, declared again by a notebook cell or script that was run again."""
        if self.name != other.name:
            return False

        origin = _origin(self.fn)
        return origin == _origin(other.fn) and origin[0] == "__main__"


class Argument(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A parameter of a task's function and what it is given."""

    name: str
    #: Key of the context; ``None`` for the context itself.
    key: str | None
    #: Makes the parameter's type of a JSON value; ``None`` passes the value as it is.
    convert: Callable[[object], object] | None = None
    #: What is passed while the key is missing; ``calls.EMPTY`` when the task cannot run without it.
    default: object
    by_keyword: bool = False


class Task(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A task of a checked workflow."""

    workflow: str
    name: str
    fn: TaskFunction
    is_async: bool
    arguments: tuple[Argument, ...]
    #: Names of the tasks whose completion it waits for, in declared order.
    dependencies: tuple[str, ...]
    #: The keys that it declares to set, with their types.
    produces: Mapping[str, object]
    invokes: ComputationGraph | None = None


def _origin(fn: TaskFunction) -> tuple[str, str]:
    """Return where a function was defined."""
    return str(getattr(fn, "__module__", "")), str(getattr(fn, "__qualname__", repr(fn)))
