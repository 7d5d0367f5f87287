"""What a source says of itself is what the health of its accumulator shows."""

from collections.abc import Mapping

from penstock.accumulators.source import Intake, Position
from penstock.accumulators.stream import stream_accumulator
from penstock.reactors.reactor import Reactor
from penstock.runtime.observe import EventDropped
from tests.reactors.world import Graph, World


class Connecting:
    """A source that reconnects by itself."""

    name = "wire"

    async def run(self, intake: Intake, positions: Mapping[str, Position]) -> None:
        intake.connecting()
        await intake.scheduler.sleep(1.0)
        intake.live()
        intake.accept(1.0, position=1)
        await intake.scheduler.sleep(1.0)
        intake.lost(OSError("cable"))
        intake.connecting()
        await intake.scheduler.sleep(1.0)
        intake.dropped(3)
        intake.live()
        await intake.in_thread(self.wait)

    def wait(self) -> None:
        self.waited = True


async def test_health_is_what_the_source_says(store_url: str) -> None:
    source, graph = Connecting(), Graph()

    @stream_accumulator(source)
    def wire(event: float) -> float:
        return event

    async with World(store_url, [Reactor("r", [wire])], [graph]) as world:
        seen = []
        for _ in range(4):
            await world.advance(0.5)
            statistics = world.accumulator("wire").statistics()
            seen.append((statistics.health, statistics.error))
            await world.advance(0.5)

        overflowed = world.accumulator("wire").statistics().overflowed
        dropped = [(fact.part, fact.reason) for fact in world.told if isinstance(fact, EventDropped)]

    assert seen == [("connecting", None), ("live", None), ("connecting", "OSError: cable"), ("ended", None)]
    assert (overflowed, dropped) == (3, [("wire", "overflow")])
    assert source.waited
    assert graph.inputs == [{"wire": 1.0}]
