"""What all formats of contact centres' vendors share: signatures, lists of events, and records on Kafka."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from engine.errors import BadEvent
from engine.events import LeftOut, Message
from engine.ports.agents import AgentState
from engine.ports.sources import ContactEvent, Delivery, Receipt
from engine.sources.contacts.bodies import listed, read_json
from engine.sources.contacts.message import of_record
from engine.sources.contacts.signature import MOST_AGE_MS, Signature
from engine.sources.segment.limits import LIMITS, Limits


class VendorSource(ABC):
    """`engine.ports.sources.ContactSource` within `limits`; with `secrets` it checks signatures, which may be
    `signed_within_ms` old (0: as old as they are)."""

    name: str
    signature: Signature | None = None

    def __init__(
        self, limits: Limits = LIMITS, secrets: Sequence[bytes] = (), signed_within_ms: int = MOST_AGE_MS
    ) -> None:
        self.limits = limits
        self._secrets = secrets
        self._signed_within_ms = signed_within_ms

    def check(self, delivery: Delivery, received_at: int | None = None) -> None:
        """Raises `NotAuthorised` for a missing or a wrong signature, or one that is too old."""
        if self._secrets and self.signature is not None:
            self.signature.check(delivery, self._secrets, received_at, self._signed_within_ms)

    def events(self, delivery: Delivery, receipt: Receipt) -> Iterator[ContactEvent]:
        """Each event of a delivery. Raises `BadEvent`."""
        for found in self.by_payload(delivery, receipt):
            yield from found

    def by_payload(self, delivery: Delivery, receipt: Receipt) -> Iterator[Sequence[ContactEvent]]:
        """What each payload of a delivery comes to, the reason why it is nothing among it. Raises `BadEvent`."""
        for number, payload in enumerate(listed(self.payloads(delivery), self.limits.batch_events)):
            fallback = f"{receipt.fallback_id}-{number}" if number else receipt.fallback_id
            try:
                if not isinstance(payload, dict):
                    raise BadEvent("malformed", "an object is needed")
                yield self.read(payload, msgspec.structs.replace(receipt, fallback_id=fallback))
            except BadEvent as fault:
                yield [fault]

    def canonical(
        self,
        value: bytes,
        key: bytes | None,
        received_at: int,
        fallback_id: str,
        headers: Mapping[str, str] = {},
    ) -> tuple[bytes, bytes | None, Sequence[LeftOut]]:
        """As of `engine.ports.sources.RecordSource`; the key says nothing."""
        return of_record(self.by_payload, Delivery(value, headers), received_at, fallback_id)

    def payloads(self, delivery: Delivery) -> object:
        """The event in a delivery, or a list of them. Raises `BadEvent`."""
        return read_json(delivery.body)

    @abstractmethod
    def read(self, payload: dict[str, Any], receipt: Receipt) -> Sequence[Message | LeftOut | AgentState]:
        """The event in one payload, once for each whose it is, or why it is passed over. Raises `BadEvent`."""


class CodedSource(VendorSource):
    """One whose format is code, and whose name is the class's."""


def unknown(field: str) -> list[LeftOut]:
    """An event of a kind that does not count; `field` says so."""
    return [LeftOut("unknown_type", field, "none of the kinds that count")]
