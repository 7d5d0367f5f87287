"""What became of the readings that went through a topic, as a value."""

from collections.abc import Iterator, Mapping

import msgspec

from penstock.demo.words import plural

#: How many partitions are named.
MOST = 8


class Passage(msgspec.Struct, frozen=True, kw_only=True):
    """The way over Kafka in figures. Every one was counted, or read from the brokers and the store."""

    brokers: str
    topic: str
    #: Records of this demo that the brokers have acknowledged.
    produced: int
    #: Records that they have not acknowledged in time.
    given_up: int
    #: Records that have reached their accumulator in this demo.
    consumed: int
    #: Records that are in the topic and not behind the stored positions; None when the brokers do not tell.
    lag: int | None
    #: By partition, the offset behind which this demo went on; empty when nothing of the topic had been read.
    resumed: Mapping[str, int]
    #: By partition, the last offset that was read and is in the store, with all that came of it.
    positions: Mapping[str, int]
    #: What is wrong; None if all is well.
    error: str | None

    @property
    def counts(self) -> str:
        """How much went in and came out, in words."""
        given_up = f" ({self.given_up:,} given up)" if self.given_up else ""
        lag = "unknown" if self.lag is None else f"{self.lag:,}"
        return f"{self.produced:,} produced{given_up}, {self.consumed:,} consumed, lag {lag}"

    def lines(self) -> Iterator[str]:
        """Yield it as lines of text."""
        yield f"kafka: topic {self.topic} at {self.brokers}: records: {self.counts}"
        if self.resumed:
            yield f"kafka: went on behind {places(self.resumed)}, as the store said"

        if self.positions:
            word = "position is" if len(self.positions) == 1 else "positions are"
            yield f"kafka: {word} in the store: {places(self.positions)}"
        else:
            yield "kafka: no position is in the store: nothing was read"

        if self.error is not None:
            yield f"kafka: {self.error}"


def places(positions: Mapping[str, int]) -> str:
    """Return positions as they stand in dead letters; of many partitions, their number alone."""
    if len(positions) > MOST:
        return plural(len(positions), "partition")

    return ", ".join(f"{name}:{offset}" for name, offset in positions.items())


def partitions(topic: str, offsets: Mapping[int, int]) -> Mapping[str, int]:
    """Return offsets by the names of partitions, as the store has them."""
    return {f"{topic}-{number}": offset for number, offset in offsets.items()}
