"""The events in a delivery's body: an object, or a list of them, as JSON or as a form."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import msgspec

from engine.errors import BadEvent
from engine.sources.tolerant_json import decode

_JSON: msgspec.json.Decoder[Any] = msgspec.json.Decoder()
MOST_FIELDS = 1_000  # of a form


def read_json(body: bytes) -> Any:
    """What a body of JSON holds. Raises `BadEvent` (malformed)."""
    return decode(_JSON, body, len(body))


def read_form(body: bytes) -> dict[str, str]:
    """The fields of a form by name, the first of each. Raises `BadEvent` (malformed)."""
    return dict(reversed(form_fields(body)))


def form_fields(body: bytes) -> list[tuple[str, str]]:
    """The fields of a form (application/x-www-form-urlencoded) in order. Raises `BadEvent` (malformed)."""
    try:
        return parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError:
        raise BadEvent("malformed", f"a form of more than {MOST_FIELDS} fields") from None


def listed(found: object, most: int) -> list[object]:
    """The events in what a body holds: each of a list, or the one. Raises `BadEvent`."""
    items = found if isinstance(found, list) else [found]
    if len(items) > most:
        raise BadEvent("too_large", f"more than {most} events")
    return items
