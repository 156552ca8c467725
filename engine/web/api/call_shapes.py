"""The shapes of Segment's calls, for the OpenAPI document alone: `engine.sources.segment` reads them."""

from __future__ import annotations

from typing import Any

from engine.events import MAX_CUSTOMER_BYTES, MAX_ID_BYTES

_ID = {"type": ["string", "integer", "null"], "minLength": 1, "maxLength": MAX_CUSTOMER_BYTES}
_TIME = {
    "anyOf": [{"type": "string", "format": "date-time"}, {"type": ["number", "null"]}],
    "description": "RFC 3339, or an epoch number in seconds or milliseconds",
}
_KEY = {"type": "string", "description": "where no header can be set"}
_FIELDS: dict[str, Any] = {
    "event": {"type": "string", "minLength": 1, "description": "of a track call: Product Viewed, …"},
    "messageId": {
        "type": ["string", "integer", "null"],
        "maxLength": MAX_ID_BYTES,
        "description": "makes retries idempotent",
    },
    "userId": {
        **_ID,
        "description": "a placeholder such as undefined, null or 0 counts as missing, and so does what is "
        "made here alone (contact:…, email:…, phone:…)",
    },
    "anonymousId": {**_ID, "description": "counts where there is no userId; as for placeholders"},
    "groupId": {"type": ["string", "integer"], "description": "of a group call"},
    "previousId": {"type": ["string", "integer"], "description": "of an alias call"},
    "timestamp": _TIME,
    "sentAt": _TIME,
    "properties": {"type": ["object", "null"]},
}
_NEEDED = {"track": ["event"], "group": ["groupId"], "alias": ["previousId"]}
_SAID = (
    "Fields that are not named here may be there and are ignored. What an event does not need and cannot be read "
    "is left out, with a warning."
)
_SOMEBODY = [{"required": ["userId"]}, {"required": ["anonymousId"]}]


#: What a vendor sends is not ours to say.
DELIVERY: dict[str, Any] = {
    "type": ["object", "array"],
    "description": "An event in the vendor's own shape, or a list of them; of some sources a form.",
}


#: In binary form the attributes are headers, and the body is the data, of whatever media type.
CLOUDEVENTS: dict[str, Any] = {
    "type": ["object", "array"],
    "description": "A CloudEvent as JSON, a list of them, or the data of one whose attributes are headers.",
}


def call(name: str) -> dict[str, Any]:
    """The body of a call."""
    return {
        "type": "object",
        "description": _SAID,
        "properties": {**_FIELDS, "writeKey": _KEY},
        "required": _NEEDED.get(name, []),
        "anyOf": _SOMEBODY,
    }


def batch(calls: tuple[str, ...], most: int) -> dict[str, Any]:
    """The body of `most` of these `calls` at most."""
    one = {
        "type": "object",
        "description": _SAID,
        "properties": {"type": {"enum": list(calls)}, **_FIELDS},
        "required": ["type"],
        "anyOf": _SOMEBODY,
    }
    return {
        "type": "object",
        "description": "What is wrong with one does not stop the others.",
        "properties": {
            "batch": {"type": "array", "items": one, "minItems": 1, "maxItems": most},
            "sentAt": _TIME,
            "writeKey": _KEY,
        },
        "required": ["batch"],
    }
