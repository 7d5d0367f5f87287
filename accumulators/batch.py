"""Batch: events are gathered, and the function is given many of them at once."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Protocol, cast, get_args, get_origin, overload

from penstock.accumulators.accumulator import Accumulator, In, Out, Overflow, body_problems, value_type
from penstock.accumulators.decoding import Decode
from penstock.accumulators.record import converter
from penstock.accumulators.source import Source
from penstock.runtime import durations
from penstock.runtime.calls import Function, caller_locals
from penstock.runtime.errors import DefinitionError


class BatchAccumulator(Accumulator[In, Out]):
    """An accumulator of a function that takes a list of events.

    Attributes:
        max_size: Events at which a batch is flushed; None for no such bound.
        max_age: Seconds after its oldest event came at which a batch is flushed; None for no such bound.
        flush_after_firing: Whether a successful firing of a reactor that joins it flushes what was gathered.
    """

    kind = "batch"
    stores_events = True

    def __init__(
        self,
        function: Function[object],
        *,
        event: object,
        value: object,
        max_size: int | None,
        max_age: float | None,
        flush_after_firing: bool,
        source: Source | None,
        name: str | None,
        durable: bool,
        overflow: Overflow,
        capacity: int | None,
        decode: Decode,
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
        self.max_size: int | None = max_size
        self.max_age: float | None = max_age
        self.flush_after_firing: bool = flush_after_firing
        self.source: Source | None = source
        self.origin: object = source
        problems = batch_problems(self)
        if problems:
            raise DefinitionError(*problems)

        converter(source, self.input_codec, None, decode)  # what the source cannot give is an error here

    def __call__(self, events: list[In]) -> Out | Awaitable[Out | None] | None:
        """Call the user's function."""
        return cast("Out | Awaitable[Out | None] | None", self.function.fn(events))


class BatchDecorator(Protocol):
    """What ``batch_accumulator(…)`` returns."""

    @overload
    def __call__(self, fn: Callable[[list[In]], Awaitable[Out | None]], /) -> BatchAccumulator[In, Out]: ...
    @overload
    def __call__(self, fn: Callable[[list[In]], Out | None], /) -> BatchAccumulator[In, Out]: ...
    def __call__(self, fn: Callable[[list[In]], object], /) -> object:
        """Make the accumulator."""
        ...


def batch_accumulator(
    *,
    max_size: int | None = None,
    max_age: float | str | timedelta | None = None,
    flush_after_firing: bool = False,
    source: Source | None = None,
    durable: bool = False,
    name: str | None = None,
    overflow: Overflow = "block",
    capacity: int | None = None,
    decode: Decode = "json",
) -> BatchDecorator:
    """Make an accumulator of a function from a list of events to a boundary; None drops the batch, which is counted.

    Events that wait in a batch are stored with every cut, so a crash neither loses nor repeats what was stored. A batch
    that is being flushed is gone from the store in the same commit that holds what came of it. When the function
    raises, each event of the batch becomes a dead letter of its own, and the next batch is processed.

    At an orderly stop a durable batch is kept and goes on to fill after the next start; any other one is flushed.

    Args:
        max_size: Flush at so many events.
        max_age: Flush so many seconds after the oldest event came; or text such as ``"1s"``.
        flush_after_firing: Flush what was gathered when a reactor that joins the accumulator has fired successfully.
            ``app.flush`` flushes in any case.
        source: Brings events besides those that are pushed, such as ``Kafka(…)``.
        durable: Journal each pushed event before ``push`` returns, and keep the batch at an orderly stop.
        name: The name in the store; the function's own when omitted.
        overflow: What happens to pushes when ``capacity`` events wait: ``push`` waits for a flush (``block``), raises
            (``reject``), or the oldest event that waits gives way (``drop_oldest``). A flush is never refused.
        capacity: Events that may wait; when omitted, ``ingress_limit`` of the configuration, or ``max_size`` when that
            is more.
        decode: How the bytes of one event are read: ``"json"``, ``"msgpack"``, ``"raw"`` for bytes and text as they
            are, or a function of the bytes. A source that has a ``decode=`` of its own is told there.

    Raises:
        DefinitionError: The function lacks annotations, does not take a list, or does nothing; no bound was given; or
            the source says itself how events are read.
    """
    age = None if max_age is None else durations.seconds(max_age, name="batch_accumulator(max_age=…)")

    def decorate(fn: Callable[[list[In]], object], /) -> BatchAccumulator[In, object]:
        function, event, value = read_batch(fn, caller_locals())
        return BatchAccumulator(
            function,
            event=event,
            value=value,
            max_size=max_size,
            max_age=age,
            flush_after_firing=flush_after_firing,
            source=source,
            name=name,
            durable=durable,
            overflow=overflow,
            capacity=capacity,
            decode=decode,
        )

    return cast("BatchDecorator", decorate)


def read_batch(fn: Callable[..., object], localns: Mapping[str, object]) -> tuple[Function[object], object, object]:
    """Return the function with the types of one event and of its boundaries."""
    function = Function[object].of(fn, localns=localns)
    shape = f"write `def {function.name}(events: list[Trade]) -> float | None`"
    parameters = list(function.parameters.values())
    problems = body_problems(function, "return what the events come to")
    event: object = None
    if len(parameters) != 1:
        problems.append(f"accumulator {function.name!r} takes {len(parameters)} parameters, not one: {shape}")
    elif get_origin(parameters[0].annotation) not in (list, Sequence) or not get_args(parameters[0].annotation):
        problems.append(f"accumulator {function.name!r} is given its events as a list: {shape}")
    else:
        (event,) = get_args(parameters[0].annotation)

    value = value_type(function, function.returns, problems)
    if problems:
        raise DefinitionError(*problems)

    return function, event, value


def batch_problems(batch: BatchAccumulator[In, Out]) -> list[str]:
    """Return what is wrong with the bounds of a batch."""
    where, size = f"accumulator {batch.name!r}", batch.max_size
    if size is None and batch.max_age is None and not batch.flush_after_firing:
        return [f"{where} is never flushed: give max_size=500, max_age=1.0 or flush_after_firing=True"]

    if size is None:
        return []

    if isinstance(size, bool) or not isinstance(cast("object", size), int) or size < 1:
        return [f"{where}: max_size={size!r} must be a whole number of at least 1"]

    if batch.capacity is not None and batch.capacity < size:
        return [f"{where}: capacity={batch.capacity} is less than max_size={size}: no batch could become full"]

    if batch.source is not None and not isinstance(cast("object", batch.source), Source):
        return [f"{where}: source={batch.source!r}: a source has a name and `async def run(intake, positions)`"]

    return []
