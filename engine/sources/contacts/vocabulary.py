"""The words of mapping files, and of CloudEvents, for kinds of event and channels."""

from __future__ import annotations

from engine.events import ContactChannel, Kind

#: What a contact can come to, as it is written.
KINDS: dict[str, Kind] = {
    "started": Kind.CONTACT_STARTED,
    "in_ivr": Kind.CONTACT_IN_IVR,
    "queued": Kind.CONTACT_QUEUED,
    "connected": Kind.CONTACT_CONNECTED,
    "held": Kind.CONTACT_HELD,
    "transferred": Kind.CONTACT_TRANSFERRED,
    "wrapped_up": Kind.CONTACT_WRAPPED_UP,
    "ended": Kind.CONTACT_ENDED,
    "abandoned": Kind.CONTACT_ABANDONED,
    "callback_asked": Kind.CALLBACK_ASKED,
    "outcome": Kind.CONTACT_OUTCOME,
    "surveyed": Kind.CONTACT_SURVEYED,
    "unsubscribed": Kind.CONSENT_REVOKED,
    "subscribed": Kind.CONSENT_GRANTED,
}

#: By what a contact is made -> the channel of offers that a customer unsubscribes from by it.
CONSENT_CHANNELS: dict[ContactChannel, str] = {
    ContactChannel.VOICE: "agent",
    ContactChannel.CHAT: "web",
    ContactChannel.EMAIL: "email",
    ContactChannel.MESSAGING: "app",
}

CHANNELS: dict[str, ContactChannel] = {
    "voice": ContactChannel.VOICE,
    "chat": ContactChannel.CHAT,
    "email": ContactChannel.EMAIL,
    "messaging": ContactChannel.MESSAGING,
}
