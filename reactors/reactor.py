"""The definition of a reactor: which inputs it joins, when it fires, and how its keys are told apart.

It holds no run-time state and may serve several apps; what lives in an app is ``LiveReactor``.
"""

import difflib
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Literal, cast, get_type_hints

import msgspec
from typing_extensions import override

from penstock.accumulators.accumulator import AnyAccumulator
from penstock.reactors.criteria import Criterion, when_any
from penstock.runtime import durations
from penstock.runtime.calls import describe_type
from penstock.runtime.errors import DefinitionError
from penstock.runtime.texts import name_problem

#: How the values of one key are kept apart from those of another: a field's name, or a function of the value.
KeyFunction = Callable[..., object]
Strategy = Literal["latest"]
OnError = Literal["keep_dirty", "dead_letter", "drop"]
ON_ERROR = ("keep_dirty", "dead_letter", "drop")


class Broadcast:
    """An input whose one newest value every key sees."""

    def __init__(self, accumulator: AnyAccumulator) -> None:
        self.accumulator = accumulator

    @override
    def __repr__(self) -> str:
        return f"broadcast({self.accumulator.name})"


def broadcast(accumulator: AnyAccumulator) -> Broadcast:
    """Give an input to every key of a reactor.

    Its value is context: it fires nothing by itself. When the criteria name it, it counts for each key that is known.
    """
    return Broadcast(accumulator)


class Reactor:
    """Joins the newest values of its inputs and fires its graphs with a snapshot of them.

    Attributes:
        name: The name in the store, in metrics and in firing ids.
        accumulators: The inputs by name, in declared order.
        types: The type of each input's values, by name: what a graph's parameters are checked against.
        broadcasts: Names of the inputs that every key sees.
        criteria: When it fires.
        key: How keys are told apart; None for one key without a name.
        key_ttl: Seconds after which an idle key is forgotten; None for never.
        on_error: What becomes of a firing whose graph failed.
    """

    def __init__(
        self,
        name: str,
        inputs: Sequence[AnyAccumulator | Broadcast],
        *,
        criteria: Criterion | None = None,
        strategy: Strategy = "latest",
        key: str | KeyFunction | None = None,
        key_ttl: float | str | timedelta | None = None,
        on_error: OnError = "keep_dirty",
    ) -> None:
        """Declare a reactor.

        Args:
            name: Unique among the reactors of an app.
            inputs: Accumulators, or ``broadcast(accumulator)``.
            criteria: ``when_any(…)`` or ``when_all(…)``; without arguments they mean all inputs but broadcast ones.
            strategy: ``latest`` coalesces: the newest value per key is always fired, older ones may not be.
            key: A field of every input that is not broadcast, or a function of the value; text or a whole number.
            key_ttl: Seconds or text such as ``"1h"``.
            on_error: ``keep_dirty`` tries the snapshot again after a back-off, five times in all; ``dead_letter`` keeps
                it aside at once; ``drop`` only counts.

        Raises:
            DefinitionError: All that is wrong, each problem with its fix.
        """
        self.name = name
        self.accumulators: Mapping[str, AnyAccumulator] = {
            accumulator.name: accumulator for accumulator in map(unwrap, inputs)
        }
        self.types: Mapping[str, object] = {
            accumulator.name: accumulator.output_type for accumulator in self.accumulators.values()
        }
        self.broadcasts: frozenset[str] = frozenset(unwrap(item).name for item in inputs if isinstance(item, Broadcast))
        self.criteria: Criterion = criteria or when_any()
        self.strategy: str = strategy
        self.key = key
        self.on_error: str = on_error
        problems = [*input_problems(self, inputs), *option_problems(self), *key_problems(self)]
        if problems:
            raise DefinitionError(*problems)

        self.key_ttl: float | None = (
            None if key_ttl is None else durations.seconds(key_ttl, name=f"Reactor({name!r}, key_ttl=…)")
        )

    @override
    def __repr__(self) -> str:
        return f"<reactor {self.name!r} of {', '.join(self.accumulators)}>"


def unwrap(item: object) -> AnyAccumulator:
    """Return the accumulator of an input."""
    if isinstance(item, Broadcast):
        return item.accumulator

    if isinstance(item, AnyAccumulator):
        return item

    raise DefinitionError(
        f"{item!r} is no accumulator: the inputs of a reactor are made by the *_accumulator functions"
    )


def input_problems(reactor: Reactor, inputs: Sequence[AnyAccumulator | Broadcast]) -> list[str]:
    """Return what is wrong with the inputs and with the criteria over them."""
    where = f"reactor {reactor.name!r}"
    names = [unwrap(item).name for item in inputs]
    problems = [f"{where}: input {name!r} is there twice" for name in sorted({n for n in names if names.count(n) > 1})]
    if not set(names) - reactor.broadcasts and not reactor.criteria.names:
        problems.append(f"{where} has no input that makes it fire: name an accumulator that is not broadcast")

    for name in reactor.criteria.names:
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"its inputs are {', '.join(names)}"
            problems.append(f"{where}: the criteria name {name!r}, which is not an input: {hint}")

    return problems


def option_problems(reactor: Reactor) -> list[str]:
    """Return what is wrong with the name and the options."""
    where, wrong_name = f"reactor {reactor.name!r}", name_problem(reactor.name)
    problems = [] if wrong_name is None else [f"reactor: {wrong_name}"]
    if reactor.strategy != "latest":
        problems.append(f"{where}: strategy={reactor.strategy!r} is not there yet: use 'latest'")

    if reactor.on_error not in ON_ERROR:
        problems.append(f"{where}: on_error={reactor.on_error!r} is none of {', '.join(map(repr, ON_ERROR))}")

    return problems


def key_problems(reactor: Reactor) -> list[str]:
    """Return which inputs lack the field that tells keys apart."""
    if not isinstance(reactor.key, str):
        return []

    return [
        f"reactor {reactor.name!r}: key={reactor.key!r}, but input {name!r} of type {describe_type(type_)} has no such"
        f" field: add it, wrap the input in broadcast(…), or give a function"
        for name, type_ in reactor.types.items()
        if name not in reactor.broadcasts and not has_field(type_, reactor.key)
    ]


def has_field(type_: object, field: str) -> bool:
    """Tell whether the values of a type have such an attribute."""
    if not isinstance(type_, type):
        return False

    cls = cast("type[object]", type_)
    if issubclass(cls, msgspec.Struct):
        return field in cls.__struct_fields__

    return hasattr(cls, field) or field in get_type_hints(cls)
