"""The contract suite finds the sources that do not keep to it."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from penstock.accumulators.source import Intake, Position, Source
from penstock.testing.contract import IntakeBroken, ReplayableSourceContract, UnreachableSourceContract

Positions = Mapping[str, Position]


class Right:
    """A source that is right; the wrong ones below differ in one thing."""

    name = "right"

    def __init__(self, events: Sequence[str]) -> None:
        self.events = list(events)

    async def run(self, intake: Intake, positions: Positions) -> None:
        for index in range(self.begin(positions), len(self.events)):
            if not intake.accept(self.events[index], position=index):
                await intake.ready()

    def begin(self, positions: Positions) -> int:
        return int(positions.get("", -1)) + 1


class RepeatsOne(Right):
    def begin(self, positions: Positions) -> int:
        return int(positions.get("", 0))


class LosesOne(Right):
    def begin(self, positions: Positions) -> int:
        return int(positions[""]) + 2 if positions else 0


class BeginsAnew(Right):
    def begin(self, positions: Positions) -> int:
        return 0


class DoesNotWait(Right):
    async def run(self, intake: Intake, positions: Positions) -> None:
        for index in range(self.begin(positions), len(self.events)):
            intake.accept(self.events[index], position=index)


class SwallowsErrors(Right):
    async def run(self, intake: Intake, positions: Positions) -> None:
        for index in range(self.begin(positions), len(self.events)):
            try:
                room = intake.accept(self.events[index], position=index)
            except IntakeBroken:
                continue

            if not room:
                await intake.ready()


class HasNoPositions(Right):
    async def run(self, intake: Intake, positions: Positions) -> None:
        for event in self.events:
            if not intake.accept(event):
                await intake.ready()


class MixesTheOrder(Right):
    def __init__(self, events: Sequence[str]) -> None:
        super().__init__(sorted(events))


class CountsDown(Right):
    async def run(self, intake: Intake, positions: Positions) -> None:
        last = int(positions.get("", len(self.events)))
        for left in range(last - 1, -1, -1):
            if not intake.accept(self.events[-left - 1], position=left):
                await intake.ready()


class RaisesWhenCancelled(Right):
    async def run(self, intake: Intake, positions: Positions) -> None:
        try:
            await super().run(intake, positions)
        except asyncio.CancelledError as error:
            raise OSError("connection reset") from error


class MakesUpAnEvent(Right):
    async def run(self, intake: Intake, positions: Positions) -> None:
        await super().run(intake, positions)
        intake.accept("made up", position=len(self.events))


class StopsEarly(Right):
    async def run(self, intake: Intake, positions: Positions) -> None:
        self.events = self.events[:10]
        await super().run(intake, positions)


class Nameless(Right):
    name = ""


class GivesUpQuietly(Right):
    async def run(self, intake: Intake, positions: Positions) -> None:
        return


def suite(kind: type[Right]) -> ReplayableSourceContract:
    class Suite(ReplayableSourceContract):
        patience = 2.0

        async def prepare(self, events: Sequence[str]) -> Source:
            return kind(events)

    return Suite()


async def failures(tests: object) -> list[str]:
    """Return the names of the tests that fail."""
    failed = []
    for name in dir(tests):
        if name.startswith("test_"):
            try:
                await getattr(tests, name)()
            except (AssertionError, LookupError, OSError, ValueError):
                failed.append(name.removeprefix("test_"))

    return failed


async def test_a_source_that_is_right_passes() -> None:
    assert await failures(suite(Right)) == []


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        (RepeatsOne, "it_goes_on_behind_every_position"),
        (LosesOne, "it_goes_on_behind_every_position"),
        (LosesOne, "interrupted_anywhere_it_loses_and_repeats_nothing"),
        (BeginsAnew, "it_goes_on_behind_every_position"),
        (DoesNotWait, "it_waits_until_the_intake_is_ready"),
        (DoesNotWait, "it_gives_no_more_while_the_intake_is_full"),
        (SwallowsErrors, "an_error_of_the_intake_is_not_swallowed"),
        (HasNoPositions, "every_event_has_a_position"),
        (MixesTheOrder, "every_event_comes_once"),
        (MixesTheOrder, "a_partition_keeps_its_order"),
        (CountsDown, "every_event_has_a_position"),
        (RaisesWhenCancelled, "it_ends_when_it_is_cancelled"),
        (MakesUpAnEvent, "an_empty_source_gives_nothing"),
        (MakesUpAnEvent, "every_event_comes_once"),
        (StopsEarly, "every_event_comes_once"),
        (Nameless, "it_is_a_source_with_a_name"),
    ],
)
async def test_a_source_that_is_wrong_fails(kind: type[Right], found: str) -> None:
    assert found in await failures(suite(kind))


async def test_a_source_that_hides_that_it_is_unreachable_fails() -> None:
    class Suite(UnreachableSourceContract):
        async def prepare_unreachable(self) -> Source:
            return GivesUpQuietly([])

    assert await failures(Suite()) == ["an_unreachable_system_is_told"]


async def test_a_source_that_says_that_it_is_out_of_reach_and_tries_by_itself_passes() -> None:
    class Retrying(Right):
        async def run(self, intake: Intake, positions: Positions) -> None:
            intake.connecting()
            while True:
                intake.lost(OSError("refused"))
                await intake.scheduler.sleep(0.01)

    class Suite(UnreachableSourceContract):
        async def prepare_unreachable(self) -> Source:
            return Retrying([])

    assert await failures(Suite()) == []
