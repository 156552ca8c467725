"""The engine's time."""

from __future__ import annotations

from typing import Protocol

import msgspec


class Clock(Protocol):
    """The engine's time: the wall's, or a replay's that runs faster."""

    def now_ms(self) -> int:
        """Engine time in epoch milliseconds."""


class ClockAnchor(msgspec.Struct, frozen=True):
    """Engine time is ``engine_ms + (wall - wall_ms) * speed`` (all ms; speed 0: frozen)."""

    engine_ms: int
    wall_ms: int
    speed: float
