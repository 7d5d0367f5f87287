"""Kafka as a source: what is read, from where, and how its records become events.

What is promised: every record is taken once, in the order of its partition. How far we are is kept in *our* store, in
the transaction that keeps state and effects, so a restart goes on exactly behind the last record that counts. The
partitions are assigned by hand: no group is joined, nobody else's consumer can take a partition away, and there is no
rebalance. ``group=`` only names offsets that are told to the brokers afterwards, for those who watch the lag.
"""

import importlib
from collections.abc import Iterator, Mapping, Sequence

import msgspec
from typing_extensions import override

from penstock.accumulators.decoding import Convert
from penstock.accumulators.kafka.security import KafkaSecurity
from penstock.accumulators.kafka.settings import Missing, Settings, Start
from penstock.accumulators.kafka.values import FORMATS, DecodeRecord, Format, decoding, parsing
from penstock.accumulators.source import Intake, Position
from penstock.runtime.codec import Codec
from penstock.runtime.durations import Duration, seconds
from penstock.runtime.errors import DefinitionError
from penstock.runtime.supervise import RestartPolicy
from penstock.runtime.variables import resolve_template


class Kafka:
    """Topics of Kafka as the source of an accumulator.

        @ps.stream_accumulator(ps.Kafka("orderbook"))
        def orderbook(event: Book, key: str) -> Book: ...

    Args:
        topic: The topic; or ``topics``, or a ``pattern`` that whole names of topics match. Partitions, and topics that
            match, are found when they are made later, and are then read from their beginning.
        topics: Several topics.
        pattern: A regular expression.
        brokers: Addresses, as text with commas or as a list. ``{{ NAME }}`` is read from the variable at the start.
        start: Where a topic of which nothing was read yet begins: ``"earliest"``, ``"latest"``, or an aware datetime.
        on_missing: What to do when the record that comes next is gone (retention was faster, or the topic was made
            anew): stop with ``PositionLost``, or go on at the ``"earliest"`` or ``"latest"`` one; what was skipped
            counts as dropped.
        format: How values are written: ``"json"``, ``"msgpack"``, or ``"raw"`` for bytes and text as they are.
        decode: Makes an event, or what it is made of, from a topic, the bytes of a value, and its headers; the place
            for a schema registry. Called for each record on the event loop: it must not wait.
        group: Whose offsets are told to the brokers after they are committed here; a hint for those who watch lag.
        security: TLS and SASL.
        look_every: How often to look for partitions, lag, and whether the brokers answer.
        stall_after: For how long nothing may come although there is something, before the connection is built anew.
        options: More options of the consumer, such as ``{"max_partition_fetch_bytes": 4_000_000}``.

    Raises:
        DefinitionError: Options that cannot work; all of them are named.
    """

    #: A broker may be away for long: it is looked for again and again, but not in every moment.
    restart: RestartPolicy = RestartPolicy(
        initial_delay=0.5, maximum_delay=5.0, open_after=1_000_000, healthy_after=10.0
    )

    def __init__(
        self,
        topic: str | None = None,
        *,
        topics: Sequence[str] = (),
        pattern: str | None = None,
        brokers: str | Sequence[str] = "{{ KAFKA_BROKERS }}",
        start: Start = "earliest",
        on_missing: Missing = "error",
        format: Format = "json",  # noqa: A002 - it is the word
        decode: DecodeRecord | None = None,
        group: str | None = None,
        security: KafkaSecurity | None = None,
        look_every: Duration = 5.0,
        stall_after: Duration = 60.0,
        options: Mapping[str, object] | None = None,
    ) -> None:
        # Loaded here: `import penstock` does without its library, and in `run` it would hold the loop.
        importlib.import_module("penstock.accumulators.kafka.reading")
        self.settings: Settings = Settings(
            topics=(*(() if topic is None else (topic,)), *topics),
            pattern=pattern,
            brokers=brokers if isinstance(brokers, str) else ",".join(brokers),
            start=start,
            on_missing=on_missing,
            group=group,
            look_every=seconds(look_every, name="Kafka look_every"),
            stall_after=seconds(stall_after, name="Kafka stall_after"),
            options=dict(options or {}),
        )
        self.format: Format = format
        self.decode: DecodeRecord | None = decode
        self.security: KafkaSecurity | None = security
        problems = [*self.settings.problems(), *self._problems()]
        if problems:
            raise DefinitionError(*(f"{self.name}: {problem}" for problem in problems))

    @override
    def __repr__(self) -> str:
        return f"<{self.name}>"

    @property
    def name(self) -> str:
        """What is read: ``kafka orderbook``."""
        return self.settings.name

    # -- events --------------------------------------------------------------------------------------------

    @property
    def wants_records(self) -> bool:
        """Whether the reader takes a whole record, and not only its value."""
        return self.decode is not None

    def reader(self, codec: Codec[object]) -> Convert:
        """Return what makes events of values.

        Raises:
            DefinitionError: The format gives no such events.
        """
        if self.decode is not None:
            return decoding(self.decode, codec)

        if self.format == "raw" and not codec.exact & {bytes, str}:
            raise DefinitionError(
                f"{codec.part}: {self.name} gives raw bytes, not {codec.expected}: declare `event: bytes`,"
                " or say how values are written: format='json', format='msgpack', or decode=…"
            )

        return codec.convert if self.format == "raw" else parsing(self.format, codec)

    # -- running -------------------------------------------------------------------------------------------

    async def run(self, intake: Intake, positions: Mapping[str, Position]) -> None:
        """Read until the connection is lost; its supervisor connects again.

        Raises:
            ConfigError: A variable is not set, or a certificate cannot be used.
            SourceUnavailable: The brokers, or a topic, cannot be reached.
            PositionLost: What comes next is not there any more.
        """
        from penstock.accumulators.kafka import reading  # noqa: PLC0415 - loaded by __init__

        intake.connecting()
        settings = msgspec.structs.replace(self.settings, brokers=resolve_template(self.settings.brokers))
        security = None if self.security is None else self.security.resolved()
        await reading.read(settings, security, intake, positions, whole=self.wants_records)

    # -- checks --------------------------------------------------------------------------------------------

    def _problems(self) -> Iterator[str]:
        if self.format not in FORMATS:
            yield f"format={self.format!r} is none of {', '.join(map(repr, FORMATS))}"

        if self.decode is not None and self.format != "json":
            yield f"decode= says how values are read, and so does format={self.format!r}: leave one of them out"
