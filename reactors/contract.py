"""What two declarations of one reactor must agree on, so that graphs of the one can run on the other. Pure."""

from collections.abc import Iterator
from types import FunctionType

from penstock.accumulators.accumulator import AnyAccumulator
from penstock.reactors.criteria import Criterion, resolve
from penstock.reactors.reactor import Reactor
from penstock.runtime.calls import describe_type

#: Attributes that are compared as they are, with what they are for people.
PLAIN = {
    "strategy": "strategies",
    "queue_limit": "queue limits",
    "overflow": "overflows of the queue",
    "key_ttl": "times to live of keys",
    "on_error": "failure policies",
    "retry": "retries",
    "start_timeout": "start timeouts",
    "history": "histories",
    "history_limit": "limits of the history",
    "history_age": "ages of the history",
}


def differences(running: Reactor, given: Reactor) -> list[str]:
    """Return in what a declaration differs from the one that runs; nothing when they are one contract."""
    return [] if running is given else list(find_differences(running, given))


def find_differences(running: Reactor, given: Reactor) -> Iterator[str]:
    """Yield what differs, each as a sentence's end."""
    if tuple(running.accumulators) != tuple(given.accumulators) or running.broadcasts != given.broadcasts:
        yield f"the inputs differ ({inputs_text(running)} here, {inputs_text(given)} there)"
        return

    if not same_criteria(running, given):
        yield (
            f"the reaction criteria differ ({criterion_text(running.criteria)} here,"
            f" {criterion_text(given.criteria)} there)"
        )

    if not same(running.key, given.key):
        yield f"the keys differ ({key_text(running.key)} here, {key_text(given.key)} there)"

    for attribute, words in PLAIN.items():
        here, there = getattr(running, attribute), getattr(given, attribute)
        if str(here) != str(there):  # a Retry is compared by what it says
            yield f"the {words} differ ({here} here, {there} there)"

    for name, accumulator in running.accumulators.items():
        yield from accumulator_differences(accumulator, given.accumulators[name])


def accumulator_differences(running: AnyAccumulator, given: AnyAccumulator) -> Iterator[str]:
    """Yield what differs between two declarations of one input."""
    if running is given:
        return

    name = running.name
    if running.output_type != given.output_type:
        types = f"{describe_type(running.output_type)} here, {describe_type(given.output_type)} there"
        yield f"the types of input {name!r} differ ({types})"

    if running.kind != given.kind:
        yield f"input {name!r} is of another kind ({running.kind} here, {given.kind} there)"
    elif running.durable != given.durable:
        yield f"input {name!r} is durable only {'here' if running.durable else 'there'}"
    elif not same(running.function.fn, given.function.fn):
        yield f"the functions of input {name!r} differ"


def same_criteria(running: Reactor, given: Reactor) -> bool:
    """Tell whether both fire in the same cases."""
    bits = {name: 1 << index for index, name in enumerate(running.accumulators)}
    here, there = (resolve(each.criteria, bits, each.broadcasts) for each in (running, given))
    return here == there and same(function_of(running.criteria), function_of(given.criteria))


def function_of(criterion: Criterion) -> object:
    """Return the function that is asked; None for none."""
    return None if criterion.predicate is None else criterion.predicate.function.fn


def same(here: object, there: object) -> bool:
    """Tell whether two functions, or what stands for one, do the same: one text that was read twice counts as one."""
    if isinstance(here, FunctionType) and isinstance(there, FunctionType) and here is not there:
        return here.__code__ == there.__code__ and contents(here) == contents(there)

    return here == there


def contents(function: FunctionType) -> tuple[object, ...]:
    """Return what a function took along when it was made."""
    cells = tuple(cell.cell_contents for cell in function.__closure__ or ())
    return (function.__defaults__, function.__kwdefaults__, *cells)


def inputs_text(reactor: Reactor) -> str:
    """Return the inputs for people."""
    return ", ".join(f"broadcast {name}" if name in reactor.broadcasts else name for name in reactor.accumulators)


def criterion_text(criterion: Criterion) -> str:
    """Return when it fires, as it was written."""
    text = f"when_{criterion.kind}({', '.join(criterion.names)})"
    return text if criterion.predicate is None else f"when({name_of(function_of(criterion))}, {text})"


def key_text(key: object) -> str:
    """Return how keys are told apart, as it was written."""
    return name_of(key) if callable(key) else repr(key)


def name_of(function: object) -> str:
    """Return a function's name."""
    return str(getattr(function, "__qualname__", function))
