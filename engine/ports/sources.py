"""What every adapter of an external event format provides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import msgspec

from engine.errors import BadEvent
from engine.events import LeftOut, Message
from engine.ports.agents import AgentState

#: The header that names the source format of a JSON record on Kafka, and the format of records without it.
SOURCE_HEADER = "source"
DEFAULT_SOURCE = "segment"

#: The source of CloudEvents, which have an address and headers of their own.
CLOUDEVENTS = "cloudevents"


class RecordSource(Protocol):
    """One external event format, as a record on Kafka has it."""

    @property
    def name(self) -> str:
        """As the header of a Kafka record has it."""

    def canonical(
        self,
        value: bytes,
        key: bytes | None,
        received_at: int,
        fallback_id: str,
        headers: Mapping[str, str] = {},
    ) -> tuple[bytes, bytes | None, Sequence[LeftOut]]:
        """Customer and canonical event (MessagePack) of a record on Kafka with `key`, stamped `received_at` (epoch
        ms), and what could not be read of it; no event (None) for one that is passed over, and why. `fallback_id`,
        the same at every reading, replaces a missing id; ``headers`` are the record's, as HTTP would name them.
        Raises `BadEvent`."""


class Source(RecordSource, Protocol):
    """One format that SDKs send. Methods raise `BadEvent`."""

    def message(
        self,
        payload: bytes | msgspec.Raw,
        received_at: int,
        now: int,
        *,
        call: str = "",
        sent_at: object = None,
        fallback_id: str = "",
        trust: int = 0,
        by: str = "",
    ) -> Message:
        """The event in one payload; `received_at` is wall time and `now` engine time (epoch ms), `trust` as of
        `engine.events.Event`, `by` the id of the key, or `engine.access.VISITORS`."""

    def batch(self, payload: bytes) -> tuple[Sequence[msgspec.Raw], object]:
        """The payloads of a batch, and when it was sent, as the sender states it."""

    def write_key(self, payload: bytes) -> str:
        """The write key in a body; empty when there is none."""


class Delivery(msgspec.Struct, frozen=True):
    """A request of a contact centre's vendor: its body, its headers by name in small letters, and its address as
    the vendor has it, "" where the settings do not say."""

    body: bytes
    headers: Mapping[str, str] = {}
    url: str = ""


class Receipt(msgspec.Struct, frozen=True):
    """When and from whom events came in: wall time and engine time (epoch ms), `trust` as of
    `engine.events.Event`, and what an event without id and time is identified by."""

    received_at: int
    now: int
    fallback_id: str = ""
    trust: int = 0


#: What became of one event of a delivery: taken, passed over, or refused; or what an agent is ready for, which is
#: no customer's event.
ContactEvent = Message | LeftOut | BadEvent | AgentState


class ContactSource(RecordSource, Protocol):
    """One format of a contact centre's vendor."""

    def check(self, delivery: Delivery, received_at: int | None = None) -> None:
        """Raises `NotAuthorised` for what is not signed as the vendor signs, where the secret is known, or was
        signed too long before `received_at` (wall time, epoch ms; None: whenever)."""

    def events(self, delivery: Delivery, receipt: Receipt) -> Iterator[ContactEvent]:
        """The events of a delivery, in order. Raises `BadEvent` for a body that cannot be read at all."""

    def by_payload(self, delivery: Delivery, receipt: Receipt) -> Iterator[Sequence[ContactEvent]]:
        """The same, for each payload of the delivery those that it comes to: at least one. Raises `BadEvent`."""


#: By name.
Sources = Mapping[str, RecordSource]
ContactSources = Mapping[str, ContactSource]
