"""The broker that tests of the source read from."""

import pytest

from tests.kafka_broker import broker
from tests.services import need


@pytest.fixture
def brokers() -> str:
    """Return the address of a broker; of the mock, where there is no real one."""
    return broker().brokers


@pytest.fixture
def real_brokers() -> str:
    """Return the address of a real broker: for what the mock cannot do."""
    need("kafka")
    return broker().brokers
