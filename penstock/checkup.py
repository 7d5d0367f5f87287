"""How an open app feels, from facts about its parts."""

from collections.abc import Collection, Iterator, Mapping

from penstock.accumulators.live import LiveAccumulator
from penstock.health import Health, PartHealth
from penstock.reactors.domain import Domain
from penstock.reactors.live import LiveReactor
from penstock.runtime.foreign import error_text
from penstock.runtime.store.store import Store
from penstock.runtime.supervise import PartFacts
from penstock.runtime.urls import masked

#: Why journalled events wait, and what helps.
NO_SUCH_ACCUMULATOR = (
    "the app has no accumulator of this name; they wait until it has: if it was renamed, give it its old name (name=)"
)


def checkup(
    store: Store, domains: Collection[Domain], parts: Collection[PartFacts], orphans: Mapping[str, int]
) -> Health:
    """Return the health of everything.

    Args:
        store: The store.
        domains: The domains that run.
        parts: What is supervised.
        orphans: Journalled events at the start, by accumulators that the app did not have.
    """
    streams = (health for domain in domains for health in domain_health(domain))
    known = {name for domain in domains for name in domain.accumulators}
    left = (orphan_health(name, events) for name, events in orphans.items() if name not in known)
    return Health.of((store_health(store), *streams, *map(part_health, parts), *left))


def orphan_health(accumulator: str, events: int) -> PartHealth:
    """Return the health of journalled events that nobody processes."""
    error = f"{orphaned(events)}: {NO_SUCH_ACCUMULATOR}"
    return PartHealth(name=accumulator, kind="inbox", state="orphaned", error=error)


def orphaned(events: int) -> str:
    """Say how many journalled events wait."""
    return f"{events} journalled event{'s'[: events != 1]}"


def store_health(store: Store) -> PartHealth:
    """Return the health of the store."""
    return PartHealth(
        name=masked(store.url), kind="store", state="failed" if store.error else "live", error=text(store.error)
    )


def domain_health(domain: Domain) -> Iterator[PartHealth]:
    """Yield the health of a domain and of its reactors."""
    error = domain.lost or domain.error
    state = "lost" if domain.lost else "failing" if error else "live"
    yield PartHealth(name=domain.name, kind="domain", state=state, error=text(error))

    for accumulator in domain.accumulators.values():
        yield accumulator_health(accumulator)

    for name, reactor in domain.reactors.items():
        health = domain.health_of(reactor)
        causes = "; ".join(cause.text for cause in health.causes if cause.kind != "paused")
        yield PartHealth(name=name, kind="reactor", state=health.state, error=causes or None)
        yield from graphs_health(reactor, crashed=health.state == "crashed")


def graphs_health(reactor: LiveReactor, *, crashed: bool) -> Iterator[PartHealth]:
    """Yield the health of the graphs of a reactor: which of them failed, and when that firing is tried again."""
    waiting = reactor.waiting()
    for name in reactor.graphs:
        if name in waiting:
            error, retry_at = waiting[name]
            state = "crashed" if crashed else "retrying"
            yield PartHealth(name=name, kind="graph", state=state, error=error_text(error), next_retry_at=retry_at)
        else:
            yield PartHealth(name=name, kind="graph", state="crashed" if crashed else "live")


def accumulator_health(accumulator: LiveAccumulator) -> PartHealth:
    """Return the health of an accumulator, and of what feeds it: whether that is connected, not only runs."""
    part = accumulator.part
    return PartHealth(
        name=accumulator.name,
        kind="accumulator" if accumulator.definition.source is None else "source",
        state="finished" if accumulator.health == "ended" else accumulator.health,
        error=accumulator.error,
        next_retry_at=None if part is None else part.next_retry_at,
        restarts=0 if part is None else part.restarts,
    )


def part_health(facts: PartFacts) -> PartHealth:
    """Return the health of a supervised part."""
    return PartHealth(
        name=facts.name,
        kind="part",
        state="live" if facts.state == "running" else facts.state,
        error=facts.last_error,
        next_retry_at=facts.next_retry_at,
        restarts=facts.restarts,
    )


def text(error: BaseException | None) -> str | None:
    """Return the sentence of an error, when there is one."""
    return None if error is None else str(error)
