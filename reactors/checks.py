"""What may be wrong with the declaration of a reactor; each problem is a sentence with its fix. Pure."""

import difflib
from collections.abc import Collection, Mapping, Sequence
from typing import cast, get_type_hints

import msgspec

from penstock.reactors.criteria import Criterion
from penstock.reactors.predicate import type_problems
from penstock.runtime.calls import describe_type

STRATEGIES = ("latest", "sequential")
OVERFLOWS = ("block", "drop_oldest", "dead_letter")
MEMORIES = ("ring", "store")


def input_problems(
    where: str, names: Sequence[str], broadcasts: Collection[str], criteria: Criterion, types: Mapping[str, object]
) -> list[str]:
    """Return what is wrong with the inputs and with the criteria over them."""
    problems = [f"{where}: input {name!r} is there twice" for name in sorted({n for n in names if names.count(n) > 1})]
    if not set(names) - set(broadcasts) and not criteria.names:
        problems.append(f"{where} has no input that makes it fire: name an accumulator that is not broadcast")

    wanted = dict.fromkeys((*criteria.names, *(criteria.predicate.names if criteria.predicate else ())))
    for name in wanted:
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"its inputs are {', '.join(names)}"
            problems.append(f"{where}: the criteria name {name!r}, which is not an input: {hint}")

    return problems if criteria.predicate is None else problems + type_problems(where, criteria.predicate, types)


def key_problems(where: str, key: object, types: Mapping[str, object], broadcasts: Collection[str]) -> list[str]:
    """Return which inputs lack the field that tells keys apart."""
    if not isinstance(key, str):
        return []

    return [
        f"{where}: key={key!r}, but input {name!r} of type {describe_type(type_)} has no such"
        f" field: add it, wrap the input in broadcast(…), or give a function"
        for name, type_ in types.items()
        if name not in broadcasts and not has_field(type_, key)
    ]


def has_field(type_: object, field: str) -> bool:
    """Tell whether the values of a type have such an attribute."""
    if not isinstance(type_, type):
        return False

    cls = cast("type[object]", type_)
    if issubclass(cls, msgspec.Struct):
        return field in cls.__struct_fields__

    return hasattr(cls, field) or field in get_type_hints(cls)


def strategy_problems(where: str, strategy: object, queue_limit: object, overflow: object) -> list[str]:
    """Return what is wrong with the strategy and its queue."""
    if strategy not in STRATEGIES:
        return [f"{where}: strategy={strategy!r} is neither {' nor '.join(map(repr, STRATEGIES))}"]

    if strategy == "latest":
        given = {"queue_limit": queue_limit, "overflow": overflow}
        return [
            f"{where}: {option}= is about the queue of strategy='sequential'; 'latest' has none: leave it out"
            for option, value in given.items()
            if value is not None
        ]

    problems: list[str] = []
    if queue_limit is not None and (
        isinstance(queue_limit, bool) or not isinstance(queue_limit, int) or queue_limit < 1
    ):
        problems.append(f"{where}: queue_limit={queue_limit!r} must be a whole number of at least 1")

    if overflow is not None and overflow not in OVERFLOWS:
        problems.append(f"{where}: overflow={overflow!r} is none of {', '.join(map(repr, OVERFLOWS))}")

    return problems


def order_problems(
    where: str, strategy: str, key: object, criteria: Criterion, broadcasts: Collection[str]
) -> list[str]:
    """Return which inputs have no place in the order of a sequential reactor."""
    if strategy != "sequential" or key is None:
        return []

    return [
        f"{where}: the criteria name {name!r}, which is broadcast: one value would be new for every key at once, and"
        " has no place in the order of any. Use strategy='latest', or take it out of the criteria"
        for name in criteria.names
        if name in broadcasts
    ]


def history_problems(where: str, history: object, limit: object, age: object) -> list[str]:
    """Return what is wrong with how firings are remembered."""
    problems: list[str] = []
    if history not in MEMORIES:
        problems.append(f"{where}: history={history!r} is neither 'ring' nor 'store'")
    elif history != "store" and age is not None:
        problems.append(f"{where}: history_age= is for history='store': the ring forgets when the app stops")

    if limit is not None and not (type(limit) is int and limit >= 1):
        problems.append(f"{where}: history_limit={limit!r} is not a whole number of at least 1")

    return problems
