"""Events from an async iterator: whatever can be written as an ``async for``."""

import inspect
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from typing import cast

from penstock.accumulators.source import Intake, Position
from penstock.accumulators.sources.places import single
from penstock.runtime.errors import DefinitionError, SourceError
from penstock.runtime.foreign import value_text
from penstock.runtime.texts import name_problem

#: Makes an iterator over the events, from the beginning.
Make = Callable[[], AsyncIterable[object]]
#: Makes an iterator over ``(position, event)``, behind a position; from the beginning for None.
Resume = Callable[[Position | None], AsyncIterable[tuple[Position, object]]]

SHAPE = (
    "write `async def ticks(): yield event`, or, to go on after a restart,"
    " `async def ticks(position): yield position_of_event, event`"
)


class FromIterator:
    """Gives the events of an async iterator.

        async def ticks():
            async for message in connection:
                yield message

        @ps.stream_accumulator(ps.FromIterator(ticks))
        def prices(event: Price) -> Price: ...

    A function without parameters is called again after an error and after a restart, and begins anew: such a source is
    *not replayable*, and what it gave before a crash and was not committed is lost. A function of a *position* makes it
    replayable: it yields ``(position, event)``, and is given the last position that is kept (None the first time), to
    go on behind it.

    Args:
        events: An async generator function, or another function that returns an async iterator; of no parameter, or of
            the position. Or an async iterator itself, which can be read once.
        name: The name for messages; the function's own when omitted.

    Raises:
        DefinitionError: It is none of these.
    """

    def __init__(self, events: Make | Resume | AsyncIterable[object], *, name: str | None = None) -> None:
        self.name: str = name or str(getattr(events, "__name__", type(events).__name__))
        problem = name_problem(self.name)
        if problem is not None:
            raise DefinitionError(f"FromIterator: {problem}")

        self._readable: AsyncIterable[object] | None = events if isinstance(events, AsyncIterable) else None
        self._function = cast("Callable[..., object]", events)
        self._used = False
        #: Whether it goes on behind a position.
        self.replayable: bool = self._readable is None and takes_position(self._function)

    async def run(self, intake: Intake, positions: Mapping[str, Position]) -> None:
        """Give what the iterator yields, until it ends; whatever the iterator raises goes to the supervisor.

        Raises:
            SourceError: An iterator that can be read once was read before, or what it yields is no position and event.
        """
        iterator = aiter(self._open(positions))
        async with AsyncExitStack() as stack:
            close = cast("Callable[[], Awaitable[None]] | None", getattr(iterator, "aclose", None))
            if close is not None:
                stack.push_async_callback(close)  # its own cleaning up happens now, not when it is collected

            await (self._give_placed if self.replayable else give)(intake, iterator)

    def _open(self, positions: Mapping[str, Position]) -> AsyncIterable[object]:
        if self._readable is None:
            return self._make(positions)

        if self._used and isinstance(self._readable, AsyncIterator):
            raise SourceError(
                f"source {self.name!r}: an async iterator can be read once; give the function that makes it, so that it"
                " can begin anew after an error"
            )

        self._used = True
        return self._readable

    def _make(self, positions: Mapping[str, Position]) -> AsyncIterable[object]:
        arguments = [single(self.name, positions)] if self.replayable else []
        made = self._function(*arguments)
        if not isinstance(made, AsyncIterable):
            raise SourceError(f"source {self.name!r}: the function returned {value_text(made)}: {SHAPE}")

        return cast("AsyncIterable[object]", made)

    async def _give_placed(self, intake: Intake, iterator: AsyncIterator[object]) -> None:
        async for pair in iterator:
            if not isinstance(pair, tuple) or len(cast("tuple[object, ...]", pair)) != 2:  # noqa: PLR2004 (a pair)
                raise SourceError(f"source {self.name!r} takes a position, so it yields (position, event): {SHAPE}")

            position, event = cast("tuple[Position, object]", pair)
            if not intake.accept(event, position=position):
                await intake.ready()


async def give(intake: Intake, iterator: AsyncIterator[object]) -> None:
    """Hand over events that have no positions."""
    async for event in iterator:
        if not intake.accept(event):
            await intake.ready()


def takes_position(events: object) -> bool:
    """Tell whether a function takes a position.

    Raises:
        DefinitionError: It is no function for an async iterator, or takes more.
    """
    if not callable(events):
        raise DefinitionError(
            f"FromIterator({value_text(events)}): an async iterator, or a function that makes one: {SHAPE}"
        )

    if inspect.isgeneratorfunction(events) or inspect.iscoroutinefunction(events):
        raise DefinitionError(f"FromIterator({value_text(events)}): it makes no async iterator: {SHAPE}")

    try:
        parameters = inspect.signature(events).parameters.values()
    except (TypeError, ValueError) as error:
        raise DefinitionError(f"FromIterator({value_text(events)}): its parameters cannot be read: {SHAPE}") from error

    required = [parameter for parameter in parameters if parameter.default is parameter.empty]
    if len(required) > 1 or any(parameter.kind is parameter.KEYWORD_ONLY for parameter in required):
        raise DefinitionError(f"FromIterator({value_text(events)}): it takes {len(required)} parameters: {SHAPE}")

    return len(required) == 1
