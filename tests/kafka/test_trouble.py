"""Brokers that are away, that die, that do not answer, and apps that have no room."""

from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

import penstock as ps
from penstock.testing.bench import workbench
from tests.kafka.watcher import Event, Seen, encoded, events_of, graph_of, opened, reading, until
from tests.kafka_broker import broker
from tests.kafka_client import Sent, create_topic, new_topic_name, produce
from tests.kafka_server import KafkaServer

pytestmark = [pytest.mark.xdist_group("kafka"), pytest.mark.timeout(180)]


@pytest.fixture
def store(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/store.db"


@pytest.fixture
def server(real_brokers: str) -> Iterator[KafkaServer]:
    """Return the broker that all tests share, to be killed; it runs again for the next test."""
    shared = broker()
    if not isinstance(shared, KafkaServer):
        pytest.skip("needs a broker of our own, which may be killed")

    yield shared
    if not shared.running:
        shared.start()


def health(app: ps.App) -> str:
    return app.statistics().accumulators["events"].health


async def test_scenario_52_a_broker_that_is_killed_and_comes_again_loses_and_repeats_nothing(
    server: KafkaServer, tmp_path: Path
) -> None:
    topic, later = await create_topic(server.brokers, 2), new_topic_name()
    # nobody looks around for an hour: that the broker is gone is known from the request that it does not answer
    patient = ps.Kafka(topic, brokers=server.brokers, look_every=3600.0)
    await produce(server.brokers, topic, halves(0, 500))
    async with reading(patient, f"sqlite:///{tmp_path}/a.db") as (app, seen):
        await seen.wait(500)
        await anyio.to_thread.run_sync(server.kill)
        await until(lambda: health(app) == "disconnected")

        # an app that starts while it is away
        async with reading(ps.Kafka(later, brokers=server.brokers), f"sqlite:///{tmp_path}/b.db") as (young, found):
            await until(lambda: health(young) == "disconnected")
            (part,) = [part for part in young.health().parts if part.kind == "source"]
            assert (part.name, part.state, young.health().status) == ("events", "disconnected", "degraded")
            assert f"the broker at {server.brokers} cannot be reached: " in (part.error or "")
            assert part.next_retry_at is not None

            await anyio.to_thread.run_sync(server.start)
            await create_topic(server.brokers, name=later)
            await produce(server.brokers, later, encoded(1, 2))
            await produce(server.brokers, topic, halves(500, 1000))
            assert await found.wait_ids(2) == [1, 2]
            await until(lambda: young.health().status == "live")
            assert young.statistics().accumulators["events"].error is None

        assert sorted(await seen.wait_ids(1000)) == list(range(1000))
        await until(lambda: health(app) == "live")
        assert app.statistics().accumulators["events"].lag is not None


def halves(first: int, end: int) -> list[Sent]:
    """Return records for two partitions."""
    return [Sent(value, partition=number % 2) for number, value in enumerate(encoded(*range(first, end)))]


# -- no room -----------------------------------------------------------------------------------------------


async def test_a_function_that_waits_holds_its_partitions_back_and_gets_everything(
    real_brokers: str, store: str
) -> None:
    topic = await create_topic(real_brokers, 2)
    values = encoded(*range(3000))
    await produce(real_brokers, topic, [Sent(value, partition=n % 2) for n, value in enumerate(values)])
    seen, gate = Seen(), anyio.Event()

    @ps.stream_accumulator(ps.Kafka(topic, brokers=real_brokers, look_every=0.1, stall_after=0.3), capacity=10)
    async def events(event: Event) -> Event:
        await gate.wait()
        return event

    async with opened([graph_of(events, seen)], store) as app:
        await until(lambda: app.statistics().accumulators["events"].events >= 10)
        await until(lambda: app.statistics().accumulators["events"].lag == 3000)  # the batch in hand counts to its end
        await anyio.sleep(0.5)  # noqa: TID251 - longer than `stall_after`: waiting for room is no stall
        assert (app.statistics().accumulators["events"].events, health(app)) == (10, "live")
        gate.set()
        assert sorted(await seen.wait_ids(3000)) == list(range(3000))


async def test_an_outbox_that_is_full_holds_the_source_back_and_loses_nothing(real_brokers: str, store: str) -> None:
    topic = await create_topic(real_brokers)
    await produce(real_brokers, topic, encoded(*range(2000)))
    book = ps.Workflow("book", input=Event)

    @book.task
    def enter(id: int) -> dict[str, int]:  # noqa: A002 - the field
        return {"entered": id}

    events = events_of(ps.Kafka(topic, brokers=real_brokers))
    graph = ps.ComputationGraph("starts", reactor=ps.Reactor("on events", [events]))

    @graph.node(starts=book)
    def start(events: Event) -> Event:
        return events

    async with opened([graph], store, outbox_limit=5) as app:
        await until(lambda: app.statistics().accumulators["events"].events == 2000)
        await app.wait_idle()
        found = [run async for run in app.runs(workflow=book, status="completed")]
        assert sorted(run.input["id"] for run in found) == list(range(2000))


async def test_a_source_that_is_cancelled_while_it_connects_leaves_nothing_open(real_brokers: str) -> None:
    topic = await create_topic(real_brokers)
    async with workbench(60.0) as bench:
        for turn in range(12):
            intake = bench.intake()
            async with anyio.create_task_group() as group:
                group.start_soon(ps.Kafka(topic, brokers=real_brokers).run, intake, {})
                await bench.scheduler.sleep(turn * 0.002)  # at every stage of it; the guard finds what is left
                group.cancel_scope.cancel()

            assert intake.taken == []
