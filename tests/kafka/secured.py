"""Apache Kafka with TLS and SASL, and the certificates, passwords and tokens to reach it."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs

from engine.local.loopback import HOST, free_port
from engine.settings import Kafka
from loadtest.apache_kafka import apache_kafka
from tests.certificates import write_certificates
from tests.services import Broker

USER, PASSWORD = "cueline", "the-password-is-secret"
#: may do only what a test allows them; the password of each is `PASSWORD`
LESSER_USERS = ("cueline-worker", "cueline-api")
CLIENT_ID, CLIENT_SECRET = "cueline-client", "the-client-is-secret"

#: listener -> its protocol. SSL asks for a client's certificate, ELSEWHERE has one for another name
LISTENERS = {
    "SSL": "SSL",
    "SASL_SSL": "SASL_SSL",
    "SASL_PLAINTEXT": "SASL_PLAINTEXT",
    "ELSEWHERE": "SSL",
    "PLAINTEXT": "PLAINTEXT",
}
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER")

_COMMON = "org.apache.kafka.common.security"
_LOGIN = {
    "plain": f"{_COMMON}.plain.PlainLoginModule required "
    + " ".join(f'user_{user}="{PASSWORD}"' for user in (USER, *LESSER_USERS))
    + ";",
    "scram-sha-256": f"{_COMMON}.scram.ScramLoginModule required;",
    "scram-sha-512": f"{_COMMON}.scram.ScramLoginModule required;",
    # takes unsigned tokens, which is for tests
    "oauthbearer": f'{_COMMON}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="kafka";',
}


@dataclass(frozen=True)
class Secured:
    """A broker with all kinds of listeners (name -> port), and PEM files in `folder`."""

    broker: Broker
    ports: Mapping[str, int]
    folder: Path

    def kafka(self, listener: str, **values: Any) -> Kafka:
        """Settings that reach a listener; `values` change them."""
        right: dict[str, Any] = {
            "brokers": f"{HOST}:{self.ports[listener]}",
            "security_protocol": (protocol := LISTENERS[listener]),
            "partitions": 2,
        }
        if protocol.endswith("SSL"):
            right["ca_file"] = self.file("ca")
        if protocol == "SSL":
            right |= {"client_cert_file": self.file("client"), "client_key_file": self.file("client.key")}
        if protocol.startswith("SASL"):
            right |= {"sasl_mechanism": "SCRAM-SHA-256", "sasl_user": USER, "sasl_password": PASSWORD}
        return Kafka.model_validate(right | values)

    def file(self, name: str) -> str:
        """Path of ``ca``, ``client``, ``client.key``, and those of a CA that nobody trusts: ``stranger``, …"""
        return str(self.folder / f"{name}.pem")


def secured_kafka(directory: Path) -> Secured:
    """Not started. Raises `BadSettings` where Kafka cannot be had."""
    write_certificates(directory)
    ports = {name: free_port() for name in LISTENERS if name != "PLAINTEXT"}
    pem = {"type": "PEM", "location": f"{directory}/server.pem"}
    properties: dict[str, object] = {
        **{f"ssl.keystore.{name}": value for name, value in pem.items()},
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": f"{directory}/ca.pem",
        "listener.name.ssl.ssl.client.auth": "required",
        "listener.name.elsewhere.ssl.keystore.type": "PEM",
        "listener.name.elsewhere.ssl.keystore.location": f"{directory}/elsewhere.pem",
        "listener.security.protocol.map": ",".join(
            ["CONTROLLER:PLAINTEXT", *(f"{name}:{protocol}" for name, protocol in LISTENERS.items())]
        ),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": f"User:ANONYMOUS;User:{USER};User:certified",
        "ssl.principal.mapping.rules": "RULE:^.*$/certified/",
        "sasl.enabled.mechanisms": ",".join(MECHANISMS),
        **{
            f"listener.name.{listener}.{mechanism}.sasl.jaas.config": login
            for listener in ("sasl_ssl", "sasl_plaintext")
            for mechanism, login in _LOGIN.items()
        },
    }
    scram = [f"{mechanism}=[name={USER},password={PASSWORD}]" for mechanism in MECHANISMS if "SCRAM" in mechanism]
    broker = apache_kafka(directory, ports, properties, scram)
    return Secured(broker, {**ports, "PLAINTEXT": int(broker.bootstrap.rpartition(":")[2])}, directory)


def unsigned_token(subject: str, lifetime_s: float) -> str:
    """A JWT without a signature (RFC 7519, section 6)."""
    now = time.time()
    parts = {"alg": "none"}, {"sub": subject, "iat": now, "exp": now + lifetime_s}
    return (
        ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + "."
    )


class Issuer:
    """A token endpoint at `url`. `asked` are the forms it was sent; `lifetime_s` and `status` are its answers'."""

    def __init__(self, url: str) -> None:
        self.url, self.asked, self.lifetime_s, self.status = url, list[dict[str, list[str]]](), 3_600.0, 200
        self.body: bytes | None = None

    def answer(self, authorization: str, form: str) -> tuple[int, bytes]:
        """Status and body for a request."""
        self.asked.append(parse_qs(form))
        known = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        if authorization != f"Basic {known}":
            return 401, b'{"error": "invalid_client"}'
        token = {"access_token": unsigned_token(USER, self.lifetime_s), "expires_in": self.lifetime_s}
        return self.status, self.body if self.body is not None else json.dumps(token).encode()


@contextmanager
def issuing() -> Iterator[Issuer]:
    """A token endpoint on a free port, in a thread."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = self.rfile.read(int(self.headers["content-length"])).decode()
            status, body = issuer.answer(self.headers.get("authorization", ""), form)
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer((HOST, 0), Handler)
    issuer = Issuer(f"http://{HOST}:{server.server_port}/token")
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
