"""Stream: fed by a source that knows its positions; the function may carry state from one event to the next.

Position, state and boundary change in one step, and are committed together: after a crash the source is asked to go
on behind the last committed position, with the state as it was there.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Concatenate, Generic, Protocol, TypeVar, cast, get_args, get_origin, overload

from penstock.accumulators.accumulator import (
    Accumulator,
    In,
    Out,
    Overflow,
    body_problems,
    value_type,
)
from penstock.accumulators.decoding import Decode
from penstock.accumulators.passthrough import check_function, event_problems
from penstock.accumulators.record import Extras, converter
from penstock.accumulators.source import Source
from penstock.runtime.calls import Function, caller_locals
from penstock.runtime.codec import Codec
from penstock.runtime.errors import DefinitionError

if TYPE_CHECKING:
    from penstock.runtime.rx import Operator

State = TypeVar("State")


class FoldState(Generic[State]):
    """The state that a function carries from one event to the next.

    Attributes:
        initial: The state before the first event, or what makes it.
        codec: Writes and reads the state in the store.
        type: The declared type.
    """

    def __init__(self, initial: State, type_: object, *, part: str) -> None:
        self.initial: State = initial
        self.type: object = type_
        self.codec: Codec[State] = Codec(type_, part=f"{part}.state")


class StreamAccumulator(Accumulator[In, Out]):
    """An accumulator that is fed by a source, and by pushes besides.

    Attributes:
        source: Where the events come from.
        memory: What is carried from event to event; None for a function of the event alone.
    """

    kind = "stream"

    def __init__(
        self,
        function: Function[object],
        source: Source,
        *,
        event: object,
        value: object,
        memory: FoldState[object] | None,
        name: str | None,
        durable: bool,
        overflow: Overflow,
        capacity: int | None,
        extras: Extras | None = None,
        decode: Decode = "json",
    ) -> None:
        super().__init__(
            function,
            event=event,
            value=value,
            name=name,
            durable=durable,
            overflow=overflow,
            capacity=capacity,
            decode=decode,
        )
        self.extras: Extras | None = extras
        converter(source, self.input_codec, extras, decode)  # what the source cannot give is an error here
        if extras is not None and durable:
            raise DefinitionError(
                f"accumulator {self.name!r}: the journal of durable=True keeps events alone, without"
                f" {', '.join(extras.names)}: take them from the event, or leave durable=True out"
            )

        self.source: Source | None = source
        self.origin: object = source
        self.memory: FoldState[object] | None = memory

    def __call__(self, event: In, *state: object, **extras: object) -> object:
        """Call the user's function, with its state when it carries one, and with what else it asks for."""
        return self.function.fn(event, *state, **extras)


class StreamDecorator(Protocol):
    """What ``stream_accumulator(source)`` returns."""

    @overload
    def __call__(self, fn: Callable[Concatenate[In, ...], Awaitable[Out | None]], /) -> StreamAccumulator[In, Out]: ...
    @overload
    def __call__(self, fn: Callable[Concatenate[In, ...], Out | None], /) -> StreamAccumulator[In, Out]: ...
    def __call__(self, fn: Callable[Concatenate[In, ...], object], /) -> object:
        """Make the accumulator."""
        ...


class FoldDecorator(Protocol[State]):
    """What ``stream_accumulator(source, state=…)`` returns."""

    def __call__(
        self, fn: Callable[Concatenate[In, State, ...], tuple[State, Out | None]], /
    ) -> StreamAccumulator[In, Out]:
        """Make the accumulator."""
        ...


