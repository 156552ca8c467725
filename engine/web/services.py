"""What the HTTP process works with: the ports and objects handed to `engine.web.server.app.build_app`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from engine.decisions.batcher import DecisionBatcher
from engine.events import Message
from engine.ports import Clock, CueStore, DecisionStore, EventLog, Meter, StatsStore
from engine.ports.health import SystemHealth
from engine.rulebook.model import Rulebook


class Source(Protocol):
    """A foreign event format, read: `SegmentSource` is one. Its methods raise `BadEvent`."""

    def message(
        self,
        payload: bytes | msgspec.Raw,
        received_at: int,
        now: int,
        *,
        call: str = "",
        sent_at: object = None,
        fallback_id: str = "",
    ) -> Message:
        """The event in one payload; `received_at` is wall time and `now` engine time (epoch ms)."""

    def batch(self, payload: bytes) -> tuple[Sequence[msgspec.Raw], object]:
        """The payloads of a batch, and when it was sent, as the sender says it."""

    def write_key(self, payload: bytes) -> str:
        """The write key in a body; empty when there is none."""


@dataclass(frozen=True, slots=True)
class Services:
    """Everything the routes use. ``rule_faults`` are those of files that were not taken into use,
    ``metrics`` gives the exposition and its content type, ``ready`` the problems by name (empty: ready),
    ``health`` how the parts of the deployment are, ``notices`` what happened and stays true."""

    source: Source
    log: EventLog
    decisions: DecisionStore
    cues: CueStore
    stats: StatsStore
    meter: Meter
    clock: Clock
    batcher: DecisionBatcher
    rulebook: Callable[[], Rulebook]
    rule_faults: Callable[[], Sequence[str]]
    metrics: Callable[[], tuple[bytes, str]]
    ready: Callable[[], Mapping[str, str]]
    health: Callable[[], SystemHealth] = SystemHealth
    notices: Callable[[], Sequence[str]] = tuple
