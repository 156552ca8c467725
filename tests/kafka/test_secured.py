"""Apache Kafka with TLS and SASL: what is right works, what is wrong is said, and the setting named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer

from engine.customer_id import customer_id
from engine.errors import Unavailable
from engine.events import Event, Kind, Message
from engine.kafka.producer import KafkaLog
from engine.kafka.security import client_options
from engine.kafka.topics import make_topics
from engine.process.doctor.kafka import of_kafka
from engine.settings import Kafka
from tests.kafka.secured import CLIENT_ID, CLIENT_SECRET, PASSWORD, Issuer, Secured, issuing, unsigned_token

pytestmark = pytest.mark.kafka

WRONG = "another-secret"


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with issuing() as answering:
        yield answering


def by_tokens(issuer: Issuer, **values: Any) -> dict[str, Any]:
    """What is changed of settings with a password."""
    return {
        "sasl_mechanism": "OAUTHBEARER",
        "sasl_user": "",
        "sasl_password": "",
        "oauth_token_url": issuer.url,
        "oauth_client_id": CLIENT_ID,
        "oauth_client_secret": CLIENT_SECRET,
        **values,
    }


async def sent_and_read(kafka: Kafka) -> None:
    """Make the topic, write an event as the api does, read it as doctor reads."""
    await make_topics(kafka, {kafka.events_topic: kafka.partitions})
    log = KafkaLog(kafka)
    await log.open()
    await log.ping()
    await log.publish([Message(customer_id("ann"), Event(1, int(Kind.PAGE_VIEWED), 1, "m"))])
    await log.close()
    consumer = AIOKafkaConsumer(kafka.events_topic, **client_options(kafka), auto_offset_reset="earliest")
    await consumer.start()
    assert (await consumer.getone()).key == b"ann"
    await consumer.stop()
    found = await of_kafka(kafka, {})
    assert found.findings[0].good, found.findings
    assert sum(found.offsets.values()) == 1


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
@pytest.mark.parametrize("listener", ["SASL_SSL", "SASL_PLAINTEXT"])
async def test_passwords(secured: Secured, unique: Callable[[str], str], listener: str, mechanism: str) -> None:
    await sent_and_read(secured.kafka(listener, sasl_mechanism=mechanism, events_topic=unique("events")))


async def test_a_certificate_of_the_clients(secured: Secured, unique: Callable[[str], str]) -> None:
    await sent_and_read(secured.kafka("SSL", events_topic=unique("events")))


async def test_tokens_of_an_endpoint(secured: Secured, unique: Callable[[str], str], issuer: Issuer) -> None:
    values = by_tokens(issuer, oauth_scope="kafka", events_topic=unique("events"))
    await sent_and_read(secured.kafka("SASL_SSL", **values))
    assert issuer.asked[0] == {"grant_type": ["client_credentials"], "scope": ["kafka"]}


async def test_a_token_in_a_file(
    secured: Secured, unique: Callable[[str], str], issuer: Issuer, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text(unsigned_token("cueline", 60) + "\n")
    values = {"sasl_mechanism": "OAUTHBEARER", "sasl_user": "", "sasl_password": "", "oauth_token_file": str(file)}
    await sent_and_read(secured.kafka("SASL_PLAINTEXT", **values, events_topic=unique("events")))


FAULTS: list[tuple[str, dict[str, Any], str]] = [
    ("SASL_SSL", {"sasl_password": WRONG}, "it does not know kafka.sasl_user with this kafka.sasl_password"),
    (
        "SASL_PLAINTEXT",
        {"sasl_mechanism": "PLAIN", "sasl_password": WRONG},
        "it does not know kafka.sasl_user with this kafka.sasl_password",
    ),
    ("SASL_SSL", {"ca_file": ""}, "its certificate is not trusted"),
    ("SASL_SSL", {"ca_file": "other-ca"}, "its certificate is not trusted"),
    ("ELSEWHERE", {}, "its certificate is not for 127.0.0.1"),
    (
        "SSL",
        {"client_cert_file": "", "client_key_file": ""},
        "it asks for a client's certificate: set kafka.client_cert_file",
    ),
    (
        "SSL",
        {"client_cert_file": "stranger", "client_key_file": "stranger.key"},
        "it does not trust the certificate in kafka.client_cert_file",
    ),
    (
        "SSL",
        {"security_protocol": "PLAINTEXT", "ca_file": "", "client_cert_file": "", "client_key_file": ""},
        "this port speaks TLS, and kafka.security_protocol is PLAINTEXT: write SSL",
    ),
    (
        "SASL_SSL",
        {"security_protocol": "SASL_PLAINTEXT", "ca_file": ""},
        "this port speaks TLS, and kafka.security_protocol is SASL_PLAINTEXT: write SASL_SSL",
    ),
    (
        "SASL_PLAINTEXT",
        {"security_protocol": "SASL_SSL"},
        "this port speaks no TLS, and kafka.security_protocol is SASL_SSL: write SASL_PLAINTEXT",
    ),
    (
        "PLAINTEXT",
        {"security_protocol": "SSL"},
        "this port speaks no TLS, and kafka.security_protocol is SSL: write PLAINTEXT",
    ),
    (
        "SASL_PLAINTEXT",
        {"security_protocol": "PLAINTEXT", "sasl_mechanism": "", "sasl_user": "", "sasl_password": ""},
        "it hangs up without an answer, and kafka.security_protocol is PLAINTEXT",
    ),
    (
        "SASL_SSL",
        {"security_protocol": "SSL", "sasl_mechanism": "", "sasl_user": "", "sasl_password": ""},
        "it hangs up without an answer, and kafka.security_protocol is SSL",
    ),
    (
        "PLAINTEXT",
        {
            "security_protocol": "SASL_PLAINTEXT",
            "sasl_mechanism": "PLAIN",
            "sasl_user": "cueline",
            "sasl_password": PASSWORD,
        },
        "this port takes no SASL, and kafka.security_protocol is SASL_PLAINTEXT: write PLAINTEXT",
    ),
]


@pytest.mark.parametrize(("listener", "values", "said"), FAULTS)
async def test_what_keeps_us_out_is_said(
    secured: Secured, listener: str, values: dict[str, Any], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    files = {name: secured.file(file) for name, file in values.items() if name.endswith("_file") and file}
    kafka = secured.kafka(listener, **(values | files))
    (finding,) = (await of_kafka(kafka, {})).findings
    assert (finding.name, finding.state) == ("kafka", "bad")
    assert finding.detail.startswith(f"kafka.brokers: {kafka.brokers}: {said}")
    with pytest.raises(Unavailable) as at_start:
        await make_topics(kafka, {"never": 1})
    assert str(at_start.value) == finding.detail
    log = KafkaLog(kafka)
    with pytest.raises(Unavailable) as writing:
        await log.open()
    assert str(writing.value) == finding.detail
    assert not any(secret in f"{finding}{caplog.text}" for secret in (PASSWORD, WRONG))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"oauth_client_secret": WRONG}, "kafka.oauth_token_url refuses the client with status 401"),
        ({"oauth_token_url": "http://127.0.0.1:1/"}, "kafka.oauth_token_url does not answer (ConnectError)"),
    ],
)
async def test_tokens_that_cannot_be_had(
    secured: Secured, issuer: Issuer, values: dict[str, str], said: str
) -> None:
    kafka = secured.kafka("SASL_SSL", **by_tokens(issuer, **values))
    (finding,) = (await of_kafka(kafka, {})).findings
    assert finding.detail.startswith(f"kafka.brokers: {kafka.brokers}: {said}")
    assert WRONG not in finding.detail


async def test_tokens_that_are_refused(secured: Secured, issuer: Issuer) -> None:
    issuer.lifetime_s = -1
    kafka = secured.kafka("SASL_SSL", **by_tokens(issuer))
    (finding,) = (await of_kafka(kafka, {})).findings
    assert finding.detail.startswith(f"kafka.brokers: {kafka.brokers}: it does not take the token")
    with pytest.raises(Unavailable, match="it does not take the token"):
        await make_topics(kafka, {"never": 1})
