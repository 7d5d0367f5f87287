"""Passthrough: fed by pushes; one event in, at most one boundary out, nothing kept."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, cast, overload

from penstock.accumulators.accumulator import (
    Accumulator,
    In,
    Out,
    Overflow,
    body_problems,
    value_type,
)
from penstock.accumulators.decoding import Decode
from penstock.runtime.calls import Function, caller_locals
from penstock.runtime.errors import DefinitionError

if TYPE_CHECKING:
    from penstock.runtime.rx import Operator


class PassthroughAccumulator(Accumulator[In, Out]):
    """An accumulator that is fed by ``app.push`` and ``app.offer``."""

    kind = "passthrough"

    def __call__(self, event: In) -> Out | Awaitable[Out | None] | None:
        """Call the user's function."""
        return cast("Out | Awaitable[Out | None] | None", self.function.fn(event))


class PassthroughDecorator(Protocol):
    """What ``passthrough_accumulator(…)`` with options returns."""

    @overload
    def __call__(self, fn: Callable[[In], Awaitable[Out | None]], /) -> PassthroughAccumulator[In, Out]: ...
    @overload
    def __call__(self, fn: Callable[[In], Out | None], /) -> PassthroughAccumulator[In, Out]: ...
    def __call__(self, fn: Callable[[In], object], /) -> object:
        """Make the accumulator."""
        ...


@overload
def passthrough_accumulator(fn: Callable[[In], Awaitable[Out | None]], /) -> PassthroughAccumulator[In, Out]: ...
@overload
def passthrough_accumulator(fn: Callable[[In], Out | None], /) -> PassthroughAccumulator[In, Out]: ...
@overload
def passthrough_accumulator(
    *,
    pipe: Sequence["Operator"] = (),
    value: object = ...,
    decode: Decode = "json",
    durable: bool = False,
    name: str | None = None,
    overflow: Overflow = "block",
    capacity: int | None = None,
) -> PassthroughDecorator: ...
def passthrough_accumulator(
    fn: Callable[[In], object] | None = None,
    /,
    *,
    pipe: Sequence["Operator"] = (),
    value: object = ...,
    decode: Decode = "json",
    durable: bool = False,
    name: str | None = None,
    overflow: Overflow = "block",
    capacity: int | None = None,
) -> object:
    """Make an accumulator of a function from an event to a boundary; None drops the event, and the drop is counted.

    ``def`` runs at once; with ``async def`` events queue up, and are processed one after the other.

    Args:
        pipe: Operators of ``reactivex.operators`` that what the function returns goes through, on the app's clock.
        value: The type of what comes out of ``pipe``, where it is not the function's.
        decode: How bytes are read: ``"json"``, ``"msgpack"``, ``"raw"`` for bytes and text as they are, or a function
            from bytes to the event, or to what it is made of.
        durable: Journal each pushed event before ``push`` returns; what was acknowledged survives a crash.
        name: The name in the store; the function's own when omitted.
        overflow: What happens while the ingress is saturated: ``push`` waits (``block``), raises (``reject``),
            or the event replaces an older one (``drop_oldest``).
        capacity: Events that may wait; ``ingress_limit`` of the configuration when omitted.

    Raises:
        DefinitionError: The function lacks annotations, takes another number of parameters, or does nothing.
    """

    def decorate(function: Callable[[In], object], localns: Mapping[str, object], /) -> object:
        checked, event, returned = read_function(function, localns)
        made = PassthroughAccumulator[In, object](
            checked,
            event=event,
            value=returned,
            name=name,
            durable=durable,
            overflow=overflow,
            capacity=capacity,
            decode=decode,
        )
        made.put_pipe(pipe, value)
        return made

    def later(function: Callable[[In], object], /) -> object:
        return decorate(function, caller_locals())

    return later if fn is None else decorate(fn, caller_locals())


def read_function(fn: Callable[..., object], localns: Mapping[str, object]) -> tuple[Function[object], object, object]:
    """Return the function with the types of its event and its boundaries."""
    return check_function(Function[object].of(fn, localns=localns))


def check_function(function: Function[object]) -> tuple[Function[object], object, object]:
    """Return a function of one event with the types of its event and its boundaries."""
    problems = [*event_problems(function), *body_problems(function, "return the event")]
    value = value_type(function, function.returns, problems)
    if problems:
        raise DefinitionError(*problems)

    return function, next(iter(function.parameters.values())).annotation, value


def event_problems(function: Function[object]) -> list[str]:
    """Return what is wrong with the parameters of a function that takes one event."""
    shape = f"write `def {function.name}(event: Book) -> Book | None`"
    problems: list[str] = []
    if len(function.parameters) != 1:
        problems.append(f"accumulator {function.name!r} takes {len(function.parameters)} parameters, not one: {shape}")

    problems += [
        f"accumulator {function.name!r}: parameter {parameter.name!r} has no annotation: {shape}"
        for parameter in function.parameters.values()
        if not parameter.is_annotated
    ]
    return problems
