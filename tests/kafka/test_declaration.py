"""What can be wrong with a source of Kafka is said where it is declared, all of it, with the fix."""

from datetime import datetime
from pathlib import Path

import pytest

import penstock as ps
from penstock.accumulators.kafka.places import next_offsets
from penstock.accumulators.kafka.protection import protection
from penstock.accumulators.kafka.settings import OPTIONS
from penstock.accumulators.record import EXTRAS
from tests.kafka.watcher import Event


def problems(**options: object) -> tuple[str, ...]:
    with pytest.raises(ps.DefinitionError) as caught:
        ps.Kafka(**options)

    return caught.value.problems


def test_everything_that_is_wrong_is_said_at_once() -> None:
    assert problems(
        topic="t", pattern="(", on_missing="jump", start="noon", format="xml", options={"group_id": "g"}
    ) == (
        "kafka (: give one topic, or topics=[…], or pattern=…",
        "kafka (: pattern='(' is no regular expression: missing ), unterminated subpattern at position 0",
        "kafka (: on_missing='jump' is none of 'error', 'earliest', 'latest'",
        "kafka (: start='noon' is neither 'earliest' nor 'latest' nor a datetime with a timezone",
        f"kafka (: options has group_id, but may have: {', '.join(sorted(OPTIONS))}",
        "kafka (: format='xml' is none of 'json', 'msgpack', 'raw'",
    )
    naive = datetime.fromisoformat("2026-01-01")
    assert problems(topic="t", start=naive) == (
        f"kafka t: start={naive!r} is neither 'earliest' nor 'latest' nor a datetime with a timezone",
    )


def decode(topic: str, data: bytes, headers: ps.Headers) -> object:
    return data


def test_a_source_reads_something_in_one_way() -> None:
    assert problems() == ("kafka : give one topic, or topics=[…], or pattern=…",)
    assert problems(topic="t", format="raw", decode=decode) == (
        "kafka t: decode= says how values are read, and so does format='raw': leave one of them out",
    )


def test_raw_values_are_bytes_or_text() -> None:
    with pytest.raises(ps.DefinitionError, match="kafka t gives raw bytes, not Event: declare `event: bytes`"):

        @ps.stream_accumulator(ps.Kafka("t", format="raw"))
        def events(event: Event) -> Event:
            return event


def test_what_a_function_asks_for_is_checked() -> None:
    with pytest.raises(ps.DefinitionError) as caught:

        @ps.stream_accumulator(ps.Kafka("t"))
        def events(event: Event, kee: str, partition: str, headers: dict[str, str], timestamp) -> Event:
            return event

    assert caught.value.problems == (
        f"accumulator 'events': parameter 'kee' stands for nothing; beside the event there are: {', '.join(EXTRAS)}",
        "accumulator 'events': annotate 'partition' with int",
        "accumulator 'events': annotate 'headers' with Headers or Mapping[str, bytes]",
        "accumulator 'events': annotate 'timestamp' with datetime or float",
    )


def test_a_journal_does_not_keep_what_stands_beside_the_event() -> None:
    with pytest.raises(ps.DefinitionError, match="durable=True keeps events alone, without key: take them from"):

        @ps.stream_accumulator(ps.Kafka("t"), durable=True)
        def events(event: Event, key: str) -> Event:
            return event


def test_a_decorated_function_stays_callable() -> None:
    @ps.stream_accumulator(ps.Kafka("t"))
    def events(event: Event, key: str) -> list[object]:
        return [event, key]

    assert events(Event(1), key="a") == [Event(1), "a"]


def test_places_that_are_none_of_ours_are_passed_over() -> None:
    assert next_offsets({"trades-2024-3": 7, "trades": 1, "other-x": 1, "text-0": "a"}) == {("trades-2024", 3): 8}


def test_headers_keep_every_value() -> None:
    headers = ps.Headers([("a", b"1"), ("b", b"2"), ("a", b"3")])
    assert (dict(headers), headers.all("a"), headers.all("c"), len(headers)) == (
        {"a": b"3", "b": b"2"},
        (b"1", b"3"),
        (),
        2,
    )


# -- security ----------------------------------------------------------------------------------------------


def test_security_that_does_not_fit_together_is_refused() -> None:
    with pytest.raises(ps.DefinitionError) as caught:
        ps.KafkaSecurity(protocol="SASL_PLAINTEXT", mechanism="PLAIN", certificate_file="a.pem")

    assert caught.value.problems == (
        "KafkaSecurity: mechanism='PLAIN' needs username= and password=",
        "KafkaSecurity: files of certificates need a protocol that ends with SSL, not 'SASL_PLAINTEXT'",
        "KafkaSecurity: certificate_file= and key_file= come together",
    )
    with pytest.raises(ps.DefinitionError, match="needs mechanism=, one of PLAIN, SCRAM-SHA-256"):
        ps.KafkaSecurity(protocol="SASL_SSL")

    with pytest.raises(ps.DefinitionError, match="mechanism= needs a protocol that begins with SASL, not 'SSL'"):
        ps.KafkaSecurity(protocol="SSL", mechanism="PLAIN")

    with pytest.raises(ps.DefinitionError, match="needs token=, an async function"):
        ps.KafkaSecurity(mechanism="OAUTHBEARER")


def test_secrets_are_read_from_variables_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    place = "{{ KAFKA_PASSWORD }}"
    security = ps.KafkaSecurity(protocol="SASL_PLAINTEXT", mechanism="SCRAM-SHA-512", username="me", password=place)
    with pytest.raises(ps.ConfigError, match="set PENSTOCK_VAR_KAFKA_PASSWORD"):
        security.resolved()

    monkeypatch.setenv("PENSTOCK_VAR_KAFKA_PASSWORD", "secret")
    assert repr(security.resolved()) == "KafkaSecurity(protocol='SASL_PLAINTEXT', mechanism='SCRAM-SHA-512')"
    assert protection(security.resolved()) == {
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "me",
        "sasl_plain_password": "secret",
        "sasl_kerberos_service_name": "kafka",
        "sasl_kerberos_domain_name": None,
        "sasl_oauth_token_provider": None,
    }


async def test_tls_and_tokens_reach_the_client() -> None:
    async def token() -> str:
        return "the token"

    options = protection(ps.KafkaSecurity(mechanism="OAUTHBEARER", token=token))
    provider = options["sasl_oauth_token_provider"]
    assert options["security_protocol"] == "SASL_SSL"
    assert options["ssl_context"].check_hostname
    assert await provider.token() == "the token"
    assert protection(None) == {}


def test_a_certificate_that_is_none_is_a_mistake_of_the_configuration(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    with pytest.raises(ps.ConfigError, match="its certificates cannot be used"):
        protection(ps.KafkaSecurity(protocol="SSL", ca_file=str(file)))

    file.write_text("nothing")
    with pytest.raises(ps.ConfigError, match="its certificates cannot be used"):
        protection(ps.KafkaSecurity(protocol="SSL", ca_file=str(file)))
