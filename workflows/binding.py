"""Task parameters: where each gets its value from, decided once; and the values of one attempt."""

import dataclasses
import difflib
import inspect
import typing
from collections.abc import Iterable, Mapping
from typing import cast

import msgspec

from penstock.runtime.calls import EMPTY, Function, Parameter, describe_type
from penstock.runtime.codec import Codec
from penstock.runtime.errors import DefinitionError, TaskFailed
from penstock.runtime.forms import union_members
from penstock.workflows.context import Context
from penstock.workflows.task import Argument, Task

_ANYTHING = (EMPTY, object, typing.Any)


class Key(msgspec.Struct, frozen=True):
    """A key of the context that is known at the declaration."""

    name: str
    #: ``calls.EMPTY`` when nobody says.
    type: object = EMPTY


def fields_of(type_: object) -> dict[str, Key]:
    """Return the fields of a struct, dataclass or TypedDict, or of the members of a union, by their Python names."""
    fields: dict[str, Key] = {}
    for member in union_members(type_):
        if has_fields(member):
            info = cast("msgspec.inspect.StructType", msgspec.inspect.type_info(member))
            hints = typing.get_type_hints(cast("type[object]", member), include_extras=True)
            fields |= {field.name: Key(field.encode_name, hints.get(field.name, EMPTY)) for field in info.fields}

    return fields


def has_fields(type_: object) -> bool:
    """Tell whether the values of a type have named fields: a struct, dataclass or TypedDict."""
    return isinstance(type_, type) and _has_fields(cast("type[object]", type_))


def takes_keys(function: Function[object]) -> bool:
    """Tell whether a parameter is not the context itself."""
    return any(parameter.annotation is not Context for parameter in function.parameters.values())


def bind(where: str, function: Function[object], known: Mapping[str, Key], elsewhere: Mapping[str, str]) -> "Bound":
    """Decide where each parameter of a task's function gets its value from.

    Args:
        where: How the task is called in messages.
        function: The task's function.
        known: The keys it may name: fields of the input, and what upstream tasks declare.
        elsewhere: Keys that only tasks declare which are not upstream, with the task.
    """
    arguments: list[Argument] = []
    problems: list[str] = []
    for parameter in function.parameters.values():
        try:
            arguments.append(_argument(where, parameter, known, elsewhere))
        except DefinitionError as error:
            problems += error.problems

    return Bound(tuple(arguments), tuple(problems))


class Bound(msgspec.Struct, frozen=True):
    """The parameters of a function that have a source, and what is wrong with the others."""

    arguments: tuple[Argument, ...]
    problems: tuple[str, ...]


def values_for(task: Task, context: Context) -> tuple[list[object], dict[str, object]]:
    """Return the positional and the keyword arguments of one call.

    Raises:
        TaskFailed: A key that the function cannot do without is not in the context.
        DecodeError: A value does not have the parameter's type.
    """
    positional: list[object] = []
    named: dict[str, object] = {}
    for argument in task.arguments:
        value = _value(task, argument, context)
        if argument.by_keyword:
            named[argument.name] = value
        else:
            positional.append(value)

    return positional, named


def nearest(name: str, names: Iterable[str]) -> str:
    """Return the advice that goes with an unknown name."""
    known = sorted(set(names))
    near = difflib.get_close_matches(name, known, 3)
    if near:
        return f"did you mean {' or '.join(map(repr, near))}?"

    return f"there is {', '.join(map(repr, known))}" if known else "there is none"


def _value(task: Task, argument: Argument, context: Context) -> object:
    if argument.key is None:
        return context

    if argument.key not in context:
        if argument.default is EMPTY:
            raise TaskFailed(
                task.workflow,
                task.name,
                f"the context has no {argument.key!r} for its parameter {argument.name!r}: "
                "set it upstream, or give the parameter a default",
            )

        return argument.default

    value = context[argument.key]
    return value if argument.convert is None else argument.convert(value)


def _argument(where: str, parameter: Parameter, known: Mapping[str, Key], elsewhere: Mapping[str, str]) -> Argument:
    by_keyword = parameter.kind == inspect.Parameter.KEYWORD_ONLY
    if parameter.annotation is Context:
        return Argument(name=parameter.name, key=None, default=EMPTY, by_keyword=by_keyword)

    key = known.get(parameter.name)
    if key is None:
        raise DefinitionError(_unknown(where, parameter, known, elsewhere))

    type_ = parameter.annotation if parameter.is_annotated else key.type
    return Argument(
        name=parameter.name,
        key=key.name,
        convert=None if type_ in _ANYTHING else Codec[object](type_, part=f"{where}: {parameter.name}").convert,
        default=None if parameter.is_required and _takes_none(type_) else parameter.default,
        by_keyword=by_keyword,
    )


def _unknown(where: str, parameter: Parameter, known: Mapping[str, Key], elsewhere: Mapping[str, str]) -> str:
    name = parameter.name
    if name == "context":
        return f"{where}: annotate the parameter: `context: Context`"

    if name in elsewhere:
        return f"{where}: {name!r} comes from task {elsewhere[name]!r}, which is not upstream: add it to dependencies"

    return (
        f"{where}: parameter {name!r} ({describe_type(parameter.annotation)}) is no Context, no field of the "
        "workflow's input, no terminal of a graph that an upstream task invokes, and no key that an upstream task "
        f"declares (produces=, or the fields of the struct it returns); {nearest(name, known)}"
    )


def _takes_none(type_: object) -> bool:
    return any(member is type(None) for member in union_members(type_))


def _has_fields(type_: type[object]) -> bool:
    return issubclass(type_, msgspec.Struct) or dataclasses.is_dataclass(type_) or typing.is_typeddict(type_)
