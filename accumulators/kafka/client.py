"""The connection to Kafka: what we use of aiokafka, in our own words and with our own errors; its only importer.

Two connections in truth: one reads records, the other looks around (which topics, which partitions), so that a look
never waits behind a read. Nothing here decides anything.
"""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Protocol, TypeVar, cast

import anyio
from aiokafka import AIOKafkaConsumer, TopicPartition  # type: ignore[import-untyped]  # it has no types
from aiokafka.abc import AbstractTokenProvider  # type: ignore[import-untyped]
from aiokafka.admin import AIOKafkaAdminClient  # type: ignore[import-untyped]
from aiokafka.errors import KafkaError, OffsetOutOfRangeError  # type: ignore[import-untyped]
from typing_extensions import override

from penstock.accumulators.kafka.batches import Records, by_batches, pieces
from penstock.accumulators.kafka.places import Place
from penstock.accumulators.kafka.security import KafkaSecurity
from penstock.accumulators.kafka.settings import Settings
from penstock.runtime.errors import ConfigError, SourceUnavailable
from penstock.runtime.foreign import error_text
from penstock.runtime.scheduler import Scheduler

T = TypeVar("T")

#: Seconds for which a read waits for records before it returns with none.
POLL = 1.0
#: Seconds that a connection which is being made gets to its end when nobody wants it any more.
MOMENT = 3.0
#: What goes wrong with a connection.
TROUBLE: tuple[type[Exception], ...] = (KafkaError, OSError, asyncio.TimeoutError)

#: Options of the consumer that both connections have.
SHARED = ("client_id", "request_timeout_ms", "retry_backoff_ms", "connections_max_idle_ms")


class Found(Protocol):
    """An offset that was found for a time."""

    offset: int


class Consumer(Protocol):
    """What we use of a consumer; places are given as ``TopicPartition``, which is a tuple, and read as tuples."""

    start: Callable[[], Awaitable[None]]
    stop: Callable[[], Awaitable[None]]
    beginning_offsets: Callable[[Collection[Place]], Awaitable[Mapping[Place, int]]]
    end_offsets: Callable[[Collection[Place]], Awaitable[Mapping[Place, int]]]
    offsets_for_times: Callable[[Mapping[Place, int]], Awaitable[Mapping[Place, Found | None]]]
    position: Callable[[Place], Awaitable[int]]
    commit: Callable[[Mapping[Place, int]], Awaitable[None]]
    assign: Callable[[Collection[Place]], None]
    seek: Callable[[Place, int], None]

    async def getmany(self, *, timeout_ms: int) -> Mapping[Place, Sequence[object]]:
        """Return what has come, by partition."""
        ...

    def pause(self, *partitions: Place) -> None:
        """Ask for no more."""

    def resume(self, *partitions: Place) -> None:
        """Ask again."""


class Connection(Protocol):
    """What we use of the connections of a consumer."""

    close: Callable[[], Awaitable[None]]


class Admin(Protocol):
    """What we use of an administrator."""

    start: Callable[[], Awaitable[None]]
    close: Callable[[], Awaitable[None]]
    list_topics: Callable[[], Awaitable[list[str]]]
    describe_topics: Callable[[list[str]], Awaitable[list[Mapping[str, object]]]]


MAKE_CONSUMER = cast("Callable[..., Consumer]", AIOKafkaConsumer)
MAKE_ADMIN = cast("Callable[..., Admin]", AIOKafkaAdminClient)


class _Tokens(AbstractTokenProvider):  # type: ignore[misc]  # it has no types
    """Asks the user's function for a token."""

    def __init__(self, ask: Callable[[], Awaitable[str]]) -> None:
        self._ask = ask

    @override
    async def token(self) -> str:  # pyright: ignore[reportIncompatibleMethodOverride]  # its body there is empty
        return await self._ask()


