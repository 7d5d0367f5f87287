"""Polling: asks a function at a fixed interval; a value that is not None becomes a boundary."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Generic, Protocol, cast

from penstock.accumulators.accumulator import (
    Accumulator,
    Out,
    Overflow,
    body_problems,
    value_type,
)
from penstock.runtime import durations
from penstock.runtime.calls import Function, caller_locals
from penstock.runtime.errors import DefinitionError

if TYPE_CHECKING:
    from penstock.runtime.rx import Operator

#: A function to be asked: ``def`` runs in a thread, ``async def`` on the loop.
Poll = Callable[[], Out | None] | Callable[[], Awaitable[Out | None]]


class PollingAccumulator(Accumulator[Out, Out], Generic[Out]):
    """An accumulator that asks. What is pushed into it is taken as if it had been polled.

    Attributes:
        interval: Seconds between the starts of two polls; a tick that comes while a poll runs is skipped.
    """

    kind = "polling"

    def __init__(
        self,
        function: Function[object],
        *,
        value: object,
        interval: float,
        name: str | None,
        durable: bool,
        overflow: Overflow,
        capacity: int | None,
    ) -> None:
        super().__init__(
            function, event=value, value=value, name=name, durable=durable, overflow=overflow, capacity=capacity
        )
        self.interval = interval

    def __call__(self) -> Out | Awaitable[Out | None] | None:
        """Call the user's function."""
        return cast("Out | Awaitable[Out | None] | None", self.function.fn())


class PollingDecorator(Protocol):
    """What ``polling_accumulator(…)`` returns."""

    def __call__(self, fn: Poll[Out], /) -> PollingAccumulator[Out]:
        """Make the accumulator."""
        ...


def polling_accumulator(
    interval: float | str | timedelta,
    *,
    pipe: Sequence["Operator"] = (),
    value: object = ...,
    durable: bool = False,
    name: str | None = None,
    overflow: Overflow = "block",
    capacity: int | None = None,
) -> PollingDecorator:
    """Make an accumulator of a function that is asked at once and then every ``interval``; None means nothing new.

    Args:
        interval: Seconds, or text such as ``"5s"``. Ticks do not drift, and missed ones are skipped.
        pipe: Operators of ``reactivex.operators`` that what the function returns goes through, on the app's clock.
        value: The type of what comes out of ``pipe``, where it is not the function's.
        durable: Journal each polled value before it is applied, so that no answer is lost between two checkpoints.
        name: The name in the store; the function's own when omitted.
        overflow: For what is pushed; polls are skipped while the ingress is saturated.
        capacity: Pushed values that may wait; ``ingress_limit`` of the configuration when omitted.

    Raises:
        DefinitionError: No duration as interval; a function that takes parameters, has no return type, or does nothing.
    """
    period = durations.seconds(interval, name="polling_accumulator(interval=…)")

    def decorate(fn: Poll[Out], /) -> PollingAccumulator[Out]:
        function, returned = read_poll(fn, caller_locals())
        made = PollingAccumulator[Out](
            function,
            value=returned,
            interval=period,
            name=name,
            durable=durable,
            overflow=overflow,
            capacity=capacity,
        )
        made.put_pipe(pipe, value)
        return made

    return decorate


def read_poll(fn: Poll[Out], localns: Mapping[str, object]) -> tuple[Function[object], object]:
    """Return the function with the type of what it returns."""
    function = Function[object].of(fn, localns=localns)
    problems = body_problems(function, "return what you found")
    if function.parameters:
        names = ", ".join(function.parameters)
        problems.append(f"accumulator {function.name!r} is polled without arguments: remove the parameters {names}")

    value = value_type(function, function.returns, problems)
    if problems:
        raise DefinitionError(*problems)

    return function, value
