"""A vendor's format as data: which paths hold what, and which payloads are which kinds of event.

What a mapping reads is bounded by its own length and the payload's. What it does not know is passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from engine.events import ContactChannel, Kind, LeftOut, Message
from engine.ports.sources import Delivery, Receipt
from engine.sources.contacts.bodies import read_form, read_json
from engine.sources.contacts.condition import Condition, Pattern, is_like
from engine.sources.contacts.facts import Facts
from engine.sources.contacts.found import NOTHING, Found, Path, Payload
from engine.sources.contacts.message import messages_of
from engine.sources.contacts.signature import MOST_AGE_MS, Signature
from engine.sources.contacts.vendor import VendorSource, unknown
from engine.sources.segment.limits import LIMITS, Limits

Paths = tuple[Path, ...]


class Place(msgspec.Struct, frozen=True):
    """A path, which counts in payloads that meet all of `when`."""

    path: Path
    when: tuple[Condition, ...] = ()


Places = tuple[Place, ...]


class KindRule(msgspec.Struct, frozen=True):
    """A payload that meets all of `when` is an event of `kind` (None: it is passed over), and one of the kind
    `also`; `word` is what the contact came to by it, in place of the payload's own."""

    kind: Kind | None
    when: tuple[Condition, ...]
    word: str = ""
    also: Kind | None = None


class ChannelRule(msgspec.Struct, frozen=True):
    """By which channel a contact is made: that of the first of `paths` at which something like one's patterns
    stands, else `always`."""

    always: ContactChannel = ContactChannel.UNKNOWN
    paths: Paths = ()
    words: tuple[tuple[ContactChannel, tuple[Pattern, ...]], ...] = ()

    def of(self, payload: Payload) -> ContactChannel:
        """The channel of `payload`."""
        for found in payload.all(self.paths):
            for channel, patterns in self.words:
                if is_like(found.value, patterns):
                    return channel
        return self.always


class Mapping(msgspec.Struct, frozen=True, kw_only=True):
    """One mapping file. `each` leads to a list of events within the body, `inside` to where their fields are
    looked for first; of several paths the first counts at which something stands, of `kinds` the first that holds.
    """

    source: str
    kinds: tuple[KindRule, ...]
    contact: Places
    form: bool = False
    each: Path = ()
    inside: Paths = ()
    prefix: str = ""
    customer: Places = ()
    id: Places = ()
    time: Places = ()
    queue: Places = ()
    agent: Places = ()
    reason: Places = ()
    outcome: Places = ()
    score: Places = ()
    email: Places = ()
    phone: Places = ()
    channel: ChannelRule = ChannelRule()
    signature: Signature | None = None

    def rule_of(self, payload: Payload) -> KindRule | None:
        """Which of `kinds` a `payload` is, None when it is none of them."""
        return next((rule for rule in self.kinds if _holds(rule.when, payload)), None)


class MappedSource(VendorSource):
    """The source of a mapping."""

    def __init__(
        self,
        mapping: Mapping,
        limits: Limits = LIMITS,
        secrets: Sequence[bytes] = (),
        signed_within_ms: int = MOST_AGE_MS,
    ) -> None:
        super().__init__(limits, secrets, signed_within_ms)
        self.name, self.signature = mapping.source, mapping.signature
        self._mapping = mapping

    def payloads(self, delivery: Delivery) -> object:
        """The event, or what stands at the path of the list of them."""
        whole = read_form(delivery.body) if self._mapping.form else read_json(delivery.body)
        return Payload(whole).at(self._mapping.each) if self._mapping.each else whole

    def read(self, payload: dict[str, Any], receipt: Receipt) -> Sequence[Message | LeftOut]:
        """The events of the first kind whose conditions hold."""
        found = Payload(payload, self._mapping.inside)
        rule = self._mapping.rule_of(found)
        if rule is None or rule.kind is None:
            return unknown(self._looked_at(found))
        facts = _facts(self._mapping, rule, rule.kind, found)
        return messages_of(facts, rule.also, receipt, self.limits)

    def _looked_at(self, payload: Payload) -> str:
        """The first path of the conditions at which something stands."""
        return payload.find(tuple(one.path for rule in self._mapping.kinds for one in rule.when)).field


def _holds(when: Sequence[Condition], payload: Payload) -> bool:
    return all(one.holds(payload) for one in when)


def _all(places: Places, payload: Payload) -> tuple[Found, ...]:
    """What stands at each of `places` that counts and at which something does."""
    return tuple(payload.all([one.path for one in places if _holds(one.when, payload)]))


def _facts(mapping: Mapping, rule: KindRule, kind: Kind, payload: Payload) -> Facts:
    def find(places: Places) -> Found:
        nothing = Found(None, ".".join(places[0].path)) if places else NOTHING
        return next(iter(_all(places, payload)), nothing)

    return Facts(
        source=mapping.source,
        kind=kind,
        contact=find(mapping.contact),
        contact_else=_all(mapping.contact, payload)[1:],
        customer=find(mapping.customer),
        customer_else=_all(mapping.customer, payload)[1:],
        id=find(mapping.id),
        time=find(mapping.time),
        channel=mapping.channel.of(payload),
        queue=find(mapping.queue),
        agent=find(mapping.agent),
        reason=find(mapping.reason),
        outcome=_outcome(mapping, rule, find),
        score=find(mapping.score),
        emails=_all(mapping.email, payload),
        phones=_all(mapping.phone, payload),
        prefix=mapping.prefix,
    )


def _outcome(mapping: Mapping, rule: KindRule, find: Callable[[Places], Found]) -> Found | None:
    if rule.word:
        return Found(rule.word, "word")
    return find(mapping.outcome) if mapping.outcome else None
