"""Chatwoot's webhooks (https://www.chatwoot.com/hc/user-guide/articles/1677693021-how-to-use-webhooks):
conversations as contacts, and the ratings that customers give.

Their signature is an HMAC over time and body, with the webhook's own secret.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.events import ContactChannel, Kind, LeftOut, Message
from engine.ports.sources import Receipt
from engine.sources.contacts.facts import Facts
from engine.sources.contacts.found import NOTHING, Found, Payload, path_of
from engine.sources.contacts.message import messages
from engine.sources.contacts.signature import Signature
from engine.sources.contacts.vendor import CodedSource, unknown

#: The status that a conversation has got -> what that is.
STATUSES = {
    "open": Kind.CONTACT_QUEUED,
    "pending": Kind.CONTACT_IN_IVR,  # with a bot
    "snoozed": Kind.CONTACT_HELD,
    "resolved": Kind.CONTACT_ENDED,
}
CHANNELS = {
    "channel::webwidget": ContactChannel.CHAT,
    "channel::email": ContactChannel.EMAIL,
    "channel::voice": ContactChannel.VOICE,
    **dict.fromkeys(
        (f"channel::{name}" for name in (
            "api", "facebookpage", "instagram", "line", "sms", "telegram", "tiktok", "twiliosms", "twitterprofile",
            "whatsapp",
        )),
        ContactChannel.MESSAGING,
    ),
}  # fmt: skip
RATING = path_of("content_attributes.submitted_values.csat_survey_response.rating")


class Chatwoot(CodedSource):
    """Conversations and ratings; messages are passed over."""

    name = "chatwoot"
    signature = Signature("X-Chatwoot-Signature", "{X-Chatwoot-Timestamp}.{body}", prefix="sha256=")

    def read(self, payload: dict[str, Any], receipt: Receipt) -> Sequence[Message | LeftOut]:
        """Of an update the assignee and the team count."""
        whole = Payload(payload)
        name = whole.at(("event",))
        if name in ("message_created", "message_updated") and whole.at(RATING) is not None:
            return messages(_rating(payload, whole), receipt, self.limits)
        kind = _kind(name, whole)
        if kind is None:
            return unknown("event")
        time = "created_at" if name == "conversation_created" else "updated_at"
        return messages(_facts(whole, kind, whole.find([(time,), ("timestamp",)])), receipt, self.limits)


def _kind(name: object, payload: Payload) -> Kind | None:
    if name == "conversation_created":
        return Kind.CONTACT_STARTED
    if name == "conversation_status_changed":
        status = payload.at(("status",))
        return STATUSES.get(status) if isinstance(status, str) else None
    return _assigned(payload) if name == "conversation_updated" else None


def _assigned(payload: Payload) -> Kind | None:
    """What a change of the assignee or of the team is."""
    changes = payload.at(("changed_attributes",))
    for change in changes if isinstance(changes, list) else ():
        found = Payload(change)
        if isinstance(found.at(("assignee_id",)), dict):
            now, before = (found.at(("assignee_id", f"{when}_value")) for when in ("current", "previous"))
            if now is None:
                return Kind.CONTACT_QUEUED
            return Kind.CONTACT_CONNECTED if before is None else Kind.CONTACT_TRANSFERRED
        if found.at(("team_id", "current_value")) is not None:
            return Kind.CONTACT_QUEUED
    return None


def _facts(conversation: Payload, kind: Kind, time: Found, score: Found = NOTHING, id_: Found = NOTHING) -> Facts:
    def find(*paths: str) -> Found:
        return conversation.find([path_of(path) for path in paths])

    channel = conversation.at(("channel",))
    return Facts(
        source=Chatwoot.name,
        kind=kind,
        contact=find("id"),
        customer=find("meta.sender.identifier"),
        id=id_,
        time=time,
        channel=CHANNELS.get(channel.lower() if isinstance(channel, str) else "", ContactChannel.UNKNOWN),
        queue=find("meta.team.name", "inbox_id"),
        agent=find("meta.assignee.name", "meta.assignee.id"),
        reason=find("custom_attributes.reason", "labels.0"),
        outcome=find("status"),
        score=score,
        emails=(find("meta.sender.email"),),
        phones=(find("meta.sender.phone_number"),),
        prefix="chatwoot:",
    )


def _rating(payload: dict[str, Any], whole: Payload) -> Facts:
    """A rating. The message that holds it was written before, so it is of the time at which it came in."""
    number = whole.at(("id",))
    identity = Found(f"chatwoot:{number}:rating", "id") if isinstance(number, int | str) else NOTHING
    conversation = payload.get("conversation")
    found = Payload(conversation if isinstance(conversation, dict) else {})
    return _facts(found, Kind.CONTACT_SURVEYED, NOTHING, Found(whole.at(RATING), ".".join(RATING)), identity)
