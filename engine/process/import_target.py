"""Composition of an import's target: an API over HTTP, with a key that customers may be written with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import httpx
import orjson

from engine.errors import BadSettings
from engine.imports.run import Send, TraitsOf
from engine.replay.http_sender import HttpSender
from engine.replay.segment_payload import rfc3339
from engine.settings import Settings


@asynccontextmanager
async def open_import(url: str | None, key: str | None, settings: Settings) -> AsyncIterator[Send]:
    """Where an import goes. Raises `BadSettings` for a missing key, and `Unavailable` when nothing is there."""
    keys = [one.get_secret_value() for one in settings.web.api_keys]
    if not (shown := key or next(iter(keys), "")):
        raise BadSettings("the API needs a secret key: --key, CUELINE_API_KEY or web.api_keys")
    base = url or f"http://127.0.0.1:{settings.web.port}"
    if not base.startswith(("http://", "https://")):
        raise BadSettings(f"--url {base}: the address of the API begins with http:// or https://")
    async with httpx.AsyncClient(base_url=base, timeout=30, trust_env=False) as client:
        sender = HttpSender(client, shown, web=settings.web)
        await sender.probe()

        async def send(some: Sequence[TraitsOf]) -> list[str]:
            reasons = await sender.send_calls([_call(one) for one in some])
            return [reason.partition(":")[0] for reason in reasons]

        yield send


def _call(one: TraitsOf) -> bytes:
    """Segment's identify, as JSON."""
    call = {"type": "identify", "userId": one.customer, "messageId": one.id, "timestamp": rfc3339(one.at)}
    return orjson.dumps({**call, "traits": one.traits})
