"""kill -9 of an app that reads from Kafka, and of the broker: every event is in exactly one run."""

from pathlib import Path

import anyio
import pytest

from tests.databases import sqlite_only
from tests.kafka.kills import Scene, instants, produce_orders
from tests.kafka_broker import broker
from tests.kafka_server import KafkaServer

pytestmark = [pytest.mark.xdist_group("kafka")]

#: With three kills; and with many, in `make chaos`.
FEW, EVENTS = 20_000, 30_000
POINTS = [f"cut: {moment}" for moment in ("before begin", "before commit", "after commit")]


@sqlite_only
@pytest.mark.timeout(400)
async def test_scenario_53_killed_three_times_every_event_is_in_exactly_one_run(
    tmp_path: Path, store_url: str, real_brokers: str
) -> None:
    topic = await produce_orders(real_brokers, seed=1, count=FEW)
    scene = Scene(tmp_path, store_url, real_brokers, topic)

    def kill() -> list[dict[str, int]]:
        wrecks = [scene.kill_at("cut: before commit", 60), scene.kill_at("cut: after commit", 60)]
        wrecks += [scene.kill_after(*instant) for instant in instants(seed=1, count=1)]
        scene.finish()
        return wrecks

    wrecks = await anyio.to_thread.run_sync(kill)
    scene.check(FEW)
    scene.check_order()
    assert all(wreck["runs"] < FEW for wreck in wrecks)
    assert any(wreck["firings"] for wreck in wrecks)


@pytest.mark.chaos
@pytest.mark.timeout(1800)
async def test_killed_many_times_with_the_broker_every_event_is_in_exactly_one_run(
    tmp_path: Path, store_url: str, real_brokers: str
) -> None:
    server = broker()
    topic = await produce_orders(real_brokers, seed=2, count=EVENTS)
    scene = Scene(tmp_path, store_url, real_brokers, topic)

    def kill() -> list[dict[str, int]]:
        wrecks = [scene.kill_at(point, hits) for point in POINTS for hits in (1, 6)]
        for number, instant in enumerate(instants(seed=2, count=20)):
            if number % 7 == 3 and isinstance(server, KafkaServer):
                wrecks.append(kill_with_the_broker(scene, server, *instant))
            else:
                wrecks.append(scene.kill_after(*instant))

        scene.finish()
        return wrecks

    wrecks = await anyio.to_thread.run_sync(kill)
    scene.check(EVENTS)
    scene.check_order()
    flights = sum(wreck["firings"] for wreck in wrecks)
    unfinished = sum(wreck["unfinished"] for wreck in wrecks)
    print(  # noqa: T201 - for `make chaos`
        f"{len(wrecks)} kills; left in flight: {flights} firings, {unfinished} runs; {EVENTS} events, each once"
    )
    assert flights > 0


def kill_with_the_broker(scene: Scene, server: KafkaServer, cuts: int, pause: float) -> dict[str, int]:
    """Kill the broker under a victim, let it come again, and kill the victim when it reads again."""
    process = scene.start()
    scene.wait_for_cuts(process, cuts)
    server.restart()
    scene.wait_for_cuts(process, cuts)
    process.kill()
    scene.end(process)
    return scene.inspect()
