"""A vendor's format as data: which paths hold what, and which payloads are which kinds of event.

What a mapping reads is bounded by its own length and the payload's. What it does not know is passed over.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from engine.events import ContactChannel, Kind, LeftOut, Message
from engine.ports.sources import Delivery, Receipt
from engine.sources.contacts.bodies import read_form, read_json
from engine.sources.contacts.condition import Condition, Pattern, is_like
from engine.sources.contacts.found import Found, Path, Payload
from engine.sources.contacts.message import Facts, message
from engine.sources.contacts.signature import Signature
from engine.sources.contacts.vendor import VendorSource, unknown
from engine.sources.segment.limits import LIMITS, Limits

Paths = tuple[Path, ...]


class KindRule(msgspec.Struct, frozen=True):
    """A payload that meets all of `when` is an event of `kind`."""

    kind: Kind
    when: tuple[Condition, ...]


class ChannelRule(msgspec.Struct, frozen=True):
    """By which channel a contact is made: `always`, unless what stands at `paths` is like the patterns of one."""

    always: ContactChannel = ContactChannel.UNKNOWN
    paths: Paths = ()
    words: tuple[tuple[ContactChannel, tuple[Pattern, ...]], ...] = ()

    def of(self, payload: Payload) -> ContactChannel:
        """The channel of `payload`."""
        if self.paths:
            value = payload.find(self.paths).value
            for channel, patterns in self.words:
                if is_like(value, patterns):
                    return channel
        return self.always


class Mapping(msgspec.Struct, frozen=True, kw_only=True):
    """One mapping file. `each` leads to a list of events within the body, `inside` to where their fields are
    looked for first; of several paths the first counts at which something stands, of `kinds` the first that holds.
    """

    source: str
    kinds: tuple[KindRule, ...]
    contact: Paths
    form: bool = False
    each: Path = ()
    inside: Paths = ()
    prefix: str = ""
    customer: Paths = ()
    id: Paths = ()
    time: Paths = ()
    queue: Paths = ()
    agent: Paths = ()
    reason: Paths = ()
    score: Paths = ()
    email: Paths = ()
    phone: Paths = ()
    channel: ChannelRule = ChannelRule()
    signature: Signature | None = None

    def kind_of(self, payload: Payload) -> Kind | None:
        """The kind of `payload`, None when it is none of those that count."""
        return next((rule.kind for rule in self.kinds if all(one.holds(payload) for one in rule.when)), None)


class MappedSource(VendorSource):
    """The source of a mapping."""

    def __init__(self, mapping: Mapping, limits: Limits = LIMITS, secrets: Sequence[bytes] = ()) -> None:
        super().__init__(limits, secrets)
        self.name, self.signature = mapping.source, mapping.signature
        self._mapping = mapping

    def payloads(self, delivery: Delivery) -> object:
        """The event, or what stands at the path of the list of them."""
        whole = read_form(delivery.body) if self._mapping.form else read_json(delivery.body)
        return Payload(whole).at(self._mapping.each) if self._mapping.each else whole

    def event(self, payload: dict[str, Any], receipt: Receipt) -> Message | LeftOut:
        """The event of the first kind whose conditions hold."""
        found = Payload(payload, self._mapping.inside)
        kind = self._mapping.kind_of(found)
        if kind is None:
            return unknown(self._looked_at(found))
        return message(_facts(self._mapping, kind, found), receipt, self.limits)

    def _looked_at(self, payload: Payload) -> str:
        """The first path of the conditions at which something stands."""
        return payload.find(tuple(one.path for rule in self._mapping.kinds for one in rule.when)).field


def _facts(mapping: Mapping, kind: Kind, payload: Payload) -> Facts:
    def find(paths: Paths) -> Found:
        return payload.find(paths)

    return Facts(
        source=mapping.source,
        kind=kind,
        contact=find(mapping.contact),
        customer=find(mapping.customer),
        customer_else=tuple(payload.all(mapping.customer))[1:],
        id=find(mapping.id),
        time=find(mapping.time),
        channel=mapping.channel.of(payload),
        queue=find(mapping.queue),
        agent=find(mapping.agent),
        reason=find(mapping.reason),
        score=find(mapping.score),
        email=find(mapping.email),
        phone=find(mapping.phone),
        prefix=mapping.prefix,
    )
