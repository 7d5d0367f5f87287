"""What every source must keep to, as tests: subclass a suite, say how to make your source, and run it with pytest.

    @pytest.mark.anyio
    class TestMySource(ReplayableSourceContract):
        async def prepare(self, events):
            return MySource(await publish(events))

``SourceContract`` is for every source, ``ReplayableSourceContract`` for one whose events have positions, and
``UnreachableSourceContract`` for one with a system behind it that may be away. The tests use real time and threads.
"""

import random
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence

from typing_extensions import override

from penstock.accumulators.source import Position, Source
from penstock.runtime.errors import SourceUnavailable
from penstock.testing.bench import Bench, workbench
from penstock.testing.intake import RecordingIntake, Taken

#: How many events a test gives a source: enough for bursts, few enough for a broker.
EVENTS = 40

Positions = Mapping[str, Position]
NONE: Positions = {}


class SourceContract(ABC):
    """What every source must do.

    Attributes:
        patience: Seconds in which a source must give what there is, and end when it is cancelled.
        ends: Whether ``run`` returns after the events; a source that follows something waits for more instead.
        ordered: Whether all events come in the order in which they were given to ``prepare``; a source with partitions
            keeps the order within each.
    """

    patience: float = 10.0
    ends: bool = True
    ordered: bool = True

    @abstractmethod
    async def prepare(self, events: Sequence[str]) -> Source:
        """Let the system behind the source hold these events and no others; return a source that reads them.

        Called once in each test. Whatever has to be cleaned up belongs into a fixture of the test class.
        """

    def text(self, payload: object) -> str:
        """Return the event, as it was given to ``prepare``, of what the source hands over."""
        return payload.decode() if isinstance(payload, bytes) else str(payload)

    # -- tests ---------------------------------------------------------------------------------------------

    async def test_it_is_a_source_with_a_name(self) -> None:
        """A source has a name for messages, and ``run``."""
        source: object = await self.prepare([])
        assert isinstance(source, Source)
        name: object = source.name
        assert isinstance(name, str)
        assert name

    async def test_every_event_comes_once(self) -> None:
        """Nothing is lost, nothing comes twice."""
        events = texts()
        async with workbench(self.patience) as bench:
            intake = bench.intake()
            await self._read(bench, await self.prepare(events), intake, events=len(events))

        self._check(intake.payloads, events)

    async def test_an_empty_source_gives_nothing(self) -> None:
        """No event is made up."""
        async with workbench(self.patience) as bench:
            intake = bench.intake()
            await self._read(bench, await self.prepare([]), intake, events=0)

        assert intake.taken == []

    async def test_it_waits_until_the_intake_is_ready(self) -> None:
        """After ``accept`` returned False the source awaits ``ready`` before it gives the next event."""
        events = texts()
        async with workbench(self.patience) as bench:
            intake = bench.intake(burst=3)
            await self._read(bench, await self.prepare(events), intake, events=len(events))

        assert intake.overrun == 0
        self._check(intake.payloads, events)

    async def test_it_gives_no_more_while_the_intake_is_full(self) -> None:
        """A source that is made to wait stays where it is, and can be cancelled there."""
        events = texts()
        async with workbench(self.patience) as bench:
            intake = bench.intake(limit=5)
            await bench.read(await self.prepare(events), intake, {}, events=5)

        self._check(intake.payloads, events[:5] if self.ordered else list(map(self.text, intake.payloads)))
        assert len(intake.taken) == 5  # noqa: PLR2004 - the limit

    async def test_it_ends_when_it_is_cancelled(self) -> None:
        """A cancelled ``run`` ends, raises nothing of its own, and gives nothing afterwards."""
        events = texts()
        async with workbench(self.patience) as bench:
            intake = bench.intake(burst=1)
            source = await self.prepare(events)
            async with bench.running(source, intake, {}) as running:
                await intake.until(lambda: len(intake.taken) >= 1)

            taken = len(intake.taken)
            await bench.scheduler.sleep(0.05)

        assert running.error is None
        assert len(intake.taken) == taken

    async def test_an_error_of_the_intake_is_not_swallowed(self) -> None:
        """What ``accept`` raises ends ``run``: the app is at fault or at its end, and going on would lose events."""
        async with workbench(self.patience) as bench:
            broken = BrokenIntake(bench.scheduler, bench.threads)
            async with bench.running(await self.prepare(texts()), broken, {}) as running:
                await running.ended.wait()

        assert isinstance(running.error, IntakeBroken), f"run() ended with {running.error!r}"

    async def _read(
        self, bench: Bench, source: Source, intake: RecordingIntake, positions: Positions = NONE, *, events: int
    ) -> None:
        if self.ends:
            await bench.read_all(source, intake, positions)
        else:
            await bench.read(source, intake, positions, events=events)

    def _check(self, payloads: Sequence[object], events: Sequence[str]) -> None:
        given = [self.text(payload) for payload in payloads]
        assert Counter(given) == Counter(events)
        if self.ordered:
            assert given == list(events)


