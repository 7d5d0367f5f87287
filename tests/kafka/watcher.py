"""Apps that read from a broker, in real time, and what their graphs saw."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
import msgspec

import penstock as ps
from penstock.accumulators.signal import Signal

#: Seconds in which what is waited for must happen.
PATIENCE = 60.0


class Event(msgspec.Struct, frozen=True):
    """What most tests produce."""

    id: int
    key: str = ""


def encoded(*ids: int) -> list[bytes]:
    """Return events as they stand in a topic."""
    return [msgspec.json.encode(Event(number)) for number in ids]


class Seen:
    """The values that a graph was fired with, in order."""

    def __init__(self) -> None:
        self.values: list[object] = []
        self._more = Signal()

    def add(self, value: object) -> None:
        self.values.append(value)
        self._more.tell()

    async def wait(self, count: int) -> list[object]:
        """Return the values when there are so many."""
        with anyio.fail_after(PATIENCE):
            while len(self.values) < count:
                await self._more.wait()

        return self.values

    async def wait_ids(self, count: int) -> list[int]:
        return [value.id for value in await self.wait(count) if isinstance(value, Event)]


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what nobody tells: the state of a connection."""
    with anyio.fail_after(PATIENCE):
        while not condition():  # noqa: ASYNC110 - nobody tells
            await anyio.sleep(0.02)  # noqa: TID251 - the broker lives in real time


def graph_of(accumulator: ps.Accumulator[object, object], seen: Seen) -> ps.ComputationGraph:
    """Return a graph that writes down every value of the accumulator."""
    graph = ps.ComputationGraph(f"see {accumulator.name}", reactor=ps.Reactor(f"on {accumulator.name}", [accumulator]))
    graph.node(name="see", inputs={"value": accumulator.name})(seeing(seen))
    return graph


def seeing(seen: Seen) -> Callable[[object], object]:
    def see(value: object) -> object:
        seen.add(value)
        return value

    return see


def events_of(source: ps.Kafka) -> ps.Accumulator[Event, Event]:
    """Return an accumulator that passes events on."""

    @ps.stream_accumulator(source, name="events")
    def events(event: Event) -> Event:
        return event

    return events


@asynccontextmanager
async def reading(source: ps.Kafka, store: str, **settings: object) -> AsyncIterator[tuple[ps.App, Seen]]:
    """Open an app that writes down the events of a source."""
    seen = Seen()
    async with opened([graph_of(events_of(source), seen)], store, **settings) as app:
        yield app, seen


@asynccontextmanager
async def opened(parts: list[ps.Part], store: str, **settings: object) -> AsyncIterator[ps.App]:
    app = ps.App(store, parts, config=ps.Config(**{"checkpoint_interval": 0.05, **settings}))
    async with app:
        yield app
