"""What is accepted of Segment's payloads."""

from __future__ import annotations

import msgspec

from engine.events import EARLIEST_MS, LATEST_MS, MAX_EVENT_BYTES
from engine.identity.identification import Identification
from engine.placeholder_ids import WORDS


class Limits(msgspec.Struct, frozen=True):
    """Bytes of an event, events of a batch, event times (epoch ms), the texts that are no ids, and what makes
    names of the others, where links are made of them (None: they are not read)."""

    event_bytes: int = MAX_EVENT_BYTES
    batch_events: int = 2_500
    earliest_ms: int = EARLIEST_MS
    latest_ms: int = LATEST_MS
    placeholders: frozenset[str] = WORDS
    identification: Identification | None = None


LIMITS = Limits()