class ReplayableSourceContract(SourceContract):
    """What a source must do whose events have positions: the app goes on behind them after a crash."""

    async def test_every_event_has_a_position(self) -> None:
        """The store keeps the last one of each partition; numbers grow within a partition."""
        events = texts()
        async with workbench(self.patience) as bench:
            intake = bench.intake()
            await self._read(bench, await self.prepare(events), intake, events=len(events))

        assert all(taken.position is not None for taken in intake.taken)
        for placed in by_partition(intake.taken).values():
            positions = [taken.position for taken in placed]
            assert len(set(positions)) == len(positions)
            numbers = [position for position in positions if isinstance(position, int)]
            assert numbers == sorted(numbers)

    async def test_it_goes_on_behind_every_position(self) -> None:
        """Whichever event was the last one, those behind it come, once, and no other."""
        events = texts(12)
        async with workbench(self.patience) as bench:
            source = await self.prepare(events)
            whole = bench.intake()
            await self._read(bench, source, whole, events=len(events))
            for done in range(len(events) + 1):
                intake = bench.intake()
                positions = last_positions(whole.taken[:done])
                await self._read(bench, source, intake, positions, events=len(events) - done)
                self._check(intake.payloads, [self.text(taken.payload) for taken in whole.taken[done:]])

    async def test_interrupted_anywhere_it_loses_and_repeats_nothing(self) -> None:
        """Cancelled again and again, and run again behind what was taken, it gives every event once."""
        events, chance = texts(), random.Random(7)  # noqa: S311 - the same places in each run
        async with workbench(self.patience) as bench:
            source = await self.prepare(events)
            taken: list[Taken] = []
            while len(taken) < len(events):
                count = min(chance.randint(1, 9), len(events) - len(taken))
                intake = bench.intake(limit=count)
                await bench.read(source, intake, last_positions(taken), events=count)
                taken += intake.taken

        self._check([each.payload for each in taken], events)

    async def test_a_partition_keeps_its_order(self) -> None:
        """Within a partition, events come in the order in which they were given."""
        events = texts()
        async with workbench(self.patience) as bench:
            intake = bench.intake(burst=4)
            await self._read(bench, await self.prepare(events), intake, events=len(events))

        for placed in by_partition(intake.taken).values():
            order = [events.index(self.text(taken.payload)) for taken in placed]
            assert order == sorted(order)


class UnreachableSourceContract(ABC):
    """What a source must do when the system behind it is away."""

    patience: float = 10.0

    @abstractmethod
    async def prepare_unreachable(self) -> Source:
        """Return a source whose system cannot be reached."""

    async def test_an_unreachable_system_is_told(self) -> None:
        """``run`` raises ``SourceUnavailable``, and is called again later; or it says ``lost``, and tries by itself."""
        async with workbench(self.patience) as bench:
            source = await self.prepare_unreachable()
            intake = bench.intake()
            async with bench.running(source, intake, {}) as running:
                await intake.until(lambda: running.ended.is_set() or bool(intake.errors))

        assert intake.taken == []
        assert isinstance(running.error, SourceUnavailable) or intake.errors, f"run() ended with {running.error!r}"


class IntakeBroken(Exception):
    """What a broken intake raises."""


class BrokenIntake(RecordingIntake):
    """An intake that takes nothing."""

    @override
    def accept(self, payload: object, position: Position | None = None, partition: str = "") -> bool:
        raise IntakeBroken


def texts(count: int = EVENTS) -> list[str]:
    """Return events that are told apart, and whose order is not that of their texts."""
    return [f"event {(number * 7) % count}-{number}" for number in range(count)]


def last_positions(taken: Sequence[Taken]) -> dict[str, Position]:
    """Return the last position of each partition."""
    return {each.partition: each.position for each in taken if each.position is not None}


def by_partition(taken: Sequence[Taken]) -> dict[str, list[Taken]]:
    """Return what was taken of each partition."""
    found: dict[str, list[Taken]] = {}
    for each in taken:
        found.setdefault(each.partition, []).append(each)

    return found
