"""A temporary app under a virtual clock, for tests: a real store, no waiting, faults where wanted."""

import importlib
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from anyio import TemporaryDirectory

from penstock.app import App
from penstock.runtime.config import Config
from penstock.runtime.observe import Fact
from penstock.testing.clock import VirtualClock
from penstock.testing.faults import FaultPoints
from penstock.wiring import Part

# An app imports the session when it is made; in tests that is inside a running loop, which an import would block.
importlib.import_module("penstock.session")


class AppUnderTest:
    """An open app and what a test moves and sees of it.

    Attributes:
        app: The app; open.
        clock: Its clock: ``await clock.advance(seconds)``.
        faults: Its fault points.
        facts: Every fact that was told, in order.
        store: Its store, as it was given: the path of a file, or a URL.
    """

    def __init__(self, parts: Sequence[Part], store: Path | str, config: Config | None) -> None:
        self.clock: VirtualClock = VirtualClock()
        self.faults: FaultPoints = FaultPoints()
        self.facts: list[Fact] = []
        self.store: Path | str = store
        self.app: App = App(
            store if isinstance(store, str) else f"sqlite:///{store.absolute()}",
            parts,
            config=config or Config(),
            clock=self.clock,
            observer=self.facts.append,
            faults=self.faults,
            deterministic=True,
        )

    async def settle(self) -> None:
        """Let everything come to rest without moving time."""
        await self.clock.settle()

    async def advance(self, seconds: float) -> None:
        """Let virtual time pass; everything comes to rest at each deadline."""
        await self.clock.advance(seconds)


@asynccontextmanager
async def open_test_app(
    parts: Sequence[Part], *, store: Path | str | None = None, config: Config | None = None
) -> AsyncGenerator[AppUnderTest]:
    """Open an app on a virtual clock and a store of its own; ``def`` tasks and polls run in-line.

        async with open_test_app([maker, settle]) as test:
            await test.app.push(orders, Order(3.0))
            await test.settle()

    Args:
        parts: The parts of the app.
        store: Where a second app is to go on from the first one's: the path of a file, or a URL such as
            ``"postgresql+asyncpg://user@host/test"``. Otherwise it is a new SQLite file, removed in the end.
        config: Settings; the defaults, whatever the environment says.
    """
    async with TemporaryDirectory(prefix="penstock-") as folder:
        test = AppUnderTest(parts, store or Path(folder) / "test.db", config)
        async with time_passing_at_the_end(test.clock) as ending, test.app:
            try:
                yield test
            finally:
                ending.set()


@asynccontextmanager
async def time_passing_at_the_end(clock: VirtualClock) -> AsyncGenerator[anyio.Event]:
    """Let virtual time pass once the event is set: an app that drains waits for time, and nobody else moves it then."""
    ending = anyio.Event()
    problem: Exception | None = None

    async def pass_time() -> None:
        await ending.wait()
        while True:
            await clock.advance(0.1)

    async with anyio.create_task_group() as group:
        group.start_soon(pass_time)
        try:
            yield ending
        except Exception as error:  # noqa: BLE001 - it goes its own way, not wrapped into a group of one
            problem = error

        group.cancel_scope.cancel()

    if problem is not None:
        raise problem
