"""Cue stream entries: their ids, their order and their content."""

from __future__ import annotations

import logging
from typing import NamedTuple

import msgspec

from engine.events import Cue
from engine.ports.cue_store import CueEntry, StreamMoved
from engine.validation_errors import UNREADABLE

log = logging.getLogger(__name__)

MOVED = b"> "  # before the name of who moved, in place of a cue

_decode = msgspec.json.Decoder(Cue).decode


class StreamPosition(NamedTuple):
    """A place among the cues of all partitions, in the order in which they were written.

    ``ms`` and ``seq`` are the stream id. Within one millisecond the order across partitions is unknown.
    """

    ms: int
    seq: int
    partition: int

    @property
    def stream_id(self) -> str:
        return f"{self.ms}-{self.seq}"

    @property
    def public(self) -> str:
        """The id of a `CueEntry`."""
        return f"{self.partition}-{self.ms}-{self.seq}"

    def before(self, partition: int) -> StreamPosition:
        """Where to resume in `partition` after this entry and all older ones.

        Entries of the same millisecond in another partition are delivered again: at least once.
        """
        return self if partition == self.partition else StreamPosition(self.ms - 1, (1 << 64) - 1, partition)


def stream_position(partition: int, stream_id: str) -> StreamPosition:
    """The position of a stream's own id (``<ms>-<seq>``)."""
    ms, _, seq = stream_id.partition("-")
    return StreamPosition(int(ms), int(seq), partition)


def parse(public: str) -> StreamPosition | None:
    """The position of a public id; None when it is not one of ours."""
    parts = public.split("-")
    if len(parts) != 3 or not all(part.isascii() and part.isdecimal() and len(part) < 20 for part in parts):
        return None
    partition, ms, seq = map(int, parts)
    return StreamPosition(ms, seq, partition) if ms > 0 else None


def notice(at: StreamPosition, payload: bytes) -> CueEntry | StreamMoved | None:
    """What stands in a stream; None as of `entry`."""
    if payload.startswith(MOVED):
        return StreamMoved(at.public, payload.removeprefix(MOVED).decode(errors="replace"))
    return entry(at, payload)


def entry(at: StreamPosition, payload: bytes) -> CueEntry | None:
    """The stored cue; None when it is not one of ours (then with a warning in the log), or says who moved."""
    if payload.startswith(MOVED):
        return None
    try:
        return CueEntry(at.public, _decode(payload))
    except UNREADABLE as error:
        log.warning("cue %s skipped: %s", at.public, error)
        return None
