"""Every external event format that Cueline accepts. A new one is a folder beside `segment` and an entry here."""

from __future__ import annotations

from engine.ports.sources import Sources
from engine.sources.segment.limits import LIMITS, Limits
from engine.sources.segment.payload import SegmentSource


def sources(limits: Limits = LIMITS) -> Sources:
    """All of them by name, within `limits`."""
    return {source.name: source for source in (SegmentSource(limits),)}
