"""The one door for synchronous code: an event loop in a thread of its own, and an app that is open there."""

from collections.abc import AsyncIterable, Awaitable, Callable, Generator
from contextlib import contextmanager
from functools import partial
from inspect import iscoroutinefunction
from types import TracebackType
from typing import ParamSpec, Protocol, Self, TypeVar, cast

from anyio.from_thread import BlockingPortal, start_blocking_portal

P = ParamSpec("P")
T = TypeVar("T")


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
    What iterates (``runs``) comes as a list.
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
        return lambda *args, **kwargs: self._portal.call(partial(call, *args, **kwargs))


def _on_the_loop(method: Callable[..., object]) -> Callable[..., Awaitable[object]]:
    """Return a coroutine function for any method: a plain one, too, belongs to the loop's thread, where no lock is."""
    if iscoroutinefunction(method):
        return method

    async def call(*args: object, **kwargs: object) -> object:
        result = method(*args, **kwargs)
        return await _collect(cast(AsyncIterable[object], result)) if isinstance(result, AsyncIterable) else result

    return call


async def _collect(items: AsyncIterable[object]) -> list[object]:
    return [item async for item in items]


async def _await(function: Callable[[], Awaitable[T]]) -> T:
    return await function()


@contextmanager
def open_portal(app: Door) -> Generator[Portal]:
    """Open the app on a loop in another thread for the length of the ``with`` block."""
    with start_blocking_portal("asyncio") as portal, portal.wrap_async_context_manager(app):
        yield Portal(portal, app)
