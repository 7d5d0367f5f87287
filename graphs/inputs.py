"""The inputs of a graph, and the edge at which values for them are checked."""

import dataclasses
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import cast

import msgspec
import typing_extensions

from penstock.graphs.checks import nearest
from penstock.graphs.node import Input
from penstock.graphs.types import takes_none, unknown
from penstock.reactors.reactor import Reactor
from penstock.runtime.calls import EMPTY, describe_type
from penstock.runtime.codec import Codec
from penstock.runtime.errors import DecodeError, DefinitionError

#: What ``inputs=`` takes: a struct, dataclass or TypedDict class, or types by name.
Declared = type | Mapping[str, object]

FORMS = "a msgspec.Struct, a dataclass, a TypedDict, or types by name: inputs={'amount': float}"


def reactor_inputs(reactor: Reactor) -> dict[str, Input]:
    """Return the inputs of a graph that a reactor fires: any of them may be absent."""
    return {name: Input(name=name, type=type_) for name, type_ in reactor.types.items()}


def declared_inputs(declared: Declared) -> dict[str, Input]:
    """Return the inputs of a trigger-less graph.

    Raises:
        DefinitionError: It is none of the forms, or names a type that cannot be resolved.
    """
    try:
        return {given.name: given for given in _read(declared)}
    except NameError as error:
        raise DefinitionError(
            f"inputs={declared!r}: {error} in an annotation; define it at the top of a module"
        ) from error


def _read(declared: Declared) -> Iterator[Input]:
    if isinstance(declared, Mapping):
        return _from_mapping(declared)

    if typing_extensions.is_typeddict(declared):
        return _from_typed_dict(declared)

    if isinstance(cast("object", declared), type) and issubclass(declared, msgspec.Struct):
        return _from_struct(declared)

    if isinstance(cast("object", declared), type) and dataclasses.is_dataclass(declared):
        return _from_dataclass(declared)

    raise DefinitionError(f"inputs={declared!r} is not possible: give {FORMS}")


def _from_mapping(types: Mapping[str, object]) -> Iterator[Input]:
    for name, type_ in types.items():
        yield Input(name=name, type=type_, always=not takes_none(type_))


def _from_typed_dict(declared: type) -> Iterator[Input]:
    required = cast("frozenset[str]", vars(declared)["__required_keys__"])
    for name, type_ in typing_extensions.get_type_hints(declared).items():
        yield Input(name=name, type=type_, always=name in required)


def _from_struct(declared: type[msgspec.Struct]) -> Iterator[Input]:
    for field in msgspec.structs.fields(declared):
        default = EMPTY if field.default is msgspec.NODEFAULT else field.default
        factory = None if field.default_factory is msgspec.NODEFAULT else field.default_factory
        yield Input(name=field.name, type=field.type, always=True, default=default, default_factory=factory)


def _from_dataclass(declared: type) -> Iterator[Input]:
    hints = typing.get_type_hints(declared, include_extras=True)
    for field in dataclasses.fields(declared):
        if field.init:
            default = EMPTY if field.default is dataclasses.MISSING else field.default
            factory = None if field.default_factory is dataclasses.MISSING else field.default_factory
            yield Input(name=field.name, type=hints[field.name], always=True, default=default, default_factory=factory)


class Edge:
    """Checks and converts the values with which a graph is called by hand or by a task, once, before the first node.

    What a reactor hands over has been through its accumulators and does not come here.
    """

    def __init__(self, graph: str, inputs: Mapping[str, Input], *, none_is_absent: bool) -> None:
        """Prepare a codec for each input.

        Args:
            graph: Name of the graph, for errors.
            inputs: By name.
            none_is_absent: Whether None stands for no value: it does where it cannot be one, as in a boundary.

        Raises:
            DefinitionError: Types of which no values can be made; all are named.
        """
        self._graph = graph
        self._inputs = inputs
        self._none_is_absent = none_is_absent
        self._convert = dict(self._codecs())

    def _codecs(self) -> Iterator[tuple[str, Callable[[object], object]]]:
        problems: list[str] = []
        for name, given in self._inputs.items():
            if unknown(given.type) or given.type is object:
                continue

            try:
                yield name, Codec[object](given.type, part=f"{self._graph}.{name}").convert
            except DefinitionError as error:
                problems += error.problems

        if problems:
            raise DefinitionError(*problems)

    def convert(self, values: Mapping[str, object]) -> dict[str, object]:
        """Return the values as their declared types, those that are absent left out.

        Raises:
            DecodeError: A value does not fit, is missing, or has a name that nobody declared.
        """
        if strange := [name for name in values if name not in self._inputs]:
            names = ", ".join(self._inputs) or "none"
            hint = nearest(strange[0], self._inputs)
            raise DecodeError(self._graph, f"the inputs {names}", f"there is no {strange[0]!r}{hint}")

        found: dict[str, object] = {}
        for name, given in self._inputs.items():
            value = values[name] if name in values else self._default(given)
            if value is not EMPTY and not (value is None and self._none_is_absent):
                found[name] = self._convert[name](value) if name in values and name in self._convert else value

        return found

    def _default(self, given: Input) -> object:
        if given.default_factory is not None:
            return given.default_factory()

        if given.default is EMPTY and given.always:
            raise DecodeError(f"{self._graph}.{given.name}", describe_type(given.type), "it is missing")

        return given.default
