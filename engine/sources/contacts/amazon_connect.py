"""Amazon Connect: contact events (https://docs.aws.amazon.com/connect/latest/adminguide/contact-events.html) and
matches of Contact Lens' rules, bare or in EventBridge's envelope; and what agents are ready for
(`engine.sources.contacts.amazon_agents`).

They come in any order, repeatedly, and with names in whatever case. A transfer makes another contact, which names
the first; here the first is the contact throughout.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.events import ContactChannel, Kind, LeftOut, Message
from engine.ports.agents import AgentState
from engine.ports.sources import Receipt
from engine.sources.contacts.amazon_agents import agent_state, is_agent_event
from engine.sources.contacts.amazon_names import CHANNELS, lowered
from engine.sources.contacts.facts import Facts
from engine.sources.contacts.found import NOTHING, Found, Path, Payload, path_of
from engine.sources.contacts.message import messages
from engine.sources.contacts.vendor import CodedSource, unknown

#: Type -> kind, and where its own time stands.
TYPES: dict[str, tuple[Kind, str]] = {
    "initiated": (Kind.CONTACT_STARTED, "initiationtimestamp"),
    "connected_to_system": (Kind.CONTACT_IN_IVR, "connectedtosystemtimestamp"),
    "queued": (Kind.CONTACT_QUEUED, "queueinfo.enqueuetimestamp"),
    "connected_to_agent": (Kind.CONTACT_CONNECTED, "agentinfo.connectedtoagenttimestamp"),
    "paused": (Kind.CONTACT_HELD, "agentinfo.pausetimestamp"),
    "disconnected": (Kind.CONTACT_ENDED, "disconnecttimestamp"),
    "completed": (Kind.CONTACT_WRAPPED_UP, "agentinfo.aftercontactworkendtimestamp"),
}
#: How a contact began -> what it is instead of a start.
METHODS = {
    "transfer": Kind.CONTACT_TRANSFERRED,
    "queue_transfer": Kind.CONTACT_TRANSFERRED,
    "callback": Kind.CALLBACK_ASKED,
}
#: Contacts that the company makes, in which nobody waits on the line.
OUTBOUND = ("outbound", "external_outbound", "callback", "agent_reply")
LISTENS = "monitor"  # a supervisor: nobody's contact
MESSAGING = ("sms", "whatsapp", "apple")  # within the subtype of a chat

_ENVELOPE_TIME = path_of("time")
_OF_CONTACTS = (path_of("instancearn"), path_of("initiationtimestamp"))  # which real-time transcripts do not have


class AmazonConnect(CodedSource):
    """Contact events, what Contact Lens found, and agents."""

    name = "amazon_connect"

    def read(self, payload: dict[str, Any], receipt: Receipt) -> Sequence[Message | LeftOut | AgentState]:
        """Types that are not known are passed over."""
        if is_agent_event(payload):
            return [agent_state(payload, receipt, self.limits)]
        found = Payload(lowered(payload), [("detail",)])
        detail_type = _word(found, "detail-type")
        if "rules matched" in detail_type:
            return messages(_matched(found), receipt, self.limits)
        if detail_type not in ("", "amazon connect contact event"):
            return unknown("detail-type")
        kind, time = TYPES.get(_word(found, "eventtype"), (None, ""))
        if kind is None or found.find(_OF_CONTACTS).value is None:
            return unknown("eventType")
        if passed := _passed_on(kind, found):
            return unknown(passed)
        return messages(_facts(found, _refined(kind, found), path_of(time)), receipt, self.limits)


def _word(payload: Payload, path: str) -> str:
    value = payload.at(path_of(path))
    return value.lower() if isinstance(value, str) else ""


def _passed_on(kind: Kind, payload: Payload) -> str:
    """The field that says that it is nobody's contact, or the end of a leg alone: the contact goes on in the next,
    whose start is the transfer. Empty: neither."""
    if _word(payload, "initiationmethod") == LISTENS:
        return "initiationMethod"
    if kind not in (Kind.CONTACT_ENDED, Kind.CONTACT_WRAPPED_UP):
        return ""
    if payload.at(path_of("nextcontactid")) is not None:
        return "nextContactId"
    return "disconnectReason" if _word(payload, "disconnectreason") == "transferred" else ""


def _refined(kind: Kind, payload: Payload) -> Kind:
    """A start that is a transfer or a callback, and an end before an agent that the customer waited for."""
    if kind is Kind.CONTACT_STARTED:
        return METHODS.get(_word(payload, "initiationmethod"), kind)
    if kind is not Kind.CONTACT_ENDED:
        return kind
    if _word(payload, "initiationmethod") in OUTBOUND:
        return kind
    waited = payload.at(path_of("queueinfo.enqueuetimestamp")) is not None
    served = payload.at(path_of("agentinfo.connectedtoagenttimestamp")) is not None
    return Kind.CONTACT_ABANDONED if waited and not served else kind


def _facts(payload: Payload, kind: Kind, time: Path) -> Facts:
    def find(*paths: str) -> Found:
        return payload.find([path_of(path) for path in paths])

    replies = _word(payload, "initiationmethod") == "agent_reply"
    written = _word(payload, "customerendpoint.type") in ("email_address", "email")

    return Facts(
        source=AmazonConnect.name,
        kind=kind,
        contact=find("initialcontactid", "relatedcontactid" if replies else "contactid", "contactid"),
        customer=find("customerid", "attributes.customerid"),
        time=payload.find([time, _ENVELOPE_TIME]),
        channel=_channel(payload),
        queue=_last(find("queueinfo.queuename", "queueinfo.queuearn")),
        agent=_last(find("agentinfo.agentarn")),
        emails=(find("customerendpoint") if written else NOTHING, find("attributes.email")),
        phones=(NOTHING if written else find("customerendpoint"), find("attributes.phone")),
        reason=find("attributes.reason", "attributes.intent"),
        outcome=find("disconnectreason"),
    )


def _matched(payload: Payload) -> Facts:
    """A rule of Contact Lens, and the contact that it matched."""

    def find(path: str) -> Found:
        return payload.find([path_of(path)])

    return Facts(
        source=AmazonConnect.name,
        kind=Kind.CONTACT_OUTCOME,
        contact=_last(find("contactarn")),
        time=Found(payload.at(_ENVELOPE_TIME), "time"),
        channel=ContactChannel.VOICE,
        queue=_last(find("queuearn")),
        agent=_last(find("agentarn")),
        reason=find("rulename"),
    )


def _last(found: Found) -> Found:
    """The last part of an Amazon Resource Name: the id of what it names."""
    if isinstance(found.value, str):
        return Found(found.value.rpartition("/")[2], found.field)
    return found


def _channel(payload: Payload) -> ContactChannel:
    channel = CHANNELS.get(_word(payload, "channel"), ContactChannel.UNKNOWN)
    subtype = _word(payload, "segmentattributes.connect:subtype.valuestring")
    if channel is ContactChannel.CHAT and any(word in subtype for word in MESSAGING):
        return ContactChannel.MESSAGING
    return channel
