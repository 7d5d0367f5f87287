"""What a workflow looked like when a run was started: its structure and its code, as short digests.

The structure (tasks, edges, graphs) pins a run. The code says whether the bodies are still the same: comments, blank
lines and the place in the file do not count. Digests are equal in every process of one Python version; another version
compiles other code, which is told as changed code and stops nothing.
"""

import hashlib
import inspect
from collections.abc import Iterable
from types import CellType, CodeType
from typing import cast

import msgspec

from penstock.workflows.task import Task, TaskFunction

#: Constants whose text says what they are.
_WRITTEN = (str, bytes, int, float, complex, type(None))


def structure_version(tasks: Iterable[Task]) -> str:
    """Return the digest of names, edges and graphs; the order of declaration does not count."""
    return _digest(
        sorted(
            [task.name, sorted(task.dependencies), task.invokes.name if task.invokes else None, "all_success"]
            for task in tasks
        )
    )


def code_version(tasks: Iterable[Task]) -> str:
    """Return the digest of the functions."""
    return _digest(sorted([task.name, _fingerprint(task.fn)] for task in tasks))


def _digest(value: object) -> str:
    return hashlib.sha256(msgspec.json.encode(value)).hexdigest()[:16]


def _fingerprint(fn: TaskFunction) -> object:
    inner = inspect.unwrap(getattr(fn, "func", fn))
    code = getattr(inner, "__code__", None) or getattr(type(inner).__call__, "__code__", None)
    if not isinstance(code, CodeType):
        return type(inner).__qualname__

    cells = cast("Iterable[CellType]", getattr(inner, "__closure__", None) or ())
    closed = [_constant(cell.cell_contents) if cell != CellType() else None for cell in cells]
    return [_code(code), _constant(getattr(inner, "__defaults__", None)), closed]


def _code(code: CodeType) -> object:
    names = [*code.co_names, *code.co_varnames, *code.co_freevars, *code.co_cellvars]
    return [code.co_name, code.co_code.hex(), names, [_constant(constant) for constant in code.co_consts]]


def _constant(constant: object) -> object:
    if isinstance(constant, CodeType):
        return _code(constant)

    if isinstance(constant, tuple):
        return [_constant(item) for item in cast("tuple[object, ...]", constant)]

    if isinstance(constant, frozenset):  # its order is another one in each process
        return sorted(repr(item) for item in cast("frozenset[object]", constant))

    # the text of other objects may hold an address, which is another one in each process
    return f"{type(constant).__name__} {constant!r}" if isinstance(constant, _WRITTEN) else type(constant).__qualname__
