"""A batch taken apart: its events stay JSON, so that each can fail alone, and a write key that lies in a body."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from engine.errors import BadEvent
from engine.sources.array_items import array_items
from engine.sources.segment.limits import LIMITS, Limits
from engine.sources.tolerant_json import decode


class SegmentBatch(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A batch as it came: its events still as JSON. `sent_at` counts for all."""

    batch: list[msgspec.Raw]
    sent_at: Any = None


class _Key(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    write_key: msgspec.Raw = msgspec.Raw(b"null")  # whatever it is, nothing is made of it yet


_BATCH = msgspec.json.Decoder(SegmentBatch)
_KEY = msgspec.json.Decoder(_Key)
_TEXT = msgspec.json.Decoder(str)
_LONGEST_KEY = 8_192  # bytes: that of a visitor token, which may stand in place of a key
_KEY_BYTES = _LONGEST_KEY + len('""')
_WRITTEN_KEY = re.compile(rb'"writeKey"\s*+:\s*+"([^"\\]{1,%d})"' % _LONGEST_KEY)


def read_batch(payload: bytes, limits: Limits = LIMITS) -> SegmentBatch:
    """The batch in `payload`. Raises `BadEvent` when it is none, is empty or holds too many events."""
    batch = _decode(payload)
    if not batch.batch:
        raise BadEvent("malformed", "no events", "batch")
    if len(batch.batch) > limits.batch_events:
        raise BadEvent("too_large", f"more than {limits.batch_events} events: split it", "batch")
    return batch


def _decode(payload: bytes) -> SegmentBatch:
    """The batch; where it is no JSON that msgspec takes, its events are cut out of it first. Of several the last
    counts, as in all JSON."""
    try:
        return _BATCH.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        envelope, items = array_items(payload, b"batch")
    if items is None:
        return decode(_BATCH, payload, len(payload))
    read = decode(_BATCH, envelope, len(envelope))
    return read if read.batch else SegmentBatch([msgspec.Raw(item) for item in items], read.sent_at)


def write_key(payload: bytes) -> str:
    """The writeKey in the body of a call or batch, empty when there is none to read. Nobody has shown a key yet,
    so a body that is no JSON is searched and not repaired, and nothing is made of what is no key."""
    try:
        key = _KEY.decode(payload).write_key
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        last = max(payload.rfind(b'"writeKey"'), 0)  # as in all JSON; behind those that events have of their own
        found = _WRITTEN_KEY.match(payload, last) or _WRITTEN_KEY.search(payload)
        return found[1].decode(errors="replace") if found else ""
    if len(memoryview(key)) > _KEY_BYTES:
        return ""
    try:
        return _TEXT.decode(key)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""  # no text
