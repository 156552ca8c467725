"""CloudEvents 1.0 (https://github.com/cloudevents/spec/tree/v1.0.2/cloudevents): binary, structured and batch.

An event counts whose `type` ends with ``contact.`` and a kind (``com.example.contact.queued``, ``….queued.v1``);
its data, as JSON, has ``contactId`` (else `subject` is it), ``customerId``, ``channel``, ``queue``, ``agent``,
``reason`` (why), ``outcome`` (what it came to; without it the reason is both), ``score``, and the customer's
``email`` and ``phone``.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any
from urllib.parse import unquote

from engine.errors import BadEvent
from engine.events import ContactChannel, LeftOut, Message
from engine.ports.sources import CLOUDEVENTS, Delivery, Receipt
from engine.sources.contacts.bodies import read_json
from engine.sources.contacts.facts import Facts
from engine.sources.contacts.found import NOTHING, Found
from engine.sources.contacts.message import messages
from engine.sources.contacts.vendor import CodedSource, unknown
from engine.sources.contacts.vocabulary import CHANNELS, KINDS

VERSION = "1.0"
_KIND = re.compile(rf"(?:.*\.)?contact\.({'|'.join(KINDS)})(?:\.v?[0-9]+)*")
_NAME = re.compile(r"[a-z0-9]+", re.ASCII)
_TOKEN = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
_MEDIA = re.compile(rf"{_TOKEN}/{_TOKEN}\s*(?:;.*)?", re.DOTALL)
_JSON_MEDIA = re.compile(rf"{_TOKEN}/(?:json|{_TOKEN}\+json)\s*(?:;.*)?", re.DOTALL | re.IGNORECASE)
_FORMAT = re.compile(r"application/cloudevents(-batch)?(\+json)?\s*(;|$)")
_TIME = re.compile(  # RFC 3339
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?"
    r"(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])",
    re.ASCII,
)
_NEEDED = ("id", "source", "type")
_TEXTS = ("dataschema", "subject")
_DATA = ("data", "data_base64")


class CloudEvents(CodedSource):
    """What is CloudEvents' and about contacts."""

    name = CLOUDEVENTS

    def payloads(self, delivery: Delivery) -> object:
        """Structured events, of a batch all; one in binary form as if it were structured."""
        media = delivery.headers.get("content-type", "").strip().lower()
        if not media.startswith("application/cloudevents") and any(
            f"ce-{name}" in delivery.headers for name in _NEEDED
        ):
            return _of_headers(delivery, media)
        if media.startswith("application/cloudevents") and not _FORMAT.match(media):
            raise BadEvent("bad_field", "of the formats of CloudEvents JSON alone is read", "content-type")
        found = read_json(delivery.body)
        if media.startswith("application/cloudevents-batch") and not isinstance(found, list):
            raise BadEvent("malformed", "a batch is a list of events")
        return found

    def read(self, payload: dict[str, Any], receipt: Receipt) -> Sequence[Message | LeftOut]:
        """Raises `BadEvent` for what is no CloudEvent, whatever its type."""
        _check(payload)
        kind = _KIND.fullmatch(payload["type"].lower())
        if kind is None:
            return unknown("type")
        data = _data(payload)

        def find(name: str) -> Found:
            return Found(data.get(name), f"data.{name}")

        contact, subject = find("contactId"), payload.get("subject")
        facts = Facts(
            source=self.name,
            kind=KINDS[kind[1]],
            contact=contact if contact.value is not None or subject is None else Found(subject, "subject"),
            customer=find("customerId"),
            id=Found(_identity(payload), "id"),
            time=Found(payload.get("time"), "time"),
            channel=_channel(data.get("channel")),
            queue=find("queue"),
            agent=find("agent"),
            reason=find("reason"),
            outcome=find("outcome") if data.get("outcome") else None,
            score=find("score") if "score" in data else NOTHING,
            emails=(find("email"),),
            phones=(find("phone"),),
        )
        return messages(facts, receipt, self.limits)


def _of_headers(delivery: Delivery, media: str) -> dict[str, Any]:
    """An event in binary form: attributes in headers, data in the body."""
    found: dict[str, Any] = {
        name.removeprefix("ce-"): _header(value)
        for name, value in delivery.headers.items()
        if name.startswith("ce-")
    }
    found.pop("data", None)
    found.pop("data_base64", None)
    if media:
        found["datacontenttype"] = delivery.headers["content-type"].strip()
    if delivery.body:
        found["data"] = read_json(delivery.body) if _is_json(found) else delivery.body.decode("utf-8", "replace")
    return found


def _header(value: str) -> str:
    """A header's value: UTF-8, percent-encoded where it is not printable ASCII (HTTP binding, 3.1.3.2)."""
    return unquote(value.encode("latin-1", "replace").decode("utf-8", "replace"))


def _check(event: Mapping[str, Any]) -> None:
    """Raises `BadEvent` that names the attribute."""
    if event.get("specversion") != VERSION:
        raise BadEvent("bad_field", f"{VERSION} is needed", "specversion")
    for name in _NEEDED:
        if not isinstance(value := event.get(name), str) or not value:
            code = "missing_id" if name == "id" and value in (None, "") else "bad_field"
            raise BadEvent(code, "a text is needed", name)
    for name in _TEXTS:
        if (value := event.get(name)) is not None and (not isinstance(value, str) or not value):
            raise BadEvent("bad_field", "a text is needed where it is there", name)
    _matches(event, "datacontenttype", _MEDIA, "bad_field", "not a media type")
    _matches(event, "time", _TIME, "bad_time", "not an RFC 3339 time")
    if event.get("data") is not None and event.get("data_base64") is not None:
        raise BadEvent("bad_field", "there is data, too", "data_base64")
    for name, value in event.items():
        if name in _DATA:
            continue
        if not _NAME.fullmatch(name):
            raise BadEvent("bad_field", "a name has letters from a to z and digits alone", name[:64])
        if not (value is None or isinstance(value, str | bool | int)):
            raise BadEvent("bad_field", "a text, a whole number or a truth is needed", name[:64])


def _matches(event: Mapping[str, Any], name: str, form: re.Pattern[str], code: str, detail: str) -> None:
    value = event.get(name)
    if value is not None and not (isinstance(value, str) and form.fullmatch(value)):
        raise BadEvent(code, detail, name)


def _data(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """The data, where it is an object; of another media type than JSON nothing is read."""
    if not _is_json(event):
        return {}
    data = event.get("data")
    if (encoded := event.get("data_base64")) is not None:
        try:
            data = read_json(base64.b64decode(encoded, validate=True))
        except (TypeError, ValueError, binascii.Error):
            raise BadEvent("bad_field", "not base64", "data_base64") from None
    return data if isinstance(data, dict) else {}


def _is_json(event: Mapping[str, Any]) -> bool:
    media = event.get("datacontenttype")
    return media is None or (isinstance(media, str) and _JSON_MEDIA.fullmatch(media) is not None)


def _identity(event: Mapping[str, Any]) -> str:
    """An event is identified by its source and id together."""
    return blake2b(f"{event['source']}\0{event['id']}".encode(), digest_size=16).hexdigest()


def _channel(value: object) -> ContactChannel:
    word = value.lower() if isinstance(value, str) else ""
    return CHANNELS.get(word, ContactChannel.UNKNOWN)
