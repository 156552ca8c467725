"""Messages through the HTTP API, as a website's SDK would send them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import httpx

from engine.errors import BadEvent, BadRequest, Forbidden, NotAuthorised, Overloaded, Unavailable
from engine.events import Message
from engine.replay import segment_payload as payload
from engine.replay.sender import Sent
from engine.retry import attempts
from engine.settings import Web

RETRIED = frozenset({429, 502, 503, 504})
FIRST_S = 0.05
LONGEST_WAIT_S = 60
PROBE_S = 5.0


class HttpSender:
    """``POST /v1/batch`` with the write key; idempotent: the same message ids on every attempt.

    `client` has the base URL and connection limits. After `patience_s` of refusals it raises
    `Overloaded` (429, 503) or `Unavailable`; a wrong key is `NotAuthorised`, one that lacks the scope `Forbidden`,
    any other 4xx `BadRequest`. `web` are the API's settings, as far as they are known here: for the size of a
    batch.
    """

    checks_time = True

    def __init__(
        self, client: httpx.AsyncClient, write_key: str, patience_s: float = 60.0, web: Web | None = None
    ) -> None:
        self._client, self._auth, self._patience_s = client, httpx.BasicAuth(write_key, ""), patience_s
        self._batch_bytes = (web or Web()).max_batch_bytes

    async def probe(self) -> None:
        """Raises `Unavailable` where nothing listens, so that a wrong address fails at once."""
        try:
            await self._client.get("/health/live", timeout=PROBE_S)
        except httpx.ConnectError:
            raise Unavailable(f"nothing answers at {self._client.base_url}") from None
        except httpx.TransportError:
            return  # it listens, and is busy

    async def send(self, messages: Sequence[Message]) -> Sent:
        """Send in order, in as many requests as the API's limit requires; returns when Kafka has them."""
        calls, refused = _calls(messages)
        refused.extend(await self.send_calls(calls))
        return Sent(len(messages) - len(refused), len(refused), tuple(refused))

    async def send_calls(self, calls: Sequence[bytes]) -> list[str]:
        """Send Segment calls (JSON) in order; returns why some were refused, each beginning with a code."""
        refused: list[str] = []
        for body in payload.batches(calls, self._batch_bytes):
            refused.extend(_refusals(await self._until_accepted(body)))
        return refused

    async def _until_accepted(self, body: bytes) -> httpx.Response:
        retried = attempts("a batch", (Overloaded, Unavailable), patience_s=self._patience_s, first_s=FIRST_S)
        async for attempt in retried:
            with attempt:
                return await self._taken(body)
        raise AssertionError("the last attempt raises its error")

    async def _taken(self, body: bytes) -> httpx.Response:
        try:
            answer = await self._client.post(
                "/v1/batch", content=body, auth=self._auth, headers={"content-type": "application/json"}
            )
        except httpx.TransportError as error:
            raise Unavailable(f"{type(error).__name__}: {error}") from error
        if answer.status_code in RETRIED:
            raise Overloaded(f"{answer.status_code} from {answer.url}", _retry_after(answer))
        return _checked(answer)


def _calls(messages: Sequence[Message]) -> tuple[list[bytes], list[str]]:
    """The calls for the messages, as JSON, and why some have none."""
    calls, reasons = [], []
    for message in messages:
        try:
            calls.append(payload.encoded(message))
        except BadEvent as error:
            reasons.append(f"{message.event.id}: {error}")
    return calls, reasons


def _retry_after(answer: httpx.Response) -> int:
    """In seconds, of at most `LONGEST_WAIT_S`; 0: it does not say."""
    stated = answer.headers.get("retry-after", "")
    return min(int(stated), LONGEST_WAIT_S) if stated.isdigit() and len(stated) < 9 else 0


def _checked(answer: httpx.Response) -> httpx.Response:
    if answer.status_code in (401, 403):
        kind = NotAuthorised if answer.status_code == 401 else Forbidden
        raise kind(f"{answer.status_code}: the write key was refused: {_detail(answer)}", "--write-key")
    if answer.is_error and not _refusals(answer):
        raise BadRequest(f"{answer.status_code} from {answer.url}: {answer.text[:300]}")
    return answer


def _detail(answer: httpx.Response) -> str:
    """Why, in the server's words."""
    try:
        body: Any = answer.json()
    except json.JSONDecodeError:
        body = None
    return str(body["detail"] if isinstance(body, dict) and "detail" in body else answer.reason_phrase)[:300]


def _refusals(answer: httpx.Response) -> list[str]:
    """The per-item errors of a batch: of one accepted in part, or refused because all failed."""
    try:
        body: Any = answer.json()
    except json.JSONDecodeError:
        return []
    errors = body.get("errors", []) if isinstance(body, dict) else []
    return [": ".join(error[part] for part in ("code", "field", "detail") if error.get(part)) for error in errors]
