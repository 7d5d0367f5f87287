"""The one door for synchronous code: an event loop in a thread of its own, and an app that is open there."""

from collections.abc import AsyncIterable, Awaitable, Callable, Generator, Iterator
from contextlib import contextmanager
from functools import partial
from inspect import iscoroutinefunction
from types import TracebackType
from typing import ParamSpec, Protocol, Self, TypeVar, cast

from anyio.from_thread import BlockingPortal, start_blocking_portal
from typing_extensions import override

from penstock.runtime.subscription import Subscription

P = ParamSpec("P")
T = TypeVar("T")

#: Stands for the end of a subscription.
END = object()


class Door(Protocol):
    """An app: what is opened and closed with ``async with``."""

    async def __aenter__(self) -> Self:
        """Open."""
        ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""


class Portal:
    """An open app, seen from synchronous code.

    Every method of the app can be called here under its own name and blocks until it is done:
    ``portal.execute(settle)``. ``portal.call(app.execute, settle)`` is the same with the types kept.
    What iterates (``runs``) comes as a list; what goes on until the app stops (``firings``) as an iterator that waits
    for each value.
    """

    def __init__(self, portal: BlockingPortal, app: Door) -> None:
        self._portal = portal
        self._app = app

    def call(self, function: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Await ``function(*args, **kwargs)`` on the app's loop and return its result."""
        return self._portal.call(partial(_await, partial(function, *args, **kwargs)))

    def __getattr__(self, name: str) -> Callable[..., object]:
        method = getattr(self._app, name)
        if not callable(method):
            message = f"{name!r} of the app is not a method; read it from the app itself"
            raise AttributeError(message)  # noqa: TRY004 - what attribute access must raise

        call = _on_the_loop(method)

        def enter(*args: object, **kwargs: object) -> object:
            result = self._portal.call(partial(call, *args, **kwargs))
            if isinstance(result, Subscription):
                return Reading(self._portal, cast("Subscription[object]", result))

            return result

        return enter


class Reading(Iterator[object]):
    """A subscription that synchronous code reads: the next value is waited for."""

    def __init__(self, portal: BlockingPortal, subscription: Subscription[object]) -> None:
        self._portal, self._subscription = portal, subscription

    @override
    def __next__(self) -> object:
        value = self._portal.call(self._next)
        if value is END:
            raise StopIteration

        return value

    async def _next(self) -> object:
        return await anext(self._subscription, END)

    @property
    def dropped(self) -> int:
        """How many values gave way to newer ones because they were not read in time."""
        return self._subscription.dropped

    def close(self) -> None:
        """Take no more values; those that are there can be read."""
        self._portal.call(self._subscription.close)


def _on_the_loop(method: Callable[..., object]) -> Callable[..., Awaitable[object]]:
    """Return a coroutine function for any method: a plain one, too, belongs to the loop's thread, where no lock is."""
    if iscoroutinefunction(method):
        return method

    async def call(*args: object, **kwargs: object) -> object:
        result = method(*args, **kwargs)
        return await _collect(cast(AsyncIterable[object], result)) if _ends(result) else result

    return call


def _ends(result: object) -> bool:
    """Tell whether something iterates, and comes to an end by itself."""
    return isinstance(result, AsyncIterable) and not isinstance(result, Subscription)


async def _collect(items: AsyncIterable[object]) -> list[object]:
    return [item async for item in items]


async def _await(function: Callable[[], Awaitable[T]]) -> T:
    return await function()


@contextmanager
def open_portal(app: Door) -> Generator[Portal]:
    """Open the app on a loop in another thread for the length of the ``with`` block."""
    with start_blocking_portal("asyncio") as portal, portal.wrap_async_context_manager(app):
        yield Portal(portal, app)
