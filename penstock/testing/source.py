"""A source that says what the test wrote down."""

from collections.abc import Iterable, Mapping

import anyio
import msgspec
from anyio.lowlevel import checkpoint

from penstock.accumulators.source import Intake, Position
from penstock.runtime.durations import Duration, seconds
from penstock.runtime.errors import AppError


class Pause(msgspec.Struct, frozen=True):
    """Wait: some time of the app's clock (seconds, or a text such as ``"5s"``), or until ``ScriptedSource.resume``."""

    duration: Duration | None = None


class End(msgspec.Struct, frozen=True):
    """The source has ended."""


class ScriptedSource:
    """A replayable source for tests: events, and what goes wrong between them, in one readable list.

        source = ScriptedSource([1, 2, Crash(), 3, Pause(5.0), End()])

    An event's position is its index in the script; after a restart, of the part or of the app, the source goes on after
    the last committed position. Any exception in the script is raised there. Exceptions and pauses act once, also when
    the same source object comes by again. Without ``End()`` the source waits for more at the end of the script.

    Args:
        script: Events, exceptions, ``Pause`` and ``End``.
        name: The source's name.
    """

    def __init__(self, script: Iterable[object], *, name: str = "script") -> None:
        self.name: str = name
        #: Every event that was handed over, in order, again when it was replayed.
        self.consumed: list[object] = []
        #: How often the source was started.
        self.starts: int = 0
        self._script: list[object] = list(script)
        self._passed: set[int] = set()
        self._resumed: anyio.Event | None = None
        self._more = anyio.Event()

    async def run(self, intake: Intake, positions: Mapping[str, Position]) -> None:
        """Read the script, from after the stored position."""
        self.starts += 1
        index = int(positions.get("", -1)) + 1
        while True:
            while index == len(self._script):
                self._more = anyio.Event()
                await self._more.wait()

            item = self._script[index]
            if isinstance(item, End):
                return

            if isinstance(item, Pause | BaseException):
                await self._act(index, item, intake)
            else:
                await self._hand_over(index, item, intake)

            index += 1

    def extend(self, script: Iterable[object]) -> None:
        """Write on at the end of the script."""
        self._script.extend(script)
        self._more.set()

    def resume(self) -> None:
        """End the ``Pause()`` at which the source waits.

        Raises:
            AppError: It does not wait at one.
        """
        if self._resumed is None:
            raise AppError(f"source {self.name!r} does not wait at a Pause(); let it get there: `await clock.settle()`")

        self._resumed.set()

    async def _hand_over(self, index: int, event: object, intake: Intake) -> None:
        self.consumed.append(event)
        if not intake.accept(event, position=index):
            await intake.ready()

        # others get their turn between two events, as with a source that really reads
        await checkpoint()

    async def _act(self, index: int, item: Pause | BaseException, intake: Intake) -> None:
        if index in self._passed:
            return

        if isinstance(item, Pause):
            await self._pause(item, intake)  # passed when it is over: a crash in between begins it anew
            self._passed.add(index)
        else:
            self._passed.add(index)
            raise item.with_traceback(None)

    async def _pause(self, pause: Pause, intake: Intake) -> None:
        if pause.duration is None:
            self._resumed = anyio.Event()
            try:
                await self._resumed.wait()
            finally:
                self._resumed = None
        else:
            await intake.scheduler.sleep(seconds(pause.duration, name="Pause", zero=True))
