"""Segment payloads from a log, read as the API read them on arrival."""

from __future__ import annotations

from typing import Any

import msgspec

from engine.errors import BadEvent
from engine.events import Message
from engine.sources.segment.limits import Limits
from engine.sources.segment.payload import message
from engine.sources.times import epoch_ms
from engine.sources.tolerant_json import decode


class _Times(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    sent_at: Any = None
    timestamp: Any = None
    original_timestamp: Any = None


class _Wrapped(msgspec.Struct, frozen=True):
    payload: msgspec.Raw = msgspec.Raw()


#: a replay may shift times to now, so any will do
_ANY_TIME = Limits(earliest_ms=-(2**62), latest_ms=2**62)

_WRAPPED = msgspec.json.Decoder(_Wrapped)
_TIMES = msgspec.json.Decoder(_Times)


def logged(payload: bytes, fallback_id: str = "") -> Message:
    """The event in a logged payload, bare or as ``{"payload": …}``; `fallback_id` is its messageId when it has
    none. Raises `BadEvent`.

    "Now" is when the payload was sent, as it states itself (``sentAt``, else its time), so that no clock skew
    is corrected and no age refused. A payload without any time cannot be replayed.
    """
    payload = bytes(decode(_WRAPPED, payload, len(payload)).payload) or payload
    return message(payload, 0, _sent(payload), _ANY_TIME, fallback_id=fallback_id)


def _sent(payload: bytes) -> int:
    """The first time that can be read. Raises the fault of the first that cannot where there is none."""
    times = decode(_TIMES, payload, len(payload))
    faults: list[BadEvent] = []
    for field, value in (
        ("sentAt", times.sent_at),
        ("timestamp", times.timestamp),
        ("originalTimestamp", times.original_timestamp),
    ):
        try:
            if (at := epoch_ms(value, field)) is not None:
                return at
        except BadEvent as unread:
            faults.append(unread)
    raise faults[0] if faults else BadEvent("bad_time", "a logged payload needs sentAt or timestamp", "timestamp")
