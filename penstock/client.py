"""Operating an app from another process: what a client asks is done by the process that serves the store."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

import anyio

from penstock.accumulators.accumulator import AnyAccumulator
from penstock.asking import Asker
from penstock.command import Command
from penstock.dead_letter import DeadLetter, iterate
from penstock.graphs.graph import ComputationGraph
from penstock.reactors.firing import Key
from penstock.reactors.reactor import Reactor
from penstock.runtime import durations
from penstock.runtime.clock import Clock, SystemClock
from penstock.runtime.config import load
from penstock.runtime.durations import Duration
from penstock.runtime.errors import AppError
from penstock.runtime.scheduler import Scheduler
from penstock.runtime.store.store import Store


class Client:
    """Dead letters and reactors of an app that another process runs. It never serves the store itself.

        async with ps.Client("sqlite:///market.db") as client:
            await client.replay_letter(7)
            await client.fire("market")

    What is asked is a row in the store, which the process that serves it takes, carries out at most once, and answers
    in the commit that holds what was done: on PostgreSQL at once, on SQLite within half a second.

    Args:
        store: The store, as for an app; default: the configuration's.
        timeout: How long to wait for an answer.
        clock: Where time comes from.

    Raises:
        ConfigError: The settings cannot be used.
        DefinitionError: The timeout is none.
    """

    def __init__(self, store: str | None = None, *, timeout: Duration = 10.0, clock: Clock | None = None) -> None:
        self._url = load({}).config.store if store is None else store
        self._timeout = durations.seconds(timeout, name="timeout=")
        self._clock = clock or SystemClock()
        self._resources = AsyncExitStack()
        self._store: Store | None = None

    async def __aenter__(self) -> Self:
        """Open the store beside whoever serves it.

        Raises:
            StoreError: It is not there, or cannot be used; it is never made or migrated.
            AppError: The client is open already.
        """
        if self._store is not None:
            raise AppError("the client is open already")

        async with AsyncExitStack() as resources:
            scheduler = Scheduler(self._clock, on_error=tell_loop)
            resources.callback(scheduler.close)
            self._store = await Store.open(self._url, scheduler=scheduler, activity=self._clock.activity, serve=False)
            resources.push_async_callback(self._store.close)
            self._resources = resources.pop_all()

        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self._store = None
        with anyio.CancelScope(shield=True):
            await self._resources.aclose()

    @property
    def asker(self) -> Asker:
        """Asks what has no method here."""
        return Asker(self._open, self._timeout)

    @property
    def _open(self) -> Store:
        if self._store is None:
            raise AppError("the client is not open: use `async with client:`")

        return self._store

    # -- dead letters --------------------------------------------------------------------------------------

    def dead_letters(
        self, part: AnyAccumulator | Reactor | ComputationGraph | str | None = None
    ) -> AsyncIterator[DeadLetter]:
        """Iterate over what could not be processed, the newest first; needs nobody who serves.

        Args:
            part: Only that of one accumulator, reactor or graph.
        """
        return iterate(self._open, part if part is None or isinstance(part, str) else part.name)

    async def replay_letter(self, letter: DeadLetter | int) -> None:
        """Let a dead letter be given back, as ``App.replay_letter`` does.

        Raises:
            LetterNotFound: It was replayed or discarded before.
            CommandFailed: It could not be given back; it stays.
            CommandUnanswered: Nobody has answered in time.
            StoreError: The store cannot be used.
        """
        await self.asker.ask(Command(verb="letters.replay", target=number_of(letter)))

    async def discard_letter(self, letter: DeadLetter | int) -> None:
        """Let a dead letter be deleted; raises as ``replay_letter``."""
        await self.asker.ask(Command(verb="letters.discard", target=number_of(letter)))

    # -- reactors ------------------------------------------------------------------------------------------

    async def fire(self, reactor: Reactor | str, key: Key = None) -> str:
        """Let a reactor fire now, as ``App.fire`` does, and return the firing's id.

        Raises:
            CommandFailed: It did not fire: ``kind`` is ``FiringRefused`` when it may later.
            CommandUnanswered: Nobody has answered in time.
            StoreError: The store cannot be used.
        """
        arguments = {} if key is None else {"key": key}
        return str(await self.asker.ask(Command(verb="reactors.fire", target=name_of(reactor), arguments=arguments)))

    async def pause(self, reactor: Reactor | str) -> bool:
        """Let a reactor fire no more until it is resumed; return whether it did before. Raises as ``fire``."""
        return bool(await self.asker.ask(Command(verb="reactors.pause", target=name_of(reactor))))

    async def resume(self, reactor: Reactor | str) -> bool:
        """Let a reactor fire again; return whether it was paused. Raises as ``fire``."""
        return bool(await self.asker.ask(Command(verb="reactors.resume", target=name_of(reactor))))


def number_of(letter: DeadLetter | int) -> str:
    """Return what a command calls a dead letter."""
    return str(letter if isinstance(letter, int) else letter.id)


def name_of(reactor: Reactor | str) -> str:
    """Return what a command calls a reactor."""
    return reactor if isinstance(reactor, str) else reactor.name


def tell_loop(error: BaseException) -> None:
    """Tell the loop's exception handler of a mistake of ours."""
    context = {"message": "the callback of a timer raised", "exception": error}
    asyncio.get_running_loop().call_exception_handler(context)
