"""Segment's tracking API: one payload to one canonical event.

https://segment.com/docs/connections/spec/common/ (fields), …/spec/ecommerce/v2/ (names and properties),
…/sources/catalog/libraries/server/http-api/ (calls, batch, limits). Unknown fields are ignored.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from engine.customer_id import customer_id
from engine.errors import BadEvent
from engine.events import (
    EARLIEST_MS,
    LATEST_MS,
    MAX_CUSTOMER_BYTES,
    MAX_EVENT_BYTES,
    MAX_ID_BYTES,
    WIRE_VERSION,
    Event,
    Kind,
    Message,
)
from engine.sources.segment.commerce import NOTHING, Content, Properties, content, kind_of, text
from engine.sources.times import engine_time, epoch_ms, happened_at, kept, within
from engine.validation_errors import describe_validation_error


class Limits(msgspec.Struct, frozen=True):
    """What is accepted: bytes of an event, events of a batch, event times (epoch ms)."""

    event_bytes: int = MAX_EVENT_BYTES
    batch_events: int = 2_500
    earliest_ms: int = EARLIEST_MS
    latest_ms: int = LATEST_MS


LIMITS = Limits()

T = TypeVar("T")

_CALLS: dict[str, Kind] = {
    "page": Kind.PAGE_VIEWED,
    "screen": Kind.PAGE_VIEWED,
    "identify": Kind.IDENTIFIED,
    "group": Kind.GROUPED,
    "alias": Kind.ALIASED,
}
CALLS = ("track", *_CALLS)


class _Payload(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """What is read of a payload; `Any` where a wrong type must be named, not only refused."""

    type: Any = None
    action: Any = None  # what early batches call the type
    event: Any = None
    message_id: Any = None
    user_id: Any = None
    anonymous_id: Any = None
    previous_id: Any = None
    group_id: Any = None
    timestamp: Any = None
    original_timestamp: Any = None
    sent_at: Any = None
    category: Any = None
    properties: Properties | None = None


class SegmentBatch(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A batch as it came: its events still as JSON, so that each can fail alone. `sent_at` counts for all."""

    batch: list[msgspec.Raw]
    sent_at: Any = None


