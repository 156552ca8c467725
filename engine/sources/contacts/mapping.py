"""A vendor's format as data: which paths hold what, and which payloads are which kinds of event.

What a mapping reads is bounded by its own length and the payload's. What it does not know is passed over.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from engine.errors import BadEvent
from engine.events import ContactChannel, Kind, LeftOut, Message
from engine.ports.sources import ContactEvent, Delivery, Receipt
from engine.sources.contacts.bodies import listed, read_form, read_json
from engine.sources.contacts.condition import Condition, Pattern, is_like
from engine.sources.contacts.found import Found, Path, Payload
from engine.sources.contacts.message import Facts, message, of_record
from engine.sources.contacts.signature import Signature
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
    channel: ChannelRule = ChannelRule()
    signature: Signature | None = None

    def kind_of(self, payload: Payload) -> Kind | None:
        """The kind of `payload`, None when it is none of those that count."""
        return next((rule.kind for rule in self.kinds if all(one.holds(payload) for one in rule.when)), None)


class MappedSource:
    """`engine.ports.sources.ContactSource` of a mapping, within `limits`; with `secrets` it checks signatures."""

    def __init__(self, mapping: Mapping, limits: Limits = LIMITS, secrets: Sequence[bytes] = ()) -> None:
        self._mapping = mapping
        self._limits = limits
        self._secrets = secrets

    @property
    def name(self) -> str:
        """As the address and the header of a Kafka record have it."""
        return self._mapping.source

    def check(self, delivery: Delivery) -> None:
        """Raises `NotAuthorised` for a missing or a wrong signature."""
        if self._secrets and self._mapping.signature is not None:
            self._mapping.signature.check(delivery, self._secrets)

    def events(self, delivery: Delivery, receipt: Receipt) -> Iterator[ContactEvent]:
        """Each event of a delivery. Raises `BadEvent`."""
        whole = read_form(delivery.body) if self._mapping.form else read_json(delivery.body)
        if self._mapping.each:
            whole = Payload(whole).at(self._mapping.each)
        for number, item in enumerate(listed(whole, self._limits.batch_events)):
            fallback = f"{receipt.fallback_id}-{number}" if number else receipt.fallback_id
            try:
                yield self._event(item, msgspec.structs.replace(receipt, fallback_id=fallback))
            except BadEvent as fault:
                yield fault

    def canonical(
        self, value: bytes, key: bytes | None, received_at: int, fallback_id: str
    ) -> tuple[bytes, bytes | None, Sequence[LeftOut]]:
        """As of `engine.ports.sources.RecordSource`; the key says nothing."""
        return of_record(self.events, value, received_at, fallback_id)

    def _event(self, item: object, receipt: Receipt) -> Message | LeftOut:
        if not isinstance(item, dict):
            raise BadEvent("malformed", "an object is needed")
        mapping, payload = self._mapping, Payload(item, self._mapping.inside)
        kind = mapping.kind_of(payload)
        if kind is None:
            return LeftOut("unknown_type", self._looked_at(payload), "none of the kinds that are mapped")
        return message(_facts(mapping, kind, payload), receipt, self._limits)

    def _looked_at(self, payload: Payload) -> str:
        """The first path of the conditions at which something stands."""
        paths = tuple(one.path for rule in self._mapping.kinds for one in rule.when)
        return payload.find(paths).field


def _facts(mapping: Mapping, kind: Kind, payload: Payload) -> Facts:
    def find(paths: Paths) -> Found:
        return payload.find(paths)

    return Facts(
        source=mapping.source,
        kind=kind,
        contact=find(mapping.contact),
        customer=find(mapping.customer),
        id=find(mapping.id),
        time=find(mapping.time),
        channel=mapping.channel.of(payload),
        queue=find(mapping.queue),
        agent=find(mapping.agent),
        reason=find(mapping.reason),
        score=find(mapping.score),
        prefix=mapping.prefix,
    )
