"""Segment's tracking API: one payload to one canonical event.

https://segment.com/docs/connections/spec/common/ (fields), …/spec/ecommerce/v2/ (names and properties),
…/sources/catalog/libraries/server/http-api/ (calls, batch, limits). Unknown fields are ignored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from engine.customer_id import customer_id
from engine.errors import BadEvent
from engine.events import AHEAD_MS, WIRE_VERSION, Event, Kind, LeftOut, Message, Name, Traits
from engine.sources.segment.batch import read_batch, write_key
from engine.sources.segment.commerce import AS_BEFORE, NO_PROPERTIES, Content, Properties, kind_of, with_true_kind
from engine.sources.segment.content import content
from engine.sources.segment.ids import customer, message_id
from engine.sources.segment.limits import LIMITS, Limits
from engine.sources.segment.lines import category
from engine.sources.segment.misspelt import meant
from engine.sources.segment.names import StatedIds
from engine.sources.segment.names import names as names_in
from engine.sources.segment.traits import kind_with, membership, traits_of, with_traits
from engine.sources.segment.values import leave_out, text
from engine.sources.times import AGE_MS, engine_time, epoch_ms, happened_at, kept, within
from engine.sources.tolerant_json import decode

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
    traits: Any = None
    properties: Properties | None = None


class _LoosePayload(_Payload, frozen=True, gc=False, rename="camel"):
    """One whose `properties` are no object: they are not read."""

    properties: Any = None


_PAYLOAD = msgspec.json.Decoder(_Payload)
_LOOSE_PAYLOAD = msgspec.json.Decoder(_LoosePayload)
_EVENT = msgspec.msgpack.Encoder()

#: What Python raises for a value that some line did not expect; a dead letter with these words is a fault of ours.
_SLIPS = (ValueError, TypeError, ArithmeticError, LookupError, RecursionError)
UNFORESEEN = "it cannot be read"


def message(
    payload: bytes | msgspec.Raw,
    received_at: int,
    now: int,
    limits: Limits = LIMITS,
    *,
    call: str = "",
    sent_at: object = None,
    fallback_id: str = "",
    fallback_customer: object = None,
    trust: int = 0,
    by: str = "",
) -> Message:
    """The event in `payload` (JSON), and its customer.

    `received_at` is wall time and `now` engine time (epoch ms). `call` is the call when the address
    named it, else `type` says. `sent_at` is the batch's, for events without their own. The fallbacks
    replace a missing messageId and missing ids. `trust` and `by` say who wrote it. What cannot be read and is not
    needed is left out. Raises `BadEvent`.
    """
    left_out: list[LeftOut] = []
    body: _Payload
    try:
        body = decode(_PAYLOAD, payload, limits.event_bytes)
    except BadEvent as fault:
        body = _loose(payload, limits.event_bytes, fault, left_out)
    kind = _kind(body, call, left_out)
    known, anonymous = customer(body.user_id, body.anonymous_id, fallback_customer, limits.placeholders, left_out)
    about = _content(kind, body, limits.placeholders, left_out)
    names = _names(payload, kind, body, known, anonymous, limits, left_out) if limits.identification else ()
    traits = _traits(kind, body, trust, by, limits, left_out)
    kind = kind_with(traits, kind)
    return Message(
        customer_id(known),
        Event(
            WIRE_VERSION,
            int(AS_BEFORE.get(kind, kind)),
            _at(body, sent_at, now, limits, left_out),
            message_id(body.message_id, fallback_id, limits.placeholders, left_out),
            about.item,
            about.category,
            about.value,
            about.quantity,
            received_at,
            about.order,
            engine_time(received_at, now),
            trust,
            int(anonymous),
            about.contact,
            with_traits(with_true_kind(kind, about.more), traits),
        ),
        tuple(left_out),
        names,
    )


def _names(
    payload: bytes | msgspec.Raw,
    kind: Kind,
    body: _Payload,
    known: str,
    anonymous: bool,
    limits: Limits,
    left_out: list[LeftOut],
) -> tuple[Name, ...]:
    """All ids of the customer in `payload`."""
    if limits.identification is None:
        return ()
    previous = body.previous_id if kind is Kind.ALIASED else None
    stated = StatedIds(known, anonymous, body.anonymous_id, previous, kind is Kind.GROUPED)
    return names_in(payload, stated, limits.identification, limits.placeholders, left_out)


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
    return _of_record(value, key, received_at, fallback_id, received_at if now is None else now, limits)[:2]


def _of_record(
    value: bytes, key: bytes | None, received_at: int, fallback_id: str, now: int, limits: Limits
) -> tuple[bytes, bytes, Sequence[LeftOut]]:
    """Customer and event of a record, and what was left out. A worker reads it again at every start, so that
    nothing but `BadEvent` may come of what it holds, be it a slip of ours."""
    try:
        made = message(value, received_at, now, limits, fallback_id=fallback_id, fallback_customer=_named(key))
        return made.customer.encode(), _EVENT.encode(made.event), made.left_out
    except _SLIPS as slip:
        raise BadEvent("malformed", f"{UNFORESEEN}: {type(slip).__name__}") from slip


def _named(key: bytes | None) -> object:
    """A record's key as text; as it is, which is refused where it is needed, when it is none."""
    try:
        return key.decode() if key else None
    except UnicodeDecodeError:
        return key


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
        trust: int = 0,
        by: str = "",
    ) -> Message:
        """The event in one payload."""
        return message(
            payload,
            received_at,
            now,
            self._limits,
            call=call,
            sent_at=sent_at,
            fallback_id=fallback_id,
            trust=trust,
            by=by,
        )

    def batch(self, payload: bytes) -> tuple[Sequence[msgspec.Raw], object]:
        """The events of a batch, still JSON, and its sentAt; raises as `read_batch`."""
        read = read_batch(payload, self._limits)
        return read.batch, read.sent_at

    def write_key(self, payload: bytes) -> str:
        """The writeKey in a body, empty when there is none to read."""
        return write_key(payload)

    def canonical(
        self,
        value: bytes,
        key: bytes | None,
        received_at: int,
        fallback_id: str,
        headers: Mapping[str, str] = {},
    ) -> tuple[bytes, bytes, Sequence[LeftOut]]:
        """Customer and canonical event of a payload on Kafka, and what could not be read of it."""
        return _of_record(value, key, received_at, fallback_id, received_at, self._limits)