@overload
def stream_accumulator(
    source: Source,
    *,
    pipe: Sequence["Operator"] = (),
    value: object = ...,
    decode: Decode = "json",
    durable: bool = False,
    name: str | None = None,
    overflow: Overflow = "block",
    capacity: int | None = None,
) -> StreamDecorator: ...
@overload
def stream_accumulator(
    source: Source,
    *,
    state: State,
    pipe: Sequence["Operator"] = (),
    value: object = ...,
    decode: Decode = "json",
    durable: bool = False,
    name: str | None = None,
    overflow: Overflow = "block",
    capacity: int | None = None,
) -> FoldDecorator[State]: ...
def stream_accumulator(
    source: Source,
    *,
    state: object = ...,
    pipe: Sequence["Operator"] = (),
    value: object = ...,
    decode: Decode = "json",
    durable: bool = False,
    name: str | None = None,
    overflow: Overflow = "block",
    capacity: int | None = None,
) -> object:
    """Make an accumulator that is fed by a source.

    Args:
        source: Where the events come from. Its positions are kept in the store, with everything they led to.
        state: The state before the first event; the function is then ``(event, state) -> (state, value)``. It must be
            pure: it returns a new state and leaves the old one as it was.
        pipe: Operators of ``reactivex.operators`` that what the function returns goes through, on the app's clock.
        value: The type of what comes out of ``pipe``, where it is not the function's.
        decode: How bytes are read: ``"json"``, ``"msgpack"``, ``"raw"`` for bytes and text as they are, or a function
            from bytes to the event, or to what it is made of.
        durable: Journal what is *pushed*; what the source gives is replayed from its positions anyway.
        name: The name in the store; the function's own when omitted.
        overflow: What happens to pushes while the ingress is saturated; the source is made to wait.
        capacity: Pushed events that may wait; ``ingress_limit`` of the configuration when omitted.

    Raises:
        DefinitionError: The function lacks annotations, has another shape, does nothing, or carries state and is async.
    """

    def decorate(fn: Callable[..., object], /) -> StreamAccumulator[object, object]:
        reader = read_fold if state is not ... else read_plain
        function, event, returned, state_type, extras = reader(fn, caller_locals())
        memory = None if state is ... else FoldState(state, state_type, part=function.name)
        made = StreamAccumulator[object, object](
            function,
            source,
            event=event,
            value=returned,
            memory=memory,
            name=name,
            durable=durable,
            overflow=overflow,
            capacity=capacity,
            extras=extras,
            decode=decode,
        )
        made.put_pipe(pipe, value)
        return made

    if not isinstance(cast("object", source), Source):
        raise DefinitionError(
            f"stream_accumulator({source!r}): a source has a name and `async def run(intake, positions)`"
        )

    return decorate


Read = tuple[Function[object], object, object, object, Extras | None]


def split(function: Function[object], own: int) -> tuple[Function[object], Extras | None]:
    """Return a function with its first parameters only, and what it asks for by the others."""
    parameters = list(function.parameters.values())
    if len(parameters) <= own:
        return function, None

    kept = {parameter.name: parameter for parameter in parameters[:own]}
    first = Function(
        function.fn, name=function.name, is_async=function.is_async, parameters=kept, returns=function.returns
    )
    return first, Extras(function.name, parameters[own:])


def read_plain(fn: Callable[..., object], localns: Mapping[str, object]) -> Read:
    """Return the function with the types of its event and its boundaries."""
    function, extras = split(Function[object].of(fn, localns=localns), 1)
    return (*check_function(function), None, extras)


def read_fold(fn: Callable[..., object], localns: Mapping[str, object]) -> Read:
    """Return a function that carries state, with the types of its event, its boundaries and its state."""
    function, extras = split(Function[object].of(fn, localns=localns), 2)
    shape = f"write `def {function.name}(event: Trade, state: float) -> tuple[float, float | None]`"
    parameters = list(function.parameters.values())
    returned = get_args(function.returns) if get_origin(function.returns) is tuple else ()
    if len(parameters) != len(returned) or len(returned) != 2:  # noqa: PLR2004 (the event and the state)
        raise DefinitionError(
            f"accumulator {function.name!r} has state=, so it takes event and state and returns (state, value): {shape}"
        )

    problems = [problem for problem in event_problems(function) if "parameters, not one" not in problem]
    problems += body_problems(function, "return (state, value)")
    if function.is_async:
        problems.append(
            f"accumulator {function.name!r} carries state and is async: state and position change in one step, so write"
            " `def`, and wait in a graph node"
        )

    value = value_type(function, returned[1], problems)
    if problems:
        raise DefinitionError(*problems)

    return function, parameters[0].annotation, value, parameters[1].annotation, extras
