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
from engine.sources.contacts.message import messages, messages_of
from engine.sources.contacts.signature import Signature
from engine.sources.contacts.vendor import CodedSource, unknown

#: The status that a conversation has got -> what that is; of an open one others say it.
STATUSES = {
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
_ASSIGNEE, _LAST = path_of("meta.assignee.id"), path_of("messages.0.message_type")
RATING = path_of("content_attributes.submitted_values.csat_survey_response.rating")


class Chatwoot(CodedSource):
    """Conversations and ratings; messages are passed over."""

    name = "chatwoot"
    signature = Signature(
        "X-Chatwoot-Signature",
        "{X-Chatwoot-Timestamp}.{body}",
        prefix="sha256=",
        time="X-Chatwoot-Timestamp",
    )

    def read(self, payload: dict[str, Any], receipt: Receipt) -> Sequence[Message | LeftOut]:
        """Of an update status, waiting, assignee and team count."""
        whole = Payload(payload)
        name = whole.at(("event",))
        if name in ("message_created", "message_updated") and whole.at(RATING) is not None:
            return messages(_rating(payload, whole), receipt, self.limits)
        found = _happened(name, whole)
        if found is None:
            return unknown("event")
        kind, time = found
        waits = Kind.CONTACT_QUEUED if kind is Kind.CONTACT_STARTED and _begins_waiting(whole) else None
        return messages_of(_facts(whole, kind, time), waits, receipt, self.limits)


def _happened(name: object, payload: Payload) -> tuple[Kind, Found] | None:
    """What an event says, and when that was."""
    updated = payload.find([("updated_at",), ("timestamp",)])
    if name == "conversation_created":
        return Kind.CONTACT_STARTED, payload.find([("created_at",), ("timestamp",)])
    if name == "conversation_status_changed":
        kind = _status(payload, payload.at(("status",)))
    else:
        kind = _updated(payload) if name == "conversation_updated" else None
    if kind is None:
        return None
    since = payload.find([("waiting_since",)])
    first = kind is Kind.CONTACT_QUEUED and name == "conversation_updated" and _seconds(since.value) > 0
    return kind, since if first else updated


def _begins_waiting(payload: Payload) -> bool:
    """Whether a conversation that begins waits for an agent: not with a bot, nor where the company wrote."""
    if payload.at(("status",)) != "open" or payload.at(_LAST) in (1, "outgoing"):
        return False
    return payload.at(_ASSIGNEE) is None or _seconds(payload.at(("waiting_since",))) > 0


def _status(payload: Payload, status: object) -> Kind | None:
    if status == "open":
        return _opened(payload)
    return STATUSES.get(status) if isinstance(status, str) else None


def _opened(payload: Payload) -> Kind:
    """An open conversation waits for the company while nobody has it, or the customer wrote last."""
    waits = payload.at(("waiting_since",))
    if payload.at(_ASSIGNEE) is None or waits is None:  # older releases do not say since when
        return Kind.CONTACT_QUEUED
    wrote_last = payload.at(_LAST) in (0, "incoming")
    return Kind.CONTACT_QUEUED if _seconds(waits) > 0 or wrote_last else Kind.CONTACT_CONNECTED


def _updated(payload: Payload) -> Kind | None:
    """What an update is: that the customer began to wait, or was answered; else the status, and who has it."""
    changes = _changes(payload)
    if "waiting_since" in changes and payload.at(("status",)) == "open":
        if changes["waiting_since"][1] is not None:
            return Kind.CONTACT_QUEUED
        return Kind.CONTACT_CONNECTED if _is_answered(payload) else None
    if "status" in changes:
        return _status(payload, payload.at(("status",)))
    if "assignee_id" in changes:
        return _assigned(payload, *changes["assignee_id"])
    return Kind.CONTACT_QUEUED if changes.get("team_id", (None, None))[1] is not None else None


def _is_answered(payload: Payload) -> bool:
    """Whether a person wrote last, and no bot."""
    sender = payload.at(path_of("messages.0.sender_type"))
    return sender is None or sender == "User"


def _assigned(payload: Payload, before: object, now: object) -> Kind:
    """What a change of the assignee is. Who has a conversation has not answered yet."""
    if now is None:
        return Kind.CONTACT_QUEUED
    if before is not None:
        return Kind.CONTACT_TRANSFERRED
    return Kind.CONTACT_QUEUED if _seconds(payload.at(("waiting_since",))) > 0 else Kind.CONTACT_CONNECTED


def _changes(payload: Payload) -> dict[str, tuple[object, object]]:
    """What changed, from what to what."""
    found: dict[str, tuple[object, object]] = {}
    changes = payload.at(("changed_attributes",))
    for change in changes if isinstance(changes, list) else ():
        for name, values in change.items() if isinstance(change, dict) else ():
            if isinstance(values, dict):
                found[name] = values.get("previous_value"), values.get("current_value")
    return found


def _seconds(value: object) -> float:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else 0.0


def _facts(conversation: Payload, kind: Kind, time: Found, score: Found = NOTHING, id_: Found = NOTHING) -> Facts:
    def find(*paths: str) -> Found:
        return conversation.find([path_of(path) for path in paths])

    channel = conversation.at(("channel",))
    by_bot = conversation.at(path_of("meta.assignee_type")) == "AgentBot"
    return Facts(
        source=Chatwoot.name,
        kind=kind,
        contact=find("id"),
        customer=find("meta.sender.identifier"),
        id=id_,
        time=time,
        channel=CHANNELS.get(channel.lower() if isinstance(channel, str) else "", ContactChannel.UNKNOWN),
        queue=find("meta.team.name", "inbox_id"),
        agent=NOTHING if by_bot else find("meta.assignee.name", "meta.assignee.id"),
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
