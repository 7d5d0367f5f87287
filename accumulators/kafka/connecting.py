"""How a connection to Kafka is made and closed, and why it could not be made.

The library tries one broker after the other and tells only that none could be reached. Somebody who has given a wrong
password needs another answer, so when it has given up, one more connection is made to see what it dies of.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Protocol, cast

import anyio

from penstock.accumulators.kafka import client
from penstock.accumulators.kafka.batches import by_batches
from penstock.accumulators.kafka.client import Admin, Client, Consumer
from penstock.accumulators.kafka.pulse import Pulse
from penstock.accumulators.kafka.settings import Settings
from penstock.runtime.errors import ConfigError, PenstockError, SourceUnavailable
from penstock.runtime.scheduler import Scheduler

#: Seconds that a connection which is being made gets to its end when nobody wants it any more.
MOMENT = 3.0
#: Options of the consumer that all connections have.
SHARED = ("client_id", "request_timeout_ms", "retry_backoff_ms", "connections_max_idle_ms")
#: Those of them that a single connection has as well.
SINGLE = ("client_id", "request_timeout_ms")


class Connections(Protocol):
    """What we use of the connections of a consumer."""

    close: Callable[[], Awaitable[None]]


@asynccontextmanager
async def connect(settings: Settings, protected: Mapping[str, object], scheduler: Scheduler) -> AsyncGenerator[Client]:
    """Connect, and close the connections at the end of the block.

    Args:
        settings: Where to, and how.
        protected: What ``protection`` returned.
        scheduler: Bounds what is waited for.

    Raises:
        SourceUnavailable: No broker can be reached.
        ConfigError: One was reached, and does not let us in.
    """
    brokers = settings.brokers.split(",")
    chosen = {name: settings.options[name] for name in SHARED if name in settings.options}
    shared: dict[str, object] = {"bootstrap_servers": brokers, **chosen, **protected}
    consumer = client.MAKE_CONSUMER(
        **({"isolation_level": "read_committed"} | dict(settings.options) | shared),
        group_id=settings.group,
        enable_auto_commit=False,
        auto_offset_reset="none",  # a jump would be silent
    )
    admin = client.MAKE_ADMIN(**shared)
    pulse = Pulse()

    async def make() -> None:
        try:
            await consumer.start()
            by_batches(consumer)
            pulse.follow(connections_of(consumer), client.TROUBLE)
            await admin.start()
        except client.UNREACHED as error:
            single = {name: value for name, value in chosen.items() if name in SINGLE}
            raise await why(settings, {**single, **protected}, error) from error
        except client.TROUBLE as error:
            raise SourceUnavailable(settings.name, client.told(error)) from error

    try:
        await to_its_end(make(), scheduler)
        yield Client(settings.name, consumer, admin, pulse)
    finally:
        with anyio.CancelScope(shield=True):  # whoever cancels us wants it closed as well
            await close(consumer, admin)


async def to_its_end(making: Awaitable[None], scheduler: Scheduler) -> None:
    """Connect. Whoever is cancelled meanwhile waits a moment for the end of it: half a connection stays open."""
    starting = asyncio.gather(making)
    try:
        await asyncio.shield(starting)
    except asyncio.CancelledError:
        with anyio.CancelScope(shield=True):
            await settle(starting, scheduler)

        raise


async def settle(starting: "asyncio.Future[tuple[None]]", scheduler: Scheduler) -> None:
    """Wait for the end of something, a bounded time; nobody is interested in what came of it."""
    over = asyncio.Event()
    starting.add_done_callback(lambda _: over.set())
    timer = scheduler.after(MOMENT, over.set)
    try:
        await over.wait()
    finally:
        timer.cancel()

    if not starting.cancel() and not starting.cancelled():
        starting.exception()


async def close(consumer: Consumer, admin: Admin) -> None:
    """Close both connections, whatever state they are in."""
    try:
        # a fetch that waits to be tried again is cancelled there, and its cancellation comes out here, before the
        # consumer has closed its connections
        with suppress(asyncio.CancelledError, *client.TROUBLE):
            await consumer.stop()
    finally:
        await connections_of(consumer).close()
        await admin.close()


def connections_of(consumer: Consumer) -> Connections:
    """Return the connections of a consumer."""
    return cast("Connections", getattr(consumer, "_client"))  # noqa: B009 - it has no public name


# -- why not ------------------------------------------------------------------------------------------------


async def why(settings: Settings, options: Mapping[str, object], error: Exception) -> PenstockError:
    """Return why no broker can be reached: what the first of them says to one more connection.

    Args:
        settings: Whose brokers.
        options: Of the connection.
        error: What the library says.
    """
    host, port, _ = next(iter(client.HOSTS_OF(settings.brokers.split(","))))
    try:
        link = await client.MAKE_LINK(host, port, **options)
    except client.TROUBLE as reason:
        return verdict(settings.name, f"{host}:{port}", reason)

    link.close()
    hint = "it takes connections, and then no requests: if it wants to know who we are, say so with security="
    return SourceUnavailable(settings.name, f"{client.told(error)}: {hint}")


def verdict(source: str, broker: str, reason: Exception) -> PenstockError:
    """Return what to tell about a connection that could not be made."""
    text = client.told(reason)
    if isinstance(reason, client.DENIED):
        return ConfigError(
            f"{source}: the broker at {broker} does not let us in: {text}: check mechanism=, username= and password= of"
            " its KafkaSecurity, and that the broker knows this user"
        )

    if isinstance(reason, client.NO_TLS):
        return ConfigError(
            f"{source}: no TLS with the broker at {broker}: {text}: check protocol= and ca_file= of its KafkaSecurity,"
            " and that brokers= names it as its certificate does"
        )

    hint = (
        ": it closes the connection: check protocol= of its KafkaSecurity" if isinstance(reason, client.CLOSED) else ""
    )
    return SourceUnavailable(source, f"the broker at {broker} cannot be reached: {text}{hint}")