def _loose(payload: bytes | msgspec.Raw, limit: int, fault: BadEvent, left_out: list[LeftOut]) -> _LoosePayload:
    """A payload that was refused for `fault`, without `properties` when they are no object; else raises it."""
    if (fault.code, fault.field) != ("bad_field", "properties"):
        raise fault
    leave_out(fault, left_out)
    return decode(_LOOSE_PAYLOAD, payload, limit)


def _kind(body: _Payload, call: str, left_out: list[LeftOut]) -> Kind:
    name = call or text(body.type if body.type is not None else body.action, "type")
    if name == "track":
        event = text(body.event, "event", 1_024)
        if not event:
            raise BadEvent("bad_field", "the event's name is needed", "event")
        known = kind_of(event)
        if known is Kind.OTHER and (like := meant(event)):
            slip = BadEvent("misspelt_event", f"did you mean {like}? It counts as kind other", "event")
            leave_out(slip, left_out)
        return known
    kind = _CALLS.get(name)
    if kind is None:
        raise BadEvent("unknown_type", f"one of {', '.join(CALLS)} is needed", "type")
    if kind is Kind.ALIASED and not text(body.previous_id, "previousId"):
        raise BadEvent("missing_id", "previousId is needed", "previousId")
    if kind is Kind.GROUPED and not text(body.group_id, "groupId"):
        raise BadEvent("missing_id", "groupId is needed", "groupId")
    return kind


def _content(kind: Kind, body: _Payload, placeholders: frozenset[str], left_out: list[LeftOut]) -> Content:
    properties = body.properties if isinstance(body.properties, Properties) else NO_PROPERTIES
    about = content(kind, properties, placeholders, left_out)
    if kind is Kind.PAGE_VIEWED and not about.category and body.category is not None:
        return Content(category=category(body.category, "category", left_out))
    return about


def _traits(
    kind: Kind, body: _Payload, trust: int, by: str, limits: Limits, left_out: list[LeftOut]
) -> Traits | None:
    if kind is Kind.IDENTIFIED:
        return traits_of(body.traits, trust, by, left_out)
    if kind is not Kind.GROUPED:
        return None
    return membership(text(body.group_id, "groupId"), trust, by, limits.placeholders, left_out)


def _at(body: _Payload, sent_at: object, now: int, limits: Limits, left_out: list[LeftOut]) -> int:
    """Event time; received is `now`, the engine's time of receipt, which a replay's differs from the wall's."""
    original, field = None, "timestamp"
    if body.original_timestamp is not None:
        original, field = _original(body, left_out)
    elif body.timestamp is not None:
        original = epoch_ms(body.timestamp, "timestamp")
    sent = None
    if original is not None:
        if body.sent_at is not None:
            sent = _sent(body.sent_at, left_out)
        if sent is None and sent_at is not None:
            sent = _sent(sent_at, left_out)
    if original is not None and field == "originalTimestamp":
        possible = range(limits.earliest_ms, now + AHEAD_MS + 1)
        if original not in possible and happened_at(original, sent, now) not in possible:
            original, field = _instead(original, body, left_out)
    try:
        return _kept(happened_at(original, sent, now), now, limits, field)
    except BadEvent:
        if original is None or sent is None or abs(sent - now) <= AGE_MS:
            raise
    at = _kept(original, now, limits, field)  # the other clock is right, so Go's zero or a 0 is none
    leave_out(BadEvent("bad_time", "more than 400 days from now", "sentAt"), left_out)
    return at


def _kept(at: int, now: int, limits: Limits, field: str) -> int:
    return kept(within(at, now, field), limits.earliest_ms, limits.latest_ms, field)


def _original(body: _Payload, left_out: list[LeftOut]) -> tuple[int | None, str]:
    """The originalTimestamp, else the timestamp, None where neither states a time; and which of them it is. Raises
    `BadEvent` where there is none but one that cannot be read."""
    fault = None
    try:
        if (original := epoch_ms(body.original_timestamp, "originalTimestamp")) is not None:
            return original, "originalTimestamp"
    except BadEvent as unread:
        fault = unread
    stated = epoch_ms(body.timestamp, "timestamp")
    if fault is not None:
        if stated is None:
            raise fault
        leave_out(fault, left_out)
    return stated, "timestamp"


def _instead(original: int, body: _Payload, left_out: list[LeftOut]) -> tuple[int, str]:
    """The timestamp, where it states a time, beside an originalTimestamp that can be none: a zero, or one years
    ahead."""
    try:
        stated = epoch_ms(body.timestamp, "timestamp")
    except BadEvent:
        stated = None
    if stated is None:
        return original, "originalTimestamp"
    leave_out(BadEvent("bad_time", "before 2000, or ahead of now", "originalTimestamp"), left_out)
    return stated, "timestamp"


def _sent(value: object, left_out: list[LeftOut]) -> int | None:
    """When it was sent by the sender's clock; what cannot be read corrects no clock."""
    try:
        return epoch_ms(value, "sentAt")
    except BadEvent as fault:
        leave_out(fault, left_out)
        return None
