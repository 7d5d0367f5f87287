"""What the benchmark of streams runs: the functions, the reactors over them, and domains that are open with a store."""

import tempfile
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

import anyio
import msgspec

from penstock.accumulators.accumulator import AnyAccumulator
from penstock.accumulators.passthrough import passthrough_accumulator
from penstock.graphs.graph import ComputationGraph
from penstock.graphs.subscriber import GraphSubscriber
from penstock.reactors.components import components
from penstock.reactors.domain import Domain
from penstock.reactors.firing import Firing, Outcome, Subscriber
from penstock.reactors.reactor import Reactor
from penstock.runtime.clock import Activity, SystemClock
from penstock.runtime.scheduler import Scheduler
from penstock.runtime.store.store import Store
from penstock.runtime.supervise import Supervisor
from penstock.runtime.threads import Threads

#: Seconds after a change in which a cut is taken: as an app does it …
CHECKPOINTS = 1.0
#: … and as good as never.
NO_CHECKPOINTS = 1e9


class Book(msgspec.Struct, frozen=True):
    """What comes in."""

    symbol: str
    bid: float
    ask: float


BOOK = Book("X", 1.0, 2.0)
#: One for each of a thousand keys.
BOOKS = [Book(f"S{number}", 1.0, 2.0) for number in range(1000)]


def uncrossed(event: Book) -> Book | None:
    """Drop crossed books: the function of each accumulator."""
    return event if event.ask > event.bid else None


def middle(orderbook: Book) -> float:
    """First node."""
    return (orderbook.bid + orderbook.ask) / 2


def between(orderbook: Book, other: Book) -> float:
    """First node of a graph with two sources."""
    return (orderbook.bid + other.ask) / 2


def signal(middle: float) -> float:
    """Second node."""
    return middle * 2


def direct(event: Book) -> float | None:
    """Do the work of an event with plain calls."""
    book = uncrossed(event)
    return signal(middle(book)) if book is not None else None


def direct_pair(event: Book) -> float | None:
    """Do the work of an event of each of two sources with plain calls."""
    book, other = uncrossed(event), uncrossed(event)
    return signal(between(book, other)) if book is not None and other is not None else None


def source(name: str = "orderbook", *, durable: bool = False) -> AnyAccumulator:
    """Return an accumulator."""
    return passthrough_accumulator(name=name, durable=durable)(uncrossed)


def two_nodes(reactor: Reactor) -> Subscriber:
    """Return a graph of two plain nodes for a reactor, whatever its inputs are called."""
    names = list(reactor.accumulators)
    graph = ComputationGraph(f"two of {reactor.name}", reactor=reactor)
    if len(names) == 1:
        graph.node(name="middle", inputs={"orderbook": names[0]})(middle)
    else:
        graph.node(name="middle", inputs=dict(zip(("orderbook", "other"), names, strict=True)))(between)

    graph.node(signal)
    return GraphSubscriber(graph)


class Trivial:
    """A graph that does nothing, at once or after a turn of the loop."""

    DONE = Outcome()

    def __init__(self, *, is_async: bool = False) -> None:
        self.name = "trivial"
        self.is_async = is_async
        self.listeners = ()

    def call_for_effects(self, _values: object, _whole: bool) -> tuple[()]:
        """Do nothing at once, without a look at the firing."""
        return ()

    def recorded(self, _firing: Firing, _effects: object) -> tuple[()]:
        """Return the effects that there are not."""
        return ()

    def run(self, _firing: Firing) -> Outcome:
        """Do nothing at once."""
        return self.DONE

    async def arun(self, _firing: Firing) -> Outcome:
        """Do nothing later."""
        await anyio.lowlevel.checkpoint()
        return self.DONE


class NoEffects:
    """Carries nothing."""

    def write(self, _unit: object, _effects: object) -> Callable[[], None]:
        """Be called never."""
        raise AssertionError


async def open_domains(
    stack: AsyncExitStack,
    reactors: Sequence[Reactor],
    graph: Callable[[Reactor], Subscriber] = two_nodes,
    *,
    interval: float = CHECKPOINTS,
) -> list[Domain]:
    """Open a store, and a domain for each reactor: they have no source in common."""
    folder = stack.enter_context(tempfile.TemporaryDirectory())
    activity = Activity()
    scheduler = Scheduler(SystemClock(), on_error=print)
    store = await Store.open(f"sqlite:///{folder}/streams.db", scheduler=scheduler, activity=activity)
    stack.push_async_callback(store.close)
    group = await stack.enter_async_context(anyio.create_task_group())
    supervisor = Supervisor(group, scheduler, print)
    threads = Threads("streams", 1, activity=activity)
    domains: list[Domain] = []
    for component in components(reactors):
        domain = Domain(
            component,
            store=store,
            scheduler=scheduler,
            threads=threads,
            carry=NoEffects(),
            checkpoint_interval=interval,
        )
        for reactor in domain.reactors.values():
            reactor.subscribe(graph(reactor.definition))

        await domain.open()
        await domain.start(supervisor)
        stack.push_async_callback(domain.stop)
        domains.append(domain)

    return domains
