"""Other engines that read the same topics as ours, each reading in a new process, which ends with it."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from _figures import Spent, quantile
from _kafka import PARTITIONS, Book, topic_of
from _peers import SCRIPTS, Peer, Unavailable, python_of, running

sys.path.append(str(SCRIPTS))

from topics import digest

#: Produces events into a topic, and returns when all are sent.
Produce = Callable[[str], Awaitable[None]]


class Filled(NamedTuple):
    """A topic, its events, and the newest of each symbol."""

    name: str
    count: int
    latest: dict[str, Book]


class Guests:
    """The peers that can be measured, and why the others cannot."""

    def __init__(self, peers: Sequence[Peer]) -> None:
        self.versions: dict[str, str] = {}
        self.missing: dict[str, str] = {}
        self._pythons = {peer: found for peer in peers if (found := self._found(peer)) is not None}

    def _found(self, peer: Peer) -> object:
        try:
            python = python_of(peer)
            with running(python, SCRIPTS / peer.script) as engine:
                found = engine.ask("about")["versions"]
        except Unavailable as reason:
            self.missing[peer.name] = str(reason)
            return None

        self.versions[f"peer {peer.name}"] = ", ".join(f"{name} {version}" for name, version in found.items())
        return python

    def peers(self) -> list[Peer]:
        """Return who can be measured still."""
        return [peer for peer in self._pythons if peer.name not in self.missing]

    def rates(self, brokers: str, topics: Mapping[bool, Filled]) -> Iterator[tuple[str, int, Spent]]:
        """Let each read a topic, the slow ones a shorter one, and compare the newest of each symbol."""
        for peer in self.peers():
            topic = topics[peer.slow]
            try:
                with running(self._pythons[peer], SCRIPTS / peer.script) as engine:
                    found = engine.ask("read", brokers=brokers, topic=topic.name, count=topic.count, warm=0)
            except Unavailable as reason:
                self.missing[peer.name] = str(reason)
                continue

            if found["digest"] != digest(topic.latest):
                raise SystemExit(f"{peer.name}: {topic.count} events end with other values")

            yield peer.name, topic.count, Spent(found["wall"], found["cpu"])

    async def delays(self, brokers: str, produce: Produce, number: int) -> list[tuple[str, dict[str, float]]]:
        """Let each wait for events that are produced then; return milliseconds."""
        found = [(peer.name, await self._delay(peer, brokers, produce, number)) for peer in self.peers()]
        return [(name, each) for name, each in found if each is not None]

    async def _delay(self, peer: Peer, brokers: str, produce: Produce, number: int) -> dict[str, float] | None:
        topic = await topic_of(brokers, PARTITIONS)  # one in each partition: when they have come, it is ready
        question = {"brokers": brokers, "topic": topic, "count": number + PARTITIONS, "warm": PARTITIONS}
        try:
            with running(self._pythons[peer], SCRIPTS / peer.script) as engine:
                await asyncio.to_thread(engine.ask, "delays", **question)
                _, found = await asyncio.gather(produce(topic), asyncio.to_thread(engine.answer, "delays"))
        except Unavailable as reason:
            self.missing[peer.name] = str(reason)
            return None

        return waits(found["delays"])


def waits(delays: Sequence[float]) -> dict[str, float]:
    """Return milliseconds; the first tenth meets connections that are being made."""
    settled = delays[len(delays) // 10 :]
    return {"p50": quantile(settled, 0.5) * 1e3, "p95": quantile(settled, 0.95) * 1e3}
