"""The connection to Kafka: what we use of aiokafka, in our own words and with our own errors; its only importer.

Two connections in truth: one reads records, the other looks around (which topics, which partitions), so that a look
never waits behind a read. Nothing here decides anything.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Protocol, TypeVar, cast

from aiokafka import AIOKafkaConsumer, TopicPartition  # type: ignore[import-untyped]  # it has no types
from aiokafka.abc import AbstractTokenProvider  # type: ignore[import-untyped]
from aiokafka.admin import AIOKafkaAdminClient  # type: ignore[import-untyped]
from aiokafka.conn import collect_hosts, create_conn  # type: ignore[import-untyped]
from aiokafka.errors import (  # type: ignore[import-untyped]
    AuthenticationFailedError,
    IllegalSaslStateError,
    KafkaConnectionError,
    KafkaError,
    OffsetOutOfRangeError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from typing_extensions import override

from penstock.accumulators.kafka.batches import Records, pieces
from penstock.accumulators.kafka.places import Place
from penstock.accumulators.kafka.pulse import Pulse
from penstock.runtime.errors import SourceUnavailable
from penstock.runtime.foreign import error_text

T = TypeVar("T")

#: Seconds for which a read waits for records before it returns with none.
POLL = 1.0
#: What goes wrong with a connection.
TROUBLE: tuple[type[Exception], ...] = (KafkaError, OSError, asyncio.TimeoutError)
#: No broker could be reached; the library keeps the reasons to itself.
UNREACHED: type[Exception] = KafkaConnectionError
#: Who we say that we are is not believed.
DENIED: tuple[type[Exception], ...] = (
    AuthenticationFailedError,
    IllegalSaslStateError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
#: TLS fails: a certificate, or the other side speaks something else.
NO_TLS: type[Exception] = ssl.SSLError
#: A connection was made, and the other side has closed it.
CLOSED: tuple[type[Exception], ...] = (KafkaConnectionError, ConnectionResetError, ConnectionAbortedError)


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


class Link(Protocol):
    """What we use of a single connection."""

    def close(self) -> object:
        """Close it."""
        ...


class Admin(Protocol):
    """What we use of an administrator."""

    start: Callable[[], Awaitable[None]]
    close: Callable[[], Awaitable[None]]
    list_topics: Callable[[], Awaitable[list[str]]]
    describe_topics: Callable[[list[str]], Awaitable[list[Mapping[str, object]]]]


MAKE_CONSUMER = cast("Callable[..., Consumer]", AIOKafkaConsumer)
MAKE_ADMIN = cast("Callable[..., Admin]", AIOKafkaAdminClient)
MAKE_LINK = cast("Callable[..., Awaitable[Link]]", create_conn)
#: Returns host, port, and kind of address, of each.
HOSTS_OF = cast("Callable[[Sequence[str]], Iterable[tuple[str, int, object]]]", collect_hosts)


class _Tokens(AbstractTokenProvider):  # type: ignore[misc]  # it has no types
    """Asks the user's function for a token."""

    def __init__(self, ask: Callable[[], Awaitable[str]]) -> None:
        self._ask = ask

    @override
    async def token(self) -> str:  # pyright: ignore[reportIncompatibleMethodOverride]  # its body there is empty
        return await self._ask()


def tokens_from(ask: Callable[[], Awaitable[str]]) -> object:
    """Return what the library asks for tokens, and asks the user's function."""
    return _Tokens(ask)


class Client:
    """A connection to the brokers of one source; made by ``connect``.

    Attributes:
        pulse: Whether its requests are answered.
    """

    def __init__(self, source: str, consumer: Consumer, admin: Admin, pulse: Pulse) -> None:
        self._source = source
        self.pulse: Pulse = pulse
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
        return SourceUnavailable(self._source, told(error))


def told(error: BaseException) -> str:
    """Return an error in words; some of the library begin with their own name."""
    name = f"{type(error).__name__}: "
    text = error_text(error)
    return text.removeprefix(name) if text.startswith(2 * name) else text
