"""From Kafka to durable workflows: a real data set as a topic, a keyed reactor, and a run for each shock.

Start a broker (`make kafka`, or `docker compose up -d kafka`), say where it is, and run it:

    export PENSTOCK_VAR_KAFKA_BROKERS=127.0.0.1:9092
    python examples/08_kafka_market.py
"""

import asyncio
import csv
import sys
import tempfile
import uuid
from pathlib import Path

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

import penstock as ps

DATA = Path(__file__).parent / "data" / "money_market.csv"
#: A change within a quarter, in points, that somebody should look at.
LIMITS = {"tbilrate": 1.5, "infl": 4.0, "unemp": 0.75}


class Reading(msgspec.Struct, frozen=True):
    period: str
    value: float


class Move(msgspec.Struct, frozen=True):
    series: str
    period: str
    change: float


class Calm(msgspec.Struct, frozen=True):
    series: str


review = ps.Workflow("review", input=Move, description="look into a shock")


@review.task
def note(series: str, period: str, change: float) -> dict[str, str]:
    return {"note": f"{period} {series} {change:+.2f}"}


def graph_for(topic: str) -> ps.ComputationGraph:
    # The brokers come from the variable KAFKA_BROKERS. How far the topic was read is kept in the app's store, in the
    # transaction that starts the runs. Beside the event, a function asks by name for what stands in the record.
    @ps.stream_accumulator(ps.Kafka(topic), state=dict[str, float]())
    def moves(event: Reading, state: dict[str, float], key: str) -> tuple[dict[str, float], Move | None]:
        before = state.get(key)
        move = None if before is None else Move(key, event.period, event.value - before)
        return {**state, key: event.value}, move

    # `sequential` fires for every value, in the order of its key; `latest` would leave some out under load
    market = ps.Reactor("money_market", [moves], strategy="sequential", key="series")
    watch = ps.ComputationGraph("watch", reactor=market)

    @watch.node(terminals=(Calm,))
    def judge(moves: Move) -> Move | Calm:
        return moves if abs(moves.change) > LIMITS[moves.series] else Calm(moves.series)

    @watch.node(starts=review)
    def escalate(judge: Move) -> Move:
        return judge

    return watch


async def publish(brokers: str, topic: str) -> int:
    """Make the topic, and produce the data set; the key says which series a value belongs to."""
    admin = AIOKafkaAdminClient(bootstrap_servers=brokers)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 3, 1)])
    await admin.close()
    rows = list(csv.DictReader(DATA.read_text().splitlines()))
    async with AIOKafkaProducer(bootstrap_servers=brokers) as producer:
        for row in rows:
            for series in LIMITS:
                event = msgspec.json.encode(Reading(row["period"], float(row[series])))
                await producer.send(topic, event, key=series.encode())

        await producer.flush()

    return len(rows) * len(LIMITS)


async def read(store: str, topic: str) -> tuple[int, list[str]]:
    """Read what there is; return how much that was, and the notes of all runs so far."""
    async with ps.App(store, parts=[graph_for(topic)]) as app:
        while app.statistics().accumulators["moves"].lag != 0:
            await app.scheduler.sleep(0.1)

        await app.wait_idle()
        events = app.statistics().accumulators["moves"].events
        runs = [run async for run in app.runs(workflow=review, status="completed", limit=1000)]
        return events, sorted(str(run.output["note"]) for run in runs if isinstance(run.output, dict))


async def main(store: str) -> None:
    brokers = ps.var("KAFKA_BROKERS")
    topic = f"money-market-{uuid.uuid4().hex[:8]}"
    print("produced:", await publish(brokers, topic))
    events, notes = await read(store, topic)
    print("read:", events, "- runs:", len(notes))
    print("first:", ", ".join(notes[:3]))
    print("the end of 2008:", ", ".join(note for note in notes if note.startswith("2008q4")))
    events, notes = await read(store, topic)
    print("after a restart: read:", events, "- runs:", len(notes))


if __name__ == "__main__":
    if ps.var_or("KAFKA_BROKERS", "") == "":
        sys.exit("no broker: start one (`make kafka`), and export PENSTOCK_VAR_KAFKA_BROKERS=127.0.0.1:9092")

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(main(f"sqlite:///{folder}/market.db"))
