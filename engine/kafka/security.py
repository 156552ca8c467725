"""How everything of ours that connects to Kafka does so: addresses, TLS, SASL.

Settings are checked before anything is connected; a fault is a sentence that names the setting, and no secret.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from typing import Any

from aiokafka.abc import AbstractTokenProvider
from faust.auth import Credentials, OAuthCredentials, SASLCredentials, SSLCredentials

from engine import tls
from engine.errors import BadSettings
from engine.kafka.addresses import addresses
from engine.kafka.oauth import TokenEndpoint, TokenFile
from engine.settings import Kafka, Tls

#: settings of each way to say who one is; those of the others have no effect and are refused
_OF_PASSWORDS = ("sasl_user", "sasl_password")
_OF_ENDPOINT = ("oauth_token_url", "oauth_client_id", "oauth_client_secret")
_OF_TOKENS = (*_OF_ENDPOINT, "oauth_scope", "oauth_token_file")


def client_options(kafka: Kafka) -> dict[str, Any]:
    """What each client of aiokafka is given. Raises `BadSettings`, a line for each fault."""
    hosts, context = _checked(kafka)
    options: dict[str, Any] = {"bootstrap_servers": hosts, "security_protocol": kafka.security_protocol}
    if context is not None:
        options["ssl_context"] = context
    if uses_sasl(kafka):
        options |= {"sasl_mechanism": kafka.sasl_mechanism, **_identity(kafka)}
    return options


def faust_options(kafka: Kafka) -> dict[str, Any]:
    """The same for a Faust app. Raises `BadSettings`."""
    hosts, context = _checked(kafka)
    return {"broker": [f"aiokafka://{host}" for host in hosts], "broker_credentials": _credentials(kafka, context)}


def _credentials(kafka: Kafka, context: ssl.SSLContext | None) -> Credentials | None:
    if not uses_sasl(kafka):
        return None if context is None else SSLCredentials(context)
    if kafka.sasl_mechanism == "OAUTHBEARER":
        return OAuthCredentials(oauth_cb=_tokens(kafka), ssl_context=context)
    return SASLCredentials(
        username=kafka.sasl_user,
        password=kafka.sasl_password.get_secret_value(),
        ssl_context=context,
        mechanism=kafka.sasl_mechanism,
    )


def uses_tls(kafka: Kafka) -> bool:
    """Whether connections are encrypted."""
    return kafka.security_protocol.endswith("SSL")


def uses_sasl(kafka: Kafka) -> bool:
    """Whether we say who we are by SASL."""
    return kafka.security_protocol.startswith("SASL_")


def _checked(kafka: Kafka) -> tuple[list[str], ssl.SSLContext | None]:
    """Addresses and TLS of settings that contradict nothing."""
    faults, hosts, context = list(_contradictions(kafka)), list[str](), None
    try:
        hosts = addresses(kafka.brokers)
    except BadSettings as wrong:
        faults.insert(0, str(wrong))
    if uses_tls(kafka):
        try:
            context = tls.context(kafka, "kafka")
        except BadSettings as wrong:
            faults.append(str(wrong))
    if faults:
        raise BadSettings("\n".join(faults))
    return hosts, context


def _contradictions(kafka: Kafka) -> Iterator[str]:
    protocol = f"kafka.security_protocol is {kafka.security_protocol}"
    if not uses_tls(kafka):
        for name in kafka.given(Tls.model_fields):
            yield f"kafka.{name} is set, but {protocol}: that is TLS's, write SSL or SASL_SSL"
    if not uses_sasl(kafka):
        for name in kafka.given(("sasl_mechanism", *_OF_PASSWORDS, *_OF_TOKENS)):
            yield f"kafka.{name} is set, but {protocol}: write SASL_SSL, or SASL_PLAINTEXT where there is no TLS"
    elif not kafka.sasl_mechanism:
        mechanisms = "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER"
        yield f"{protocol}, but kafka.sasl_mechanism is not set: write {mechanisms}"
    elif kafka.sasl_mechanism == "OAUTHBEARER":
        yield from _of_tokens(kafka)
    else:
        yield from _of_passwords(kafka)


def _of_passwords(kafka: Kafka) -> Iterator[str]:
    given = kafka.given(_OF_PASSWORDS)
    for name in _OF_PASSWORDS:
        if name not in given:
            yield f"kafka.sasl_mechanism is {kafka.sasl_mechanism}, but kafka.{name} is not set"
    for name in kafka.given(_OF_TOKENS):
        yield f"kafka.{name} is set, but kafka.sasl_mechanism is {kafka.sasl_mechanism}: it belongs to OAUTHBEARER"


def _of_tokens(kafka: Kafka) -> Iterator[str]:
    given = kafka.given(_OF_TOKENS)
    for name in kafka.given(_OF_PASSWORDS):
        yield f"kafka.{name} is set, but kafka.sasl_mechanism is OAUTHBEARER: it belongs to PLAIN and SCRAM"
    if "oauth_token_file" in given:
        for name in given[:-1]:
            yield f"kafka.{name} and kafka.oauth_token_file are both set: a token comes from one of them"
        return
    if not given:
        yield "kafka.sasl_mechanism is OAUTHBEARER: set kafka.oauth_token_url, or kafka.oauth_token_file"
        return
    for name in _OF_ENDPOINT:
        if name not in given:
            yield f"kafka.{name} is not set: a token endpoint needs it"
    if kafka.oauth_token_url and not kafka.oauth_token_url.startswith(("https://", "http://")):
        yield "kafka.oauth_token_url is no address that begins with https://"
    elif "@" in kafka.oauth_token_url:
        yield "kafka.oauth_token_url holds a user or a password: set kafka.oauth_client_id and the secret apart"


def _identity(kafka: Kafka) -> dict[str, Any]:
    if kafka.sasl_mechanism == "OAUTHBEARER":
        return {"sasl_oauth_token_provider": _tokens(kafka)}
    password = kafka.sasl_password.get_secret_value()
    return {"sasl_plain_username": kafka.sasl_user, "sasl_plain_password": password}


def _tokens(kafka: Kafka) -> AbstractTokenProvider:
    return TokenFile(kafka.oauth_token_file) if kafka.oauth_token_file else TokenEndpoint(kafka)
