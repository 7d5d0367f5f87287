"""A topic of orders, victims that are killed while they read it, and the store that must hold one run for each."""

import json
import random
import signal
import time
from collections import Counter
from pathlib import Path

import msgspec

from tests.databases import rows
from tests.kafka import victim
from tests.kafka.victim import Order
from tests.kafka_client import Sent, create_topic, produce
from tests.victims import Victim

PARTITIONS = 4
KEYS = 40
#: Seconds that a node takes, at most.
NODE = 0.004
#: No victim may hang.
PATIENCE = 600.0


def orders(seed: int, count: int) -> list[Sent]:
    """Return orders; the same key is always in the same partition, so its order is kept."""
    chance = random.Random(seed)
    turns = Counter[str]()
    sent: list[Sent] = []
    for number in range(count):
        key = f"k{chance.randrange(KEYS)}"
        turns[key] += 1
        order = Order(number, key, turns[key], chance.uniform(0, NODE))
        sent.append(Sent(msgspec.json.encode(order), key.encode(), int(key[1:]) % PARTITIONS))

    return sent


async def produce_orders(brokers: str, seed: int, count: int) -> str:
    topic = await create_topic(brokers, PARTITIONS)
    await produce(brokers, topic, orders(seed, count))
    return topic


class Scene:
    """One topic, one store, and the victims that read the one into the other."""

    def __init__(self, folder: Path, store: str, brokers: str, topic: str) -> None:
        self._file = folder / "progress"
        self._arguments = [store, brokers, topic, str(self._file)]
        self.store = store

    def start(self, **options: object) -> Victim:
        flags = [f"--{name}={value}" for name, value in options.items()]
        return Victim(victim.main, [*self._arguments, *flags], self._file.parent)

    def kill_at(self, point: str, hits: int) -> dict[str, int]:
        """Let a victim kill itself at a commit point; return what it left in flight."""
        process = self.start(crash=point, hits=hits)
        assert self.end(process) == -signal.SIGKILL, "the victim ended before it was killed"
        return self.inspect()

    def kill_after(self, cuts: int, pause: float) -> dict[str, int]:
        """Kill a victim some seconds after its n-th cut with effects; return what it left in flight."""
        process = self.start()
        self.wait_for_cuts(process, cuts)
        time.sleep(pause)  # noqa: TID251 - the victim is another process, in real time
        process.send_signal(signal.SIGKILL)
        assert self.end(process) == -signal.SIGKILL, "the victim ended before it was killed"
        return self.inspect()

    def wait_for_cuts(self, process: Victim, cuts: int) -> None:
        """Wait until a victim has committed so many more cuts with effects."""
        wanted, give_up = self._lines() + cuts, time.monotonic() + PATIENCE  # noqa: TID251 - as above
        while self._lines() < wanted and process.poll() is None and time.monotonic() < give_up:  # noqa: TID251
            time.sleep(0.005)  # noqa: TID251

        assert self._lines() >= wanted, "the victim does not get on"

    def finish(self) -> None:
        """Let a victim read to the end."""
        assert self.end(self.start()) == 0

    def end(self, process: Victim) -> int:
        status = process.end(PATIENCE)
        assert status in {0, -signal.SIGKILL}, process.errors
        return status

    def inspect(self) -> dict[str, int]:
        """Return what the store holds of work that is not done."""
        return {
            "runs": self._count("runs"),
            "unfinished": self._count("runs WHERE finished_at IS NULL"),
            "firings": self._count("firings"),
        }

    def check(self, count: int) -> None:
        """Every event is in exactly one run, completed with its values, and each key in its order."""
        found = rows(self.store, "SELECT id, status, input, output FROM runs ORDER BY id")
        given = [json.loads(str(row[2])) for row in found]
        numbers = Counter(int(each["id"]) for each in given)
        assert {number: times for number, times in numbers.items() if times > 1} == {}
        assert set(range(count)) - set(numbers) == set()
        assert len(found) == count
        assert {row[1] for row in found} == {"completed"}
        for each, (_, _, _, output) in zip(given, found, strict=True):
            assert json.loads(str(output)) == each | {"entered": each["id"], "at": each["turn"]}

        assert self._count("dead_letters") == self._count("firings") == 0

    def check_order(self) -> None:
        """The runs of a key were started in the order of its events."""
        found = rows(self.store, "SELECT input FROM runs ORDER BY id")
        turns: dict[str, list[int]] = {}
        for (text,) in found:
            given = json.loads(str(text))
            turns.setdefault(given["key"], []).append(given["turn"])

        assert turns == {key: list(range(1, len(told) + 1)) for key, told in turns.items()}

    def _count(self, table_and_condition: str) -> int:
        try:
            return int(str(rows(self.store, f"SELECT count(*) FROM {table_and_condition}")[0][0]))  # noqa: S608
        except Exception as error:
            raise AssertionError(f"the store cannot be read: {error}") from error

    def _lines(self) -> int:
        return self._file.read_bytes().count(b"\n") if self._file.exists() else 0


def instants(seed: int, count: int) -> list[tuple[int, float]]:
    """Return random instants: after how many cuts with effects, and how many seconds later."""
    chance = random.Random(seed)
    return [(chance.randrange(2, 12), chance.uniform(0.0, 0.06)) for _ in range(count)]
