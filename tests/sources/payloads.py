"""Payloads for the tests of the Segment source."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.errors import BadEvent
from engine.events import Message
from engine.sources.segment.payload import message

NOW = 1_700_000_000_000


def read(payload: bytes | dict[str, Any], fallback_id: str = "", **given: Any) -> Message:
    """The message of `payload`, received now."""
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return message(raw, NOW, NOW, fallback_id=fallback_id, **given)


def track(name: str = "Product Viewed", **fields: Any) -> dict[str, Any]:
    """A good track call with `fields` laid over it."""
    return {"type": "track", "event": name, "userId": "ann", "messageId": "m1", **fields}


def left_out(made: Message) -> list[tuple[str, str]]:
    """Reason and field of what was left out."""
    assert all(one.detail for one in made.left_out)
    return [(one.reason, one.field) for one in made.left_out]


def refusal(payload: bytes | dict[str, Any], **given: Any) -> tuple[str, str]:
    """Code and field of the refusal of `payload`."""
    with pytest.raises(BadEvent) as refused:
        read(payload, **given)
    assert refused.value.detail
    return refused.value.code, refused.value.field
