"""Runs the demo: wires the parts, makes the load spike, shows what happens, and ends in order."""

import signal
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import cast

import anyio
import msgspec
from rich.console import Console

import penstock as ps
from penstock.demo import readings
from penstock.demo.detection import machine, watch
from penstock.demo.evidence import Incident
from penstock.demo.frame import Frame, Latency
from penstock.demo.incident import incident
from penstock.demo.judging import Reading
from penstock.demo.load import make_load, workers
from penstock.demo.progress import Incidents
from penstock.demo.report import headline
from penstock.demo.streams import Counts, stream
from penstock.demo.summary import Summary
from penstock.demo.view import View, view_for
from penstock.demo.way import Direct, Way
from penstock.demo.words import plural
from penstock.runtime.clock import Clock, SystemClock
from penstock.runtime.observe import CutCommitted, Fact, StoreRetried
from penstock.runtime.urls import SQLITE, masked

FILE = "penstock-demo.db"
DIRECTORY = "penstock-demo"
#: Seconds between two looks at the app.
FRAME = 0.25
#: Seconds over which rates are taken.
LATELY = 3.0
#: Seconds after which what has given no reading is said to give none.
PATIENCE = 2.0
#: The load spike: seconds before it, at most and as a part of the whole; how long it lasts; and the pause before
#: another one is made if nothing came of it.
CALM, CALM_PART, SPIKE, PAUSE = 4.0, 0.35, 3.0, 3.0
#: Seconds that an incident may take to end, and a reading to arrive, after the time is up.
GRACE = 10.0
#: The name of the firings among the rates; no accumulator can have it.
FIRINGS = "*firings*"


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How to run the demo."""

    #: How long to watch.
    seconds: float = 15.0
    #: URL of the state store.
    store: str = f"{SQLITE}{FILE}"
    #: Where the reports go: an absolute path, since a report may be written by the demo after this one.
    directory: str
    #: Lines instead of a picture, even on a terminal.
    plain: bool = False
    #: Nothing at all until the summary.
    silent: bool = False
    #: The brokers that the readings go through, and the name of the topic; None for the direct way.
    kafka: tuple[str, str] | None = None


async def run_demo(options: Options) -> Summary:
    """Watch this machine for a while, then say what was seen.

    Raises:
        SourceUnavailable: No broker answers, or it does not let us.
        StoreError: The store cannot be opened, or has failed.
        OSError: The output cannot be written; ``BrokenPipeError`` when its reader went away.
    """
    clock = SystemClock()
    view = view_for(Console(), plain=options.plain, silent=options.silent)
    try:
        async with way_of(options, clock, view.say) as way:
            return await Demo(options, view, clock, way).run()
    finally:
        view.close()


@asynccontextmanager
async def way_of(options: Options, clock: Clock, say: Callable[[str], None]) -> AsyncGenerator[Way]:
    """Make the way that the readings go, for the time of the block.

    Raises:
        SourceUnavailable: No broker answers, or it does not let us.
    """
    if options.kafka is None:
        yield Direct(machine(clock))
        return

    from penstock.demo.relay import over_kafka  # noqa: PLC0415 - it loads the client of Kafka, which is large

    async with over_kafka(*options.kafka, clock, say) as relay:
        yield relay


class Demo:
    """One demo from its start to its end."""

    def __init__(self, options: Options, view: View, clock: Clock, way: Way) -> None:
        self._options, self._view, self._clock, self._way = options, view, clock, way
        self._host = readings.host()
        graph = watch(way.machine, directory=options.directory, since=clock.now())
        self._incidents = Incidents(incident.name, [task.name for task in incident.tasks], clock, view.say)
        self._app = ps.App(options.store, parts=[graph, *way.parts], observer=self._observe, clock=clock)
        self._counts: deque[tuple[float, Mapping[str, int]]] = deque()
        self._started = self._deadline = clock.monotonic()
        self._earlier = self._cuts = self._stops = 0
        self._spike = ""

    async def run(self) -> Summary:
        """Run it."""
        async with self._app:
            self._started = self._clock.monotonic()
            self._deadline = self._started + self._options.seconds
            await self._look_back()
            problem: Exception | None = None
            async with anyio.create_task_group() as group:
                group.start_soon(self._listen)
                group.start_soon(self._make_load)
                group.start_soon(self._way.work, self._app.scheduler)
                try:
                    await self._watch()
                except (OSError, ps.PenstockError) as error:
                    problem = error  # raised outside, or it would be wrapped into a group

                group.cancel_scope.cancel()

            if problem is not None:
                raise problem

            summary, seen = await self._summary(), self._app.statistics().accumulators

        return msgspec.structs.replace(summary, kafka=await self._way.passage(seen))

    async def _look_back(self) -> None:
        """Count what earlier demos have left, and follow what they have not ended."""
        new = {line.id for line in self._incidents.lines() if not line.recovered}
        async for run in self._app.runs(incident):
            self._earlier += run.id not in new
            if run.status == "running" and run.id not in new:
                self._incidents.take_over(run.id, {task.name: task.status for task in run.tasks.values()})

    def _observe(self, fact: Fact) -> None:
        self._cuts += isinstance(fact, CutCommitted)
        if isinstance(fact, StoreRetried) and fact.attempt == 1:
            self._view.say(f"the store has trouble, and is tried again: {fact.error}")

        self._incidents(fact)

    @property
    def _elapsed(self) -> float:
        return self._clock.monotonic() - self._started

    async def _listen(self) -> None:
        """Count the signals that ask for an end."""
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async for _ in signals:
                self._stops += 1
                self._deadline = min(self._deadline, self._clock.monotonic())
                self._view.say("ending …")

    async def _make_load(self) -> None:
        """Make something happen; again, if nothing has come of it."""
        count = workers(self._host.cores)
        await self._app.scheduler.sleep(min(CALM, CALM_PART * self._options.seconds))
        while not self._spike or not self._incidents.ids:
            self._tell_spike(f"load spike: {plural(count, 'core')} for {SPIKE:g} s")
            try:
                await make_load(SPIKE, count)
            except OSError as error:
                self._tell_spike(f"no load spike, since no process can be started: {error}")
                return

            self._tell_spike("the load spike is over")
            await self._app.scheduler.sleep(PAUSE)

    def _tell_spike(self, words: str) -> None:
        self._spike = words
        self._view.say(words)

    async def _watch(self) -> None:
        async for _ in self._app.scheduler.ticks(FRAME, immediately=True):
            await self._entitle()
            self._view.show(self._frame())
            if self._ends():
                return

    async def _entitle(self) -> None:
        """Find out what new incidents are about."""
        for run_id in self._incidents.untitled:
            run = await self._app.run_of(run_id)
            self._incidents.entitle(run_id, headline(msgspec.convert(run.input, Incident)))

    def _ends(self) -> bool:
        """Tell whether it is time: what is under way may arrive before; a second Ctrl-C does not wait for it."""
        overtime = self._clock.monotonic() - self._deadline
        if overtime < 0:
            return False

        self._way.stop()
        arrived = not self._incidents.running and self._way.caught_up(self._app.statistics().accumulators)
        return arrived or self._stops > 1 or overtime > GRACE

    def _frame(self) -> Frame:
        """Look at the app."""
        statistics = self._app.statistics()
        reactor = statistics.reactors[self._way.machine.name]
        state = self._app.state(self._way.machine).values.get(None, {})
        counts = {name: statistics.accumulators[name].boundaries for name in self._way.machine.accumulators}
        rates = self._rates({**counts, FIRINGS: reactor.firings})
        return Frame(
            elapsed=self._elapsed,
            seconds=self._options.seconds,
            host=f"{self._host.name} · {self._host.system} · {plural(self._host.cores, 'core')}",
            store=store_path(self._options.store),
            earlier_runs=self._earlier,
            spike=self._spike,
            streams=tuple(
                stream(
                    name,
                    Counts(events=count, rate=rates[name]),
                    cast("Reading | None", state.get(name)),
                    patient=self._elapsed < PATIENCE or self._way.expects(name, statistics.accumulators),
                )
                for name, count in counts.items()
            ),
            firings=reactor.firings,
            firings_rate=rates[FIRINGS],
            failed=reactor.failures,
            latency=Latency(p50=reactor.latency_p50, p99=reactor.latency_p99) if reactor.firings else Latency(),
            cuts=self._cuts,
            runs=self._incidents.lines(),
            kafka=self._way.look(statistics.accumulators),
        )

    def _rates(self, counts: Mapping[str, int]) -> Mapping[str, float]:
        """Return how much was counted per second, lately."""
        now = self._elapsed
        self._counts.append((now, counts))
        while now - self._counts[0][0] > LATELY:
            self._counts.popleft()

        then, before = self._counts[0]
        return {name: (count - before[name]) / max(now - then, FRAME) for name, count in counts.items()}

    async def _summary(self) -> Summary:
        frame = self._frame()
        runs = [await self._app.run_of(run_id) for run_id in self._incidents.ids]
        return Summary(
            seconds=frame.elapsed,
            interrupted=self._stops > 0,
            events=frame.events,
            firings=frame.firings,
            failed_firings=frame.failed,
            cuts=frame.cuts,
            latency_p50=frame.latency.p50,
            latency_p99=frame.latency.p99,
            runs=self._incidents.ids,
            completed=self._incidents.count("completed"),
            failed=self._incidents.count("failed"),
            reports=tuple(str(run.output["report"]) for run in runs if run.output and "report" in run.output),
            recovered=self._incidents.recovered,
            earlier_runs=self._earlier,
            absent=tuple(stream.name for stream in frame.streams if stream.absent is not None),
            store=frame.store,
        )


def store_path(url: str) -> str:
    """Return the store as the commands take it: a file by its path."""
    return url.removeprefix(SQLITE) if url.startswith(SQLITE) else masked(url)
