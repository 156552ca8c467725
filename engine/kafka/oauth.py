"""Tokens for SASL OAUTHBEARER: of an endpoint (OAuth 2.0 client credentials, RFC 6749 section 4.4), or of a file
that somebody else renews, as Kubernetes does."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import msgspec
from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import KafkaConnectionError

from engine.settings import Kafka

FETCH_TIMEOUT_S = 10.0
LIFETIME_S = 300.0  # of a token without one of its own
RENEWED_AT = 0.8  # of its lifetime
MOST_BYTES = 64 * 1024


class NoToken(KafkaConnectionError):  # type: ignore[misc]
    """There is none to be had; aiokafka takes it for a connection that failed, and tries again."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class _Answer(msgspec.Struct):
    access_token: str
    expires_in: float | None = None


class TokenEndpoint(AbstractTokenProvider):  # type: ignore[misc]
    """Tokens of an endpoint, each used for most of its lifetime. May be asked from several event loops.

    `token` raises `NoToken`. `now` is a monotonic clock (s).
    """

    def __init__(self, kafka: Kafka, now: Callable[[], float] = time.monotonic) -> None:
        self._kafka, self._now = kafka, now
        self._lock = threading.Lock()  # a worker's consumer has a thread and a loop of its own
        self._token, self._until = "", 0.0

    async def token(self) -> str:
        """The current token."""
        return await asyncio.to_thread(self._current)

    def _current(self) -> str:
        with self._lock:
            if self._now() >= self._until:
                asked = self._now()
                answer = self._fetch()
                lifetime = LIFETIME_S if answer.expires_in is None else answer.expires_in
                self._token, self._until = answer.access_token, asked + RENEWED_AT * lifetime
            return self._token

    def _fetch(self) -> _Answer:
        """No part of an answer is shown: it may hold a token."""
        kafka = self._kafka
        form = {"grant_type": "client_credentials", **({"scope": kafka.oauth_scope} if kafka.oauth_scope else {})}
        client = kafka.oauth_client_id, kafka.oauth_client_secret.get_secret_value()
        try:
            response = httpx.post(kafka.oauth_token_url, data=form, auth=client, timeout=FETCH_TIMEOUT_S)
        except httpx.HTTPError as error:
            raise _failed(f"does not answer ({type(error).__name__})") from None
        if response.status_code in (400, 401, 403):
            cure = "look at kafka.oauth_client_id, kafka.oauth_client_secret and kafka.oauth_scope"
            raise _failed(f"refuses the client with status {response.status_code}: {cure}")
        if response.status_code != 200:
            raise _failed(f"answers with status {response.status_code}")
        try:
            return msgspec.json.decode(response.content[:MOST_BYTES], type=_Answer)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise _failed("gives no access_token") from None


class TokenFile(AbstractTokenProvider):  # type: ignore[misc]
    """The token that a file holds now: read for each connection, so that a renewed one is taken at once."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    async def token(self) -> str:
        """The file's text. Raises `NoToken`."""
        return await asyncio.to_thread(self._read)

    def _read(self) -> str:
        try:
            token = self._path.read_text("ascii").strip()
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "is no text"
            raise NoToken(f"kafka.oauth_token_file: {self._path}: {why}") from None
        if not token or len(token) > MOST_BYTES or any(character <= " " for character in token):
            raise NoToken(f"kafka.oauth_token_file: {self._path} holds no token")
        return token


def _failed(what: str) -> NoToken:
    return NoToken(f"kafka.oauth_token_url {what}")
