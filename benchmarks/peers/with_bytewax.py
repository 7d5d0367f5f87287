"""bytewax: a dataflow that is built, run over a bounded input, and ended; one worker, in this thread.

Its sources hand on lists: as its documentation asks for throughput, a thousand events at a time, and one where the
delay of each is measured. The clock runs from the first list to the end of the dataflow, not while it is started. It
joins by key, so events that belong together are numbered. State is kept on disk by its recovery store, with an epoch a
second. What it takes to start a dataflow that is built, and its memory outside of Python, are not in the figures.
"""

import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.inputs import DynamicSource, StatelessSourcePartition
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import cluster_main
from turns import Line, Spent, main
from work import CYCLE, Up, Work, between, decide, first, middle, uncrossed

#: Events of a run: starting and ending a dataflow takes milliseconds.
LEAST, MOST = 10_000, 100_000


class Clock:
    """Seconds since the first list."""

    def __init__(self) -> None:
        self._begun: Spent | None = None

    def begin(self) -> None:
        if self._begun is None:
            self._begun = Spent(time.process_time(), time.perf_counter())

    def spent(self) -> Spent:
        return Spent(time.process_time() - self._begun.cpu, time.perf_counter() - self._begun.wall)


class Lists(StatelessSourcePartition):
    def __init__(self, events: Sequence[object], clock: Clock) -> None:
        self._events, self._clock, self._at = events, clock, 0

    def next_batch(self):
        self._clock.begin()
        if self._at >= len(self._events):
            raise StopIteration

        found = self._events[self._at : self._at + CYCLE]
        self._at += CYCLE
        return found


class Single(StatelessSourcePartition):
    """One event, and none until the sink has it."""

    def __init__(self, events: Sequence[object], sent: list[int], seen: list[int]) -> None:
        self._events, self._sent, self._seen = events, sent, seen

    def next_batch(self):
        number = len(self._sent)
        if number > len(self._seen):
            return []

        if number == len(self._events):
            raise StopIteration

        event = self._events[number]
        self._sent.append(time.perf_counter_ns())
        return [event]

    def next_awake(self):
        return datetime.now(UTC)  # without it, it waits a millisecond after an empty list


class From(DynamicSource):
    """Gives what it has been given before the dataflow runs."""

    partition: StatelessSourcePartition

    def build(self, _step, _worker, _workers):
        return self.partition


class Nowhere(DynamicSink, StatelessSinkPartition):
    def build(self, _step, _worker, _workers):
        return self

    def write_batch(self, items):
        pass


class Stamps(Nowhere):
    def __init__(self, seen: list[int]) -> None:
        self._seen = seen

    def write_batch(self, items):
        now = time.perf_counter_ns()
        self._seen.extend(now for _ in items)


def run(flow: Dataflow, **settings) -> None:
    cluster_main(flow, [], 0, **settings)


def spread(join, sources: int = 1, *, number: bool = False, durable: bool = False) -> Line:
    """Return a line whose dataflow is made by ``join`` from streams of events; it is built once, and run for a step."""

    def built(sink: Nowhere) -> tuple[Dataflow, list[From]]:
        flow, begins = Dataflow("flow"), [From() for _ in range(sources)]
        streams = [op.input(f"in{at}", flow, begin) for at, begin in enumerate(begins)]
        for at, end in enumerate(join(*streams)):
            op.output(f"out{at}", end, sink)

        return flow, begins

    flow, begins = built(Nowhere())

    def batch(events: Sequence[object]) -> Spent:
        clock = Clock()
        for at, begin in enumerate(begins):
            part = events[at::sources]
            begin.partition = Lists([(str(at), each) for at, each in enumerate(part)] if number else part, clock)

        if not durable:
            run(flow)
            return clock.spent()

        with tempfile.TemporaryDirectory() as folder:
            init_db_dir(Path(folder), 1)
            run(flow, epoch_interval=timedelta(seconds=1), recovery_config=RecoveryConfig(folder))
            return clock.spent()

    def one_by_one(events: Sequence[object]) -> list[int]:
        events = [event for event in events if uncrossed(event) is not None]  # the sink would not see the others
        sent, seen = [], []
        single, [begin] = built(Stamps(seen))
        begin.partition = Single(events, sent, seen)
        run(single)
        return [after - before for before, after in zip(sent, seen, strict=True)]

    return Line(batch=batch, one_by_one=one_by_one, least=LEAST, most=MOST)


def nodes(name: str, stream, work: Work):
    books = op.filter_map(f"{name}uncrossed", stream, uncrossed)
    return op.map(f"{name}signal", op.map(f"{name}middle", books, middle), work.signal)


def two_nodes(work: Work) -> Line:
    return spread(lambda stream: [nodes("", stream, work)])


def keep(_state, book):
    return book, book


def keyed(key_of):
    def build(work: Work) -> Line:
        def join(stream):
            books = op.key_on("key", op.filter_map("uncrossed", stream, uncrossed), key_of)
            newest = op.stateful_map("newest", books, keep)
            return [op.map("signal", op.map("middle", newest, lambda pair: middle(pair[1])), work.signal)]

        return spread(join, durable=key_of is one_key)

    return build


def one_key(_book) -> str:
    return "all"


def pair(work: Work) -> Line:
    def join(*sides):
        books = [op.map_value(f"uncrossed{at}", side, uncrossed) for at, side in enumerate(sides)]
        both = op.join("both", *books)
        return [op.map("signal", op.map("between", both, lambda found: between(*found[1])), work.signal)]

    return spread(join, 2, number=True)


def side_by_side(number: int):
    def build(work: Work) -> Line:
        return spread(lambda *streams: [nodes(f"{at}-", each, work) for at, each in enumerate(streams)], number)

    return build


def two(work: Work) -> Line:
    return spread(lambda stream: [op.map("second", op.map("first", stream, first), work.second)])


def chain(length: int):
    def build(work: Work) -> Line:
        def join(stream):
            for function in work.chain(length):
                stream = op.map(function.__name__, stream, function)

            return [stream]

        return spread(join)

    return build


def fan(work: Work) -> Line:
    def join(stream):
        begin = op.map_value("first", stream, first)
        sides = [op.map_value(function.__name__, begin, function) for function in work.middles()]
        return [op.map("last", op.join("all", *sides), lambda found: work.last(*found[1]))]

    return spread(join, number=True)


def routing(work: Work) -> Line:
    def join(stream):
        branches = op.branch("branch", op.map("decide", stream, decide), lambda branch: isinstance(branch, Up))
        return [op.map("up", branches.trues, work.up), op.map("down", branches.falses, work.down)]

    return spread(join)


SHAPES = {
    "two nodes, every event": two_nodes,
    "two nodes, sequential": two_nodes,
    "two nodes, 1000 keys": keyed(lambda book: book.symbol),
    "two sources, when_all, two nodes": pair,
    "10 reactors": side_by_side(10),
    "100 reactors": side_by_side(100),
    "two nodes, state kept on disk": keyed(one_key),
    "two nodes": two,
    "chain of 10": chain(10),
    "chain of 100": chain(100),
    "fan 1-10-1": fan,
    "routing to one of two": routing,
}

WITHOUT = {
    "two nodes, latest under load": "every event is worked off",
    "1000 reactors": "a dataflow with so many sources takes seconds to start, each time",
    "two nodes, each event on disk first": "state is written in epochs, events never",
}

if __name__ == "__main__":
    main(["bytewax"], SHAPES, WITHOUT)
