"""The broker that tests start: it is there when it should be, and gone afterwards, whatever ended them."""

import pytest

from tests import kafka_broker
from tests.architecture.orphans import MOMENTS, check_that_it_ends_with_the_tests
from tests.kafka_client import create_topic, offsets, produce
from tests.kafka_jars import java_version, missing_jars
from tests.kafka_server import KafkaServer
from tests.services import need


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
@pytest.mark.parametrize("moment", MOMENTS)
def test_it_ends_when_the_tests_are_killed(moment: str) -> None:
    need_our_own()
    check_that_it_ends_with_the_tests("tests.kafka_server", "KafkaServer", moment)


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
