"""Runs a source under test, in real time, and notices when it takes too long."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

import anyio

from penstock.accumulators.source import Position, Source
from penstock.runtime.clock import SystemClock
from penstock.runtime.scheduler import Scheduler
from penstock.runtime.threads import Threads
from penstock.testing.intake import RecordingIntake

#: Seconds in which a source that waits for more must not give any.
MOMENT = 0.05


class Running:
    """One run of a source.

    Attributes:
        ended: Set when ``run`` returned, or raised.
        error: What it raised.
    """

    def __init__(self) -> None:
        self.ended: anyio.Event = anyio.Event()
        self.error: Exception | None = None

    async def run(self, source: Source, intake: RecordingIntake, positions: Mapping[str, Position]) -> None:
        """Run the source to its end."""
        try:
            await source.run(intake, dict(positions))
        except Exception as error:  # noqa: BLE001 - whatever it is, the test looks at it
            self.error = error

        self.ended.set()
        intake.tell()


class Bench:
    """What the tests of a source share: a clock, threads, and ways to run the source.

    Args:
        patience: Seconds in which what is waited for must happen.
    """

    def __init__(self, patience: float) -> None:
        self.patience: float = patience
        self.failures: list[BaseException] = []
        self.scheduler: Scheduler = Scheduler(SystemClock(), on_error=self.failures.append)
        self.threads: Threads = Threads("sources", 2)

    def intake(self, *, burst: int | None = None, limit: int | None = None) -> RecordingIntake:
        """Return a new intake."""
        return RecordingIntake(self.scheduler, self.threads, burst=burst, limit=limit)

    async def read_all(self, source: Source, intake: RecordingIntake, positions: Mapping[str, Position]) -> None:
        """Run a source until it ends by itself.

        Raises:
            Exception: What it raised.
        """
        async with self.running(source, intake, positions) as running:
            await running.ended.wait()

        if running.error is not None:
            raise running.error

    async def read(
        self, source: Source, intake: RecordingIntake, positions: Mapping[str, Position], *, events: int
    ) -> None:
        """Run a source until it gave so many events, see that no more come for a moment, and cancel it.

        Raises:
            Exception: What it raised.
        """
        async with self.running(source, intake, positions) as running:
            await intake.until(lambda: len(intake.taken) >= events or running.ended.is_set())
            await self.scheduler.sleep(MOMENT)

        if running.error is not None:
            raise running.error

        assert len(intake.taken) >= events, f"{source.name!r} ended after {len(intake.taken)} of {events} events"  # noqa: S101

    @asynccontextmanager
    async def running(
        self, source: Source, intake: RecordingIntake, positions: Mapping[str, Position]
    ) -> AsyncGenerator[Running]:
        """Run a source beside the block, and cancel it in the end.

        Raises:
            AssertionError: The block took longer than the patience.
        """
        running, scope = Running(), anyio.CancelScope()
        async with anyio.create_task_group() as group:
            group.start_soon(running.run, source, intake, positions)
            with scope:
                timer = self.scheduler.after(self.patience, scope.cancel)
                yield running
                timer.cancel()

            group.cancel_scope.cancel()

        assert not scope.cancelled_caught, f"{source.name!r} gave {len(intake.taken)} events in {self.patience} s"  # noqa: S101


@asynccontextmanager
async def workbench(patience: float) -> AsyncGenerator[Bench]:
    """Open a bench for one test."""
    bench = Bench(patience)
    try:
        yield bench
    finally:
        await bench.threads.close()
        bench.scheduler.close()

    assert not bench.failures, bench.failures  # noqa: S101
