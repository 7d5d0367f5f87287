"""The broker that tests start: it is there when it should be, and gone afterwards, whatever ended them."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from threading import Event

import pytest

from tests import kafka_broker
from tests.kafka_client import create_topic, offsets, produce
from tests.kafka_jars import java_version, missing_jars
from tests.kafka_server import KafkaServer
from tests.services import need

ROOT = Path(__file__).resolve().parents[2]


def need_our_own() -> None:
    need("kafka")
    if reason := missing_jars():
        pytest.skip(f"needs a broker of our own: {reason}")


@pytest.mark.timeout(120)
@pytest.mark.xdist_group("kafka")
async def test_it_is_the_same_after_a_kill_and_gone_after_its_removal() -> None:
    need_our_own()
    with KafkaServer() as server:
        topic = await create_topic(server.brokers, 2)
        await produce(server.brokers, topic, [b"1", b"2", b"3"])
        server.restart()
        assert await offsets(server.brokers, topic, 2) == [3, 0]

    assert (server.running, server.folder.exists()) == (False, False)


@pytest.mark.timeout(120)
@pytest.mark.xdist_group("kafka")
def test_it_ends_when_the_tests_are_killed() -> None:
    need_our_own()
    program = (
        "import sys; from tests.kafka_server import KafkaServer; server = KafkaServer(); server.start(); "
        "print(server.folder, server.process.pid, flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as tests:
        assert tests.stdout is not None
        folder, number = tests.stdout.readline().split()
        assert Path(folder).exists()
        tests.send_signal(signal.SIGKILL)

    waiting = Event()
    while Path(folder).exists():  # as long as the time limit of this test
        waiting.wait(0.05)

    with pytest.raises(ProcessLookupError):
        os.kill(int(number), 0)


def test_without_a_jdk_the_mock_is_named_and_a_requirement_is_not_met(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(kafka_broker.EXTERNAL, raising=False)
    monkeypatch.setattr(kafka_broker, "missing_jars", lambda: "there is no `java`")
    assert kafka_broker.missing() == (
        "there is no `java`, and PENSTOCK_TEST_KAFKA names no broker: the mock of confluent-kafka serves what it can"
    )


async def test_the_mock_takes_and_gives_records(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = kafka_broker.Mock()
    await produce(broker.brokers, "mocked", [b"1", b"2"])
    assert await offsets(broker.brokers, "mocked") == [2]


@pytest.mark.parametrize(
    ("told", "version"),
    [
        ('openjdk version "17.0.15" 2025', 17),
        ('java version "1.8.0_402"', 8),
        ('openjdk version "25" 2025', 25),
        ("", 0),
    ],
)
def test_java_tells_its_version(told: str, version: int) -> None:
    assert java_version(told) == version
