"""One attempt at a task: the context it gets, its body, the graph it invokes, and what it leaves behind."""

import asyncio
import traceback
from collections.abc import Mapping, Sequence
from typing import cast

import msgspec

from penstock.graphs.graph import ComputationGraph
from penstock.runtime.calls import describe_type
from penstock.runtime.errors import TaskFailed
from penstock.runtime.executors import Executors
from penstock.runtime.foreign import error_text, is_failure, storable
from penstock.runtime.threads import Threads
from penstock.workflows.binding import has_fields, values_for
from penstock.workflows.context import Context
from penstock.workflows.delta import Delta, apply, diff
from penstock.workflows.task import Task
from penstock.workflows.values import mapping_from_text, to_text

#: Characters of a traceback that are kept: the end of it.
TRACEBACK = 8000


class Success(msgspec.Struct, frozen=True, gc=False):
    """A task returned."""

    delta: Delta
    #: The context it left behind, as JSON text.
    output: str


class Failure(msgspec.Struct, frozen=True):
    """A task raised, or did what it may not do."""

    error: BaseException

    @property
    def text(self) -> str:
        """What is stored: the class of the error and its sentence."""
        return error_text(self.error)

    @property
    def traceback(self) -> str:
        """Where it came from."""
        return traceback_text(self.error)


Outcome = Success | Failure


def traceback_text(error: BaseException) -> str:
    """Return the end of an error's traceback, as text that can be stored, whatever the error is."""
    try:
        lines = traceback.format_exception(error)
    except KeyboardInterrupt:
        raise
    except BaseException as broken:  # noqa: BLE001 - the attributes of an error are user code
        return f"<the traceback of {type(error).__name__} cannot be shown: {type(broken).__name__}>"

    return storable("".join(lines)[-TRACEBACK:])


async def attempt(task: Task, text: str, threads: Threads, executors: Executors | None = None) -> Outcome:
    """Run a task once.

    Args:
        text: Its context as JSON text.
        executors: Where nodes of the graph run that it invokes.

    Raises:
        asyncio.CancelledError: This coroutine's asyncio task was cancelled.
        KeyboardInterrupt: The process was told to end.
    """
    mine = asyncio.current_task()
    try:
        context = Context.from_json(text)
        positional, named = values_for(task, context)
        # awaited here and not further in: each coroutine on the way costs as much as the others together
        if task.is_async:
            result = await cast("asyncio.Future[object]", task.fn(*positional, **named))
        else:
            result = await _in_thread(task, threads, positional, named)

        context = _accept(task, context, result)
        if task.invokes is not None:
            await _invoke(task.invokes, context, executors)

        return _success(task, text, context)
    except BaseException as error:  # a task body is user code; even an exit is its end, not ours
        if isinstance(error, GeneratorExit):
            if not _runs(mine):
                raise  # this coroutine is thrown away: nobody may write any more
        elif not is_failure(error):
            raise  # we are cancelled, or the process ends

        return Failure(cancelled(task, error) if isinstance(error, asyncio.CancelledError) else error)


def cancelled(task: Task, error: asyncio.CancelledError) -> TaskFailed:
    """Say that a task was cancelled, and not by us."""
    return _caused(_refuse(task, "it cancelled itself; raise an error instead"), error)


def _runs(mine: "asyncio.Task[object] | None") -> bool:
    """Tell whether an asyncio task is the one that runs: what is collected as garbage runs in another, or in none."""
    try:
        return asyncio.current_task() is mine
    except RuntimeError:
        return False


async def _in_thread(task: Task, threads: Threads, positional: Sequence[object], named: Mapping[str, object]) -> object:
    try:
        return await threads.run(task.fn, *positional, **named)
    except KeyboardInterrupt as error:
        if threads.inline:
            raise

        # signals come to the main thread only: the body has raised it
        raise _caused(_refuse(task, "it raised KeyboardInterrupt"), error) from error


def _accept(task: Task, context: Context, result: object) -> Context:
    """Bring what a body returned into the context."""
    if result is None:
        return context

    if isinstance(result, Context):
        return result

    if isinstance(result, Mapping):
        context.update(cast("Mapping[str, object]", result))
    elif has_fields(type(result)):
        context.update(cast("Mapping[str, object]", msgspec.to_builtins(result)))
    else:
        raise _refuse(
            task,
            f"it returned a value of type {describe_type(type(result))}; "
            "return a mapping, a struct, the Context, or nothing",
        )

    return context


async def _invoke(graph: ComputationGraph, context: Context, executors: Executors | None) -> None:
    """Traverse a graph with keys of the context; its terminals become keys."""
    inputs = {name: context[name] for name in graph.inputs if name in context}
    result = await graph.traverse(inputs, executors)
    context.update(result.outputs)


def _success(task: Task, text: str, context: Context) -> Success:
    """Compare what was left behind with what was given."""
    base = mapping_from_text(text)
    try:
        delta = diff(base, context.peek())
        return Success(delta, text if delta.empty else to_text(apply(base, delta)))
    except (TypeError, ValueError) as error:
        raise _refuse(task, str(error)) from error


def _refuse(task: Task, reason: str) -> TaskFailed:
    return TaskFailed(task.workflow, task.name, reason)


def _caused(error: TaskFailed, cause: BaseException) -> TaskFailed:
    error.__cause__ = cause
    return error
