"""Brokers that ask who we are, or show who they are: reading over each protocol, and a clear word when it fails."""

from collections.abc import Callable
from pathlib import Path

import pytest

import penstock as ps
from tests.kafka.watcher import encoded, reading, until
from tests.kafka_broker import broker
from tests.kafka_client import create_topic, produce
from tests.kafka_secrets import PASSWORD, SCRAM, USER, SecuredServer, certificate

pytestmark = [pytest.mark.xdist_group("kafka"), pytest.mark.timeout(120)]


@pytest.fixture
def store(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/store.db"


@pytest.fixture
def server(real_brokers: str) -> SecuredServer:
    """Return the broker that all tests share; one of somebody else has no listeners for us."""
    shared = broker()
    if not isinstance(shared, SecuredServer):
        pytest.skip("needs a broker of our own, with protected listeners")

    return shared


def security(protocol: str, mechanism: str | None = None, **changed: object) -> ps.KafkaSecurity:
    """Return what the broker wants, but for what is changed."""
    known: dict[str, object] = {"protocol": protocol}
    if mechanism is not None:
        known |= {"mechanism": mechanism, "username": USER, "password": PASSWORD}

    if protocol.endswith("SSL"):
        known["ca_file"] = str(certificate() / "ca.pem")

    return ps.KafkaSecurity(**known | changed)


WAYS = [*(("SASL_PLAINTEXT", mechanism) for mechanism in ("PLAIN", *SCRAM)), ("SSL", None), ("SASL_SSL", SCRAM[1])]


@pytest.mark.parametrize(("protocol", "mechanism"), WAYS)
async def test_records_are_read_over_a_protected_connection(
    server: SecuredServer, store: str, protocol: str, mechanism: str | None
) -> None:
    topic = await create_topic(server.brokers)
    await produce(server.brokers, topic, encoded(1, 2))
    source = ps.Kafka(topic, brokers=server.brokers_by(protocol), security=security(protocol, mechanism))
    async with reading(source, store) as (_, seen):
        assert await seen.wait_ids(2) == [1, 2]
        await produce(server.brokers, topic, encoded(3))
        assert await seen.wait_ids(3) == [1, 2, 3]


OTHER = {"password": "another"}
DENIED, NO_TLS = "ConfigError: kafka {}: the broker at {} does not let us in: ", "ConfigError: kafka {}: no TLS with "
CLOSED = "SourceUnavailable: source 'kafka {}' is unavailable: the broker at {} cannot be reached: "
#: What is wrong, whom we ask, how, and what we are told.
REFUSALS: dict[str, tuple[str, Callable[[], ps.KafkaSecurity | None], str]] = {
    "password": ("SASL_PLAINTEXT", lambda: security("SASL_PLAINTEXT", "PLAIN", **OTHER), DENIED),
    "password of SCRAM": ("SASL_PLAINTEXT", lambda: security("SASL_PLAINTEXT", SCRAM[0], **OTHER), DENIED),
    "user": ("SASL_SSL", lambda: security("SASL_SSL", SCRAM[1], username="nobody"), DENIED),
    "certificate": ("SSL", lambda: security("SSL", ca_file=None), NO_TLS),
    "protocol": ("SASL_PLAINTEXT", lambda: security("SSL"), CLOSED),
    "no user": ("SASL_PLAINTEXT", lambda: None, CLOSED.removesuffix("the broker at {} cannot be reached: ")),
    "no TLS": ("SSL", lambda: None, CLOSED),
}


@pytest.mark.parametrize("wrong", REFUSALS)
async def test_who_is_not_let_in_is_told_why(server: SecuredServer, store: str, wrong: str) -> None:
    protocol, given, words = REFUSALS[wrong]
    brokers, topic = server.brokers_by(protocol), await create_topic(server.brokers)
    async with reading(ps.Kafka(topic, brokers=brokers, security=given()), store) as (app, _):
        await until(lambda: app.statistics().accumulators["events"].health == "disconnected")
        found = app.statistics().accumulators["events"]
        assert (found.error or "").startswith(words.format(topic, brokers)), found.error
        assert not any(secret in (found.error or "") for secret in (PASSWORD, *OTHER.values()))
        assert found.next_retry_at is not None