class Client:
    """A connection to the brokers of one source; made by ``connect``."""

    def __init__(self, source: str, consumer: Consumer, admin: Admin) -> None:
        self._source = source
        self._consumer, self._admin = consumer, admin
        self._assigned: tuple[Place, ...] = ()

    # -- reading -------------------------------------------------------------------------------------------

    def assign(self, offsets: Mapping[Place, int]) -> None:
        """Read these partitions from now on, each from its offset."""
        self._assigned = tuple(TopicPartition(*place) for place in offsets)
        self._consumer.assign(self._assigned)
        for place in self._assigned:
            self._consumer.seek(place, offsets[place])

    async def poll(self) -> Mapping[Place, Sequence[Records]]:
        """Return what has come, by partition; wait a moment when there is nothing.

        Raises:
            SourceUnavailable: The records cannot be read, or are not there any more.
        """
        try:
            found = await self._consumer.getmany(timeout_ms=int(POLL * 1000))
        except OffsetOutOfRangeError as error:
            raise SourceUnavailable(self._source, f"the log does not have what comes next: {error}") from error
        except TROUBLE as error:
            raise self._unavailable(error) from error

        return {place: pieces(records) for place, records in found.items()}

    async def positions(self) -> Mapping[Place, int]:
        """Return the offset behind all that was read of each partition, marks of transactions included."""
        return {(place[0], place[1]): await self._consumer.position(place) for place in self._assigned}

    def pause(self) -> None:
        """Let the brokers send no more."""
        self._consumer.pause(*self._assigned)

    def resume(self) -> None:
        """Let them send again."""
        self._consumer.resume(*self._assigned)

    # -- looking around ------------------------------------------------------------------------------------

    async def partitions(self, topics: Collection[str] | None) -> set[Place]:
        """Return the partitions of these topics, or of all; a topic that is not there has none.

        Raises:
            SourceUnavailable: No broker answers.
        """
        try:
            names = await self._admin.list_topics() if topics is None else list(topics)
            found = await self._admin.describe_topics(names) if names else []
        except TROUBLE as error:
            raise self._unavailable(error) from error

        return {
            (str(topic["topic"]), int(str(partition["partition"])))
            for topic in found
            for partition in cast("list[Mapping[str, object]]", topic["partitions"])
        }

    async def beginnings(self, places: Collection[Place]) -> Mapping[Place, int]:
        """Return the first offset of each partition.

        Raises:
            SourceUnavailable: No broker answers.
        """
        return await self._asked(self._consumer.beginning_offsets([TopicPartition(*place) for place in places]))

    async def ends(self, places: Collection[Place]) -> Mapping[Place, int]:
        """Return the offset behind the last record of each partition.

        Raises:
            SourceUnavailable: No broker answers.
        """
        return await self._asked(self._consumer.end_offsets([TopicPartition(*place) for place in places]))

    async def at_time(self, places: Collection[Place], milliseconds: int) -> Mapping[Place, Found | None]:
        """Return the first record of each partition that is not older; None when all are.

        Raises:
            SourceUnavailable: No broker answers.
        """
        times = {cast("Place", TopicPartition(*place)): milliseconds for place in places}
        return await self._asked(self._consumer.offsets_for_times(times))

    async def commit(self, offsets: Mapping[Place, int]) -> None:
        """Tell the group's offsets to the brokers.

        Raises:
            SourceUnavailable: They do not take them.
        """
        given = {cast("Place", TopicPartition(*place)): offset for place, offset in offsets.items()}
        await self._asked(self._consumer.commit(given))

    async def _asked(self, answer: Awaitable[T]) -> T:
        try:
            return await answer
        except TROUBLE as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: BaseException) -> SourceUnavailable:
        return SourceUnavailable(self._source, error_text(error))


@asynccontextmanager
async def connect(settings: Settings, protected: Mapping[str, object], scheduler: Scheduler) -> AsyncGenerator[Client]:
    """Connect, and close the connections at the end of the block.

    Args:
        settings: Where to, and how.
        protected: What ``protection`` returned.
        scheduler: Bounds what is waited for.

    Raises:
        SourceUnavailable: No broker can be reached, or none lets us in.
    """
    shared: dict[str, object] = {
        "bootstrap_servers": settings.brokers.split(","),
        **{name: settings.options[name] for name in SHARED if name in settings.options},
        **protected,
    }
    consumer = MAKE_CONSUMER(
        **({"isolation_level": "read_committed"} | dict(settings.options) | shared),
        group_id=settings.group,
        enable_auto_commit=False,
        auto_offset_reset="none",  # a jump would be silent
    )
    admin = MAKE_ADMIN(**shared)
    try:
        try:
            await start(consumer, admin, scheduler)
        except TROUBLE as error:
            raise SourceUnavailable(settings.name, error_text(error)) from error

        yield Client(settings.name, consumer, admin)
    finally:
        with anyio.CancelScope(shield=True):  # whoever cancels us wants it closed as well
            await close(consumer, admin)


async def start(consumer: Consumer, admin: Admin, scheduler: Scheduler) -> None:
    """Connect both. Whoever is cancelled meanwhile waits a moment for the end of it: half a connection stays open."""

    async def both() -> None:
        await consumer.start()
        by_batches(consumer)
        await admin.start()

    starting = asyncio.gather(both())
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
    client: Connection = getattr(consumer, "_client")  # noqa: B009 - it has no public name, see below
    try:
        # a fetch that waits to be tried again is cancelled there, and its cancellation comes out here, before the
        # consumer has closed its connections
        with suppress(asyncio.CancelledError, *TROUBLE):
            await consumer.stop()
    finally:
        await client.close()
        await admin.close()


def protection(security: KafkaSecurity | None) -> dict[str, object]:
    """Return the options of a protected connection; reads files, so call it in a thread.

    Raises:
        ConfigError: A file cannot be read, or is none.
    """
    if security is None:
        return {}

    options: dict[str, object] = {"security_protocol": security.protocol}
    if security.is_encrypted:
        options["ssl_context"] = ssl_context(security)

    if security.mechanism is not None:
        options |= {
            "sasl_mechanism": security.mechanism,
            "sasl_plain_username": security.username,
            "sasl_plain_password": security.password,
            "sasl_kerberos_service_name": security.kerberos_service,
            "sasl_kerberos_domain_name": security.kerberos_domain,
            "sasl_oauth_token_provider": None if security.token is None else _Tokens(security.token),
        }

    return options


def ssl_context(security: KafkaSecurity) -> ssl.SSLContext:
    """Return what TLS needs, from the files.

    Raises:
        ConfigError: A file cannot be read, or is none.
    """
    try:
        context = ssl.create_default_context(cafile=security.ca_file)
        if security.certificate_file is not None:
            context.load_cert_chain(security.certificate_file, security.key_file, security.key_password)
    except OSError as error:  # what is wrong with a certificate is one as well
        raise ConfigError(f"{security!r}: its certificates cannot be used: {error}") from error

    return context
