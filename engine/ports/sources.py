"""What every adapter of an external event format provides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from engine.events import LeftOut, Message

#: The header that names the source format of a JSON record on Kafka, and the format of records without it.
SOURCE_HEADER = "source"
DEFAULT_SOURCE = "segment"


class Source(Protocol):
    """One external event format. Methods raise `BadEvent`."""

    @property
    def name(self) -> str:
        """As the header of a Kafka record has it."""

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
    ) -> Message:
        """The event in one payload; `received_at` is wall time and `now` engine time (epoch ms), `trust` as of
        `engine.events.Event`."""

    def batch(self, payload: bytes) -> tuple[Sequence[msgspec.Raw], object]:
        """The payloads of a batch, and when it was sent, as the sender states it."""

    def write_key(self, payload: bytes) -> str:
        """The write key in a body; empty when there is none."""

    def canonical(
        self, value: bytes, key: bytes | None, received_at: int, fallback_id: str
    ) -> tuple[bytes, bytes, Sequence[LeftOut]]:
        """Customer and canonical event (MessagePack) of a record on Kafka with `key`, stamped `received_at` (epoch
        ms), and what could not be read of it. `fallback_id`, the same at every reading, replaces a missing id."""


#: By name.
Sources = Mapping[str, Source]
