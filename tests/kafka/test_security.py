"""Settings of TLS and SASL towards Kafka: what contradicts itself is a sentence each, and no secret is shown."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from engine.errors import BadSettings
from engine.kafka.addresses import addresses, split
from engine.kafka.security import client_options, faust_options
from engine.settings import Kafka

SECRET = "hush-hush"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Paths of PEM files: a CA's certificate, two clients' certificates and keys, and what is none of that."""
    folder, ca = tmp_path_factory.mktemp("pem"), trustme.CA()
    client, other = ca.issue_cert("client"), ca.issue_cert("other")
    key = load_pem_private_key(client.private_key_pem.bytes(), None)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(SECRET.encode()))
    contents = {
        "ca": ca.cert_pem.bytes(),
        "cert": client.cert_chain_pems[0].bytes(),
        "key": client.private_key_pem.bytes(),
        "both": client.private_key_and_cert_chain_pem.bytes(),
        "locked": locked,
        "other": other.private_key_pem.bytes(),
        "text": b"no PEM",
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return {name: str(folder / name) for name in contents} | {"missing": str(folder / "missing")}


def kafka(**values: Any) -> Kafka:
    return Kafka.model_validate(values)


def faults(**values: Any) -> list[str]:
    with pytest.raises(BadSettings) as refused:
        client_options(kafka(**values))
    with pytest.raises(BadSettings) as by_faust:
        faust_options(kafka(**values))
    assert str(by_faust.value) == str(refused.value)
    assert SECRET not in str(refused.value)
    return str(refused.value).splitlines()


USER = {"sasl_user": "ann", "sasl_password": SECRET}
SASL = {"security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": "PLAIN"}
OAUTH = {**SASL, "sasl_mechanism": "OAUTHBEARER"}
CLIENT = {"oauth_token_url": "https://id.example/t", "oauth_client_id": "c", "oauth_client_secret": SECRET}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            {"security_protocol": "SASL_SSL"},
            "kafka.security_protocol is SASL_SSL, but kafka.sasl_mechanism is not set",
        ),
        ({"sasl_mechanism": "PLAIN"}, "kafka.sasl_mechanism is set, but kafka.security_protocol is PLAINTEXT"),
        ({"sasl_password": SECRET}, "kafka.sasl_password is set, but kafka.security_protocol is PLAINTEXT"),
        (
            {"security_protocol": "SSL", "oauth_token_file": "t"},
            "kafka.oauth_token_file is set, but kafka.security_protocol is SSL",
        ),
        ({"ca_file": "x"}, "kafka.ca_file is set, but kafka.security_protocol is PLAINTEXT"),
        ({**SASL, **USER, "ca_file": "x"}, "kafka.ca_file is set, but kafka.security_protocol is SASL_PLAINTEXT"),
        ({**SASL, "sasl_password": SECRET}, "kafka.sasl_mechanism is PLAIN, but kafka.sasl_user is not set"),
        ({**SASL, "sasl_user": "ann"}, "kafka.sasl_mechanism is PLAIN, but kafka.sasl_password is not set"),
        ({**SASL, **USER, "oauth_scope": "s"}, "kafka.oauth_scope is set, but kafka.sasl_mechanism is PLAIN"),
        ({**OAUTH}, "kafka.sasl_mechanism is OAUTHBEARER: set kafka.oauth_token_url, or kafka.oauth_token_file"),
        (
            {**OAUTH, **CLIENT, "sasl_user": "ann"},
            "kafka.sasl_user is set, but kafka.sasl_mechanism is OAUTHBEARER",
        ),
        (
            {**OAUTH, **CLIENT, "oauth_client_id": ""},
            "kafka.oauth_client_id is not set: a token endpoint needs it",
        ),
        ({**OAUTH, **CLIENT, "oauth_token_url": "ftp://x"}, "kafka.oauth_token_url is no address"),
        (
            {**OAUTH, **CLIENT, "oauth_token_url": f"https://c:{SECRET}@id.example"},
            "kafka.oauth_token_url holds a user or a password",
        ),
        (
            {**OAUTH, "oauth_token_file": "t", "oauth_token_url": "https://id.example"},
            "kafka.oauth_token_url and kafka.oauth_token_file are both set",
        ),
    ],
)
def test_a_contradiction_is_one_sentence_that_names_the_setting(values: dict[str, Any], said: str) -> None:
    (fault,) = faults(**values)
    assert fault.startswith(said)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"ca_file": "missing"}, "kafka.ca_file: {missing}: No such file or directory"),
        ({"ca_file": "text"}, "kafka.ca_file: {text} holds no certificate in PEM"),
        ({"client_key_file": "key"}, "kafka.client_key_file is set, but kafka.client_cert_file is not"),
        ({"client_cert_file": "cert"}, "kafka.client_cert_file: {cert} holds no private key in PEM"),
        ({"client_cert_file": "text", "client_key_file": "key"}, "kafka.client_cert_file: {text} holds no cert"),
        (
            {"client_cert_file": "cert", "client_key_file": "other"},
            "kafka.client_key_file: {other} is not the key of the certificate in kafka.client_cert_file",
        ),
        (
            {"client_cert_file": "cert", "client_key_file": "text"},
            "kafka.client_key_file: {text} holds no private",
        ),
        (
            {"client_cert_file": "cert", "client_key_file": "locked"},
            "kafka.client_key_password does not open the key in {locked}",
        ),
        ({"client_cert_file": "cert", "client_key_file": "missing"}, "kafka.client_key_file: {missing}: No such"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(files: dict[str, str], values: dict[str, str], said: str) -> None:
    (fault,) = faults(security_protocol="SSL", **{name: files[file] for name, file in values.items()})
    assert fault.startswith(said.format(**files))


def test_every_fault_is_said_at_once(files: dict[str, str]) -> None:
    found = faults(brokers="a", security_protocol="SASL_SSL", ca_file=files["missing"], sasl_mechanism="PLAIN")
    assert [fault.split()[0].rstrip(":") for fault in found] == [
        "kafka.brokers",
        "kafka.sasl_mechanism",
        "kafka.sasl_mechanism",
        "kafka.ca_file",
    ]


def test_what_is_whole_reaches_aiokafka(files: dict[str, str]) -> None:
    plain = client_options(kafka(brokers=" a:1, b:2"))
    assert plain == {"bootstrap_servers": ["a:1", "b:2"], "security_protocol": "PLAINTEXT"}
    assert "ssl_context" in client_options(kafka(security_protocol="SSL", client_cert_file=files["both"]))
    locked = {"client_cert_file": files["cert"], "client_key_file": files["locked"], "client_key_password": SECRET}
    context = client_options(kafka(security_protocol="SSL", ca_file=files["ca"], **locked))["ssl_context"]
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    sasl = client_options(kafka(**SASL, **USER))
    assert (sasl["sasl_plain_username"], sasl["sasl_plain_password"]) == ("ann", SECRET)
    assert "sasl_oauth_token_provider" in client_options(kafka(**OAUTH, **CLIENT))
    assert "sasl_oauth_token_provider" in client_options(kafka(**OAUTH, oauth_token_file="t"))


@pytest.mark.parametrize(
    ("brokers", "said"),
    [
        (f"ann:{SECRET}@host:9092", "kafka.brokers holds a user or a password"),
        (f"a:1,{SECRET}@host:9092", "kafka.brokers: entry 2 of 2 holds a user or a password"),
        (f"SASL_SSL://{SECRET}:9092", "kafka.brokers begins with a scheme"),
        (SECRET, "kafka.brokers is no host:port"),
        (f"{SECRET}:", "kafka.brokers is no host:port"),
        (f"host:{SECRET}", "kafka.brokers is no host:port"),
        ("host:0", "kafka.brokers is no host:port"),
        ("host:65536", "kafka.brokers is no host:port"),
        ("", "kafka.brokers is no host:port"),
        ("a:1,", "kafka.brokers: entry 2 of 2 is no host:port"),
        ("::1:9092", "kafka.brokers is no host:port"),
    ],
)
def test_what_is_no_address_is_refused_and_not_shown(brokers: str, said: str) -> None:
    (fault,) = faults(brokers=brokers)
    assert fault.startswith(said)


def test_addresses_are_names_and_numbers() -> None:
    given = ["host:1", "127.0.0.1:65535", "[::1]:9092", "kafka-0.kafka_headless.svc:9092"]
    assert addresses(", ".join(given)) == given
    assert [split(address) for address in given][2:] == [("::1", 9092), ("kafka-0.kafka_headless.svc", 9092)]


def test_no_secret_stands_in_a_text_of_the_settings() -> None:
    settings = kafka(**OAUTH, **CLIENT, sasl_password=SECRET, client_key_password=SECRET)
    assert SECRET not in f"{settings!r}{settings}{settings.model_dump_json()}"


def test_a_relative_path_counts_from_where_the_process_runs(
    files: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(files["ca"]).parent)
    assert "ssl_context" in client_options(kafka(security_protocol="SSL", ca_file="ca"))
