"""A criterion of the user's own: a pure function of the newest values, which are its parameters by name.

As in a graph, a parameter's name says which input it is and its annotation what it accepts. While an input that it
needs has no value yet the function is not asked: the criterion does not hold. ``T | None`` or a default accepts that.
"""

import types
from collections.abc import Callable, Mapping
from typing import Union, get_args, get_origin

from penstock.runtime.calls import EMPTY, Function, Parameter, describe_type
from penstock.runtime.errors import DefinitionError
from penstock.runtime.foreign import value_text

#: Stands for a parameter that cannot do without a value.
REQUIRED: object = object()


class Predicate:
    """A function that tells whether a reactor is to fire.

    Attributes:
        function: The user's function.
    """

    __slots__ = ("_missing", "function")

    def __init__(self, function: Function[object]) -> None:
        self.function: Function[object] = function
        self._missing: dict[str, object] = {name: missing(each) for name, each in function.parameters.items()}

    @property
    def names(self) -> tuple[str, ...]:
        """The inputs that it looks at."""
        return tuple(self._missing)

    def holds(self, values: Mapping[str, object]) -> bool:
        """Ask the function.

        Raises:
            TypeError: It answered with something else than True or False.
            Exception: Whatever it raises.
        """
        arguments: dict[str, object] = {}
        for name, missing_value in self._missing.items():
            value = values.get(name, missing_value)
            if value is REQUIRED:
                return False

            arguments[name] = value

        answer = self.function.fn(**arguments)
        if answer is True or answer is False:
            return answer

        raise TypeError(f"the criterion answered {value_text(answer)}: write bool(…) around what it returns")


def missing(parameter: Parameter) -> object:
    """Return what a parameter is given while its input has no value."""
    if parameter.default is not EMPTY:
        return parameter.default

    return None if types.NoneType in members(parameter.annotation) else REQUIRED


def read_predicate(fn: Callable[..., object], localns: Mapping[str, object]) -> Predicate:
    """Read a function as a criterion.

    Raises:
        DefinitionError: It waits, looks at nothing, or has parameters without a name.
    """
    function = Function[object].of(fn, localns=localns)
    where = f"criterion {function.name!r}"
    problems: list[str] = []
    if function.is_async:
        problems.append(f"{where} is async: a criterion decides at once; wait in a graph node")

    if not function.parameters:
        problems.append(f"{where} has no parameters: name the inputs that it looks at, such as `lambda orderbook: …`")

    if problems:
        raise DefinitionError(*problems)

    return Predicate(function)


def type_problems(where: str, predicate: Predicate, inputs: Mapping[str, object]) -> list[str]:
    """Return which parameters accept no value of their input."""
    return [
        f"{where}: the criterion {predicate.function.name!r} wants {name!r} as {describe_type(parameter.annotation)},"
        f" but its values are of type {describe_type(inputs[name])}"
        for name, parameter in predicate.function.parameters.items()
        if name in inputs and not accepts(parameter.annotation, inputs[name])
    ]


def accepts(annotation: object, type_: object) -> bool:
    """Tell whether a parameter may be given values of a type; yes where only a call could tell."""
    wanted = members(annotation)
    if annotation in (EMPTY, object) or any(not isinstance(each, type) for each in wanted):
        return True

    return all(not isinstance(given, type) or fits(given, wanted) for given in members(type_))


def fits(given: type, wanted: tuple[object, ...]) -> bool:
    """Tell whether a class is one of some others, or of their subclasses; an int is a float."""
    return any(isinstance(each, type) and issubclass(given, each) for each in wanted) or (
        given is int and float in wanted
    )


def members(annotation: object) -> tuple[object, ...]:
    """Return the members of a union; of anything else itself."""
    return get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)
