"""Kafka for tests: one broker for each process of tests, started by the first that needs it, ended with them.

``PENSTOCK_TEST_KAFKA`` names the brokers of a cluster that is there already. Without one, and without a JDK for a
broker of our own, the mock cluster inside the ``confluent-kafka`` wheel serves the tests that it can: it speaks the
protocol, but it cannot be killed, and knows neither new partitions nor times.
"""

import os
from functools import cache
from typing import Protocol

from tests.kafka_jars import missing_jars
from tests.kafka_secrets import SecuredServer

EXTERNAL = "PENSTOCK_TEST_KAFKA"


class Broker(Protocol):
    """What tests know of a broker."""

    @property
    def brokers(self) -> str:
        """Its address."""
        ...

    def remove(self) -> None:
        """End it, if it is ours."""


class External:
    """A cluster that somebody else has started."""

    def __init__(self, brokers: str) -> None:
        self.brokers: str = brokers

    def remove(self) -> None:
        """Leave it as it is."""


class Mock:
    """The mock cluster of the wheel; it lives in the process of the tests."""

    def __init__(self) -> None:
        from confluent_kafka import Producer  # not before it is needed: it loads a large library

        # the log level keeps it from telling that it is none of the configured brokers
        self._producer = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "none", "log_level": 0})
        found = self._producer.list_topics(timeout=10).brokers.values()
        self.brokers: str = ",".join(f"{each.host}:{each.port}" for each in found)

    def remove(self) -> None:
        """Nothing: it ends with the process."""


def missing() -> str | None:
    """Say why there is no real broker."""
    if EXTERNAL in os.environ:
        return None

    reason = missing_jars()
    return reason and f"{reason}, and {EXTERNAL} names no broker: the mock of confluent-kafka serves what it can"


@cache
def broker() -> Broker:
    """Return the broker that all tests of this process share; ``close_broker`` ends it."""
    if EXTERNAL in os.environ:
        return External(os.environ[EXTERNAL])

    if missing_jars() is not None:
        return Mock()

    server = SecuredServer()
    try:
        server.start()
    except BaseException:
        server.remove()
        raise

    return server


def close_broker() -> None:
    """End what ``broker`` has started, if it has."""
    if broker.cache_info().currsize:
        broker().remove()
        broker.cache_clear()
