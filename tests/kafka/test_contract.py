"""The contract of every source, kept by Kafka on a real broker."""

from collections.abc import Sequence

import pytest
from typing_extensions import override

import penstock as ps
from penstock.testing.contract import ReplayableSourceContract, UnreachableSourceContract
from tests.kafka_client import Sent, create_topic, produce
from tests.kafka_server import HOST, free_ports

pytestmark = [pytest.mark.xdist_group("kafka"), pytest.mark.timeout(120)]


class TestKafka(ReplayableSourceContract):
    ends = False
    partitions = 1

    @pytest.fixture(autouse=True)
    def use(self, brokers: str) -> None:
        self.brokers = brokers

    @override
    async def prepare(self, events: Sequence[str]) -> ps.Kafka:
        topic = await create_topic(self.brokers, self.partitions)
        records = [Sent(event.encode(), partition=number % self.partitions) for number, event in enumerate(events)]
        await produce(self.brokers, topic, records)
        return ps.Kafka(topic, brokers=self.brokers, format="raw")


class TestKafkaWithPartitions(TestKafka):
    ordered = False
    partitions = 3


class TestUnreachableKafka(UnreachableSourceContract):
    @override
    async def prepare_unreachable(self) -> ps.Kafka:
        return ps.Kafka("any", brokers=f"{HOST}:{free_ports(1)[0]}")