class _Key(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    write_key: Any = None


#: One escape of a JSON string; whole pairs before lone halves.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<lone>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)

_PAYLOAD = msgspec.json.Decoder(_Payload)
_BATCH = msgspec.json.Decoder(SegmentBatch)
_KEY = msgspec.json.Decoder(_Key)
_EVENT = msgspec.msgpack.Encoder()


def message(
    payload: bytes | msgspec.Raw,
    received_at: int,
    now: int,
    limits: Limits = LIMITS,
    *,
    call: str = "",
    sent_at: object = None,
    fallback_id: str = "",
    fallback_customer: str = "",
) -> Message:
    """The event in `payload` (JSON), and its customer.

    `received_at` is wall time and `now` engine time (epoch ms). `call` is the call when the address
    named it, else `type` says. `sent_at` is the batch's, for events without their own. The fallbacks
    replace a missing messageId and missing ids. Raises `BadEvent`.
    """
    body = _decode(_PAYLOAD, payload, limits.event_bytes)
    kind = _kind(body, call)
    customer = _customer(body) or fallback_customer
    if not customer:
        raise BadEvent("missing_customer", "userId or anonymousId is needed", "userId")
    about = _content(kind, body)
    identity = text(body.message_id, "messageId", MAX_ID_BYTES) or fallback_id
    if not identity:
        raise BadEvent("missing_id", "messageId is needed", "messageId")
    return Message(
        customer_id(customer),
        Event(
            WIRE_VERSION,
            int(kind),
            _at(body, sent_at, now, limits),
            identity,
            about.item,
            about.category,
            about.value,
            about.quantity,
            received_at,
            about.order,
            engine_time(received_at, now),
        ),
    )


def canonical(
    value: bytes,
    key: bytes | None,
    received_at: int,
    fallback_id: str = "",
    *,
    now: int | None = None,
    limits: Limits = LIMITS,
) -> tuple[bytes, bytes]:
    """Customer and canonical event (MessagePack) of Segment JSON on Kafka.

    `received_at` is the record's time, also taken for `now` when that is not given. The record's key is
    the customer when the payload names none; `fallback_id` (made from topic, partition and offset, so
    that reading twice gives the same) is the messageId when it has none. Raises `BadEvent`.
    """
    try:
        customer = key.decode() if key else ""
    except UnicodeDecodeError:
        raise BadEvent("bad_field", "not UTF-8", "key") from None
    made = message(
        value,
        received_at,
        received_at if now is None else now,
        limits,
        fallback_id=fallback_id,
        fallback_customer=text(customer, "key", MAX_CUSTOMER_BYTES),
    )
    return made.customer.encode(), _EVENT.encode(made.event)


class SegmentSource:
    """`engine.ports.sources.Source` for Segment's payloads, within limits."""

    name = "segment"

    def __init__(self, limits: Limits = LIMITS) -> None:
        self._limits = limits

    def message(
        self,
        payload: bytes | msgspec.Raw,
        received_at: int,
        now: int,
        *,
        call: str = "",
        sent_at: object = None,
        fallback_id: str = "",
    ) -> Message:
        """The event in one payload."""
        return message(
            payload, received_at, now, self._limits, call=call, sent_at=sent_at, fallback_id=fallback_id
        )

    def batch(self, payload: bytes) -> tuple[Sequence[msgspec.Raw], object]:
        """The events of a batch, still JSON, and its sentAt; raises as `read_batch`."""
        read = read_batch(payload, self._limits)
        return read.batch, read.sent_at

    def write_key(self, payload: bytes) -> str:
        """The writeKey in a body, empty when there is none to read."""
        return write_key(payload)

    def canonical(
        self, value: bytes, key: bytes | None, received_at: int, fallback_id: str
    ) -> tuple[bytes, bytes]:
        """Customer and canonical event of a payload on Kafka."""
        return canonical(value, key, received_at, fallback_id, limits=self._limits)


def read_batch(payload: bytes, limits: Limits = LIMITS) -> SegmentBatch:
    """The batch in `payload`. Raises `BadEvent` when it is none, is empty or holds too many events."""
    batch = _decode(_BATCH, payload, len(payload))
    if not batch.batch:
        raise BadEvent("malformed", "no events", "batch")
    if len(batch.batch) > limits.batch_events:
        raise BadEvent("too_large", f"more than {limits.batch_events} events", "batch")
    return batch


def write_key(payload: bytes) -> str:
    """The writeKey in the body of a call or batch, empty when there is none to read."""
    try:
        key = _decode(_KEY, payload, len(payload)).write_key
    except BadEvent:
        return ""
    return key if isinstance(key, str) else ""


def _kind(body: _Payload, call: str) -> Kind:
    name = call or text(body.type if body.type is not None else body.action, "type")
    if name == "track":
        event = text(body.event, "event", 1_024)
        if not event:
            raise BadEvent("bad_field", "the event's name is needed", "event")
        return kind_of(event)
    kind = _CALLS.get(name)
    if kind is None:
        raise BadEvent("unknown_type", f"one of {', '.join(CALLS)} is needed", "type")
    if kind is Kind.ALIASED and not text(body.previous_id, "previousId"):
        raise BadEvent("missing_id", "previousId is needed", "previousId")
    if kind is Kind.GROUPED and not text(body.group_id, "groupId"):
        raise BadEvent("missing_id", "groupId is needed", "groupId")
    return kind


def _customer(body: _Payload) -> str:
    known = text(body.user_id, "userId", MAX_CUSTOMER_BYTES)
    return known or text(body.anonymous_id, "anonymousId", MAX_CUSTOMER_BYTES)


def _content(kind: Kind, body: _Payload) -> Content:
    about = content(kind, body.properties) if body.properties is not None else NOTHING
    if kind is Kind.PAGE_VIEWED and not about.category and body.category is not None:
        return Content(category=text(body.category, "category"))
    return about


def _at(body: _Payload, sent_at: object, now: int, limits: Limits) -> int:
    """Event time; received is `now`, the engine's time of receipt, which a replay's differs from the wall's."""
    field = "timestamp" if body.original_timestamp is None else "originalTimestamp"
    stated = body.timestamp if body.original_timestamp is None else body.original_timestamp
    sent = sent_at if body.sent_at is None else body.sent_at
    at = happened_at(
        None if stated is None else epoch_ms(stated, field),
        None if sent is None else epoch_ms(sent, "sentAt"),
        now,
    )
    return kept(within(at, now, field), limits.earliest_ms, limits.latest_ms, field)


def _decode(decoder: msgspec.json.Decoder[T], payload: bytes | msgspec.Raw, limit: int) -> T:
    if len(memoryview(payload)) > limit:
        raise BadEvent("too_large", f"larger than {limit} bytes")
    if not len(memoryview(payload)):
        raise BadEvent("malformed", "it is empty")
    try:
        return decoder.decode(payload)
    except msgspec.ValidationError as fault:
        raise _bad(str(fault)) from None
    except RecursionError:
        raise BadEvent("malformed", "nested too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as fault:
        repaired = _whole(bytes(payload))
        if repaired == payload:
            raise _malformed(repaired, str(fault)) from None
        return _decode(decoder, repaired, len(repaired))


def _whole(payload: bytes) -> bytes:
    """`payload` with U+FFFD for each half of a surrogate pair that stands alone: what a browser writes when a
    text was cut within an emoji. JSON allows it (RFC 8259, 8.2), msgspec does not."""
    return _ESCAPE.sub(lambda found: rb"\ufffd" if found["lone"] else found[0], payload)


def _bad(fault: str) -> BadEvent:
    detail, field = describe_validation_error(fault)
    if "out of range" in detail:
        return BadEvent("bad_number", "not a finite number", field)
    if "missing required field" in detail:
        return BadEvent("malformed", detail, field)
    return BadEvent("bad_field" if field else "malformed", detail, field)


def _malformed(payload: bytes, detail: str) -> BadEvent:
    """Not JSON; when only because of a bare NaN or Infinity, names the field that holds it."""
    try:
        found = _not_finite(json.loads(payload))
    except (ValueError, RecursionError):
        found = ""
    return BadEvent("bad_number", "not a finite number", found) if found else BadEvent("malformed", detail)


def _not_finite(document: object) -> str:
    """Path of the first number in `document` that is not finite, empty when there is none."""
    waiting: list[tuple[str, object]] = [("", document)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend((f"{path}.{name}".lstrip("."), inner) for name, inner in value.items())
        elif isinstance(value, list):
            waiting.extend((f"{path}[{i}]", inner) for i, inner in enumerate(value))
        elif isinstance(value, float) and not math.isfinite(value):
            return path
    return ""
