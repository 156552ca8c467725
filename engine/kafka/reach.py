"""Why brokers do not take us, in words that say what to do. aiokafka's clients log that, and raise none of it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from typing import Any

from aiokafka.conn import AIOKafkaConnection, create_conn
from aiokafka.errors import (
    IllegalSaslStateError,
    KafkaConnectionError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.metadata import MetadataRequest

from engine import tls
from engine.kafka.addresses import split
from engine.kafka.oauth import NoToken
from engine.kafka.security import client_options, uses_sasl, uses_tls
from engine.settings import Kafka

ANSWER_S = 4.0

_TOKEN_REFUSED = (
    "it does not take the token: look at kafka.oauth_client_id and kafka.oauth_scope, or who made the file"
)

_OTHER_PROTOCOL = {
    "PLAINTEXT": "SSL",
    "SSL": "PLAINTEXT",
    "SASL_PLAINTEXT": "SASL_SSL",
    "SASL_SSL": "SASL_PLAINTEXT",
}


async def unreachable(kafka: Kafka) -> str:
    """Why none of `kafka.brokers` takes us, or a broker that they name does not; empty when all is well.

    Raises `BadSettings`.
    """
    options = client_options(kafka)
    hosts: list[str] = options.pop("bootstrap_servers")
    reasons = await asyncio.gather(*(_refusal(host, kafka, options) for host in hosts))
    if "" in reasons:
        return ""
    return "; ".join(f"kafka.brokers: {host}: {reason}" for host, reason in zip(hosts, reasons, strict=True))


async def _refusal(address: str, kafka: Kafka, options: Mapping[str, Any]) -> str:
    try:
        named = await _named_brokers(address, options)
        for node, other in named.items():
            if other != address and (reason := await _no_connection(other, kafka, options)):
                return f"it names broker {node} as {other} (advertised.listeners), and there {reason}"
    except (KafkaError, OSError, TimeoutError) as error:
        return await _explained(error, address, kafka)
    return ""


async def _no_connection(address: str, kafka: Kafka, options: Mapping[str, Any]) -> str:
    try:
        (await _connected(address, options)).close()
    except (KafkaError, OSError, TimeoutError) as error:
        return await _explained(error, address, kafka)
    return ""


async def _named_brokers(address: str, options: Mapping[str, Any]) -> dict[int, str]:
    """Node id -> ``host:port`` of all brokers, as the one at `address` names them."""
    connection = await _connected(address, options)
    try:
        answer = await connection.send(MetadataRequest([]))
        if not answer.brokers and options.get("sasl_mechanism") == "OAUTHBEARER":
            raise SaslAuthenticationFailed  # aiokafka takes the refusal of a token for a step of the handshake
        return {node: f"{host}:{port}" for node, host, port, *_ in answer.brokers}
    finally:
        connection.close()


async def _connected(address: str, options: Mapping[str, Any]) -> AIOKafkaConnection:
    host, port = split(address)
    return await create_conn(host, port, request_timeout_ms=int(ANSWER_S * 1_000), **options)


async def _explained(error: BaseException, address: str, kafka: Kafka) -> str:
    cause = error.__cause__ if isinstance(error, KafkaConnectionError) and error.__cause__ else error
    if reason := _of_sasl(cause, kafka) or _of_network(cause):
        return reason
    host, port = split(address)
    protocol, other = kafka.security_protocol, _OTHER_PROTOCOL[kafka.security_protocol]
    late = isinstance(cause, TimeoutError)
    if await _speaks_otherwise(host, port, uses_tls(kafka), late):
        speaks = "no TLS" if uses_tls(kafka) else "TLS"
        return f"this port speaks {speaks}, and kafka.security_protocol is {protocol}: write {other}"
    if late:
        return f"no answer within {ANSWER_S:.0f} s"
    if reason := tls.explained(cause, "kafka", host):
        return reason
    if not uses_sasl(kafka):
        cure = f"kafka.security_protocol is {protocol}: does this listener want SASL_{protocol}?"
        return f"it hangs up without an answer, and {cure}"
    if kafka.sasl_mechanism == "OAUTHBEARER":
        return _TOKEN_REFUSED
    return "it hangs up without an answer: look into the broker's log"


def _of_sasl(error: BaseException, kafka: Kafka) -> str:
    if isinstance(error, NoToken):
        return error.detail
    if isinstance(error, SaslAuthenticationFailed):
        if kafka.sasl_mechanism == "OAUTHBEARER":
            return _TOKEN_REFUSED
        return "it does not know kafka.sasl_user with this kafka.sasl_password, by kafka.sasl_mechanism"
    if isinstance(error, UnsupportedSaslMechanismError):
        return f"it does not take kafka.sasl_mechanism {kafka.sasl_mechanism}"
    if isinstance(error, IllegalSaslStateError):
        without = kafka.security_protocol.removeprefix("SASL_")
        protocol = f"kafka.security_protocol is {kafka.security_protocol}"
        return f"this port takes no SASL, and {protocol}: write {without}, or a port that takes it"
    return ""


def _of_network(error: BaseException) -> str:
    if isinstance(error, socket.gaierror):
        return "this name is not known"
    if isinstance(error, ConnectionRefusedError):
        return "nobody listens there"
    return ""


async def _speaks_otherwise(host: str, port: int, with_tls: bool, late: bool) -> bool:
    """Whether the port speaks TLS where we do not, or none where we do. Some brokers take a handshake for the
    length of a request, and wait for more (`late`): such a one is asked for its version, without TLS."""
    if not with_tls:
        return await tls.speaks_tls(host, port)
    return await _answers_plainly(host, port) if late else not await tls.speaks_tls(host, port)


async def _answers_plainly(host: str, port: int) -> bool:
    try:
        (await create_conn(host, port, request_timeout_ms=int(ANSWER_S * 1_000))).close()
    except (KafkaError, OSError, TimeoutError):
        return False
    return True
