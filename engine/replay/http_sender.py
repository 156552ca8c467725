"""Messages through the HTTP door, as a website's SDK would send them."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Sequence
from typing import Any

import httpx

from engine.errors import BadEvent, BadRequest, CuelineError, NotAuthorised, Overloaded, Unavailable
from engine.events import Message
from engine.replay import segment_payload as payload
from engine.replay.sender import Sent
from engine.settings import Web

RETRIED = frozenset({429, 502, 503, 504})
LONGEST_WAIT_S = 5.0
KNOCK_S = 5.0


class HttpSender:
    """``POST /v1/batch`` with the write key; the same message ids on every attempt, so nothing counts twice.

    `client` has the base URL and connection limits. After `patience_s` of refusals it raises
    `Overloaded` (429, 503) or `Unavailable`; a wrong key is `NotAuthorised`, any other 4xx `BadRequest`.
    `web` are the door's settings, as far as they are known here: they say what it takes at once.
    """

    judges_time = True

    def __init__(
        self, client: httpx.AsyncClient, write_key: str, patience_s: float = 60.0, web: Web | None = None
    ) -> None:
        self._client, self._auth, self._patience_s = client, httpx.BasicAuth(write_key, ""), patience_s
        self._batch_bytes = (web or Web()).max_batch_bytes

    async def knock(self) -> None:
        """Raises `Unavailable` where nobody listens: a wrong address is told at once, for `send` is patient."""
        try:
            await self._client.get("/health/live", timeout=KNOCK_S)
        except httpx.ConnectError:
            raise Unavailable(f"nothing answers at {self._client.base_url}") from None
        except httpx.TransportError:
            return  # somebody is there, and busy

    async def send(self, messages: Sequence[Message]) -> Sent:
        """Send in order, in as many requests as the door's limit asks for; returns when Kafka has them."""
        calls, refused = _calls(messages)
        for body in payload.batches(calls, self._batch_bytes):
            refused.extend(_refusals(await self._until_taken(body)))
        return Sent(len(messages) - len(refused), len(refused), tuple(refused))

    async def _until_taken(self, body: bytes) -> httpx.Response:
        give_up, wait = time.monotonic() + self._patience_s, 0.05
        while True:
            try:
                answer = await self._client.post(
                    "/v1/batch", content=body, auth=self._auth, headers={"content-type": "application/json"}
                )
                if answer.status_code not in RETRIED:
                    return _judged(answer)
                trouble: CuelineError = Overloaded(f"{answer.status_code} from {answer.url}")
                pause = _retry_after(answer, wait)
            except httpx.TransportError as error:
                trouble, pause = Unavailable(f"{type(error).__name__}: {error}"), wait
            if time.monotonic() + pause > give_up:
                raise trouble
            # spread, so that senders refused together do not come back together
            await asyncio.sleep(pause * random.uniform(1.0, 1.2))
            wait = min(wait * 2, LONGEST_WAIT_S)


def _calls(messages: Sequence[Message]) -> tuple[list[bytes], list[str]]:
    """The calls for the messages, as JSON, and why some cannot go this way."""
    calls, reasons = [], []
    for message in messages:
        try:
            calls.append(payload.encoded(message))
        except BadEvent as error:
            reasons.append(f"{message.event.id}: {error}")
    return calls, reasons


def _retry_after(answer: httpx.Response, otherwise: float) -> float:
    stated = answer.headers.get("retry-after", "")
    return float(stated) if stated.isdigit() else otherwise


def _judged(answer: httpx.Response) -> httpx.Response:
    if answer.status_code in (401, 403):
        raise NotAuthorised(f"{answer.status_code}: the write key was refused", "--write-key")
    if answer.is_error and not _refusals(answer):
        raise BadRequest(f"{answer.status_code} from {answer.url}: {answer.text[:300]}")
    return answer


def _refusals(answer: httpx.Response) -> list[str]:
    """The per-item errors of a batch: of one that was taken otherwise, or refused because all failed."""
    try:
        body: Any = answer.json()
    except json.JSONDecodeError:
        return []
    errors = body.get("errors", []) if isinstance(body, dict) else []
    return [": ".join(error[part] for part in ("code", "field", "detail") if error.get(part)) for error in errors]
