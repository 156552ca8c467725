"""Cues as server-sent events: as they are, and as a website may see them."""

from __future__ import annotations

from functools import cached_property

import msgspec

from engine.customer_id import CustomerId
from engine.events import Cue
from engine.ports.cue_store import CueEntry


class WebCue(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """What a website is shown of a `Cue`: its text for the web, and no reasons."""

    customer: CustomerId
    indicator: str
    offer_id: str
    kind: str
    channels: tuple[str, ...]
    say: str
    at: int
    expires_at: int
    received_at: int
    decision_id: str
    revision: str


class CueFrame:
    """A cue, encoded once in each form for all clients."""

    def __init__(self, entry: CueEntry) -> None:
        self.entry = entry

    @cached_property
    def full(self) -> bytes:
        """All of it."""
        return _event(self.entry.id, self.entry.cue)

    @cached_property
    def web(self) -> bytes:
        """What a website may see."""
        return _event(self.entry.id, _for_web(self.entry.cue))


_encode = msgspec.json.Encoder().encode


def _event(name: str, cue: Cue | WebCue) -> bytes:
    return b"id: %b\nevent: cue\ndata: %b\n\n" % (name.encode(), _encode(cue))


def _for_web(cue: Cue) -> WebCue:
    say = cue.say if cue.say_web is None else cue.say_web
    return WebCue(
        cue.customer, cue.indicator, cue.offer_id, cue.kind, cue.channels, say, cue.at, cue.expires_at,
        cue.received_at, cue.decision_id, cue.revision,
    )  # fmt: skip
