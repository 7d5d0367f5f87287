"""What the look around decides: when something is told to be wrong, and when the connection is given up."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import msgspec
import pytest

import penstock as ps
from penstock.accumulators.kafka.client import Client
from penstock.accumulators.kafka.places import Place
from penstock.accumulators.kafka.pulse import Pulse
from penstock.accumulators.kafka.settings import Settings
from penstock.accumulators.kafka.watching import Watch
from penstock.runtime.scheduler import Scheduler
from penstock.runtime.threads import Threads
from penstock.testing import VirtualClock
from penstock.testing.intake import RecordingIntake

SETTINGS = Settings(
    topics=("t",),
    pattern=None,
    brokers="",
    start="earliest",
    on_missing="error",
    group=None,
    look_every=5.0,
    stall_after=60.0,
    options={},
)
UNAVAILABLE = "source 'kafka t' is unavailable: "


class Reading:
    """How far reading is."""

    def __init__(self) -> None:
        self.offsets: dict[Place, int] = {("t", 0): 0}
        self.found: set[Place] = set()
        self.pending: set[Place] = set()
        self.taken, self.held = 0, False


class World(Client):
    """A watch in virtual time, and what it asks, answered without brokers: it decides, and connects to nobody."""

    def __init__(self, *, end: int, position: int) -> None:
        self.end, self.position = end, position
        self.pulse = Pulse()
        #: Seconds after which the brokers answer.
        self.delay = 0.0
        self.clock = VirtualClock()
        self.scheduler = Scheduler(self.clock, on_error=lambda _: None)
        self.intake = RecordingIntake(self.scheduler, Threads("none", 1))
        self.reading = Reading()
        self.error: ps.SourceUnavailable | None = None

    async def partitions(self, topics: object) -> set[Place]:
        if self.delay:
            await self.scheduler.sleep(self.delay)

        return {("t", 0)}

    async def ends(self, places: object) -> dict[Place, int]:
        return {("t", 0): self.end}

    async def positions(self) -> dict[Place, int]:
        return {("t", 0): self.position}

    async def watch(self) -> None:
        try:
            await Watch(SETTINGS, self, self.intake, self.reading).run()
        except ps.SourceUnavailable as error:
            self.error = error

    @property
    def told(self) -> list[str]:
        return [str(error).removeprefix(UNAVAILABLE) for error in self.intake.errors]

    @property
    def looks(self) -> int:
        return len(self.intake.reports)


@asynccontextmanager
async def watched(*, end: int, position: int, held: bool = False) -> AsyncIterator[World]:
    world = World(end=end, position=position)
    world.reading.held = held
    async with anyio.create_task_group() as group:
        group.start_soon(world.watch)
        await world.clock.advance(0.0)
        yield world
        group.cancel_scope.cancel()

    world.scheduler.close()


async def test_a_connection_that_does_not_get_on_is_told_and_given_up_at_last() -> None:
    async with watched(end=7, position=3) as world:
        await world.clock.advance(4.0)
        assert (world.intake.health, world.intake.reports) == ([], [(4, 0.0)])
        await world.clock.advance(1.0)
        assert (world.intake.health, world.told) == (
            ["disconnected"],
            ["4 records wait, and none has come for 5 seconds"],
        )
        await world.clock.advance(55.0)
        assert world.error is None
        await world.clock.advance(5.0)
        assert str(world.error) == f"{UNAVAILABLE}4 records wait, and none has come for 65 seconds"


async def test_a_connection_that_gets_on_again_is_told_to_be_well() -> None:
    async with watched(end=7, position=3) as world:
        await world.clock.advance(10.0)
        world.position, world.reading.taken = 5, 2
        await world.clock.advance(5.0)
        assert world.intake.health == ["disconnected", "disconnected", "live"]


@pytest.mark.parametrize(("end", "held"), [(3, False), (7, True)])
async def test_a_connection_is_kept_when_there_is_nothing_or_no_room(end: int, held: bool) -> None:
    async with watched(end=end, position=3, held=held) as world:
        await world.clock.advance(300.0)
        assert (world.looks, world.intake.health, world.error) == (61, [], None)


async def test_records_that_are_being_handed_over_count_to_the_end_of_their_batch() -> None:
    async with watched(end=7, position=7) as world:
        world.reading.pending = {("t", 0)}
        world.reading.offsets["t", 0] = 2
        await world.clock.advance(5.0)
        assert [lag for lag, _ in world.intake.reports] == [0, 5]


async def test_brokers_that_are_silent_are_told_until_they_answer() -> None:
    async with watched(end=3, position=3) as world:
        world.delay = 4.0
        await world.clock.advance(7.9)
        assert world.intake.health == []
        await world.clock.advance(0.1)
        assert (world.intake.health, world.told) == (
            ["disconnected"],
            ["the brokers have not answered for 3 seconds"],
        )
        await world.clock.advance(1.0)
        assert world.intake.health == ["disconnected", "live"]


async def test_brokers_that_are_silent_for_long_are_given_up() -> None:
    async with watched(end=3, position=3) as world:
        world.delay = 3600.0
        await world.clock.advance(25.0)
        assert str(world.error) == f"{UNAVAILABLE}the brokers do not answer within 20 seconds"


async def test_a_request_that_fails_lets_the_next_look_come_at_once() -> None:
    class Library:
        fails = True

        async def send(self, node: int) -> int:
            if self.fails:
                raise OSError("gone")

            return node

    library = Library()
    async with watched(end=3, position=3) as world:
        world.pulse.follow(library, (OSError,))
        assert world.looks == 1
        with pytest.raises(OSError, match="gone"):
            await library.send(1)

        await world.clock.advance(0.0)
        assert (world.looks, str(world.pulse.error)) == (2, "gone")
        await world.clock.advance(0.4)
        assert world.looks == 2  # not in every moment
        await world.clock.advance(0.1)
        assert world.looks == 3
        library.fails = False
        assert await library.send(2) == 2
        await world.clock.advance(0.5)
        assert (world.looks, world.pulse.error) == (4, None)
        await world.clock.advance(4.9)
        assert world.looks == 4


def test_a_library_that_sends_by_another_name_is_left_as_it_is() -> None:
    other = msgspec.json.Decoder()
    Pulse().follow(other, (OSError,))
    assert not hasattr(other, "send")
